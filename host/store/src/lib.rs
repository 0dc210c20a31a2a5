//! Blocks as plain files, one record file per run, staging folders, the ways of files into and out of them, and what
//! `mc-host` alone keeps: a journal, and a key-value store.
//!
//! Everything else here is safe for many processes at once: a file appears by rename, a folder in use is locked, and
//! nobody waits for anybody but a collection. All calls block on the disk: callers put them on a blocking thread.
//! This crate does not know about jobs, leases or peers, and it never waits or asks for the time.

mod blocks;
mod collect;
mod export;
mod fault;
mod folder;
mod group;
mod import;
mod journal;
mod kv;
mod outputs;
mod remove;
mod runs;
mod staging;
mod tree;

pub use blocks::{BlockStore, Cancel, GetError, OpenStoreError, PutError, StoreGuard};
pub use collect::{CollectError, Collected};
pub use export::{ExportError, MaterialiseError, PlaceError};
pub use fault::{Fault, FileError};
pub use import::{ImportError, Imported, hash_file};
pub use journal::{
    CommitError, CompactError, Disk, DiskFile, GROUP_BYTES_MAX, JOURNAL_BYTES_MAX, Journal,
    JournalLimits, Mark, OpenJournalError, RECORD_BYTES_MAX, Recovered,
};
pub use kv::{
    BATCH_BYTES_MAX, Batch, BatchError, DurableKv, KEY_BYTES_MAX, KvError, KvRange, KvStore, Moved,
    OpenKvError, RANGE_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use outputs::{CollectTreeError, OutputLimits, Outputs, Skipped, SkippedKind};
pub use runs::{DamagedRun, FindRunError, ReadRunError, Run, RunStore, Runs};
pub use staging::{Staging, StagingArea, Swept};
pub use tree::{DirectoryTreeError, Hidden, ImportTreeError, Symlink, Symlinks, Tree, TreeOptions};
