//! The block store: one file per block, named by its CID.

use crate::fault::{Fault, FileError};
use crate::folder::{self, Temporary};
use mutual_content::{Block, FileBuilder, FileRoot};
use mutual_protocol::{Cid, ids::Codec};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The folder was made by another version.
    #[error("{} has the format {found:?}, which this version does not know", path.display())]
    Version {
        /// The version file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The folder holds something else.
    #[error("{} holds other files and is not a store", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a block was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The bytes are not the content of the CID.
    #[error("the bytes are not the content of {cid}")]
    Wrong {
        /// The CID.
        cid: Cid,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a block cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// It is not here.
    #[error("{cid} is not in the store")]
    Missing {
        /// The CID.
        cid: Cid,
    },
    /// The file's content has changed. It was removed: importing or fetching it again repairs the store.
    #[error("{cid} was damaged on the disk and has been removed")]
    Damaged {
        /// The CID.
        cid: Cid,
    },
    /// Larger than the caller takes.
    #[error("{cid} has {size} bytes, more than {max}")]
    TooLarge {
        /// The CID.
        cid: Cid,
        /// Its size.
        size: u64,
        /// The limit.
        max: usize,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What the version file says.
const VERSION: &str = "mutual-store 1\n";
/// All names in a store's folder.
const NAMES: [&str; 4] = ["version", "lock", "blocks", "temporary"];

/// Blocks as plain files in `blocks/X/CID` below one folder, which only its account can read.
///
/// Open it once and share it; many processes may open the same folder. Whoever imports or runs something holds a
/// [`StoreGuard`] until a run record, or whatever else the next collection will be told as a root, names the result.
#[derive(Clone, Debug)]
pub struct BlockStore {
    root: PathBuf,
    cancel: Cancel,
}

/// Ends the work of a store from another thread: the next block is refused, in and out.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    cancelled: Arc<AtomicBool>,
}

impl Cancel {
    /// Nobody waits any longer. For good.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn check(&self, path: &Path) -> Result<(), FileError> {
        if !self.cancelled.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(FileError::at(path)(io::Error::from(
            io::ErrorKind::Interrupted,
        )))
    }
}

/// Keeps collections out as long as it lives; any number may be held at once.
#[derive(Debug)]
pub struct StoreGuard {
    _lock: File,
}

impl BlockStore {
    /// Opens the store in `root`, and makes it when the folder is empty or missing.
    ///
    /// # Errors
    /// When the folder is another version's, is no store, or cannot be read.
    pub fn open(root: &Path) -> Result<Self, OpenStoreError> {
        let store = Self {
            root: root.to_owned(),
            cancel: Cancel::default(),
        };
        let path = root.join("version");
        match fs::read(&path) {
            Ok(found) if found == VERSION.as_bytes() => return Ok(store),
            Ok(found) => {
                let found = String::from_utf8_lossy(&found)
                    .trim_end()
                    .chars()
                    .take(80)
                    .collect();
                return Err(OpenStoreError::Version { path, found });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FileError::at(&path)(error).into()),
        }
        folder::make(root)?;
        if folder::names(root)?
            .iter()
            .any(|name| !NAMES.contains(&name.as_str()))
        {
            // Another process made the store between the two looks, and has begun to use it.
            if path.exists() {
                return Self::open(root);
            }
            return Err(OpenStoreError::NotAStore {
                path: root.to_owned(),
            });
        }
        folder::make(&store.temporary())?;
        folder::make(&store.blocks())?;
        store.lock_file()?;
        let mut version = Temporary::create(&store.temporary(), 0o600)?;
        version.write(VERSION.as_bytes())?;
        version.rename_durably(&path)?;
        Ok(store)
    }

    /// The same store, whose work ends with an error of kind `Interrupted` once `cancel` says so.
    #[must_use]
    pub fn with_cancel(&self, cancel: Cancel) -> Self {
        Self {
            root: self.root.clone(),
            cancel,
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps collections out. Waits for one that is just deleting.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn guard(&self) -> Result<StoreGuard, FileError> {
        let lock = self.lock_file()?;
        loop {
            match lock.lock_shared() {
                Ok(()) => return Ok(StoreGuard { _lock: lock }),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FileError::at(&self.root.join("lock"))(error)),
            }
        }
    }

    /// Checks `bytes` against `cid` and keeps them.
    ///
    /// # Errors
    /// When they do not belong together, or cannot be written.
    pub fn put(&self, cid: Cid, bytes: &[u8]) -> Result<(), PutError> {
        let block =
            Block::verify(cid, bytes).map_err(|wrong| PutError::Wrong { cid: wrong.cid })?;
        Ok(self.put_block(block)?)
    }

    /// Keeps a block without hashing it again: its type proves that it was hashed.
    ///
    /// A file that is there with the right length is left as it is, but for its time: collections take it for new.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_block(&self, block: Block<'_>) -> Result<(), FileError> {
        let path = self.path(block.cid());
        self.cancel.check(&path)?;
        if fs::symlink_metadata(&path).is_ok_and(|found| found.len() == block.bytes().len() as u64)
        {
            // Where the time cannot be set, nothing can be removed either.
            let _touched = folder::touch(&path);
            return Ok(());
        }
        let temporary = self.temporary();
        let mut file = Temporary::create(&temporary, 0o600).or_else(|error| {
            // Somebody has tidied up the store by hand.
            if error.fault() != Fault::Missing {
                return Err(error);
            }
            folder::make(&temporary)?;
            Temporary::create(&temporary, 0o600)
        })?;
        file.write(block.bytes())?;
        file.rename(&path)
    }

    /// Hashes and keeps `bytes` as one block, such as an encoded manifest (`Codec::DagCbor`).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_new(&self, codec: Codec, bytes: &[u8]) -> Result<Cid, FileError> {
        let block = Block::new(codec, bytes);
        self.put_block(block).map(|()| block.cid())
    }

    /// Cuts bytes in memory into a file's blocks and keeps them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put_file(&self, bytes: &[u8]) -> Result<FileRoot, FileError> {
        let mut put = |block: Block<'_>| self.put_block(block);
        let mut file = FileBuilder::new();
        file.push(bytes, &mut put)?;
        file.finish(&mut put)
    }

    /// A block's bytes, checked anew.
    ///
    /// # Errors
    /// When it is missing, damaged (then it is removed) or larger than `size_max`.
    pub fn get(&self, cid: Cid, size_max: usize) -> Result<Vec<u8>, GetError> {
        let mut bytes = Vec::new();
        self.get_into(cid, size_max, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`BlockStore::get`], in place of what `bytes` holds.
    pub(crate) fn get_into(
        &self,
        cid: Cid,
        size_max: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<(), GetError> {
        let path = self.path(cid);
        self.cancel.check(&path)?;
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(GetError::Missing { cid });
            }
            Err(error) => return Err(FileError::at(&path)(error).into()),
        };
        let size = file.metadata().map_err(FileError::at(&path))?.len();
        if usize::try_from(size).map_or(true, |size| size > size_max) {
            return Err(GetError::TooLarge {
                cid,
                size,
                max: size_max,
            });
        }
        bytes.clear();
        io::Read::read_to_end(&mut file, bytes).map_err(FileError::at(&path))?;
        if !cid.verifies(bytes) {
            folder::remove_file(&path)?;
            return Err(GetError::Damaged { cid });
        }
        Ok(())
    }

    /// Whether the block is there. Its content is not looked at.
    pub fn has(&self, cid: Cid) -> bool {
        self.size(cid).is_some()
    }

    /// Bytes of the block's file, if it is there.
    pub(crate) fn size(&self, cid: Cid) -> Option<u64> {
        fs::symlink_metadata(self.path(cid))
            .ok()
            .map(|metadata| metadata.len())
    }

    /// Removes a block; whether it was there.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove(&self, cid: Cid) -> Result<bool, FileError> {
        folder::remove_file(&self.path(cid))
    }

    pub(crate) fn blocks(&self) -> PathBuf {
        self.root.join("blocks")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("temporary")
    }

    pub(crate) fn lock_file(&self) -> Result<File, FileError> {
        let path = self.root.join("lock");
        let open = |write: bool| {
            OpenOptions::new()
                .read(true)
                .write(write)
                .create(write)
                .mode(0o600)
                .open(&path)
        };
        // A store on a read-only disk can still be locked.
        open(true)
            .or_else(|error| open(false).map_err(|_missing| error))
            .map_err(FileError::at(&path))
    }

    /// The last characters are spread evenly, all but the very last one: 32 folders. A file system looks names up in a
    /// large folder as fast as in a small one, and a folder that is made costs more than a file.
    fn path(&self, cid: Cid) -> PathBuf {
        let name = canonical(cid).to_string();
        let fold = name
            .len()
            .checked_sub(2)
            .and_then(|start| name.get(start..=start))
            .unwrap_or("_");
        self.blocks().join(fold).join(&name)
    }
}

/// The form that names a block's file: a CIDv0 is written as the CIDv1 of the same node, since its base58 letters
/// differ by case only, which some file systems do not tell apart.
pub(crate) fn canonical(cid: Cid) -> Cid {
    /// The binary form of a CIDv0 is a bare multihash: sha2-256, 32 bytes.
    const VERSION_0: [u8; 2] = [0x12, 0x20];
    match cid
        .to_bytes()
        .strip_prefix(&VERSION_0)
        .map(<[u8; 32]>::try_from)
    {
        Some(Ok(digest)) => Cid::from_sha256(Codec::DagPb, digest),
        _ => cid,
    }
}
