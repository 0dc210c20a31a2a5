//! Walks a file's DAG in order and gives its bytes, with bounded memory and without trust in its sizes.

use crate::node::{Form, Node, NodeError};
use mutual_protocol::Cid;

/// Inner nodes above a leaf. The profile needs 5 for 2^64 bytes; Kubo's trickle layout stays below 12.
const DEPTH_MAX: usize = 16;

/// The block that a reader needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which.
    pub cid: Cid,
    /// Bytes of the file below it, when already known.
    pub size: Option<u64>,
}

/// Why a DAG is not a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadFileError {
    /// A block is not a UnixFS node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A directory or a symbolic link.
    #[error("{cid} is not a file")]
    NotAFile {
        /// The node.
        cid: Cid,
    },
    /// A node has more or fewer bytes than its parent, or the caller, expects.
    #[error("{cid} has {found} bytes instead of {want}")]
    Size {
        /// The node.
        cid: Cid,
        /// Expected.
        want: u64,
        /// What the node holds, or says it holds.
        found: u64,
    },
    /// Nested more deeply than any writer does it.
    #[error("{cid} is nested too deeply")]
    TooDeep {
        /// The node.
        cid: Cid,
    },
}

/// Reads one file: ask [`FileReader::want`] for the next block, give its verified bytes to
/// [`FileReader::handle_block`], and write what that returns. The file ends when nothing is wanted any more.
///
/// Every size in the DAG is checked against what its parent told, before anything below it is fetched: a root that
/// tells 10 bytes cannot lead to 11.
#[derive(Debug)]
pub struct FileReader {
    /// Nodes still to visit, the next one last, each with the number of nodes above it.
    stack: Vec<(Want, usize)>,
}

impl FileReader {
    /// A file whose length nobody has promised.
    pub fn new(root: Cid) -> Self {
        Self {
            stack: vec![(
                Want {
                    cid: root,
                    size: None,
                },
                0,
            )],
        }
    }

    /// A file that must have `size` bytes.
    pub fn with_size(root: Cid, size: u64) -> Self {
        Self {
            stack: vec![(
                Want {
                    cid: root,
                    size: Some(size),
                },
                0,
            )],
        }
    }

    /// The block that is needed next; none at the end. Does not change the reader.
    pub fn want(&self) -> Option<Want> {
        self.stack.last().map(|(want, _)| *want)
    }

    /// Takes the content of the block last wanted and returns the file's next bytes, which lie in it. They may be
    /// none: inner nodes hold links only.
    ///
    /// # Errors
    /// When the block does not belong into a file at this place. The reader then wants nothing more.
    pub fn handle_block<'a>(&mut self, block: &'a [u8]) -> Result<&'a [u8], ReadFileError> {
        let Some((want, depth)) = self.stack.pop() else {
            return Ok(&[]);
        };
        self.step(want, depth, block)
            .inspect_err(|_| self.stack.clear())
    }

    fn step<'a>(
        &mut self,
        want: Want,
        depth: usize,
        block: &'a [u8],
    ) -> Result<&'a [u8], ReadFileError> {
        let cid = want.cid;
        let node = Node::decode(cid, block)?;
        if node.form != Form::File {
            return Err(ReadFileError::NotAFile { cid });
        }
        let found = node.size();
        if let Some(want) = want.size.filter(|want| *want != found) {
            return Err(ReadFileError::Size { cid, want, found });
        }
        if depth == DEPTH_MAX && !node.links.is_empty() {
            return Err(ReadFileError::TooDeep { cid });
        }
        let children = node.links.iter().zip(&node.sizes).rev();
        self.stack.extend(children.map(|(link, size)| {
            (
                Want {
                    cid: link.cid,
                    size: Some(*size),
                },
                depth + 1,
            )
        }));
        Ok(node.data)
    }
}
