//! Where things lie in the repository: its root, its crates, its guest packages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The repository's root folder.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
}

impl Workspace {
    /// Looks upwards from the working directory.
    pub(crate) fn find() -> Result<Self> {
        let start = std::env::current_dir().context("the working directory cannot be read")?;
        start
            .ancestors()
            .find(|folder| is_root(folder))
            .map(|root| Self {
                root: root.to_path_buf(),
            })
            .context(
                "no Cargo.toml with a [workspace] here or above: run this inside the repository",
            )
    }

    /// Where built guest programs lie, flat, one `NAME.wasm` each.
    pub(crate) fn guests_dir(&self) -> PathBuf {
        self.root.join("target/guests")
    }

    /// Manifests of the workspace's own crates, as the root manifest lists them.
    pub(crate) fn member_manifests(&self) -> Result<Vec<PathBuf>> {
        let manifest = read_toml(&self.root.join("Cargo.toml"))?;
        let members = manifest
            .get("workspace")
            .and_then(|workspace| workspace.get("members"))
            .and_then(toml::Value::as_array)
            .context("Cargo.toml names no workspace members")?;
        let mut found = Vec::new();
        for member in members.iter().filter_map(toml::Value::as_str) {
            match member.strip_suffix("/*") {
                Some(parent) => found.extend(manifests_below(&self.root.join(parent))?),
                None => found.push(self.root.join(member).join("Cargo.toml")),
            }
        }
        found.sort();
        Ok(found)
    }

    /// Manifests of the example programs: packages of their own, outside the workspace.
    pub(crate) fn example_manifests(&self) -> Result<Vec<PathBuf>> {
        manifests_below(&self.root.join("examples"))
    }

    /// Manifests of the programs that exist for tests alone: one package, or one for each folder.
    pub(crate) fn test_guest_manifests(&self) -> Result<Vec<PathBuf>> {
        let folder = self.root.join("host/testkit/guests");
        let shared = folder.join("Cargo.toml");
        if shared.is_file() {
            Ok(vec![shared])
        } else {
            manifests_below(&folder)
        }
    }

    /// `path` as the repository names it: relative to the root, with forward slashes.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .to_string_lossy()
            .replace('\\', "/")
    }
}

/// Reads and parses a TOML file.
pub(crate) fn read_toml(path: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    text.parse().with_context(|| format!("{}", path.display()))
}

fn is_root(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
}

/// `FOLDER/*/Cargo.toml`, sorted; none when the folder does not exist.
fn manifests_below(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let manifest = entry
            .with_context(|| format!("{}", folder.display()))?
            .path()
            .join("Cargo.toml");
        if manifest.is_file() {
            found.push(manifest);
        }
    }
    found.sort();
    Ok(found)
}
