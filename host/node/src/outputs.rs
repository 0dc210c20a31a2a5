//! Outputs: taken from the guest's root when it has ended, and put where the person wants them.

use crate::prepare::{Baseline, RESERVED};
use mutual_protocol::ids::Codec;
use mutual_protocol::manifest::{Entry, GuestPath, Manifest, ManifestError, Node};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{Cid, codec};
use mutual_store::{
    BlockStore, CollectTreeError, FileError, OutputLimits, PlaceError, Skipped, hash_file,
};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Outputs of an attempt, all blocks in the store.
#[derive(Debug)]
pub struct Collected {
    /// Where in the guest's root, and what.
    pub manifest: Manifest,
    /// The manifest's CID.
    pub cid: Cid,
    /// What is no output: links, devices, names that are not UTF-8.
    pub skipped: Vec<Skipped>,
}

/// Why outputs were not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// Too much, or not readable.
    #[error(transparent)]
    Tree(#[from] CollectTreeError),
    /// The root cannot be listed.
    #[error("the guest's root cannot be listed")]
    List(#[source] io::Error),
    /// More entries than a manifest holds.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest cannot be stored.
    #[error(transparent)]
    Store(#[from] FileError),
}

/// Takes what `spec` names as outputs from `root`: `/out`, the result paths, the writable preopens. `inputs` is what
/// the guest was given.
///
/// # Errors
/// When there is more than the limits allow, or the store cannot be written.
pub fn collect(
    store: &BlockStore,
    root: &Path,
    spec: &JobSpec,
    inputs: &Manifest,
) -> Result<Collected, CollectError> {
    let mut wanted: Vec<GuestPath> = GuestPath::parse("out").into_iter().collect();
    wanted.extend(spec.result.paths.iter().cloned());
    for preopen in spec.preopens.iter().filter(|preopen| preopen.writable) {
        match &preopen.path {
            Some(path) => wanted.push(path.clone()),
            None => wanted.extend(top_level(root, inputs).map_err(CollectError::List)?),
        }
    }
    wanted.sort();
    wanted.dedup();
    let outermost: Vec<GuestPath> = wanted
        .iter()
        .filter(|path| !wanted.iter().any(|other| is_inside(path, other)))
        .cloned()
        .collect();
    let limits = OutputLimits {
        bytes_max: spec.limits.disk_bytes_max,
        entries_max: usize::try_from(spec.limits.files_max).unwrap_or(usize::MAX),
    };
    let taken = store.collect_tree(root, &outermost, limits)?;
    // An empty `/out` is the folder that every guest finds, not an output.
    let entries = taken
        .entries
        .into_iter()
        .filter(|e| e.node != Node::Directory || e.path.as_str() != "out");
    let manifest = Manifest::new(entries.collect())?;
    let cid = store.put_new(Codec::DagCbor, &codec::encode(&manifest))?;
    Ok(Collected {
        manifest,
        cid,
        skipped: taken.skipped,
    })
}

fn is_inside(path: &GuestPath, other: &GuestPath) -> bool {
    path != other && path.below(other).is_some()
}

/// What lies directly in the root, without the project's own folder, and without `/tmp` unless it was given. Names
/// that no guest path can have stay behind.
fn top_level(root: &Path, inputs: &Manifest) -> io::Result<Vec<GuestPath>> {
    let is_given = |name: &str| {
        inputs
            .entries()
            .iter()
            .any(|entry| first_name(entry) == name)
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let name = entry?.file_name();
        let path = name
            .to_str()
            .filter(|name| *name != RESERVED && (*name != "tmp" || is_given("tmp")))
            .and_then(|name| GuestPath::parse(name).ok());
        paths.extend(path);
    }
    Ok(paths)
}

/// One wanted place for outputs.
#[derive(Clone, Debug)]
pub struct Place {
    /// A path of the guest's root: a file, or a folder with all below it.
    pub guest: GuestPath,
    /// Where it goes on this machine.
    pub target: PathBuf,
}

/// What was done with outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Files written.
    pub written: Vec<PathBuf>,
    /// Files removed, because the guest removed them from a writable folder.
    pub removed: Vec<PathBuf>,
    /// Files that changed here meanwhile: kept, with the guest's one saved beside under the second name.
    pub conflicts: Vec<(PathBuf, PathBuf)>,
    /// Wanted places whose guest path does not exist.
    pub missing: Vec<GuestPath>,
}

/// Why an output was not placed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceOutputError {
    /// A file was not written.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A folder was not made, or a file not removed.
    #[error("{}", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Puts the outputs of `manifest` at the wanted `places`.
///
/// # Errors
/// At the first file that cannot be written. What was written stays.
pub fn place(
    store: &BlockStore,
    manifest: &Manifest,
    places: &[Place],
) -> Result<Placed, PlaceOutputError> {
    let mut placed = Placed::default();
    for place in places {
        let mut found = false;
        for entry in manifest.entries() {
            let Some(rest) = entry.path.below(&place.guest) else {
                continue;
            };
            found = true;
            put(
                store,
                entry.node,
                &target(&place.target, &place.guest, rest),
                &mut placed,
            )?;
        }
        if !found {
            placed.missing.push(place.guest.clone());
        }
    }
    Ok(placed)
}

/// A single file goes into a folder that is there, as with `cp`; a folder becomes the target itself.
fn target(target: &Path, guest: &GuestPath, rest: &str) -> PathBuf {
    if rest.is_empty() && (target.is_dir() || target.to_string_lossy().ends_with('/')) {
        return target.join(guest.name());
    }
    if rest.is_empty() {
        target.to_owned()
    } else {
        target.join(rest)
    }
}

fn put(
    store: &BlockStore,
    node: Node,
    target: &Path,
    placed: &mut Placed,
) -> Result<(), PlaceOutputError> {
    match node {
        Node::File {
            cid,
            size,
            executable,
        } => {
            store.place_file(cid, size, target, executable)?;
            placed.written.push(target.to_owned());
        }
        Node::Directory => {
            let folder = |source| PlaceOutputError::Folder {
                path: target.to_owned(),
                source,
            };
            std::fs::create_dir_all(target).map_err(folder)?;
        }
    }
    Ok(())
}

/// Brings the changes of a writable folder back: changed and new files are written, removed ones removed.
///
/// `others` are paths of the root that belong to other inputs and never go back; `suffix` names the run in the
/// names of files that are saved beside changed ones.
///
/// # Errors
/// At the first file that cannot be written or removed. What was done stays.
pub fn write_back(
    store: &BlockStore,
    manifest: &Manifest,
    baseline: &Baseline,
    others: &[GuestPath],
    suffix: &str,
) -> Result<Placed, PlaceOutputError> {
    let scope = Scope { baseline, others };
    let is_own = |entry: &&Entry| baseline.path.is_some() || scope.owns(entry);
    let before: BTreeMap<&str, Node> = baseline
        .entries
        .iter()
        .filter(is_own)
        .map(|entry| (entry.path.as_str(), entry.node))
        .collect();
    let after: BTreeMap<&str, Node> = manifest
        .entries()
        .iter()
        .filter_map(|entry| Some((scope.relative(entry)?, entry.node)))
        .collect();
    let mut placed = Placed::default();
    // What is gone goes first: a file may have become a folder.
    for (path, node) in &before {
        if !after.contains_key(path) {
            remove(&baseline.host, path, *node, &after, &mut placed)?;
        }
    }
    for (path, node) in &after {
        let old = before.get(path).copied();
        let target = baseline.host.join(path);
        // A folder that lost its last file is told as an empty one, and was there already.
        if is_same(old, *node) || *node == Node::Directory && target.is_dir() {
            continue;
        }
        if is_untouched(&target, old) {
            put(store, *node, &target, &mut placed)?;
            continue;
        }
        let beside = beside(&target, suffix);
        put(store, *node, &beside, &mut placed)?;
        placed.conflicts.push((target, beside));
    }
    Ok(placed)
}

/// Which entries of a manifest belong to a writable folder.
struct Scope<'a> {
    baseline: &'a Baseline,
    others: &'a [GuestPath],
}

