//! Counting: lines in, numbers out. Does no I/O.

use std::{cmp::Reverse, collections::HashMap, ops::AddAssign};

/// What is counted of one file, or of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) lines: u64,
    pub(crate) words: u64,
    pub(crate) bytes: u64,
}

impl Counts {
    /// The head of the table that [`Counts::row`] fills.
    pub(crate) const HEAD: &str = "  lines   words     bytes  file";

    /// Adds one line, its end included, and its words to `words`. What is not UTF-8 counts as part of a word.
    pub(crate) fn add_line(&mut self, line: &[u8], words: &mut Words) {
        let text = String::from_utf8_lossy(line);
        for word in text.split_whitespace() {
            self.words += 1;
            words.add(word);
        }
        self.lines += u64::from(line.ends_with(b"\n"));
        self.bytes += line.len() as u64;
    }

    /// One row of the table.
    pub(crate) fn row(&self, name: &str) -> String {
        format!(
            "{:>7} {:>7} {:>9}  {name}",
            self.lines, self.words, self.bytes
        )
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

/// How often each word came up, in lower case and without the punctuation around it.
#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<String, u64>);

impl Words {
    fn add(&mut self, word: &str) {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        if !word.is_empty() {
            *self.0.entry(word.to_lowercase()).or_default() += 1;
        }
    }

    /// The commonest words; among equals in the order of the alphabet.
    pub(crate) fn top(&self, number: usize) -> Vec<(&str, u64)> {
        let mut words: Vec<_> = self
            .0
            .iter()
            .map(|(word, count)| (word.as_str(), *count))
            .collect();
        words.sort_by_key(|(word, count)| (Reverse(*count), *word));
        words.truncate(number);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_without_case_and_punctuation() {
        let mut words = Words::default();
        let mut counts = Counts::default();
        counts.add_line("The cat, the „Katze“ — THE end.\n".as_bytes(), &mut words);
        counts.add_line(b"no end", &mut words);
        assert_eq!((counts.lines, counts.words), (1, 9));
        assert_eq!(words.top(3), [("the", 3), ("end", 2), ("cat", 1)]);
    }

    #[test]
    fn bytes_that_are_no_text_are_counted_too() {
        let mut counts = Counts::default();
        counts.add_line(b"\xff\xfe a\n", &mut Words::default());
        assert_eq!(
            counts,
            Counts {
                lines: 1,
                words: 2,
                bytes: 5
            }
        );
    }

    #[test]
    fn rows_stand_below_the_head() {
        let counts = Counts {
            lines: 1,
            words: 2,
            bytes: 3,
        };
        assert_eq!(counts.row("file").len(), Counts::HEAD.len());
    }
}
