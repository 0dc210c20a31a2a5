//! `cargo xtask tidy`: reads every text file of the repository and applies the rules. Knows no rule itself.

mod links;
mod ratchet;
mod rules;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Workspace};
use ratchet::Ratchet;
pub(crate) use rules::code_lines;
use rules::{Finding, Source};

/// Pages that tests of other crates write and compare; here they only have to exist.
const GENERATED: &[&str] = &["docs/generated/errors.md", "docs/generated/limits.md"];

/// Folders that hold no source: build products and version control.
const SKIPPED: &[&str] = &["target", ".git", ".gl"];

/// Prints each finding and fails when there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = read_files(workspace)?;
    let sources: Vec<Source<'_>> = files
        .iter()
        .map(|(path, text)| Source { path, text })
        .collect();
    let ratchet = Ratchet::parse(&workspace::read_toml(&workspace.root.join(ratchet::PATH))?)?;

    let mut findings: Vec<Finding> = sources.iter().flat_map(rules::check).collect();
    findings.extend(ratchet.check(&sources));
    findings.extend(missing_pages(&sources));
    let exists = |path: &str| workspace.root.join(path).exists();
    findings.extend(
        sources
            .iter()
            .flat_map(|source| links::check(source, exists)),
    );
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!(
            "{} findings in {} files read",
            findings.len(),
            sources.len()
        );
    }
    println!("tidy: {} files read", sources.len());
    Ok(())
}

fn missing_pages(sources: &[Source<'_>]) -> Vec<Finding> {
    let missing = GENERATED
        .iter()
        .filter(|page| sources.iter().all(|source| source.path != **page));
    missing
        .map(|page| {
            Finding::new(
                page,
                1,
                "generated page is missing: run `cargo xtask golden -p mutual-protocol`",
            )
        })
        .collect()
}

/// Path and content of every text file, sorted by path. What is not UTF-8 is no text.
fn read_files(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    let mut folders = vec![workspace.root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() && !is_skipped(&path) {
                folders.push(path);
            } else if kind.is_file()
                && let Some(text) = read_text(&path)?
            {
                files.push((workspace.relative(&path), text));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_skipped(folder: &Path) -> bool {
    folder
        .file_name()
        .is_some_and(|name| SKIPPED.iter().any(|skipped| name == *skipped))
}

fn read_text(path: &Path) -> Result<Option<String>> {
    let bytes = fs::read(path).with_context(|| format!("{}", path.display()))?;
    Ok(String::from_utf8(bytes).ok())
}
