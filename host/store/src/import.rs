//! Files into the store: streamed, never held whole, and refused when they change meanwhile.

use crate::blocks::BlockStore;
use crate::fault::FileError;
use mutual_content::{Block, FileBuilder, FileRoot};
use rustix::fs::OFlags;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes read at once: a leaf of the profile, so that each is hashed where it was read.
const PIECE_BYTES: usize = 1 << 20;
/// Most bytes of a file that tells no size, as those under `/proc` do.
const SIZELESS_BYTES_MAX: u64 = 16 << 20;

/// A file that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// CID, size, and size of the DAG.
    pub root: FileRoot,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A folder, device, socket or pipe.
    #[error("{} is {what}, not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It changed while it was read.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The path.
        path: PathBuf,
    },
    /// More bytes than allowed.
    #[error("more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// The source cannot be read.
    #[error("the input cannot be read")]
    Read(#[source] FileError),
    /// The store cannot be written.
    #[error("the store cannot be written")]
    Write(#[source] FileError),
}

impl BlockStore {
    /// Takes the file at `path`; symbolic links are followed.
    ///
    /// # Errors
    /// When it is not a regular file, cannot be read, changes meanwhile, or the store cannot be written.
    pub fn import_file(&self, path: &Path) -> Result<Imported, ImportError> {
        Importer::new(Some(self)).path(path)
    }

    /// Takes what `input` gives until its end.
    ///
    /// # Errors
    /// When it gives more than `size_max` bytes, cannot be read (the path is `-`), or the store cannot be written.
    pub fn import_stream(
        &self,
        input: &mut impl Read,
        size_max: u64,
    ) -> Result<FileRoot, ImportError> {
        let mut importer = Importer::new(Some(self));
        let (root, has_more) = importer.stream(input, Path::new("-"), size_max)?;
        if has_more {
            Err(ImportError::TooLarge { max: size_max })
        } else {
            Ok(root)
        }
    }
}

/// The CID that [`BlockStore::import_file`] would give, without keeping anything.
///
/// # Errors
/// As [`BlockStore::import_file`].
pub fn hash_file(path: &Path) -> Result<Imported, ImportError> {
    Importer::new(None).path(path)
}

/// Reads files one after the other through one buffer.
#[derive(Debug)]
pub(crate) struct Importer<'a> {
    /// Where blocks go; none to hash only.
    store: Option<&'a BlockStore>,
    buffer: Vec<u8>,
}

impl<'a> Importer<'a> {
    pub(crate) const fn new(store: Option<&'a BlockStore>) -> Self {
        Self {
            store,
            buffer: Vec::new(),
        }
    }

    /// Takes the file at `path`, following links.
    pub(crate) fn path(&mut self, path: &Path) -> Result<Imported, ImportError> {
        let read = |error| ImportError::Read(FileError::at(path)(error));
        // Opening a device may do something, and opening a pipe may wait: so the kind is looked at first, and the
        // open itself never waits, in case the path leads elsewhere by then.
        check_regular(path, &fs::metadata(path).map_err(read)?)?;
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)
            .map_err(read)?;
        self.file(&file, path)
    }

    /// Takes an open file. `path` is for messages.
    pub(crate) fn file(&mut self, mut file: &File, path: &Path) -> Result<Imported, ImportError> {
        self.regular(file, &mut file, path)
    }

    /// Takes what `input` reads from `file`.
    fn regular(
        &mut self,
        file: &File,
        input: &mut impl Read,
        path: &Path,
    ) -> Result<Imported, ImportError> {
        let metadata = || {
            file.metadata()
                .map_err(FileError::at(path))
                .map_err(ImportError::Read)
        };
        let before = metadata()?;
        check_regular(path, &before)?;
        let size = before.len();
        let (root, has_more) = self.stream(
            input,
            path,
            if size == 0 { SIZELESS_BYTES_MAX } else { size },
        )?;
        let after = metadata()?;
        let as_told = size == 0 || root.size == size;
        if has_more || !as_told || stamp(&before) != stamp(&after) {
            return Err(ImportError::Changed {
                path: path.to_owned(),
            });
        }
        Ok(Imported {
            root,
            executable: is_executable(&before),
        })
    }

    /// Takes at most `size_max` bytes of `input`, and tells whether there are more.
    fn stream(
        &mut self,
        input: &mut impl Read,
        path: &Path,
        size_max: u64,
    ) -> Result<(FileRoot, bool), ImportError> {
        let store = self.store;
        let mut emit = |block: Block<'_>| match store {
            Some(store) => store.put_block(block).map_err(ImportError::Write),
            None => Ok(()),
        };
        let mut builder = FileBuilder::new();
        let mut left = size_max;
        loop {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            self.buffer.clear();
            self.buffer.reserve(room);
            let piece = input
                .by_ref()
                .take(room as u64)
                .read_to_end(&mut self.buffer);
            let read = piece
                .map_err(FileError::at(path))
                .map_err(ImportError::Read)?;
            builder.push(&self.buffer, &mut emit)?;
            left -= read as u64;
            if read < room || left == 0 {
                break;
            }
        }
        self.buffer.clear();
        let more = input.by_ref().take(1).read_to_end(&mut self.buffer);
        let more = more
            .map_err(FileError::at(path))
            .map_err(ImportError::Read)?;
        Ok((builder.finish(&mut emit)?, more > 0))
    }
}

/// Refuses everything but regular files, by name.
fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), ImportError> {
    match what(metadata.file_type()) {
        None => Ok(()),
        Some(what) => Err(ImportError::NotAFile {
            path: path.to_owned(),
            what,
        }),
    }
}

/// What a file is when it is not a regular one.
pub(crate) fn what(kind: FileType) -> Option<&'static str> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a folder"),
        _ if kind.is_fifo() => Some("a pipe"),
        _ if kind.is_socket() => Some("a socket"),
        _ if kind.is_symlink() => Some("a link"),
        _ => Some("a device"),
    }
}

pub(crate) fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o100 != 0
}

/// What changes when a file does: length and both times, to the nanosecond where the file system keeps them.
fn stamp(metadata: &Metadata) -> (u64, i64, i64, i64, i64) {
    (
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};

    /// A file that its writer touches after so many reads.
    struct Moving<'a> {
        file: &'a File,
        reads: u32,
        touch: &'a dyn Fn(),
    }

    impl Read for Moving<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.reads == 0 {
                (self.touch)();
            }
            self.reads = self.reads.wrapping_sub(1);
            self.file.read(buffer)
        }
    }

    /// Imports a file of 3 MiB, during which `touch` happens.
    fn import(touch: impl Fn(&File)) -> Result<Imported, ImportError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, vec![7; 3 << 20]).unwrap();
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        let file = File::open(&path).unwrap();
        let mut input = Moving {
            file: &file,
            reads: 1,
            touch: &|| touch(&writer),
        };
        Importer::new(None).regular(&file, &mut input, &path)
    }

    #[test]
    fn a_file_that_changes_is_refused() {
        assert_eq!(import(|_| {}).unwrap().root.size, 3 << 20);
        let changed = |outcome| matches!(outcome, Err(ImportError::Changed { .. }));
        assert!(
            changed(import(|mut file| file.write_all(b"more").unwrap())),
            "grown"
        );
        assert!(
            changed(import(|file| file.set_len(1 << 20).unwrap())),
            "cut"
        );
        let past = std::time::SystemTime::UNIX_EPOCH;
        assert!(
            changed(import(|file| file.set_modified(past).unwrap())),
            "written over"
        );
    }
}
