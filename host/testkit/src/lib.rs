//! Fixed keys, builders and guest programs for tests.
