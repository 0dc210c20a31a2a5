//! The store as its callers see it: one folder, many processes, hostile guests, full disks.

#![cfg(test)]

mod blocks;
mod child;
mod collect;
mod export;
mod import;
mod journal;
mod kv;
mod outputs;
mod runs;
mod staging;
mod tree;

use mutual_store::BlockStore;
use tempfile::TempDir;

/// A folder for one test with an open store in it.
fn store() -> (TempDir, BlockStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = BlockStore::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

/// Bytes that repeat after 251, as in the vectors of `mutual-content`.
fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// All files below `folder`, relative to it.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
