//! Console blocks of Markdown pages, run in bash and compared with what they print.
//!
//! In a block that starts with ```` ```console ````, lines after `$ ` are commands (`> ` goes on with one); the lines
//! below are what it prints on both streams together. A page's blocks run in order, in one folder with everything that
//! the repository's root has. Compared are the lines after masking (see [`crate::masks`]), without those that cargo
//! prints while it builds and fetches.

use crate::harness::{Mc, Ran};
use crate::masks::mask;
use mutual_testkit::repository_root;
use std::fmt::Write as _;

/// A command and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) prints: String,
}

/// The steps of each console block of a page.
pub(crate) fn blocks(page: &str) -> Vec<Vec<Step>> {
    let mut blocks: Vec<Vec<Step>> = Vec::new();
    let mut in_block = false;
    for (line, text) in (1..).zip(page.lines()) {
        if text.starts_with("```") {
            in_block = text == "```console";
            if in_block {
                blocks.push(Vec::new());
            }
        } else if let (true, Some(block)) = (in_block, blocks.last_mut()) {
            add_line(block, line, text);
        }
    }
    blocks
}

fn add_line(block: &mut Vec<Step>, line: usize, text: &str) {
    if let Some(command) = text.strip_prefix("$ ") {
        block.push(Step {
            line,
            command: command.to_owned(),
            prints: String::new(),
        });
        return;
    }
    let step = block
        .last_mut()
        .unwrap_or_else(|| panic!("line {line}: a block starts with `$ `"));
    match text.strip_prefix("> ") {
        Some(more) if step.prints.is_empty() => {
            let _ = write!(step.command, "\n{more}");
        }
        _ => {
            let _ = writeln!(step.prints, "{text}");
        }
    }
}

/// Links to everything in the repository's root: a page's commands are typed there, and what they write goes elsewhere.
pub(crate) fn stand_in_repository(mc: &Mc) {
    for entry in std::fs::read_dir(repository_root()).unwrap() {
        let entry = entry.unwrap();
        // What builds and the README's own commands have made there is not the repository's.
        if !["target", "thumbs"]
            .iter()
            .any(|made| entry.file_name() == *made)
        {
            std::os::unix::fs::symlink(entry.path(), mc.work().join(entry.file_name())).unwrap();
        }
    }
}

/// Runs the blocks and compares. `rewrite` may put another command in a command's place.
pub(crate) fn check(mc: &Mc, page: &str, blocks: &[Vec<Step>], rewrite: impl Fn(&str) -> String) {
    let mut differences = String::new();
    for block in blocks {
        let commands: Vec<String> = block.iter().map(|step| rewrite(&step.command)).collect();
        for (step, printed) in block.iter().zip(run(mc, &commands)) {
            let (expected, printed) = (shown(&step.prints), shown(&printed));
            if expected != printed {
                let _ = write!(
                    differences,
                    "{page}:{}: $ {}\n--- expected\n{expected}--- printed\n{printed}\n",
                    step.line, step.command
                );
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// Stands between the outputs of two commands.
const MARK: char = '\u{1e}';

/// Runs the commands in one bash, so that `$?` and variables mean what they mean to a person who types them.
fn run(mc: &Mc, commands: &[String]) -> Vec<String> {
    let mut script = "exec 2>&1\n".to_owned();
    for command in commands {
        let _ = write!(
            script,
            "{command}\n__code=$?; printf '\\x1e'; (exit $__code)\n"
        );
    }
    let ran = Ran::new(mc.bash_command(&script).output().unwrap());
    let mut printed: Vec<String> = ran.stdout.split(MARK).map(str::to_owned).collect();
    assert_eq!(printed.pop().as_deref(), Some(""), "{ran:#?}");
    assert_eq!(printed.len(), commands.len(), "{ran:#?}");
    printed
}

fn shown(text: &str) -> String {
    let lines = text.split_inclusive('\n').filter(|line| !is_cargos(line));
    mask(&lines.collect::<String>())
}

/// `   Compiling word-count v0.1.0 (…)`: cargo puts a verb right-aligned into twelve columns.
fn is_cargos(line: &str) -> bool {
    const VERBS: &[&str] = &[
        "Adding",
        "Blocking",
        "Compiling",
        "Downloaded",
        "Downloading",
        "Finished",
        "Locking",
        "Updating",
    ];
    let verb = line.split_whitespace().next().unwrap_or_default();
    VERBS.contains(&verb) && line.starts_with(&format!("{verb:>12} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "text\n```console\n$ a \\\n>   -b\nprinted\n> too\n$ c\n```\n```sh\n$ not this\n```\n";

    #[test]
    fn blocks_hold_commands_and_what_they_print() {
        let step = |line, command: &str, prints: &str| Step {
            line,
            command: command.to_owned(),
            prints: prints.to_owned(),
        };
        let expected = vec![vec![
            step(3, "a \\\n  -b", "printed\n> too\n"),
            step(7, "c", ""),
        ]];
        assert_eq!(blocks(PAGE), expected);
    }

    #[test]
    fn commands_share_a_shell() {
        let mc = Mc::new();
        let commands = [
            "x=5; false",
            "echo $? $x",
            "echo err >&2",
            "printf 'no end'",
        ];
        let printed = run(&mc, &commands.map(str::to_owned));
        assert_eq!(printed, ["", "1 5\n", "err\n", "no end"]);
    }

    #[test]
    fn cargos_lines_are_left_out() {
        assert_eq!(
            shown("   Compiling a v0.1.0\n  count  word\n    Finished x\nFinished\n"),
            "  count  word\nFinished\n"
        );
    }

    /// A page that promises something else fails.
    #[test]
    #[should_panic(expected = "page:2: $ echo one")]
    fn a_difference_is_found() {
        let page = blocks("```console\n$ echo one\ntwo\n```\n");
        check(&Mc::new(), "page", &page, str::to_owned);
    }
}
