//! Content out of the store: to a stream, into staging folders, and to its place among a person's files.

use crate::blocks::{BlockStore, GetError};
use crate::fault::FileError;
use crate::folder::{Temporary, open_folder};
use mutual_content::{FileReader, Kind, ReadFileError, kind};
use mutual_protocol::manifest::{Entry, GuestPath, Manifest, Node};
use mutual_protocol::{Cid, limits::BLOCK_BYTES_MAX};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a file's content cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A block is missing or damaged.
    #[error(transparent)]
    Get(#[from] GetError),
    /// The DAG is not a file, or not of the size promised.
    #[error(transparent)]
    Dag(#[from] ReadFileError),
    /// Larger than the caller takes.
    #[error("{cid} has {size} bytes, more than {max}")]
    TooLarge {
        /// The file.
        cid: Cid,
        /// Its size.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The receiving side refused: for standard output this may be a broken pipe.
    #[error("the content cannot be written")]
    Write(#[source] io::Error),
}

/// Why a manifest was not laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialiseError {
    /// A file's content cannot be given.
    #[error("{path}")]
    Content {
        /// The guest path.
        path: GuestPath,
        /// Why not.
        #[source]
        source: Box<ExportError>,
    },
    /// A file or folder cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why an output was not put in its place. What was there before is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// A folder is there.
    #[error("{} is a folder", path.display())]
    IsFolder {
        /// The target.
        path: PathBuf,
    },
    /// The target is a link to nothing.
    #[error("{} is a link to nothing", path.display())]
    LinkDangling {
        /// The target.
        path: PathBuf,
    },
    /// The content cannot be given.
    #[error(transparent)]
    Content(#[from] ExportError),
    /// A file or folder cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
}

impl BlockStore {
    /// Writes the file `cid` to `out` and returns its length. With `size`, the file must have that length.
    ///
    /// # Errors
    /// When a block is missing or damaged, the DAG is not a file, or `out` refuses.
    pub fn export_file(
        &self,
        cid: Cid,
        size: Option<u64>,
        out: &mut impl io::Write,
    ) -> Result<u64, ExportError> {
        let mut reader = size.map_or_else(
            || FileReader::new(cid),
            |size| FileReader::with_size(cid, size),
        );
        let mut block = Vec::new();
        let mut total = 0;
        while let Some(want) = reader.want() {
            self.get_into(want.cid, BLOCK_BYTES_MAX, &mut block)?;
            let bytes = reader.handle_block(&block)?;
            out.write_all(bytes).map_err(ExportError::Write)?;
            total += bytes.len() as u64;
        }
        Ok(total)
    }

    /// The whole file `cid` in memory: for programs and manifests.
    ///
    /// # Errors
    /// As [`BlockStore::export_file`], and when it is larger than `size_max`.
    pub fn read_file(&self, cid: Cid, size_max: u64) -> Result<Vec<u8>, ExportError> {
        let root = self.get(cid, BLOCK_BYTES_MAX)?;
        let Kind::File { size } = kind(cid, &root).map_err(ReadFileError::Node)? else {
            return Err(ReadFileError::NotAFile { cid }.into());
        };
        if size > size_max {
            return Err(ExportError::TooLarge {
                cid,
                size,
                max: size_max,
            });
        }
        let mut bytes = Vec::new();
        self.export_file(cid, Some(size), &mut bytes)?;
        Ok(bytes)
    }

    /// Lays out `manifest` below the folder `root`, which is ours alone. Files at or below one of the `writable` paths
    /// may be changed by the guest, others not. Folders that are there already are used; files must not be.
    ///
    /// # Errors
    /// When content is missing, or a file or folder cannot be made.
    pub fn materialise(
        &self,
        manifest: &Manifest,
        root: &Path,
        writable: &[GuestPath],
    ) -> Result<(), MaterialiseError> {
        let mut layout = Layout::open(root)?;
        for Entry { path, node } in manifest.entries() {
            match *node {
                Node::Directory => layout.enter(path.names())?,
                Node::File {
                    cid,
                    size,
                    executable,
                } => {
                    layout.enter(path.names().take(path.names().count().saturating_sub(1)))?;
                    let is_writable = writable.iter().any(|above| path.below(above).is_some());
                    let mut file = layout.create(path.name())?;
                    let content = |source: ExportError| MaterialiseError::Content {
                        path: path.clone(),
                        source: Box::new(source),
                    };
                    self.export_file(cid, Some(size), &mut file)
                        .map_err(content)?;
                    let mode = match (is_writable, executable) {
                        (false, false) => 0o444,
                        (false, true) => 0o555,
                        (true, false) => 0o644,
                        (true, true) => 0o755,
                    };
                    file.set_permissions(Permissions::from_mode(mode))
                        .map_err(FileError::at(root))?;
                }
            }
        }
        Ok(())
    }

    /// Puts the file `cid` at `target`, at once and whole: written beside it and renamed. Folders above are made. A
    /// file that is there is replaced and leaves its mode; a link is followed; a device or pipe is written to.
    ///
    /// # Errors
    /// When content is missing, or the target cannot be made.
    pub fn place_file(
        &self,
        cid: Cid,
        size: u64,
        target: &Path,
        executable: bool,
    ) -> Result<(), PlaceError> {
        let there = match fs::metadata(target) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::at(target)(error).into());
            }
            Err(_) if fs::symlink_metadata(target).is_ok() => {
                return Err(PlaceError::LinkDangling {
                    path: target.to_owned(),
                });
            }
            Err(_) => None,
        };
        let Some(there) = there else {
            let mode = if executable { 0o777 } else { 0o666 };
            return self.place_beside(cid, size, target, |folder| {
                fs::create_dir_all(folder).map_err(FileError::at(folder))?;
                Temporary::create(folder, mode)
            });
        };
        if there.is_dir() {
            return Err(PlaceError::IsFolder {
                path: target.to_owned(),
            });
        }
        if !there.is_file() {
            let mut device = OpenOptions::new()
                .write(true)
                .open(target)
                .map_err(FileError::at(target))?;
            self.export_file(cid, Some(size), &mut device)?;
            return Ok(());
        }
        let real = fs::canonicalize(target).map_err(FileError::at(target))?;
        self.place_beside(cid, size, &real, |folder| {
            let file = Temporary::create(folder, 0o600)?;
            let mode = there.mode() & 0o7777;
            // Whoever may read an executable may execute it.
            let mode = if executable {
                mode | (mode & 0o444) >> 2
            } else {
                mode
            };
            file.file
                .set_permissions(Permissions::from_mode(mode))
                .map_err(FileError::at(target))?;
            Ok(file)
        })
    }

    /// Writes a file made by `create` in the target's folder, and gives it the target's name.
    fn place_beside(
        &self,
        cid: Cid,
        size: u64,
        target: &Path,
        create: impl FnOnce(&Path) -> Result<Temporary, FileError>,
    ) -> Result<(), PlaceError> {
        let folder = target
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // The person knows the target's name, not the temporary one.
        let at_target = |error: FileError| FileError::at(target)(error.source);
        let mut file = create(folder).map_err(at_target)?;
        self.export_file(cid, Some(size), &mut file.file)?;
        Ok(file.rename(target)?)
    }
}

