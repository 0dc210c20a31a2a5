//! Guest programs: examples and test guests, built for wasm32-wasip2 and gathered in `target/guests`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    process::{self, cargo},
    workspace::Workspace,
};

const TARGET: &str = "wasm32-wasip2";

/// Builds every guest package and leaves exactly their programs in `target/guests`, as `NAME.wasm`.
pub(crate) fn build_all(workspace: &Workspace) -> Result<()> {
    ensure_target(TARGET)?;
    let mut programs = BTreeMap::new();
    for manifest in manifests(workspace)? {
        for program in build(workspace, &manifest)? {
            let name = file_name(&program)?;
            if let Some(other) = programs.insert(name.clone(), program.clone()) {
                bail!(
                    "two guests are called {name}: {} and {}",
                    other.display(),
                    program.display()
                );
            }
        }
    }
    gather(&programs, &workspace.guests_dir())?;
    println!(
        "{} guest programs in {}",
        programs.len(),
        workspace.relative(&workspace.guests_dir())
    );
    Ok(())
}

/// Every guest package: the examples, then the test guests.
pub(crate) fn manifests(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut manifests = workspace.example_manifests()?;
    manifests.extend(workspace.test_guest_manifests()?);
    Ok(manifests)
}

/// Adds the target to the toolchain when it is not there.
pub(crate) fn ensure_target(target: &str) -> Result<()> {
    let sysroot = process::capture(Command::new("rustc").args(["--print", "sysroot"]))?;
    if Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(target)
        .join("lib")
        .is_dir()
    {
        return Ok(());
    }
    process::run(Command::new("rustup").args(["target", "add", target])).with_context(|| {
        format!("the Rust target {target} is missing: connect to the network and type `rustup target add {target}`")
    })
}

/// Builds one package and returns its programs, as cargo names them.
fn build(workspace: &Workspace, manifest: &Path) -> Result<Vec<PathBuf>> {
    println!("building {}", workspace.relative(manifest));
    let mut command = cargo(
        workspace,
        &["build", "--release", "--target", TARGET, "--manifest-path"],
    );
    command
        .arg(manifest)
        .arg("--target-dir")
        .arg(workspace.root.join("target/guests-build"));
    command.arg("--message-format=json-render-diagnostics");
    if process::env("CI").is_some() {
        command.arg("--locked");
    }
    let programs = programs_in(&process::capture(&mut command)?)?;
    if programs.is_empty() {
        bail!("{} builds no .wasm file", workspace.relative(manifest));
    }
    Ok(programs)
}

/// The `.wasm` files that cargo's messages (one JSON document a line) name as built.
fn programs_in(messages: &str) -> Result<Vec<PathBuf>> {
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's message is not JSON")?;
        let field = |name: &str| message.get(name);
        if field("reason").and_then(Value::as_str) != Some("compiler-artifact") {
            continue;
        }
        let files = field("filenames")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let files = files.filter_map(|file| file.as_str().map(PathBuf::from));
        programs.extend(files.filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        }));
    }
    Ok(programs)
}

/// Makes `folder` hold the programs and nothing else. Each arrives by rename, so that no reader sees half of one.
fn gather(programs: &BTreeMap<String, PathBuf>, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    for (name, program) in programs {
        let temporary = folder.join(format!("{name}.new"));
        fs::copy(program, &temporary).with_context(|| format!("{}", temporary.display()))?;
        fs::rename(&temporary, folder.join(name))
            .with_context(|| format!("{}", temporary.display()))?;
    }
    let wanted: BTreeSet<&String> = programs.keys().collect();
    for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if !wanted.contains(&file_name(&path)?) {
            fs::remove_file(&path).with_context(|| format!("{}", path.display()))?;
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> Result<String> {
    let name = path
        .file_name()
        .with_context(|| format!("{} has no name", path.display()))?;
    Ok(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","filenames":["/t/libdep.rlib"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","filenames":["/t/hello.wasm"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        );
        assert_eq!(
            programs_in(messages).unwrap(),
            [PathBuf::from("/t/hello.wasm")]
        );
        assert!(programs_in("not json").is_err());
    }
}
