//! Writes a directory as a hash array mapped trie of shards.

use super::{FinishDirectoryError, emit_node};
use crate::block::Block;
use crate::murmur::murmur3_x64_64;
use crate::node::{FANOUT, Link, encode, shard_data};
use std::collections::BTreeMap;

/// Bytes of a shard's bitmap, one bit a slot.
const BITMAP_BYTES: usize = 32;
const _: () = assert!(BITMAP_BYTES as u64 * 8 == FANOUT);

/// Levels of a trie with 256 slots: one byte of the 64-bit hash each.
const LEVELS: usize = 8;

/// One name with its place in the trie.
struct Leaf {
    hash: [u8; LEVELS],
    name: String,
    link: Link,
}

/// Makes the shards of `entries` and returns the root.
pub(super) fn write<E>(
    entries: BTreeMap<String, Link>,
    emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
) -> Result<Link, FinishDirectoryError<E>> {
    let leaf = |(name, link): (String, Link)| Leaf {
        hash: murmur3_x64_64(name.as_bytes()).to_be_bytes(),
        name,
        link,
    };
    let mut leaves: Vec<Leaf> = entries.into_iter().map(leaf).collect();
    leaves.sort_by_key(|leaf| leaf.hash);
    shard(&leaves, 0, emit)
}

/// The shard of `leaves`, which agree in the first `level` bytes of their hashes and are sorted by hash.
fn shard<E>(
    leaves: &[Leaf],
    level: usize,
    emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
) -> Result<Link, FinishDirectoryError<E>> {
    let slot = |leaf: &Leaf| leaf.hash.get(level).copied();
    let mut links: Vec<(String, Link)> = Vec::new();
    let mut bitmap = [0_u8; BITMAP_BYTES];
    for group in leaves.chunk_by(|a, b| slot(a) == slot(b)) {
        let [first, rest @ ..] = group else { continue };
        let Some(index) = slot(first) else {
            let second = rest
                .first()
                .map(|leaf| leaf.name.clone())
                .unwrap_or_default();
            return Err(FinishDirectoryError::SameHash {
                first: first.name.clone(),
                second,
            });
        };
        // Big-endian: slot 0 is the lowest bit of the last byte.
        if let Some(byte) = bitmap.iter_mut().rev().nth(usize::from(index / 8)) {
            *byte |= 1 << (index % 8);
        }
        links.push(match rest {
            [] => (format!("{index:02X}{}", first.name), first.link),
            _ => (format!("{index:02X}"), shard(group, level + 1, emit)?),
        });
    }
    let start = bitmap
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bitmap.len());
    let data = shard_data(bitmap.get(start..).unwrap_or_default());
    let bytes = encode(
        links.iter().map(|(name, link)| (name.as_str(), *link)),
        &data,
    );
    emit_node(&bytes, links.iter().map(|(_, link)| link), emit).map_err(FinishDirectoryError::Emit)
}
