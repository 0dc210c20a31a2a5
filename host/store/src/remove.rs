//! Removes a folder that a guest has filled: any depth, no recursion, two open files.
