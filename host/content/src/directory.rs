//! Directories: names and what they lead to, as one node or as a HAMT of shards.

mod hamt;
mod reader;
#[cfg(test)]
mod tests;

pub use reader::{DirectoryEntry, DirectoryReader, ReadDirectoryError};

use crate::block::Block;
use crate::node::{Link, directory_data, encode, symlink_data};
use mutual_protocol::{ids::Codec, limits};
use std::collections::BTreeMap;

/// Largest directory node in the profile `unixfs-v1-2025`; larger ones become shards.
const NODE_BYTES_MAX: usize = 256 << 10;

/// Why a text is not a name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Empty, `.`, `..`, or with a slash or NUL in it.
    #[error("{name:?} is not a file name")]
    Form {
        /// The text.
        name: String,
    },
    /// Longer than [`limits::NAME_BYTES_MAX`].
    #[error("the name {name:?} is too long")]
    TooLong {
        /// The text.
        name: String,
    },
    /// There already.
    #[error("the name {name:?} is there twice")]
    Twice {
        /// The name.
        name: String,
    },
}

/// Why a directory could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishDirectoryError<E> {
    /// Two names have one 64-bit hash, which shards cannot hold. Only names made for it do that.
    #[error("the names {first:?} and {second:?} have the same hash")]
    SameHash {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// What the closure returned.
    #[error(transparent)]
    Emit(E),
}

/// A directory in the making.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    entries: BTreeMap<String, Link>,
}

impl Directory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name.
    ///
    /// # Errors
    /// When the name cannot stand in a directory, or is there already.
    pub fn insert(&mut self, name: &str, link: Link) -> Result<(), NameError> {
        check_name(name)?;
        if self.entries.contains_key(name) {
            return Err(NameError::Twice {
                name: name.to_owned(),
            });
        }
        self.entries.insert(name.to_owned(), link);
        Ok(())
    }

    /// Makes the directory's blocks, shards before their parents, and returns its root.
    ///
    /// # Errors
    /// What `emit` returns, and names that were made to break shards.
    pub fn finish<E>(
        self,
        emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
    ) -> Result<Link, FinishDirectoryError<E>> {
        let bytes = encode(
            self.entries
                .iter()
                .map(|(name, link)| (name.as_str(), *link)),
            &directory_data(),
        );
        if bytes.len() > NODE_BYTES_MAX {
            return hamt::write(self.entries, emit);
        }
        emit_node(&bytes, self.entries.values(), emit).map_err(FinishDirectoryError::Emit)
    }
}

/// The block of a symbolic link and its entry in a directory.
///
/// # Errors
/// What `emit` returns.
pub fn symlink<E>(
    target: &[u8],
    emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
) -> Result<Link, E> {
    emit_node(
        &encode(std::iter::empty(), &symlink_data(target)),
        [].iter(),
        emit,
    )
}

fn emit_node<'a, E>(
    bytes: &[u8],
    children: impl Iterator<Item = &'a Link>,
    emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
) -> Result<Link, E> {
    let block = Block::new(Codec::DagPb, bytes);
    emit(block)?;
    let tsize = children
        .map(|link| link.tsize)
        .fold(bytes.len() as u64, u64::saturating_add);
    Ok(Link {
        cid: block.cid(),
        tsize,
    })
}

fn check_name(name: &str) -> Result<(), NameError> {
    if name.len() > limits::NAME_BYTES_MAX {
        return Err(NameError::TooLong {
            name: name.to_owned(),
        });
    }
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(NameError::Form {
            name: name.to_owned(),
        });
    }
    Ok(())
}
