//! Compiled code from the parent's sealed memory into this process.

use mutual_protocol::spec::ProgramKind;
use mutual_runner::SealedFile;
use std::os::fd::AsRawFd;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// A program that can be linked and run.
pub(crate) enum Program {
    Module(Module),
    Component(Component),
}

/// Maps compiled code.
///
/// # Errors
/// When it was made by another build, or cannot be mapped.
pub(crate) fn load(
    engine: &Engine,
    kind: ProgramKind,
    code: SealedFile,
) -> wasmtime::Result<Program> {
    match kind {
        ProgramKind::Module => {
            #[expect(
                unsafe_code,
                reason = "mapping compiled code is the engine's one door for it"
            )]
            // SAFETY: the code was compiled by this build on this machine: the parent takes it only from its compiler
            // child, or from a file whose MAC it checked on the very bytes that it then sealed. Seals keep everyone,
            // the parent included, from changing them under the mapping.
            let module = unsafe { Module::deserialize_open_file(engine, code.into_file()) };
            module.map(Program::Module)
        }
        ProgramKind::Component => {
            let file = code.into_file();
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            #[expect(
                unsafe_code,
                reason = "mapping compiled code is the engine's one door for it"
            )]
            // SAFETY: as above; the path is the open descriptor itself, and the engine takes components by path alone.
            let component = unsafe { Component::deserialize_file(engine, path) };
            component.map(Program::Component)
        }
        _ => Err(wasmtime::format_err!("a program of an unknown kind")),
    }
}
