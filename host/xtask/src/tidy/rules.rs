//! The rules on one file: text in, findings out. Does no I/O.
//!
//! Forbidden marks are written in pieces here, so that this file passes its own rules.

use std::fmt;

/// One text file; the path is relative to the root, with forward slashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    path: String,
    line: usize,
    message: String,
}

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "common", "util", "utils", "helper", "helpers", "misc", "types", "manager", "managers", "mod",
];

const FIX_MARK: &str = concat!("FIX", "ME");
const TO_DO_MARK: &str = concat!("TO", "DO");
const DEBUG_MACRO: &str = concat!("dbg", "!(");
const IGNORED_TEST: &str = concat!("#[", "ignore");
const SLEEP_CALL: &str = concat!("sleep", "(");
const KEY_MATERIAL: &str = concat!("PRIVATE ", "KEY-----");
const OUTSIDE: &str = concat!("../", "shared");

/// Folders of one machine: `~` in full, and where containers mount things.
const ABSOLUTE: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

impl<'a> Source<'a> {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// Code and configuration, where a mark left behind is work left behind; prose may speak of marks.
    fn is_code(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or(self.path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        matches!(
            extension,
            "" | "rs" | "toml" | "wit" | "wat" | "c" | "h" | "sh"
        )
    }

    /// Lines with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        (1..).zip(self.text.lines())
    }

    /// The lines for which `broken` gives a message.
    fn find<M: Into<String>>(&self, broken: impl Fn(&str) -> Option<M>) -> Vec<Finding> {
        self.lines()
            .filter_map(|(number, line)| {
                broken(line).map(|message| Finding::new(self.path, number, &message.into()))
            })
            .collect()
    }
}

impl Finding {
    pub(super) fn new(path: &str, line: usize, message: &str) -> Self {
        Self {
            path: path.into(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// All rules that look at one file alone.
pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = secrets_and_places(source);
    if source.is_code() {
        findings.extend(marks(source));
    }
    if source.is_rust() {
        findings.extend(module_doc(source));
        findings.extend(empty_names(source));
        findings.extend(sleeping_tests(source));
    }
    if source.is_markdown() {
        findings.extend(one_title(source));
    }
    findings
}

/// Lines that are neither blank nor comment.
pub(crate) fn code_lines(text: &str) -> usize {
    let mut in_comment = false;
    let mut count = 0;
    for line in text.lines().map(str::trim) {
        let starts = line.starts_with("/*");
        if !in_comment && !starts && !line.is_empty() && !line.starts_with("//") {
            count += 1;
        }
        in_comment = (in_comment || starts) && !line.contains("*/");
    }
    count
}

fn module_doc(source: &Source<'_>) -> Option<Finding> {
    if source.text.starts_with("//! ") {
        return None;
    }
    Some(Finding::new(
        source.path,
        1,
        "the first line has to say what this file is: `//! …`",
    ))
}

fn empty_names(source: &Source<'_>) -> Option<Finding> {
    let stem = source.path.strip_suffix(".rs").unwrap_or(source.path);
    let bad = stem.split('/').find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::new(
        source.path,
        1,
        &format!("`{bad}` says nothing about what is inside: name it after that"),
    ))
}

fn one_title(source: &Source<'_>) -> Option<Finding> {
    let mut fenced = false;
    let mut titles = 0;
    for line in source.text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if !fenced && line.starts_with("# ") {
            titles += 1;
        }
    }
    (titles != 1).then(|| {
        Finding::new(
            source.path,
            1,
            &format!("has {titles} titles (`# …`) where one belongs"),
        )
    })
}

fn marks(source: &Source<'_>) -> Vec<Finding> {
    source.find(|line| {
        if line.contains(FIX_MARK) {
            Some("a mark for something broken: mend it, or open an issue")
        } else if line.contains(DEBUG_MACRO) {
            Some("a debugging print was left behind")
        } else if line.contains(IGNORED_TEST) {
            Some("an ignored test: assert what happens today, with a note")
        } else if has_loose_to_do(line) {
            Some("a to-do mark needs its issue's number: write it like a call with `#123`")
        } else {
            None
        }
    })
}

/// The mark as a word of its own, not followed by `(#123)`.
fn has_loose_to_do(line: &str) -> bool {
    words(line, TO_DO_MARK).any(|rest| {
        let number = rest
            .strip_prefix("(#")
            .and_then(|rest| rest.split_once(')'))
            .map(|(number, _)| number);
        !number
            .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    })
}

/// What follows each occurrence of `word` that neither begins nor ends inside a longer word.
fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).filter_map(move |(at, _)| {
        let (before, rest) = line.split_at(at);
        let rest = rest.strip_prefix(word)?;
        let joined = word.ends_with(inside) && rest.starts_with(inside);
        (!before.ends_with(inside) && !joined).then_some(rest)
    })
}

fn sleeping_tests(source: &Source<'_>) -> Vec<Finding> {
    let test_file = source.path.contains("/tests/") || source.path.ends_with("/tests.rs");
    let tests_begin = source
        .lines()
        .find(|(_, line)| line.trim() == "#[cfg(test)]")
        .map(|(number, _)| number);
    let first = if test_file {
        1
    } else {
        tests_begin.unwrap_or(usize::MAX)
    };
    let sleeps = source
        .lines()
        // A function of that name is no call.
        .filter(|(_, line)| !line.contains("fn sleep"))
        .filter(|(number, line)| *number >= first && words(line, SLEEP_CALL).next().is_some());
    sleeps
        .map(|(number, _)| {
            Finding::new(
                source.path,
                number,
                "a test waits for an event, not for time",
            )
        })
        .collect()
}

fn secrets_and_places(source: &Source<'_>) -> Vec<Finding> {
    source.find(|line| {
        if line.contains(KEY_MATERIAL) {
            return Some("key material".to_owned());
        }
        if line.contains(OUTSIDE) {
            return Some("names a folder outside the repository".to_owned());
        }
        let place = ABSOLUTE.iter().find(|place| has_absolute(line, place))?;
        Some(format!("names a place on one machine: {place}"))
    })
}

/// `place` where a path begins; `a/root/b` is a relative path that only contains it.
fn has_absolute(line: &str, place: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || "_-.~}".contains(c);
    line.match_indices(place)
        .any(|(at, _)| !line.split_at(at).0.ends_with(continues))
}
