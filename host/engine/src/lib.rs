//! Child side of the sandbox process: wasmtime, compile, limits, host functions.
