//! The bytes of a journal: a header, then records, each of which can be checked alone.
//!
//! ```text
//! header   magic 8 | version u32 | zero u32 | key 16 | forced u64 | checksum 8
//! record   length u32, top bit FIRST | checksum 8 | bytes
//! ```
//!
//! Integers are little endian. A record's checksum covers the file's random key, its place, its length and its bytes: a
//! record is valid in one place of one file alone, so that neither what lay on the disk before nor what a peer wrote
//! into a record is taken for one. FIRST marks the first record of a group, which is written only when all before it
//! has been forced to the disk. `forced` in the header says how much was forced before the file got its name.
//!
//! It does not know about files.

use super::{GROUP_BYTES_MAX, RECORD_BYTES_MAX};

const MAGIC: [u8; 8] = *b"MCJOURNL";
const VERSION: u32 = 1;
/// Marks the first record of a group, in the word of its length.
const FIRST: u32 = 1 << 31;
/// 64 bits of BLAKE3: what is torn passes once in 2^64 cases, and nobody without the key makes what passes. A CRC would
/// do for the first alone.
const CHECKSUM_BYTES: usize = 8;

pub(super) const HEADER_BYTES: usize = 48;
pub(super) const RECORD_HEADER_BYTES: usize = 4 + CHECKSUM_BYTES;

/// What makes the checksums of one file.
pub(super) type Key = [u8; 16];

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Random, of this file alone.
    pub(super) key: Key,
    /// How much of the file was forced to the disk before it got its name.
    pub(super) forced: u64,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) header: Header,
    pub(super) records: Vec<Vec<u8>>,
    /// Where the last valid record ends.
    pub(super) end: usize,
    /// From here on, nothing proves that it was forced to the disk.
    pub(super) unproven: usize,
}

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanError {
    Damaged { offset: usize },
    Version { found: u32 },
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(self.key);
        bytes.extend(self.forced.to_le_bytes());
        bytes.extend(checksum(&[&bytes]));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, ScanError> {
        let damaged = ScanError::Damaged { offset: 0 };
        let (body, sum) = bytes
            .get(..HEADER_BYTES)
            .and_then(|header| header.split_last_chunk::<CHECKSUM_BYTES>())
            .ok_or(damaged)?;
        let rest = body.strip_prefix(&MAGIC).ok_or(damaged)?;
        if *sum != checksum(&[body]) {
            return Err(damaged);
        }
        let (version, rest) = rest.split_first_chunk().ok_or(damaged)?;
        match u32::from_le_bytes(*version) {
            VERSION => {}
            found => return Err(ScanError::Version { found }),
        }
        let (_zero, rest) = rest.split_first_chunk::<4>().ok_or(damaged)?;
        let (key, rest) = rest.split_first_chunk().ok_or(damaged)?;
        let forced = rest.first_chunk().ok_or(damaged)?;
        Ok(Self {
            key: *key,
            forced: u64::from_le_bytes(*forced),
        })
    }
}

/// How long `records` are in a file.
pub(super) fn encoded_bytes(records: &[impl AsRef<[u8]>]) -> u64 {
    let bytes = |record: &_| (RECORD_HEADER_BYTES + AsRef::<[u8]>::as_ref(record).len()) as u64;
    records.iter().map(bytes).sum()
}

/// One group of records, for the place `offset` of a file. Each is at most [`RECORD_BYTES_MAX`] long.
pub(super) fn encode(key: Key, offset: u64, records: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut first = FIRST;
    for record in records {
        let record = record.as_ref();
        let place = offset + bytes.len() as u64;
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        assert!(length > 0 && record.len() <= RECORD_BYTES_MAX);
        let word = (length | first).to_le_bytes();
        bytes.extend(word);
        bytes.extend(record_checksum(key, place, word, record));
        bytes.extend(record);
        first = 0;
    }
    bytes
}

/// Reads a file, and decides whether what follows the last valid record is a torn group or damage.
///
/// A torn group is the last thing in a file: it is no longer than a group may be, and no later group follows it, since
/// that one would have been written only after this one was whole. All else is damage. (What cannot be told: damage
/// within the very last group that was ever written.)
pub(super) fn scan(bytes: &[u8]) -> Result<Scanned, ScanError> {
    let header = Header::decode(bytes)?;
    let mut scanned = Scanned {
        header,
        records: Vec::new(),
        end: HEADER_BYTES,
        unproven: usize::try_from(header.forced).unwrap_or(usize::MAX),
    };
    while let Some(record) = record_at(header.key, bytes, scanned.end) {
        if record.first && scanned.end > scanned.unproven {
            scanned.unproven = scanned.end;
        }
        scanned.end += RECORD_HEADER_BYTES + record.bytes.len();
        scanned.records.push(record.bytes.to_vec());
    }
    let torn = bytes.len() - scanned.end;
    let followed = || {
        (scanned.end + 1..bytes.len())
            .any(|at| record_at(header.key, bytes, at).is_some_and(|record| record.first))
    };
    if scanned.end < scanned.unproven || torn as u64 > GROUP_BYTES_MAX || followed() {
        return Err(ScanError::Damaged {
            offset: scanned.end,
        });
    }
    Ok(scanned)
}

struct Record<'a> {
    bytes: &'a [u8],
    first: bool,
}

/// The valid record at `at`.
fn record_at(key: Key, bytes: &[u8], at: usize) -> Option<Record<'_>> {
    let (word, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*word) & !FIRST).ok()?;
    if length == 0 || length > RECORD_BYTES_MAX {
        return None;
    }
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
    let record = rest.get(..length)?;
    (*sum == record_checksum(key, at as u64, *word, record)).then_some(Record {
        bytes: record,
        first: u32::from_le_bytes(*word) & FIRST != 0,
    })
}

fn record_checksum(key: Key, place: u64, word: [u8; 4], record: &[u8]) -> [u8; CHECKSUM_BYTES] {
    checksum(&[&key, &place.to_le_bytes(), &word, record])
}

fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut sum = [0; CHECKSUM_BYTES];
    hasher.finalize_xof().fill(&mut sum);
    sum
}
