//! Cuts a stream of bytes into leaves and balanced inner nodes.

use crate::block::Block;
use crate::node::{Link, encode, file_data};
use mutual_protocol::{Cid, ids::Codec};

/// Bytes of a leaf in the profile `unixfs-v1-2025`.
const CHUNK_BYTES: usize = 1 << 20;
/// Links of an inner node in that profile.
const LINKS: usize = 1024;

/// A finished file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRoot {
    /// The root: a raw block up to 1 MiB, else a dag-pb node.
    pub cid: Cid,
    /// Length in bytes.
    pub size: u64,
    /// Bytes of all blocks, for a directory entry.
    pub tsize: u64,
}

impl FileRoot {
    /// What a directory says about the file.
    pub const fn link(&self) -> Link {
        Link {
            cid: self.cid,
            tsize: self.tsize,
        }
    }
}

/// Makes the blocks of one file from its bytes, in any pieces.
///
/// It holds less than one leaf and the links of one inner node per level, whatever the file's length. Each finished
/// block goes to the closure at once, children before their parents; an error of the closure ends the file.
#[derive(Debug)]
pub struct FileBuilder {
    chunk_bytes: usize,
    links: usize,
    /// What does not yet fill a leaf.
    pending: Vec<u8>,
    /// Links that wait for their parent: leaves first, then inner nodes by height.
    levels: Vec<Vec<Child>>,
}

/// A finished node below the one in the making.
#[derive(Clone, Copy, Debug)]
struct Child {
    link: Link,
    size: u64,
}

impl Default for FileBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FileBuilder {
    /// An empty file of the profile.
    pub const fn new() -> Self {
        Self::with_shape(CHUNK_BYTES, LINKS)
    }

    /// Another leaf size and width, so that tests reach deep trees with few bytes.
    pub(super) const fn with_shape(chunk_bytes: usize, links: usize) -> Self {
        Self {
            chunk_bytes,
            links,
            pending: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Appends `bytes`. Whole leaves are hashed where they lie; the fewest copies come from pieces of a multiple of
    /// 1 MiB.
    ///
    /// # Errors
    /// What `emit` returns.
    pub fn push<E>(
        &mut self,
        mut bytes: &[u8],
        emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.pending.is_empty() {
            let missing = (self.chunk_bytes - self.pending.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(missing);
            self.pending.extend_from_slice(head);
            bytes = rest;
            if self.pending.len() < self.chunk_bytes {
                return Ok(());
            }
            let mut full = std::mem::take(&mut self.pending);
            self.leaf(&full, emit)?;
            full.clear();
            self.pending = full;
        }
        let mut chunks = bytes.chunks_exact(self.chunk_bytes);
        for chunk in &mut chunks {
            self.leaf(chunk, emit)?;
        }
        self.pending.extend_from_slice(chunks.remainder());
        Ok(())
    }

    /// Ends the file and makes what is left of its blocks.
    ///
    /// # Errors
    /// What `emit` returns.
    pub fn finish<E>(
        mut self,
        emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
    ) -> Result<FileRoot, E> {
        if !self.pending.is_empty() || self.levels.is_empty() {
            let last = std::mem::take(&mut self.pending);
            self.leaf(&last, emit)?;
        }
        let mut height = 0;
        loop {
            let is_top = height + 1 == self.levels.len();
            match self.levels.get(height).map(Vec::as_slice) {
                Some([root]) if is_top => {
                    let Link { cid, tsize } = root.link;
                    return Ok(FileRoot {
                        cid,
                        size: root.size,
                        tsize,
                    });
                }
                Some([]) | None => {}
                Some(_) => self.close(height, emit)?,
            }
            height += 1;
        }
    }

    fn leaf<E>(
        &mut self,
        bytes: &[u8],
        emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let block = Block::new(Codec::Raw, bytes);
        emit(block)?;
        let size = bytes.len() as u64;
        self.add(
            0,
            Child {
                link: Link {
                    cid: block.cid(),
                    tsize: size,
                },
                size,
            },
            emit,
        )
    }

    /// Puts `child` on its level, after closing the node there when it is full.
    fn add<E>(
        &mut self,
        height: usize,
        child: Child,
        emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self
            .levels
            .get(height)
            .is_some_and(|level| level.len() == self.links)
        {
            self.close(height, emit)?;
        }
        if height == self.levels.len() {
            self.levels.push(Vec::new());
        }
        if let Some(level) = self.levels.get_mut(height) {
            level.push(child);
        }
        Ok(())
    }

    /// Makes a node of all children at `height` and puts it on the level above.
    fn close<E>(
        &mut self,
        height: usize,
        emit: &mut impl FnMut(Block<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let children = self
            .levels
            .get_mut(height)
            .map(std::mem::take)
            .unwrap_or_default();
        let bytes = encode(
            children.iter().map(|child| ("", child.link)),
            &file_data(children.iter().map(|child| child.size)),
        );
        let block = Block::new(Codec::DagPb, &bytes);
        emit(block)?;
        let below: u64 = children.iter().map(|child| child.link.tsize).sum();
        let link = Link {
            cid: block.cid(),
            tsize: below + bytes.len() as u64,
        };
        let size = children.iter().map(|child| child.size).sum();
        self.add(height + 1, Child { link, size }, emit)
    }
}
