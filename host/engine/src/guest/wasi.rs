//! The guest's world as the order describes it: nothing is inherited.

use super::stdio::{Stdin, Stdout};
use crate::parent::{Output, Parent};
use mutual_runner::Access;
use mutual_runner::message::Load;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// Arguments, environment, folders and streams. Sockets are refused by default: creating one is access-denied.
pub(super) fn builder(load: &Load, parent: &Parent) -> wasmtime::Result<WasiCtxBuilder> {
    let mut builder = WasiCtxBuilder::new();
    builder
        // Files are read and written on the guest's own thread: it has nothing else to do.
        .allow_blocking_current_thread(true)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .args(&load.arguments)
        .envs(&load.environment)
        .initial_cwd("/")
        .stdin(Stdin::new(parent))
        .stdout(Stdout::new(parent, Output::Stdout))
        .stderr(Stdout::new(parent, Output::Stderr));
    for preopen in &load.preopens {
        let permissions = match preopen.access {
            Access::Read => FsPerms::ReadOnly,
            Access::Write => FsPerms::ReadWrite,
        };
        let host = Path::new(OsStr::from_bytes(&preopen.host));
        builder.preopened_dir(host, &preopen.guest, permissions)?;
    }
    Ok(builder)
}
