//! Text form of ids: a one-letter prefix, a hyphen, Crockford's base32 in lower case without padding.
//!
//! The alphabet leaves out i, l, o and u, so that an id survives being read aloud or typed.

use serde::de::{Error as _, Visitor};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters after the prefix in a short id: 40 bits, so that a list of 10,000 ids collides once in 20,000 lists.
const SHORT_CHARS: usize = 8;

/// Why a text is not an id of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// The text does not start with the kind's letter.
    #[error("does not start with `{want}-`")]
    Prefix {
        /// The letter that this kind of id starts with.
        want: &'static str,
    },
    /// Too short or too long.
    #[error("has {got} characters after the prefix instead of {want}")]
    Length {
        /// Characters of a whole id.
        want: usize,
        /// Characters found.
        got: usize,
    },
    /// A character outside the alphabet.
    #[error("holds the character {found:?}")]
    Character {
        /// The first wrong one.
        found: char,
    },
    /// Unused bits of the last character are set.
    #[error("has loose bits at its end")]
    Padding,
}

pub(super) fn encode(prefix: &str, bytes: &[u8]) -> String {
    format!("{prefix}-{}", to_base32(bytes))
}

pub(crate) fn to_base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(letter(buffer >> bits));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(letter(buffer << (5 - bits)));
    }
    out
}

pub(super) fn short(prefix: &str, bytes: &[u8]) -> String {
    encode(prefix, bytes)
        .chars()
        .take(prefix.len() + 1 + SHORT_CHARS)
        .collect()
}

fn letter(value: u32) -> char {
    usize::try_from(value & 31)
        .ok()
        .and_then(|i| ALPHABET.get(i))
        .map_or('0', |b| char::from(*b))
}

pub(super) fn decode<const N: usize>(
    prefix: &'static str,
    s: &str,
) -> Result<[u8; N], ParseIdError> {
    let rest = s
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('-'))
        .ok_or(ParseIdError::Prefix { want: prefix })?;
    let want = (N * 8).div_ceil(5);
    let got = rest.chars().count();
    if got != want {
        return Err(ParseIdError::Length { want, got });
    }
    let out = from_base32(rest)?;
    let got = out.len();
    out.try_into()
        .map_err(|_out: Vec<u8>| ParseIdError::Length { want: N, got })
}

/// The bytes of a text of any length. A text whose length no bytes have may be taken: the caller knows the length,
/// or spells the bytes again.
pub(crate) fn from_base32(text: &str) -> Result<Vec<u8>, ParseIdError> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for found in text.chars() {
        let value = ALPHABET
            .iter()
            .position(|b| char::from(*b) == found)
            .ok_or(ParseIdError::Character { found })?;
        buffer = (buffer << 5) | u32::try_from(value).unwrap_or(0);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.extend_from_slice(&(buffer >> bits).to_be_bytes()[3..]);
            buffer &= (1 << bits) - 1;
        }
    }
    if buffer == 0 {
        Ok(out)
    } else {
        Err(ParseIdError::Padding)
    }
}

pub(crate) fn deserialize_bytes<'de, const N: usize, D: serde::Deserializer<'de>>(
    d: D,
) -> Result<[u8; N], D::Error> {
    struct Exact<const N: usize>;
    impl<const N: usize> Visitor<'_> for Exact<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a byte string of {N} bytes")
        }

        fn visit_bytes<E: serde::de::Error>(self, v: &[u8]) -> Result<[u8; N], E> {
            v.try_into()
                .map_err(|_error: std::array::TryFromSliceError| E::invalid_length(v.len(), &self))
        }

        fn visit_byte_buf<E: serde::de::Error>(self, v: Vec<u8>) -> Result<[u8; N], E> {
            self.visit_bytes(&v)
        }
    }
    d.deserialize_bytes(Exact::<N>).map_err(D::Error::custom)
}
