//! Each example does what its README says, and the same under wasmtime.
