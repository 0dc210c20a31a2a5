//! The library as guests see it: built by cargo, from a package outside this workspace.

mod cargo;
mod compile_errors;
mod template;
