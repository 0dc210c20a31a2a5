//! Content between the network and the store: what may be given away, where from it comes, where it goes.

use super::{FetchFailure, Net, lock};
use mutual_content::{Block, links};
use mutual_net::NetStream;
use mutual_net::blob::{BlockSink, BlockSource, FetchError, Provider, Sourced, block_bytes_max};
use mutual_protocol::ids::Codec;
use mutual_protocol::limits::MANIFEST_BYTES_MAX;
use mutual_protocol::{Cid, NodeId};
use mutual_store::{BlockStore, FileError};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

/// Blocks that are shared at a time: a hundred million bytes of CIDs, or content of 1 TiB in large files.
const SHARED_MAX: usize = 1 << 20;

/// What may be given away: what was shared, and whatever a block that was given away leads to.
#[derive(Debug)]
pub(super) struct Shelf {
    blocks: BlockStore,
    shared: Mutex<BTreeSet<Cid>>,
}

impl Shelf {
    pub(super) fn new(blocks: BlockStore) -> Self {
        Self {
            blocks,
            shared: Mutex::default(),
        }
    }

    pub(super) fn share(&self, root: Cid) {
        let mut shared = lock(&self.shared);
        if shared.len() < SHARED_MAX {
            shared.insert(root);
        }
    }
}

impl BlockSource for Shelf {
    fn read(&self, cid: Cid) -> Sourced {
        if !lock(&self.shared).contains(&cid) {
            return Sourced::Refused;
        }
        let Ok(bytes) = self.blocks.get(cid, block_bytes_max(cid.codec())) else {
            return Sourced::Missing;
        };
        if cid.codec() != Codec::Raw {
            for below in links(cid, &bytes).unwrap_or_default() {
                self.share(below);
            }
        }
        Sourced::Block(bytes)
    }
}

/// A node that content is fetched from.
pub(super) struct From {
    pub(super) net: Net,
    pub(super) node: NodeId,
}

impl Provider for From {
    type Stream = NetStream;

    fn name(&self) -> String {
        self.node.to_string()
    }

    async fn open(&self) -> io::Result<NetStream> {
        let opened = self.net.open(self.node).await;
        opened.map_err(io::Error::other)
    }
}

/// The store, as the place where content goes.
#[derive(Debug)]
pub(super) struct Sink {
    blocks: BlockStore,
    /// Where the store could not be written: the fetch passes on the bare error.
    failed: Mutex<Option<PathBuf>>,
}

impl Sink {
    pub(super) fn new(blocks: BlockStore) -> Self {
        Self {
            blocks,
            failed: Mutex::default(),
        }
    }
}

impl BlockSink for Sink {
    fn has(&self, cid: Cid) -> bool {
        self.blocks.has(cid)
    }

    fn read(&self, cid: Cid) -> Option<Vec<u8>> {
        self.blocks.get(cid, MANIFEST_BYTES_MAX).ok()
    }

    fn put(&self, block: Block<'_>) -> io::Result<()> {
        self.blocks.put_block(block).map_err(|e| {
            *lock(&self.failed) = Some(e.path);
            e.source
        })
    }
}

/// Why a fetch ended without everything, for those who know no network.
pub(super) fn failure(error: FetchError, sink: &Sink) -> FetchFailure {
    let detail = error.to_string();
    match error {
        FetchError::NoProvider { cid }
        | FetchError::Missing { cid }
        | FetchError::Refused { cid, .. } => FetchFailure::Missing { cid },
        FetchError::TooLarge { bytes_max, .. } => FetchFailure::TooLarge { bytes_max },
        FetchError::Wrong { .. } | FetchError::BlockTooLarge { .. } => {
            FetchFailure::Wrong { detail }
        }
        FetchError::Sink { source, .. } => FetchFailure::Store(FileError {
            path: lock(&sink.failed).take().unwrap_or_default(),
            source,
        }),
        _ => FetchFailure::Broken { detail },
    }
}