/// A folder being filled in manifest order: the folders from its root to the last entry's stay open, so that each
/// step is one name below a folder that is known, and no link can be in the way.
struct Layout<'a> {
    root: &'a Path,
    base: OwnedFd,
    open: Vec<(String, OwnedFd)>,
}

impl<'a> Layout<'a> {
    fn open(root: &'a Path) -> Result<Self, FileError> {
        let base = open_folder(CWD, root).map_err(FileError::at(root))?;
        Ok(Self {
            root,
            base,
            open: Vec::new(),
        })
    }

    /// Makes `names` the current folder; makes what is missing of it.
    fn enter<'b>(&mut self, names: impl Iterator<Item = &'b str>) -> Result<(), FileError> {
        let mut depth = 0;
        for name in names {
            if self.open.get(depth).is_none_or(|(open, _)| open != name) {
                self.open.truncate(depth);
                let made = match mkdirat(self.folder(), name, Mode::from_raw_mode(0o755)) {
                    Err(Errno::EXIST) => Ok(()),
                    made => made,
                };
                let folder = made.and_then(|()| open_folder(self.folder(), name));
                self.open.push((
                    name.to_owned(),
                    folder.map_err(FileError::at(&self.path(name)))?,
                ));
            }
            depth += 1;
        }
        self.open.truncate(depth);
        Ok(())
    }

    /// Makes an empty file in the current folder.
    fn create(&self, name: &str) -> Result<File, FileError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(self.folder(), name, flags, Mode::from_raw_mode(0o600));
        file.map(File::from)
            .map_err(FileError::at(&self.path(name)))
    }

    fn folder(&self) -> BorrowedFd<'_> {
        self.open
            .last()
            .map_or(self.base.as_fd(), |(_, folder)| folder.as_fd())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.open
            .iter()
            .map(|(name, _)| name.as_str())
            .fold(self.root.to_owned(), |path, name| path.join(name))
            .join(name)
    }
}
