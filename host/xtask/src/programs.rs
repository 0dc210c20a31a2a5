//! The programs ring: what others wrote, built once for each version and set of flags, then compared with native runs.
//!
//! The tests (`host/cli/tests/programs`) find them by `MC_PROGRAMS`: a folder with `rg` (native), `rg.wasm` and `p1.wasm`.

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

const RIPGREP: &str = "15.2.0";

/// Flags of the C program; clang finds wasi-libc's headers and libraries where Debian puts them.
const CLANG_FLAGS: &[&str] = &["--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror"];

const CLANG_LACKING: &str = "no C program: clang with wasi-libc is missing (Debian: apt-get install clang lld wasi-libc libclang-rt-dev-wasm32)";

/// Builds the programs and runs the tests that use them. Without a C toolchain the tests of the C program are left out.
pub(crate) fn ring(workspace: &Workspace) -> Result<Outcome> {
    guests::ensure_target("wasm32-wasip2")?;
    let folder = workspace.root.join("target/programs/bin");
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    for (target, file) in [(Some("wasm32-wasip2"), "rg.wasm"), (None, "rg")] {
        let built = install_ripgrep(workspace, target)?.join("bin").join(file);
        fs::copy(&built, folder.join(file)).with_context(|| format!("{}", built.display()))?;
    }
    let with_c = has_c_toolchain();
    if with_c {
        compile_p1(workspace, &folder)?;
    }
    run_tests(
        workspace,
        &folder,
        if with_c { &[] } else { &["--skip", "p1::"] },
    )?;
    Ok(if with_c {
        Outcome::Passed
    } else {
        Outcome::Skipped(CLANG_LACKING.into())
    })
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

/// Returns the folder that holds the installed program. Its name carries version, target and compiler.
fn install_ripgrep(workspace: &Workspace, target: Option<&str>) -> Result<PathBuf> {
    let key = format!(
        "ripgrep-{RIPGREP}-{}-{}",
        target.unwrap_or("native"),
        compiler_version()?
    );
    let root = workspace.root.join("target/programs").join(key);
    // cargo writes this list last, so where it is the program is whole.
    if root.join(".crates.toml").is_file() {
        return Ok(root);
    }
    let mut command = cargo(
        workspace,
        &["install", "ripgrep", "--version", RIPGREP, "--locked"],
    );
    command.arg("--root").arg(&root);
    command
        .arg("--target-dir")
        .arg(workspace.root.join("target/programs/build"));
    if let Some(target) = target {
        command.args(["--target", target]);
    }
    process::run(&mut command)?;
    Ok(root)
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
