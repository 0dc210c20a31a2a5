//! The two channels to a person: data on stdout, talk on stderr. Nothing else in this crate prints.

use crate::failure::Failure;
use mutual_protocol::codes;
use serde_json::Value;
use std::io::{self, IsTerminal as _, Write as _};

/// What became of stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All was taken.
    Whole,
    /// The reader is gone: end quietly, as programs in a pipeline do.
    ReaderGone,
}

/// Writes data to stdout, whole.
pub fn data(bytes: &[u8]) -> Result<Written, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Written::Whole),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(Written::ReaderGone),
        Err(e) => Err(refused(&e.to_string())),
    }
}

/// Stdout does not take what belongs there.
pub fn refused(why: &str) -> Failure {
    Failure::new(codes::OUTPUT_PLACE)
        .because(format!("standard output: {why}"))
        .next("see where it leads: the disk may be full")
}

/// Prints a line of data.
pub fn line(text: &str) -> Result<Written, Failure> {
    data(format!("{text}\n").as_bytes())
}

/// Prints one JSON document, indented for people when stdout is a terminal.
pub fn json(document: &Value) -> Result<Written, Failure> {
    line(&if io::stdout().is_terminal() {
        format!("{document:#}")
    } else {
        document.to_string()
    })
}

/// Prints each item, until the reader has enough.
pub fn each<T>(
    items: impl IntoIterator<Item = T>,
    mut print: impl FnMut(T) -> Result<Written, Failure>,
) -> Result<(), Failure> {
    for item in items {
        if print(item)? == Written::ReaderGone {
            break;
        }
    }
    Ok(())
}

/// Talks to the person on stderr. A closed stderr is nobody's problem.
pub fn say(text: &str) {
    say_bytes(text.as_bytes());
}

/// As [`say`], byte for byte.
pub fn say_bytes(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _refused = stderr.write_all(bytes).and_then(|()| stderr.flush());
}

/// Prints a failure in the wanted form.
pub fn fail(failure: &Failure, json: bool) {
    say(&if json {
        failure.json()
    } else {
        failure.human()
    });
}

/// Columns of text: ids first, two spaces between, no borders; not cut, so that a record is a line in a pipe.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain(head.get(column).map(|head| head.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let format = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(
                ' ',
                (width + 2).saturating_sub(cell.chars().count()),
            ));
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = format(&mut head.iter().copied());
    for row in rows {
        text.push_str(&format(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![
            vec!["j-1".into(), "running".into()],
            vec!["j-22222".into(), "x".into()],
        ];
        assert_eq!(
            table(&["ID", "STATE"], &rows),
            "ID       STATE\nj-1      running\nj-22222  x\n"
        );
    }
}
