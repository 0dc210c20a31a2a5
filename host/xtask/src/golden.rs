//! `cargo xtask golden`: writes golden files, vectors and snapshots anew. What changed is then for review to judge.

use anyhow::Result;

use crate::{
    guests,
    process::{self, cargo},
    workspace::Workspace,
};

/// Runs the tests in the mode in which they write what they would otherwise compare; `args` go to `cargo test`.
pub(crate) fn run(workspace: &Workspace, args: &[&str]) -> Result<()> {
    let mut command = cargo(workspace, &["test", "--no-fail-fast"]);
    if args.is_empty() {
        guests::build_all(workspace)?;
        command.arg("--workspace");
    }
    process::run(
        command
            .args(args)
            .env("MC_BLESS", "1")
            .env("INSTA_UPDATE", "always"),
    )?;
    println!("look at what changed: git diff --stat");
    Ok(())
}
