//! Composition: the event loop that drives lease, store and runner.