impl Scope<'_> {
    /// The entry's path below the writable folder.
    fn relative<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        match &self.baseline.path {
            Some(path) => entry.path.below(path).filter(|rest| !rest.is_empty()),
            None => self.owns(entry).then_some(entry.path.as_str()),
        }
    }

    /// Whether a path of the root is the writable root's own.
    fn owns(&self, entry: &Entry) -> bool {
        let first = first_name(entry);
        // The guest finds these two folders in any case; they go back only where they came from.
        let is_scratch = ["out", "tmp"].contains(&first)
            && !self.baseline.entries.iter().any(|e| first_name(e) == first);
        let is_other = self.others.iter().any(|o| entry.path.below(o).is_some());
        first != RESERVED && !is_scratch && !is_other
    }
}

/// Removes what the guest removed, unless it changed here meanwhile; then the folders above that are gone there and
/// empty here.
fn remove(
    host: &Path,
    path: &str,
    node: Node,
    after: &BTreeMap<&str, Node>,
    placed: &mut Placed,
) -> Result<(), PlaceOutputError> {
    let target = host.join(path);
    if matches!(node, Node::File { .. }) {
        if target.symlink_metadata().is_err() || !is_untouched(&target, Some(node)) {
            return Ok(());
        }
        let removed = std::fs::remove_file(&target);
        removed.map_err(|source| PlaceOutputError::Folder {
            path: target.clone(),
            source,
        })?;
        placed.removed.push(target);
    }
    let folders = Path::new(path)
        .ancestors()
        .filter_map(Path::to_str)
        .skip(usize::from(matches!(node, Node::File { .. })));
    for folder in folders.take_while(|folder| !folder.is_empty() && !is_folder(after, folder)) {
        // What is not empty here stays.
        if std::fs::remove_dir(host.join(folder)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Whether nothing changed. No guest can make a file executable, so its bytes alone decide.
fn is_same(old: Option<Node>, new: Node) -> bool {
    match (old, new) {
        (Some(Node::File { cid: old, .. }), Node::File { cid: new, .. }) => old == new,
        (old, new) => old == Some(new),
    }
}

/// Whether the entries have a folder at `path`.
fn is_folder(entries: &BTreeMap<&str, Node>, path: &str) -> bool {
    let inside = format!("{path}/");
    let next = entries.range(inside.as_str()..).next();
    entries.get(path) == Some(&Node::Directory)
        || next.is_some_and(|(next, _)| next.starts_with(&inside))
}

fn first_name(entry: &Entry) -> &str {
    entry.path.names().next().unwrap_or_default()
}

/// Whether the file here is still the one that the guest was given.
fn is_untouched(target: &Path, old: Option<Node>) -> bool {
    if target.symlink_metadata().is_err() {
        return true;
    }
    match old {
        Some(Node::File { cid, .. }) => hash_file(target).is_ok_and(|now| now.root.cid == cid),
        Some(Node::Directory) => target.is_dir(),
        None => false,
    }
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".mc-{suffix}"));
    name.into()
}
