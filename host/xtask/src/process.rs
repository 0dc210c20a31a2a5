//! Child processes: shown before they run, their output passed through as it comes.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// `cargo ARGS` in the repository's root.
pub(crate) fn cargo(workspace: &Workspace, args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(args)
        .current_dir(&workspace.root)
        .stdin(Stdio::null());
    command
}

/// Prints the command line, runs it, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    println!("$ {line}");
    let status = command
        .status()
        .with_context(|| format!("`{line}` cannot be started"))?;
    if status.success() {
        return Ok(());
    }
    bail!("`{line}` ended with {status}")
}

/// Runs the command quietly and returns what it prints; stderr is passed through.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let line = show(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{line}` cannot be started"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{line}` printed something that is not text"))
}

/// A variable of the environment; xtask is the one place that reads it.
pub(crate) fn env(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a binary reads its environment here, once for all tasks"
    )]
    std::env::var(name).ok()
}

/// The command line as one would type it, without quoting.
fn show(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned());
    set.chain(words).collect::<Vec<_>>().join(" ")
}
