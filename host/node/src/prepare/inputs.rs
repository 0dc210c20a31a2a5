//! Inputs into one manifest of the guest's root: files, folders, content by CID, and folders with names of their own.

use super::{PrepareError, RunRequest};
use mutual_content::ReadFileError;
use mutual_protocol::manifest::{Entry, GuestPath, Manifest, Node};
use mutual_protocol::spec::Preopen;
use mutual_protocol::{Cid, limits};
use mutual_store::{BlockStore, ExportError, Hidden, Symlinks, TreeOptions};
use std::path::{Path, PathBuf};

/// Folder of the guest's root that holds what the project keeps there: progress and named folders.
pub(crate) const RESERVED: &str = ".mc";

/// What an input is taken from.
#[derive(Clone, Debug)]
pub enum InputSource {
    /// A file or folder of this machine.
    Path(PathBuf),
    /// Content that the store has.
    Content(Cid),
}

/// An input at a path of the guest's root.
#[derive(Clone, Debug)]
pub struct InputRequest {
    /// From where.
    pub source: InputSource,
    /// To where.
    pub guest: GuestPath,
}

/// A folder that the guest gets under a name of its own.
#[derive(Clone, Debug)]
pub struct PreopenRequest {
    /// The folder on this machine.
    pub host: PathBuf,
    /// The name as the guest sees it; `/` is the root itself.
    pub name: String,
    /// Whether changes come back.
    pub writable: bool,
}

/// What a writable preopen held before the run: changes are told against it.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The folder on this machine.
    pub host: PathBuf,
    /// Where it lies in the guest's root; none is the root itself.
    pub path: Option<GuestPath>,
    /// Its entries, with paths relative to it.
    pub entries: Vec<Entry>,
}

pub(super) struct Inputs {
    pub(super) manifest: Manifest,
    pub(super) preopens: Vec<Preopen>,
    pub(super) baselines: Vec<Baseline>,
}

pub(super) fn take(store: &BlockStore, request: &RunRequest) -> Result<Inputs, PrepareError> {
    let options = TreeOptions {
        hidden: Hidden::Include,
        symlinks: Symlinks::Follow,
        ignore_file: None,
        entries_max: limits::MANIFEST_ENTRIES_MAX,
        bytes_max: request.folder_bytes_max,
    };
    let mut entries = Vec::new();
    for input in &request.inputs {
        match &input.source {
            InputSource::Path(path) => {
                take_path(store, path, &input.guest, &options, &mut entries)?
            }
            InputSource::Content(cid) => content(store, *cid, &input.guest, &mut entries)?,
        }
    }
    let mut preopens = Vec::new();
    let mut baselines = Vec::new();
    let options = TreeOptions {
        ignore_file: Some(".mcignore"),
        ..options
    };
    for (index, asked) in request.preopens.iter().enumerate() {
        let path = match asked.name.as_str() {
            "/" => None,
            _ => Some(GuestPath::parse(&format!("{RESERVED}/dir/{index}"))?),
        };
        let mut tree = store.import_tree(&asked.host, &options)?;
        if path.is_none() {
            // The guest finds the project's own folder in its place.
            let is_reserved = |entry: &Entry| entry.path.names().next() == Some(RESERVED);
            tree.entries.retain(|entry| !is_reserved(entry));
        }
        match &path {
            Some(path) => entries.extend(tree.entries_below(path)?),
            None => entries.extend(tree.entries.iter().cloned()),
        }
        preopens.push(Preopen {
            name: asked.name.clone(),
            path: path.clone(),
            writable: asked.writable,
        });
        if asked.writable {
            baselines.push(Baseline {
                host: asked.host.clone(),
                path,
                entries: tree.entries,
            });
        }
    }
    preopens.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Inputs {
        manifest: Manifest::new(entries)?,
        preopens,
        baselines,
    })
}

fn take_path(
    store: &BlockStore,
    path: &Path,
    guest: &GuestPath,
    options: &TreeOptions,
    entries: &mut Vec<Entry>,
) -> Result<(), PrepareError> {
    let look = |source| PrepareError::Look {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(look)?.is_dir() {
        entries.extend(store.import_tree(path, options)?.entries_below(guest)?);
        return Ok(());
    }
    let file = store.import_file(path)?;
    let node = Node::File {
        cid: file.root.cid,
        size: file.root.size,
        executable: file.executable,
    };
    entries.push(Entry {
        path: guest.clone(),
        node,
    });
    Ok(())
}

/// Content by CID must be whole here: a file's size is told by reading it once.
fn content(
    store: &BlockStore,
    cid: Cid,
    guest: &GuestPath,
    entries: &mut Vec<Entry>,
) -> Result<(), PrepareError> {
    match store.export_file(cid, None, &mut std::io::sink()) {
        Ok(size) => entries.push(Entry {
            path: guest.clone(),
            node: Node::File {
                cid,
                size,
                executable: false,
            },
        }),
        Err(ExportError::Dag(ReadFileError::NotAFile { .. })) => {
            let tree = store
                .list_tree(cid, limits::MANIFEST_ENTRIES_MAX)
                .map_err(|error| PrepareError::Folder {
                    cid,
                    source: Box::new(error),
                })?;
            entries.extend(tree.entries_below(guest)?);
        }
        Err(error) => {
            return Err(PrepareError::Content {
                cid,
                source: Box::new(error),
            });
        }
    }
    Ok(())
}
