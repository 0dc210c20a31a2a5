//! Programs that nobody here wrote, compared with their native builds; and examples, compared with wasmtime alone.
//!
//! `cargo xtask test --ring programs` builds the programs, names their folder in `MC_PROGRAMS`, and runs this.

#![cfg(test)]

mod examples;
#[path = "../it/harness.rs"]
#[expect(
    dead_code,
    reason = "shared with the other test binary, which uses all of it"
)]
mod harness;
mod p1;
mod ripgrep;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A program of the folder that `cargo xtask programs` fills.
#[expect(
    clippy::disallowed_methods,
    reason = "the test's edge: xtask says where the programs are"
)]
fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("MC_PROGRAMS");
    let folder = folder.expect("MC_PROGRAMS is not set: run `cargo xtask test --ring programs`");
    PathBuf::from(folder).join(name)
}

/// How a program that was run ended, and what it printed.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Seen {
    fn of(command: &mut Command) -> Self {
        Self::from(command.stdin(Stdio::null()).output().unwrap())
    }
}

impl From<Output> for Seen {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
