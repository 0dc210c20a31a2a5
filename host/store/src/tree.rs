//! Folders into the store: as manifest entries, and as UnixFS directories with the CIDs that IPFS gives them.

mod directories;
mod ignore;
mod walk;

use crate::blocks::{BlockStore, GetError};
use crate::fault::FileError;
use crate::import::{ImportError, Imported, Importer};
use mutual_content::{Link, NameError, NodeError, ReadDirectoryError};
use mutual_protocol::Cid;
use mutual_protocol::manifest::{Entry, GuestPath, GuestPathError, Node};
use std::path::{Path, PathBuf};
use walk::{Found, What};

/// Names that start with a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Left out, as `ipfs add -r` does.
    Skip,
    /// Taken like others: job inputs.
    Include,
}

/// Symbolic links inside the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symlinks {
    /// What they lead to is taken in their place. Those that lead out of the folder or nowhere are refused.
    Follow,
    /// Kept as links, as `ipfs add -r` does; where they lead is not looked at.
    Keep,
}

/// How a folder is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOptions {
    /// Names that start with a dot.
    pub hidden: Hidden,
    /// Symbolic links.
    pub symlinks: Symlinks,
    /// Name of a file in the folder itself whose lines say what is left out, in the manner of `.gitignore`:
    /// `.mcignore` for `--dir`, none for `mc add`.
    pub ignore_file: Option<&'static str>,
    /// Most files and folders.
    pub entries_max: usize,
    /// Most bytes in all.
    pub bytes_max: u64,
}

/// A symbolic link that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symlink {
    /// Where it is.
    pub path: GuestPath,
    /// Where it leads, as written in it.
    pub target: Vec<u8>,
}

/// A folder's content. Paths are relative to the folder, sorted as in a manifest; a folder without entries is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Files and empty folders.
    pub entries: Vec<Entry>,
    /// Links, with [`Symlinks::Keep`] and in foreign directories.
    pub symlinks: Vec<Symlink>,
}

impl Tree {
    /// The entries with `base` in front of each path: what a manifest needs for `SRC:GUEST`. An empty folder is one
    /// entry, `base` itself.
    ///
    /// # Errors
    /// When a path gets too long or too deep.
    pub fn entries_below(&self, base: &GuestPath) -> Result<Vec<Entry>, GuestPathError> {
        if self.entries.is_empty() && self.symlinks.is_empty() {
            return Ok(vec![Entry {
                path: base.clone(),
                node: Node::Directory,
            }]);
        }
        let below = |entry: &Entry| {
            Ok(Entry {
                path: base.join(entry.path.as_str())?,
                node: entry.node,
            })
        };
        self.entries.iter().map(below).collect()
    }
}

/// Why a folder was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportTreeError {
    /// A file inside was not taken.
    #[error(transparent)]
    File(#[from] ImportError),
    /// A folder, link or ignore file cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// Not a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A name that is not UTF-8.
    #[error("the name {} is not UTF-8", path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// A name that guests cannot have.
    #[error("{} cannot be a path of a guest", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: GuestPathError,
    },
    /// A link that leads out of the folder.
    #[error("the link {} leads out of the folder, to {}", path.display(), target.display())]
    LinkOut {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A link to nothing.
    #[error("the link {} leads to {}, which does not exist", path.display(), target.display())]
    LinkDangling {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A link to a folder that it lies in, or a circle of links.
    #[error("the link {} leads in a circle", path.display())]
    LinkCircle {
        /// The link.
        path: PathBuf,
    },
    /// More files and folders than allowed.
    #[error("more than {max} files and folders")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// More bytes than allowed.
    #[error("more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
}

/// Why a UnixFS directory cannot be read from or written to the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryTreeError {
    /// A block is missing or damaged.
    #[error(transparent)]
    Get(#[from] GetError),
    /// Not a directory.
    #[error(transparent)]
    Directory(#[from] ReadDirectoryError),
    /// Not UnixFS at all.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A path that guests cannot have.
    #[error("the directory holds a path that guests cannot have")]
    Path(#[from] GuestPathError),
    /// A name that cannot stand in a directory.
    #[error("the directory holds a wrong name")]
    Name(#[from] NameError),
    /// Two names that cannot be in one directory.
    #[error(
        "the names {first:?} and {second:?} cannot be in one directory: they have the same hash"
    )]
    SameHash {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// The store cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
}

impl BlockStore {
    /// Takes the folder at `path` with everything below it. Nothing is read before all is counted.
    ///
    /// # Errors
    /// When something in it is neither file, folder nor link, has no valid name, changes, or is more than allowed.
    pub fn import_tree(&self, path: &Path, options: &TreeOptions) -> Result<Tree, ImportTreeError> {
        let mut importer = Importer::new(Some(self));
        let mut tree = Tree::default();
        for Found { path, what } in walk::walk(path, options)? {
            let node = match what {
                What::File { source } => {
                    let Imported { root, executable } = importer.path(&source)?;
                    Node::File {
                        cid: root.cid,
                        size: root.size,
                        executable,
                    }
                }
                What::EmptyFolder => Node::Directory,
                What::Symlink { target } => {
                    tree.symlinks.push(Symlink { path, target });
                    continue;
                }
            };
            tree.entries.push(Entry { path, node });
        }
        Ok(tree)
    }

    /// Makes the UnixFS directory of `tree` and returns its root: the CID that Kubo prints for the folder.
    ///
    /// # Errors
    /// When a file's root block is not in the store, or the new blocks cannot be written.
    pub fn put_directory(&self, tree: &Tree) -> Result<Link, DirectoryTreeError> {
        directories::put(self, tree)
    }

    /// Reads the UnixFS directory `root` from the store. No file is executable: UnixFS does not tell.
    ///
    /// # Errors
    /// When a block is missing, something in it is no UnixFS, or it has more than `entries_max` entries.
    pub fn list_tree(&self, root: Cid, entries_max: usize) -> Result<Tree, DirectoryTreeError> {
        directories::list(self, root, entries_max)
    }
}
