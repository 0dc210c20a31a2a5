//! `mc doctor`: one line for each thing that must be in place, and what to do where it is not.

use crate::args::DocumentArgs;
use crate::failure::Failure;
use mutual_terminal::doctor::{self, Finding, State, finding};
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) fn doctor(format: DocumentArgs) -> Result<u8, Failure> {
    let findings = [
        doctor::folders(),
        doctor::runtime(),
        doctor::clock(),
        doctor::identity(),
        doctor::sandbox("mc"),
        cargo(),
        target(),
        doctor::path("mc"),
    ];
    doctor::tell(&findings, format)
}

fn cargo() -> Finding {
    match first_line(Command::new("cargo").arg("--version")) {
        Some(version) => finding("cargo", State::Good, version),
        None => finding(
            "cargo",
            State::Lacking,
            "needed by `mc run FOLDER` and `mc new` only: install Rust from rustup.rs",
        ),
    }
}

fn target() -> Finding {
    let printed = first_line(Command::new("rustc").args([
        "--print",
        "target-libdir",
        "--target",
        "wasm32-wasip2",
    ]));
    match printed {
        Some(folder) if Path::new(&folder).is_dir() => {
            finding("wasm32-wasip2", State::Good, "installed")
        }
        _ => finding(
            "wasm32-wasip2",
            State::Lacking,
            "needed by `mc run FOLDER` only: rustup target add wasm32-wasip2",
        ),
    }
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.lines().next().map(str::to_owned))
        .flatten()
}
