//! The programs ring: what others wrote, built once for each version and set of flags, then compared with native runs.
//!
//! The tests (`host/cli/tests/programs`) find them by `MC_PROGRAMS`: a folder with `rg.wasm`,
//! `rg-p1.wasm`, `p1.wasm`, and natively `rg` and `wasmtime`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{
    guests,
    process::{self, cargo},
    report::Outcome,
    workspace::Workspace,
};

/// One program of the registry.
struct Foreign {
    /// Name and version.
    package: &'static str,
    /// Features and the like.
    flags: &'static [&'static str],
    /// None is this machine.
    target: Option<&'static str>,
    /// Its file as cargo installs it.
    file: &'static str,
    /// Its file as the tests find it.
    name: &'static str,
}

const FOREIGN: &[Foreign] = &[
    Foreign {
        package: "ripgrep@15.2.0",
        flags: &[],
        target: Some("wasm32-wasip2"),
        file: "rg.wasm",
        name: "rg.wasm",
    },
    // Rust's standard library reports every failure of a wasip2 program as exit code 1; a wasip1 program keeps its code.
    Foreign {
        package: "ripgrep@15.2.0",
        flags: &[],
        target: Some("wasm32-wasip1"),
        file: "rg.wasm",
        name: "rg-p1.wasm",
    },
    Foreign {
        package: "ripgrep@15.2.0",
        flags: &[],
        target: None,
        file: "rg",
        name: "rg",
    },
    // The release that `engine` links: it says what a guest does without `mc` around it, and is the peer in `bench`.
    Foreign {
        package: "wasmtime-cli@48.0.8",
        flags: &[
            "--no-default-features",
            "--features=run,compile,cranelift,component-model,cache,parallel-compilation,pooling-allocator",
        ],
        target: None,
        file: "wasmtime",
        name: "wasmtime",
    },
];

/// Flags of the C program; clang finds wasi-libc's headers and libraries where Debian puts them.
const CLANG_FLAGS: &[&str] = &["--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror"];

const CLANG_LACKING: &str = "no C program: clang with wasi-libc is missing (Debian: apt-get install clang lld wasi-libc libclang-rt-dev-wasm32)";

/// Builds the programs and runs the tests that use them. Without a C toolchain the tests of the C program are left out.
pub(crate) fn ring(workspace: &Workspace) -> Result<Outcome> {
    let folder = folder(workspace);
    install_all(workspace, &folder)?;
    if !has_c_toolchain() {
        run_tests(workspace, &folder, &["--skip", "p1::"])?;
        return Ok(Outcome::Skipped(CLANG_LACKING.into()));
    }
    compile_p1(workspace, &folder)?;
    run_tests(workspace, &folder, &[])?;
    Ok(Outcome::Passed)
}

/// What the benchmarks compare with; returns the folder for `MC_PROGRAMS`.
pub(crate) fn peers(workspace: &Workspace) -> Result<PathBuf> {
    let folder = folder(workspace);
    install_all(workspace, &folder)?;
    Ok(folder)
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("target/programs/bin")
}

fn run_tests(workspace: &Workspace, folder: &Path, filter: &[&str]) -> Result<()> {
    let mut command = cargo(
        workspace,
        &[
            "test",
            "--package",
            "mutual-cli",
            "--test",
            "programs",
            "--",
        ],
    );
    process::run(command.args(filter).env("MC_PROGRAMS", folder))
}

/// Brings the programs of `cargo install` up to date, and copies them into `folder`.
///
/// cargo itself is the cache: what is installed in this version, with these features, is left alone.
/// The folder that it installs into is named after compiler and target, which cargo does not compare.
fn install_all(workspace: &Workspace, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let cache = workspace.root.join("target/programs");
    let installed = cache.join(compiler_version()?);
    for foreign in FOREIGN {
        let root = installed.join(foreign.target.unwrap_or("native"));
        let mut command = cargo(workspace, &["install", "--quiet", "--locked"]);
        command.arg(foreign.package).args(foreign.flags);
        command.arg("--root").arg(&root);
        command.arg("--target-dir").arg(cache.join("build"));
        if let Some(target) = foreign.target {
            guests::ensure_target(target)?;
            command.args(["--target", target]);
        }
        // ripgrep's release profile keeps debug information: six times the size, and nothing here reads it.
        process::run(command.env("CARGO_PROFILE_RELEASE_DEBUG", "false"))?;
        let built = root.join("bin").join(foreign.file);
        let copy = folder.join(foreign.name);
        fs::copy(&built, copy).with_context(|| format!("{}", built.display()))?;
    }
    Ok(())
}

/// `rustc-1.95.0`.
fn compiler_version() -> Result<String> {
    let line = process::capture(Command::new("rustc").arg("--version"))?;
    let version = line
        .split_whitespace()
        .nth(1)
        .context("rustc does not say its version")?;
    Ok(format!("rustc-{version}"))
}

/// Compiles and links an empty program: this alone shows that compiler, linker, headers and libraries are all there.
fn has_c_toolchain() -> bool {
    let mut command = Command::new("clang");
    command
        .args(CLANG_FLAGS)
        .args(["-x", "c", "-include", "stdio.h", "-o", "/dev/null", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    let written = child
        .stdin
        .take()
        .map(|mut stdin| std::io::Write::write_all(&mut stdin, b"int main(void) { return 0; }\n"));
    let status = child.wait();
    written.is_some_and(|result| result.is_ok()) && status.is_ok_and(|status| status.success())
}

fn compile_p1(workspace: &Workspace, folder: &Path) -> Result<()> {
    let source = workspace.root.join("host/testkit/programs/p1.c");
    let mut command = Command::new("clang");
    command
        .args(CLANG_FLAGS)
        .arg("-o")
        .arg(folder.join("p1.wasm"))
        .arg(source);
    process::run(&mut command)
}
