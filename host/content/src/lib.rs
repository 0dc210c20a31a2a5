//! UnixFS and links between blocks: bytes and CIDs in, bytes and CIDs out.
//!
//! This crate does not know about files, sockets, clocks or stores. Builders hand finished [`Block`]s to a closure;
//! readers name the block that they need next and take its bytes. The shape is the profile `unixfs-v1-2025` of
//! IPIP-499, so a file and a folder have the CID here that Kubo and Helia give them: CIDv1, sha2-256, raw leaves of
//! 1 MiB, balanced with 1,024 links, folders as HAMT shards (fan-out 256, murmur3-x64-64) above 256 KiB.

mod block;
mod directory;
mod file;
mod links;
mod murmur;
mod node;
mod protobuf;

pub use block::{Block, WrongBlockError};
pub use directory::{
    Directory, DirectoryEntry, DirectoryReader, FinishDirectoryError, NameError,
    ReadDirectoryError, symlink,
};
pub use file::{FileBuilder, FileReader, FileRoot, ReadFileError, Want};
pub use links::{LinksError, links};
pub use node::{Kind, Link, NodeError, dag_size, kind};
