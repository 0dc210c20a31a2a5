//! Texts and lists that carry their limit in their type, so that a decoded value is never too long.

use crate::limits;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A multiaddr in text form, opaque here. A node whose transport key is another than its own ends it with that key.
pub type Address = Line<{ limits::ADDRESS_BYTES_MAX }>;

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Too many bytes.
    #[error("{size} bytes are more than the {max} allowed")]
    TooLong {
        /// Bytes given.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// A character that would act on a terminal instead of being shown.
    #[error("holds the character {found:?}")]
    Character {
        /// The first one.
        found: char,
    },
}

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $shows:expr) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name<const MAX: usize>(String);

        impl<const MAX: usize> $name<MAX> {
            /// Takes the text as it is.
            ///
            /// # Errors
            /// When it is longer than `MAX` bytes, or holds a character that is not for showing.
            pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
                let (text, shows): (String, fn(char) -> bool) = (text.into(), $shows);
                let size = text.len();
                if size > MAX {
                    return Err(TextError::TooLong { size, max: MAX });
                }
                match text.chars().find(|c| !shows(*c)) {
                    Some(found) => Err(TextError::Character { found }),
                    None => Ok(Self(text)),
                }
            }

            /// As much of the text as fits, with spaces and replacement characters for what is not for showing.
            pub fn cut(text: &str) -> Self {
                let (mut out, shows): (String, fn(char) -> bool) = (String::new(), $shows);
                for c in text.chars() {
                    let c = match c {
                        c if shows(c) => c,
                        c if c.is_whitespace() => ' ',
                        _ => char::REPLACEMENT_CHARACTER,
                    };
                    if out.len() + c.len_utf8() > MAX {
                        break;
                    }
                    out.push(c);
                }
                Self(out)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<const MAX: usize> fmt::Debug for $name<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<const MAX: usize> fmt::Display for $name<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de, const MAX: usize> Deserialize<'de> for $name<MAX> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

bounded_text!(
    /// One line of at most `MAX` bytes: no control character, nothing that turns the direction of writing.
    Line,
    is_plain
);
bounded_text!(
    /// Lines of at most `MAX` bytes together: like [`Line`], and line feeds and tabs.
    Text,
    |c| is_plain(c) || matches!(c, '\n' | '\t')
);

/// Shown by a terminal as itself. U+2028 to U+202E break lines or turn the direction, U+2066 to U+2069 isolate one.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A list's length is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} entries are not between {min} and {max}")]
pub struct CountError {
    /// Entries given.
    pub found: usize,
    /// The fewest allowed.
    pub min: usize,
    /// The most allowed.
    pub max: usize,
}

/// A list of `MIN` to `MAX` entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<T, const MIN: usize, const MAX: usize>(Vec<T>);

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    /// Takes the entries.
    ///
    /// # Errors
    /// When there are too few or too many.
    pub fn new(entries: Vec<T>) -> Result<Self, CountError> {
        let found = entries.len();
        if (MIN..=MAX).contains(&found) {
            return Ok(Self(entries));
        }
        let (min, max) = (MIN, MAX);
        Err(CountError { found, min, max })
    }

    /// The entries, to keep.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> List<T, 0, MAX> {
    /// The first `MAX` of the entries.
    pub fn cut(entries: impl IntoIterator<Item = T>) -> Self {
        Self(entries.into_iter().take(MAX).collect())
    }
}

impl<T, const MIN: usize, const MAX: usize> std::ops::Deref for List<T, MIN, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de>
    for List<T, MIN, MAX>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_line_is_short_and_only_shown() {
        assert_eq!(Line::<4>::new("äbc").unwrap().as_str(), "äbc");
        assert_eq!(
            Line::<4>::new("äbcd"),
            Err(TextError::TooLong { size: 5, max: 4 })
        );
        for found in ['\n', '\t', '\x1b', '\0', '\u{85}', '\u{202e}', '\u{2066}'] {
            let text = format!("a{found}");
            assert_eq!(
                Line::<9>::new(text.clone()),
                Err(TextError::Character { found })
            );
            let bytes = codec::encode(&text);
            assert!(codec::decode::<Line<9>>(&bytes, 99).is_err(), "{found:?}");
        }
        assert_eq!(Text::<9>::new("a\n\tb").unwrap().as_str(), "a\n\tb");
        assert!(Text::<9>::new("a\rb").is_err());
    }

    #[test]
    fn what_is_cut_is_taken() {
        let cut = Line::<7>::cut("a\n\x1b[äää");
        assert_eq!(cut.as_str(), "a \u{fffd}[");
        assert_eq!(Line::<7>::new(cut.as_str()), Ok(cut));
        assert_eq!(Text::<3>::cut("a\nbcd").as_str(), "a\nb");
    }

    #[test]
    fn a_list_has_as_many_entries_as_it_may() {
        let list = |n: usize| List::<u8, 1, 2>::new(vec![7; n]);
        for n in [0, 3] {
            let error = CountError {
                found: n,
                min: 1,
                max: 2,
            };
            assert_eq!(list(n), Err(error));
            let bytes = codec::encode(&vec![7_u8; n]);
            assert!(codec::decode::<List<u8, 1, 2>>(&bytes, 99).is_err());
        }
        let bytes = codec::encode(&list(2).unwrap());
        let read: List<u8, 1, 2> = codec::decode(&bytes, 99).unwrap();
        assert_eq!((read.len(), read.into_vec()), (2, vec![7, 7]));
        assert_eq!(List::<u8, 0, 2>::cut([1, 2, 3]).into_vec(), [1, 2]);
    }
}
