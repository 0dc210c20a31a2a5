//! The command line: `thumbnails [--size N] [FILE or FOLDER]…`.

use std::path::PathBuf;

const USAGE: &str = "usage: thumbnails [--size N] [FILE or FOLDER]…";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// No side of a thumbnail is longer, in pixels.
    pub(crate) size: u32,
    /// Where pictures lie; all inputs when there are none.
    pub(crate) sources: Vec<PathBuf>,
}

impl Arguments {
    /// Parses what follows the program's name.
    pub(crate) fn parse(mut from: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            size: 160,
            sources: Vec::new(),
        };
        while let Some(argument) = from.next() {
            match argument.as_str() {
                "--size" => {
                    let size = from.next().and_then(|size| size.parse().ok());
                    arguments.size = size
                        .filter(|size| (1..=4096).contains(size))
                        .ok_or_else(|| format!("--size needs a number from 1 to 4096; {USAGE}"))?;
                }
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown flag {flag}; {USAGE}"));
                }
                source => arguments.sources.push(source.into()),
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
    fn flags_and_folders_mix() {
        let expected = Arguments {
            size: 64,
            sources: vec!["/a".into(), "/b.png".into()],
        };
        assert_eq!(parse("/a --size 64 /b.png"), Ok(expected));
        assert_eq!(
            parse(""),
            Ok(Arguments {
                size: 160,
                sources: Vec::new()
            })
        );
    }

    #[test]
    fn wrong_flags_are_named() {
        for wrong in ["--size", "--size 0", "--size 4097", "--size big"] {
            assert!(
                parse(wrong)
                    .unwrap_err()
                    .starts_with("--size needs a number"),
                "{wrong}"
            );
        }
        assert!(parse("-x").unwrap_err().starts_with("unknown flag -x"));
    }
}
