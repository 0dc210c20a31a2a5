//! Blocks as plain files, one record file per run, staging folders, and the ways of files into and out of them.
//!
//! Everything here is safe for many processes at once: a file appears by rename, a folder in use is locked, and
//! nobody waits for anybody but a collection. All calls block on the disk: callers put them on a blocking thread.
//! This crate does not know about jobs, leases or peers, and it never waits or asks for the time.

mod blocks;
mod collect;
mod export;
mod fault;
mod folder;
mod import;
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
pub use outputs::{CollectTreeError, OutputLimits, Outputs, Skipped, SkippedKind};
pub use runs::{DamagedRun, FindRunError, ReadRunError, Run, RunStore, Runs};
pub use staging::{Staging, StagingArea, Swept};
pub use tree::{DirectoryTreeError, Hidden, ImportTreeError, Symlink, Symlinks, Tree, TreeOptions};
