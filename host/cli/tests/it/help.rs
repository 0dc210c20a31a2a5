//! Help is true: every example in it parses, every command is in it.
