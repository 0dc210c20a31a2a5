//! Benchmarks against named peers and limits.
