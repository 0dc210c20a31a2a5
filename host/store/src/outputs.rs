//! Outputs of an untrusted guest: what it left below its root, counted before a byte of it is read.

use crate::blocks::BlockStore;
use crate::fault::FileError;
use crate::folder::{entry_names, open_folder};
use crate::import::{ImportError, Imported, Importer};
use mutual_protocol::manifest::{Entry, GuestPath, GuestPathError, Node};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an output may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Bytes in all, by apparent size: a sparse file counts in full.
    pub bytes_max: u64,
    /// Files and folders.
    pub entries_max: usize,
}

/// What a guest left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Files and empty folders, under their guest paths, ready for a manifest.
    pub entries: Vec<Entry>,
    /// What is not carried.
    pub skipped: Vec<Skipped>,
    /// Wanted paths at which there is nothing, whether or not they lie below others.
    pub missing: Vec<GuestPath>,
}

/// Something in the outputs that is not carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where, below the root; any bytes.
    pub path: PathBuf,
    /// What.
    pub kind: SkippedKind,
}

/// Why something is not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkippedKind {
    /// A symbolic link. It is never followed.
    Symlink,
    /// A device, socket or pipe.
    Special,
    /// A name that is not a guest path: not UTF-8, too long, or with control characters.
    Name,
}

/// Why outputs were not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectTreeError {
    /// More bytes than allowed.
    #[error("the outputs have more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// More files and folders than allowed.
    #[error("the outputs have more than {max} files and folders")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Nested more deeply than a guest path can be.
    #[error("the outputs are nested too deeply at {}", path.display())]
    TooDeep {
        /// Where.
        path: PathBuf,
    },
    /// A file was not taken.
    #[error(transparent)]
    File(#[from] ImportError),
    /// A folder cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
}

impl BlockStore {
    /// Takes what lies at the `wanted` guest paths below the folder `root`: files, and folders with all below them.
    ///
    /// No symbolic link is followed, at the end of a path or on the way; nothing but regular files is opened.
    ///
    /// # Errors
    /// When there is more than the limits allow (then nothing was read), or the store cannot be written.
    pub fn collect_tree(
        &self,
        root: &Path,
        wanted: &[GuestPath],
        limits: OutputLimits,
    ) -> Result<Outputs, CollectTreeError> {
        let base = open_folder(CWD, root).map_err(FileError::at(root))?;
        let mut count = Count {
            root,
            limits,
            outputs: Outputs::default(),
            files: Vec::new(),
            entries: 0,
            bytes: 0,
        };
        for path in wanted.iter().collect::<BTreeSet<_>>() {
            count.wanted(base.as_fd(), path, wanted)?;
        }
        let Count {
            mut outputs, files, ..
        } = count;
        let mut importer = Importer::new(Some(self));
        for (path, size) in files {
            let shown = root.join(path.as_str());
            let file = open_file(base.as_fd(), &path).map_err(FileError::at(&shown))?;
            let Imported {
                root: content,
                executable,
            } = importer.file(&file, &shown)?;
            if content.size != size {
                return Err(ImportError::Changed { path: shown }.into());
            }
            let node = Node::File {
                cid: content.cid,
                size,
                executable,
            };
            outputs.entries.push(Entry { path, node });
        }
        Ok(outputs)
    }
}

/// The first pass: names, kinds and sizes, and not a byte of content.
struct Count<'a> {
    root: &'a Path,
    limits: OutputLimits,
    /// Empty folders, what is skipped and what is missing.
    outputs: Outputs,
    /// Files with their sizes.
    files: Vec<(GuestPath, u64)>,
    entries: usize,
    bytes: u64,
}

impl Count<'_> {
    /// Counts what is at one of the wanted paths, unless it comes with another of them. A link on the way is as good
    /// as nothing there.
    fn wanted(
        &mut self,
        base: BorrowedFd<'_>,
        path: &GuestPath,
        wanted: &[GuestPath],
    ) -> Result<(), CollectTreeError> {
        let is_above = |above: &GuestPath| above != path && path.below(above).is_some();
        let found = open_parent(base, path).and_then(|folder| {
            let stat = statat(&folder, path.name(), AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((folder, stat))
        });
        match found {
            Ok(_) if wanted.iter().any(is_above) => Ok(()),
            Ok((folder, stat)) => self.entry(folder.as_fd(), path, &stat),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.outputs.missing.push(path.clone());
                Ok(())
            }
            Err(error) => Err(FileError::at(&self.root.join(path.as_str()))(error).into()),
        }
    }

    fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        path: &GuestPath,
        stat: &Stat,
    ) -> Result<(), CollectTreeError> {
        self.one_more()?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
                self.bytes = self.bytes.saturating_add(size);
                if self.bytes > self.limits.bytes_max {
                    return Err(CollectTreeError::TooLarge {
                        max: self.limits.bytes_max,
                    });
                }
                self.files.push((path.clone(), size));
            }
            FileType::Directory => self.folder(folder, path)?,
            FileType::Symlink => self.skip(path.as_str().into(), SkippedKind::Symlink),
            _ => self.skip(path.as_str().into(), SkippedKind::Special),
        }
        Ok(())
    }

    /// Counts what is in the folder at `path`, whose parent is `parent`. The depth of guest paths bounds the
    /// recursion.
    fn folder(&mut self, parent: BorrowedFd<'_>, path: &GuestPath) -> Result<(), CollectTreeError> {
        let shown = self.root.join(path.as_str());
        let folder = open_folder(parent, path.name()).map_err(FileError::at(&shown))?;
        let mut names = entry_names(folder.as_fd()).map_err(FileError::at(&shown))?;
        names.sort();
        let carried = self.files.len() + self.outputs.entries.len();
        for name in names {
            match name.to_str().map(|name| path.join(name)) {
                Ok(Ok(path)) => {
                    let stat = statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW)
                        .map_err(FileError::at(&shown))?;
                    self.entry(folder.as_fd(), &path, &stat)?;
                }
                Ok(Err(GuestPathError::TooDeep)) => {
                    return Err(CollectTreeError::TooDeep { path: shown });
                }
                Ok(Err(_)) | Err(_) => {
                    self.one_more()?;
                    let name = OsStr::from_bytes(name.as_bytes());
                    self.skip(Path::new(path.as_str()).join(name), SkippedKind::Name);
                }
            }
        }
        if self.files.len() + self.outputs.entries.len() == carried {
            self.outputs.entries.push(Entry {
                path: path.clone(),
                node: Node::Directory,
            });
        }
        Ok(())
    }

    fn one_more(&mut self) -> Result<(), CollectTreeError> {
        self.entries += 1;
        let max = self.limits.entries_max;
        if self.entries > max {
            Err(CollectTreeError::TooMany { max })
        } else {
            Ok(())
        }
    }

    fn skip(&mut self, path: PathBuf, kind: SkippedKind) {
        self.outputs.skipped.push(Skipped { path, kind });
    }
}

/// Opens the folder that `path` lies in, one name at a time, through no link.
fn open_parent(base: BorrowedFd<'_>, path: &GuestPath) -> Result<OwnedFd, Errno> {
    let folders = path.names().count().saturating_sub(1);
    let base = open_folder(base, c".")?;
    path.names()
        .take(folders)
        .try_fold(base, |folder, name| open_folder(folder.as_fd(), name))
}

/// Opens a file for reading, through no link and without waiting for anything.
fn open_file(base: BorrowedFd<'_>, path: &GuestPath) -> Result<File, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(open_parent(base, path)?, path.name(), flags, Mode::empty()).map(File::from)
}
