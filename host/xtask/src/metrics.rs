//! `cargo xtask metrics`: the figures of each crate's own code, so that drift is seen at each release. Judges nothing.

mod count;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::workspace::{self, Workspace};
use count::{Counts, Function};

/// Functions above this are listed by name.
const FUNCTION_LINES_MAX: usize = 70;

/// Prints one line for each crate and one for all, then the long functions and the error variants without a test.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    println!(
        "Code lines are neither blank nor comment; tests are left out. Percentiles are nearest rank.\n"
    );
    println!(
        "{:<14} {:>5}  {:>16}  {:>5}  {:>18}  {:>4}  {:>11}  {:>6}  {:>8}",
        "crate", "files", "lines/file", "fns", "lines/fn", "> 70", "unwrap/kloc", "pub", "comments"
    );
    println!(
        "{:<14} {:>5}  {:>16}  {:>5}  {:>18}  {:>4}  {:>11}  {:>6}  {:>8}",
        "", "", "med/p95/max", "", "med/p95/p99/max", "", "", "doc'd", "/100"
    );
    let mut all = Counts::default();
    let mut test_text = String::new();
    for manifest in workspace.member_manifests()? {
        let folder = manifest.parent().context("a manifest without a folder")?;
        let counts = count_crate(workspace, folder, &mut test_text)?;
        print_line(&short_name(&manifest)?, &counts);
        all.add(counts);
    }
    print_line("all", &all);
    print_long(&all.functions);
    print_untested(&all.untested_variants(&test_text));
    Ok(())
}

/// Counts the crate's product code; its test code is appended to `test_text`.
fn count_crate(workspace: &Workspace, folder: &Path, test_text: &mut String) -> Result<Counts> {
    let mut counts = Counts::default();
    for path in rust_files(folder)? {
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let name = workspace.relative(&path);
        if name.contains("/tests/") || name.ends_with("/tests.rs") {
            test_text.push_str(&text);
        } else {
            counts.add_file(&name, &text).with_context(|| name)?;
            test_text.push_str(count::test_part(&text));
        }
    }
    Ok(counts)
}

/// Rust files of one package: its folder without build products and without packages below it.
fn rust_files(package: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![package.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() && !path.join("Cargo.toml").is_file() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn short_name(manifest: &Path) -> Result<String> {
    let table = workspace::read_toml(manifest)?;
    let name = table
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str);
    let name = name.with_context(|| format!("{} names no package", manifest.display()))?;
    Ok(name.strip_prefix("mutual-").unwrap_or(name).to_owned())
}

fn print_line(name: &str, counts: &Counts) {
    let files = ranks(&counts.file_lines, &[50, 95, 100]);
    let lines: Vec<usize> = counts
        .functions
        .iter()
        .map(|function| function.lines)
        .collect();
    let functions = ranks(&lines, &[50, 95, 99, 100]);
    let code: usize = counts.file_lines.iter().sum();
    println!(
        "{:<14} {:>5}  {:>16}  {:>5}  {:>18}  {:>4}  {:>11}  {:>6}  {:>8}",
        name,
        counts.file_lines.len(),
        files,
        counts.functions.len(),
        functions,
        lines
            .iter()
            .filter(|lines| **lines > FUNCTION_LINES_MAX)
            .count(),
        per(counts.unwraps, code, 1000),
        percent(counts.documented, counts.public),
        per(counts.comment_lines, code, 100),
    );
}

fn print_long(functions: &[Function]) {
    let mut long: Vec<&Function> = functions
        .iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
        .collect();
    long.sort_by_key(|function| std::cmp::Reverse(function.lines));
    println!(
        "\nfunctions above {FUNCTION_LINES_MAX} code lines: {}",
        long.len()
    );
    for function in long {
        println!(
            "  {:>4}  {} in {}",
            function.lines, function.name, function.file
        );
    }
}

fn print_untested(variants: &[String]) {
    println!("\nerror variants that no test names: {}", variants.len());
    for variant in variants {
        println!("  {variant}");
    }
}

/// Nearest-rank percentiles, joined by slashes; `-` when there is nothing to rank.
fn ranks(values: &[usize], percents: &[usize]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = |percent: &usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted
            .get(rank - 1)
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    percents.iter().map(at).collect::<Vec<_>>().join(" / ")
}

/// `count` per so many of `whole`, with one decimal and without floating point.
fn per(count: usize, whole: usize, unit: usize) -> String {
    match (count * unit * 10).checked_div(whole) {
        Some(tenths) => format!("{}.{}", tenths / 10, tenths % 10),
        None => "-".to_owned(),
    }
}

fn percent(part: usize, whole: usize) -> String {
    (part * 100)
        .checked_div(whole)
        .map_or_else(|| "-".to_owned(), |percent| format!("{percent} %"))
}
