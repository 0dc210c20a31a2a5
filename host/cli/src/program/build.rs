//! Building a folder with cargo for wasm32-wasip2.

use super::{Cancel, Talk};
use crate::failure::Failure;
use mutual_protocol::codes;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-wasip2";

/// Builds the package in `folder` in release mode and gives the path of its one program.
pub(super) fn build(
    folder: &Path,
    talk: Talk,
    cancel: Option<&Cancel>,
) -> Result<PathBuf, Failure> {
    if !folder.join("Cargo.toml").is_file() {
        return Err(Failure::new(codes::BUILD_NO_PACKAGE)
            .because(format!("{} has no Cargo.toml", folder.display())));
    }
    let mut cargo = Command::new("cargo");
    // The folder's own rust-toolchain.toml decides, as if cargo had been typed there.
    cargo
        .current_dir(folder)
        .args(["build", "--release", "--target", TARGET]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    // A cargo that runs this program would pass its own toolchain and flags on.
    for inherited in [
        "RUSTUP_TOOLCHAIN",
        "CARGO",
        "CARGO_TARGET_DIR",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
    ] {
        cargo.env_remove(inherited);
    }
    if talk == Talk::Quiet {
        cargo.arg("--quiet");
    }
    // stderr is inherited: cargo draws its own progress and prints its own errors.
    cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let output = match cancel {
        Some(cancel) => cancel.output(&mut cargo),
        None => cargo.output(),
    };
    let output = output.map_err(|e| match e.kind() {
        ErrorKind::NotFound => {
            Failure::new(codes::BUILD_NO_CARGO).because("`cargo` is not on PATH")
        }
        _ => Failure::new(codes::BUILD_FAILED).caused_by(&e),
    })?;
    if output.status.success() {
        return programs(&output.stdout, folder);
    }
    if !has_target(folder) {
        return Err(Failure::new(codes::BUILD_NO_TARGET)
            .because(format!("{TARGET} is missing in this toolchain")));
    }
    Err(Failure::new(codes::BUILD_FAILED).because(format!("cargo ended with {}", output.status)))
}

/// Whether the toolchain that `folder` uses has the target's standard library.
fn has_target(folder: &Path) -> bool {
    let mut rustc = Command::new("rustc");
    rustc
        .current_dir(folder)
        .env_remove("RUSTUP_TOOLCHAIN")
        .args(["--print", "target-libdir", "--target", TARGET]);
    let printed = rustc.stdin(Stdio::null()).stderr(Stdio::null()).output();
    printed.is_ok_and(|out| Path::new(String::from_utf8_lossy(&out.stdout).trim()).is_dir())
}

/// Reads cargo's messages for the executables that were built.
fn programs(messages: &[u8], folder: &Path) -> Result<PathBuf, Failure> {
    let lines = messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let mut found: Vec<PathBuf> = lines
        .filter(|message| {
            message
                .get("reason")
                .is_some_and(|reason| reason == "compiler-artifact")
        })
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .collect();
    match (found.pop(), found.len()) {
        (Some(program), 0) => Ok(program),
        (None, _) => Err(Failure::new(codes::BUILD_NO_PACKAGE).because(format!(
            "{} builds no program; is there a src/main.rs?",
            folder.display()
        ))),
        (Some(program), _) => {
            found.push(program);
            let names: Vec<_> = found
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            Err(Failure::new(codes::BUILD_NO_PACKAGE)
                .because(format!("{} builds several programs", folder.display()))
                .next(format!("run one of them: mc run {}", names.join(" | "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_executable_is_found_among_cargos_messages() {
        let messages = br#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","executable":"/t/a.wasm"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            programs(messages, Path::new("p")).unwrap(),
            Path::new("/t/a.wasm")
        );
        assert_eq!(
            programs(b"", Path::new("p")).unwrap_err().code(),
            "mc::build::no-package"
        );
        let two = [messages.as_slice(), b"\n", messages].concat();
        assert!(
            programs(&two, Path::new("p"))
                .unwrap_err()
                .human()
                .contains("several programs")
        );
    }
}
