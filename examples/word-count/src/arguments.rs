//! The command line: `word-count [-c] [--top N] [FILE]…`.

use std::path::PathBuf;

const USAGE: &str = "usage: word-count [-c] [--top N] [FILE]…";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Bytes alone, as `wc -c`.
    pub(crate) bytes_only: bool,
    /// How many of the commonest words to print.
    pub(crate) top: usize,
    /// Files to count, `-` is standard input; all inputs when there are none.
    pub(crate) files: Vec<PathBuf>,
}

impl Arguments {
    /// Parses what follows the program's name.
    pub(crate) fn parse(mut from: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            bytes_only: false,
            top: 10,
            files: Vec::new(),
        };
        while let Some(argument) = from.next() {
            match argument.as_str() {
                "-c" => arguments.bytes_only = true,
                "-" => arguments.files.push(argument.into()),
                "--top" => {
                    let number = from.next().and_then(|number| number.parse().ok());
                    arguments.top =
                        number.ok_or_else(|| format!("--top needs a number; {USAGE}"))?;
                }
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown flag {flag}; {USAGE}"));
                }
                file => arguments.files.push(file.into()),
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Arguments, String> {
        Arguments::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_and_files_mix() {
        let expected = Arguments {
            bytes_only: true,
            top: 3,
            files: vec!["a.txt".into(), "-".into()],
        };
        assert_eq!(parse("a.txt --top 3 -c -"), Ok(expected));
        assert_eq!(parse("").unwrap().top, 10);
    }

    #[test]
    fn wrong_flags_are_named() {
        assert!(
            parse("--top")
                .unwrap_err()
                .starts_with("--top needs a number")
        );
        assert!(
            parse("--top many")
                .unwrap_err()
                .starts_with("--top needs a number")
        );
        assert!(parse("-x").unwrap_err().starts_with("unknown flag -x"));
    }
}
