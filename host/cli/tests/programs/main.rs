//! Programs that nobody here wrote.
