//! Public API of the runner against children that do what they should not.
