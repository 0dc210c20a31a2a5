//! Lists a directory, sharded or not, with a bound on its entries and without trust in its shards.

use super::{NameError, check_name};
use crate::murmur::murmur3_x64_64;
use crate::node::{Form, Link, NamedLink, Node, NodeError};
use mutual_protocol::Cid;

/// One name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The name; it holds no slash and is neither `.` nor `..`.
    pub name: String,
    /// The root of its content.
    pub link: Link,
}

/// Why a DAG is not a directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadDirectoryError {
    /// A block is not a UnixFS node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A file or a symbolic link.
    #[error("{cid} is not a directory")]
    NotADirectory {
        /// The node.
        cid: Cid,
    },
    /// A name that is not valid UTF-8.
    #[error("{cid} holds a name that is not UTF-8")]
    NotUtf8 {
        /// The node.
        cid: Cid,
    },
    /// A name that cannot stand in a directory.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A name that is not in the slot of its hash, or a shard of another width than its parent.
    #[error("{cid} is not a valid shard")]
    Shard {
        /// The node.
        cid: Cid,
    },
    /// More entries than the caller takes.
    #[error("a directory has more than {max} entries")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

/// Reads one directory: ask [`DirectoryReader::want`] for the next block, give its verified bytes to
/// [`DirectoryReader::handle_block`], and collect what that returns. The listing ends when nothing is wanted any more.
///
/// Entries of a plain directory come in its order, those of shards in the order of their hashes.
#[derive(Debug)]
pub struct DirectoryReader {
    /// Shards still to visit.
    stack: Vec<Shard>,
    /// Shards are counted as well as names: a trie of nothing but shards must end.
    shards: usize,
    entries: usize,
    entries_max: usize,
}

/// A node to visit and its place: the hash bits that all its names share. A root has none.
#[derive(Clone, Copy, Debug)]
struct Shard {
    cid: Cid,
    prefix: u64,
    bits: u32,
    /// Slots of the parent; all shards of one directory have the same.
    fanout: Option<u64>,
}

impl DirectoryReader {
    /// A directory that may have at most `entries_max` names.
    pub fn new(root: Cid, entries_max: usize) -> Self {
        let root = Shard {
            cid: root,
            prefix: 0,
            bits: 0,
            fanout: None,
        };
        Self {
            stack: vec![root],
            shards: 0,
            entries: 0,
            entries_max,
        }
    }

    /// The block that is needed next; none at the end. Does not change the reader.
    pub fn want(&self) -> Option<Cid> {
        self.stack.last().map(|shard| shard.cid)
    }

    /// Takes the content of the block last wanted and returns the entries that it holds.
    ///
    /// # Errors
    /// When the block does not belong into a directory at this place. The reader then wants nothing more.
    pub fn handle_block(
        &mut self,
        block: &[u8],
    ) -> Result<Vec<DirectoryEntry>, ReadDirectoryError> {
        let Some(shard) = self.stack.pop() else {
            return Ok(Vec::new());
        };
        self.step(shard, block).inspect_err(|_| self.stack.clear())
    }

    fn step(
        &mut self,
        shard: Shard,
        block: &[u8],
    ) -> Result<Vec<DirectoryEntry>, ReadDirectoryError> {
        let cid = shard.cid;
        let node = Node::decode(cid, block)?;
        let entries: Vec<DirectoryEntry> = match node.form {
            Form::Directory if shard.fanout.is_none() => node
                .links
                .iter()
                .map(|link| entry(cid, link.name, link))
                .collect::<Result<_, _>>()?,
            Form::Shard if shard.fanout.is_none_or(|fanout| fanout == node.fanout) => {
                self.open(shard, &node)?
            }
            Form::Shard => return Err(ReadDirectoryError::Shard { cid }),
            _ => return Err(ReadDirectoryError::NotADirectory { cid }),
        };
        self.entries += entries.len();
        self.shards += node.links.len() - entries.len();
        if self.entries.max(self.shards) > self.entries_max {
            return Err(ReadDirectoryError::TooMany {
                max: self.entries_max,
            });
        }
        Ok(entries)
    }

    fn open(
        &mut self,
        shard: Shard,
        node: &Node<'_>,
    ) -> Result<Vec<DirectoryEntry>, ReadDirectoryError> {
        let cid = shard.cid;
        let wrong = || ReadDirectoryError::Shard { cid };
        let bits = shard.bits + node.fanout.trailing_zeros();
        if bits > u64::BITS {
            return Err(wrong());
        }
        let digits = format!("{:X}", node.fanout - 1).len();
        let mut entries = Vec::new();
        for link in &node.links {
            let (label, name) = link.name.split_at_checked(digits).ok_or_else(wrong)?;
            let slot = std::str::from_utf8(label)
                .ok()
                .and_then(|label| u64::from_str_radix(label, 16).ok());
            let slot = slot.filter(|slot| *slot < node.fanout).ok_or_else(wrong)?;
            let prefix = (shard.prefix << node.fanout.trailing_zeros()) | slot;
            if name.is_empty() {
                self.stack.push(Shard {
                    cid: link.cid,
                    prefix,
                    bits,
                    fanout: Some(node.fanout),
                });
            } else if murmur3_x64_64(name) >> (u64::BITS - bits) == prefix {
                entries.push(entry(cid, name, link)?);
            } else {
                return Err(wrong());
            }
        }
        Ok(entries)
    }
}

fn entry(
    cid: Cid,
    name: &[u8],
    link: &NamedLink<'_>,
) -> Result<DirectoryEntry, ReadDirectoryError> {
    let Ok(name) = std::str::from_utf8(name) else {
        return Err(ReadDirectoryError::NotUtf8 { cid });
    };
    check_name(name)?;
    Ok(DirectoryEntry {
        name: name.to_owned(),
        link: Link {
            cid: link.cid,
            tsize: link.tsize,
        },
    })
}
