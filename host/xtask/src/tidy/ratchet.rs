//! How long a file may be: a hard limit for all, and a list of the long ones in which numbers only fall.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::rules::{Finding, Source, code_lines};

/// Where the list lies.
pub(super) const PATH: &str = ".config/tidy.toml";

/// No file is longer, listed or not.
const CODE_LINES_MAX: usize = 800;

/// Above this a file is in the list, or split.
const CODE_LINES_SOFT: usize = 400;

/// So far a file may shrink before its entry has to follow; below that every deletion would touch the list.
const SLACK: usize = 20;

/// Long files and the length each may have at most.
#[derive(Debug, Default)]
pub(super) struct Ratchet {
    long_files: BTreeMap<String, usize>,
}

impl Ratchet {
    /// Reads the table `long-files`.
    pub(super) fn parse(file: &toml::Table) -> Result<Self> {
        let table = file.get("long-files").and_then(toml::Value::as_table);
        let table = table.with_context(|| format!("{PATH} has no table [long-files]"))?;
        let mut long_files = BTreeMap::new();
        for (path, lines) in table {
            let lines = lines
                .as_integer()
                .and_then(|lines| usize::try_from(lines).ok());
            let lines =
                lines.with_context(|| format!("{PATH}: the length of {path} is not a number"))?;
            long_files.insert(path.clone(), lines);
        }
        Ok(Self { long_files })
    }

    /// Findings of all Rust files together, and of entries that no file needs.
    pub(super) fn check(&self, sources: &[Source<'_>]) -> Vec<Finding> {
        let rust = || sources.iter().filter(|source| source.is_rust());
        let mut findings: Vec<Finding> = rust()
            .filter_map(|source| self.check_file(source))
            .collect();
        for path in self.long_files.keys() {
            if rust().all(|source| source.path != path) {
                findings.push(Finding::new(
                    PATH,
                    1,
                    &format!("{path} does not exist: remove its entry"),
                ));
            }
        }
        findings
    }

    fn check_file(&self, source: &Source<'_>) -> Option<Finding> {
        let lines = code_lines(source.text);
        let message = match self.long_files.get(source.path) {
            _ if lines > CODE_LINES_MAX => {
                format!("{lines} code lines, more than {CODE_LINES_MAX}: split it")
            }
            None if lines > CODE_LINES_SOFT => {
                format!(
                    "{lines} code lines, more than {CODE_LINES_SOFT}: split it, or list it in {PATH} with a reason"
                )
            }
            Some(listed) if lines > *listed => {
                format!("grew to {lines} code lines, {PATH} allows {listed}: split it")
            }
            Some(_) if lines <= CODE_LINES_SOFT => {
                format!("has shrunk to {lines} code lines: remove it from {PATH}")
            }
            Some(listed) if lines + SLACK <= *listed => {
                format!("has shrunk to {lines} code lines: say so in {PATH}")
            }
            _ => return None,
        };
        Some(Finding::new(source.path, 1, &message))
    }
}
