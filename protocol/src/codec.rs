//! Canonical DAG-CBOR (IPLD specification, RFC 8949 §4.2): one byte string per value, and one value per byte string.

use serde::{Serialize, de::DeserializeOwned};

/// Deepest nesting of maps, lists and tags that is decoded. Own messages reach 12 (a result certificate with the
/// attempt records of a failed value); the rest is slack for fields to come.
pub const DEPTH_MAX: usize = 24;

/// Why bytes are not a value of the wanted type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than the type's cap; nothing was decoded.
    #[error("{size} bytes are more than the {max} allowed")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// The cap.
        max: usize,
    },
    /// Nested deeper than [`DEPTH_MAX`], or not CBOR.
    #[error("nested too deeply or cut short")]
    Structure,
    /// Well-formed CBOR, and not this type.
    #[error("not a value of the expected form: {detail}")]
    Form {
        /// What the decoder said.
        detail: String,
    },
    /// Another spelling of a valid value. It would have another hash, so it is refused.
    #[error("not in canonical form")]
    NotCanonical,
}

/// The canonical bytes of `value`.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "the types of this crate hold nothing that DAG-CBOR cannot express"
    )]
    serde_ipld_dagcbor::to_vec(value).expect("own types encode")
}

/// Decodes untrusted bytes.
///
/// # Errors
/// When `bytes` is longer than `size_max`, nested too deeply, not a `T`, or not the canonical encoding of one.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    size_max: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > size_max {
        return Err(DecodeError::TooLarge {
            size: bytes.len(),
            max: size_max,
        });
    }
    if !is_shallow(bytes) {
        return Err(DecodeError::Structure);
    }
    let value: T = serde_ipld_dagcbor::from_slice(bytes).map_err(|e| DecodeError::Form {
        detail: e.to_string(),
    })?;
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

/// Walks the CBOR items without recursion and without allocating more than [`DEPTH_MAX`] counters.
fn is_shallow(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut open: Vec<u64> = vec![1];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        let Some((major, argument, tail)) = head(rest) else {
            return false;
        };
        rest = tail;
        let children = match major {
            2 | 3 => {
                let Some(tail) = usize::try_from(argument).ok().and_then(|n| rest.get(n..)) else {
                    return false;
                };
                rest = tail;
                continue;
            }
            4 => argument,
            5 => argument.saturating_mul(2),
            6 => 1,
            _ => continue,
        };
        if open.len() == DEPTH_MAX {
            return false;
        }
        open.push(children);
    }
    rest.is_empty()
}

/// Reads the head of the CBOR item that `bytes` begins with: major type, argument, what follows.
///
/// For code that walks objects without knowing their type. The argument is the sender's word: a length that is longer
/// than what follows comes out as it stands. `None` is bytes that are cut short, or a head of DAG-CBOR's none
/// (indefinite lengths, reserved widths).
pub fn head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (major, info) = (first >> 5, first & 31);
    let width = match info {
        0..24 => return Some((major, u64::from(info), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (argument, rest) = rest.split_at_checked(width)?;
    let value = argument
        .iter()
        .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    Some((major, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        long_name: u64,
        b: Vec<u8>,
    }

    #[test]
    fn keys_are_sorted_by_length_first() {
        let bytes = encode(&Sample {
            long_name: 1,
            b: vec![2],
        });
        assert_eq!(bytes, b"\xa2\x61b\x81\x02\x69long_name\x01");
        assert_eq!(
            decode::<Sample>(&bytes, 100).unwrap(),
            Sample {
                long_name: 1,
                b: vec![2]
            }
        );
    }

    #[test]
    fn other_spellings_are_refused() {
        let unsorted = b"\xa2\x69long_name\x01\x61b\x81\x02";
        assert!(matches!(
            decode::<Sample>(unsorted, 100),
            Err(DecodeError::NotCanonical | DecodeError::Form { .. })
        ));
        let wide = b"\xa2\x61b\x81\x02\x69long_name\x18\x01";
        assert!(decode::<Sample>(wide, 100).is_err());
        let extra = b"\xa3\x61b\x81\x02\x61c\x00\x69long_name\x01";
        assert!(matches!(
            decode::<Sample>(extra, 100),
            Err(DecodeError::Form { .. })
        ));
    }

    #[test]
    fn heads_are_read_in_all_widths() {
        type Case<'a> = (&'a [u8], Option<(u8, u64, &'a [u8])>);
        let cases: [Case<'_>; 10] = [
            (b"\x17\xff", Some((0, 23, b"\xff"))),
            (b"\x38\xff", Some((1, 255, b""))),
            (b"\x59\x01\x02", Some((2, 0x102, b""))),
            (b"\x9a\x01\x02\x03\x04\x05", Some((4, 0x0102_0304, b"\x05"))),
            (
                b"\xfb\xff\xff\xff\xff\xff\xff\xff\xff",
                Some((7, u64::MAX, b"")),
            ),
            (b"", None),
            (b"\x18", None),
            (b"\x1b\0\0\0\0\0\0\0", None),
            (b"\x1c\0", None),
            (b"\x9f\x01\xff", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(head(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn size_depth_and_truncation() {
        assert!(matches!(
            decode::<Sample>(&[0; 101], 100),
            Err(DecodeError::TooLarge {
                size: 101,
                max: 100
            })
        ));
        let deep = [0x81_u8; 100];
        assert!(matches!(
            decode::<Sample>(&deep, 100),
            Err(DecodeError::Structure)
        ));
        let bytes = encode(&Sample {
            long_name: 1,
            b: vec![2],
        });
        for end in 0..bytes.len() {
            assert!(
                decode::<Sample>(&bytes[..end], 100).is_err(),
                "cut at {end}"
            );
        }
        let huge_list = b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(matches!(
            decode::<Vec<u64>>(huge_list, 100),
            Err(DecodeError::Structure)
        ));
    }
}
