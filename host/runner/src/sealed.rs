//! Bytes in memory that nobody can change any more: how programs and compiled code go from process to process.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Why bytes could not be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedFileError {
    /// More bytes than allowed.
    #[error("more than {max} bytes")]
    TooLarge {
        /// The bound.
        max: u64,
    },
    /// The source could not be read, or there is no memory or descriptor left.
    #[error("bytes could not be held in memory")]
    Io(#[from] std::io::Error),
}

/// A sealed memory file: no write, no resize, by anyone, ever. What was checked is what is used.
#[derive(Debug)]
pub struct SealedFile {
    file: File,
    bytes: u64,
}

impl SealedFile {
    /// Copies `bytes`.
    ///
    /// # Errors
    /// When there is no memory or descriptor left.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealedFileError> {
        let mut file = unsealed()?;
        file.write_all(bytes)?;
        Self::seal(file)
    }

    /// Copies everything that `source` gives, at most `bytes_max`.
    ///
    /// # Errors
    /// When there is more than that, or reading or writing does not work.
    pub fn from_reader(source: &mut dyn Read, bytes_max: u64) -> Result<Self, SealedFileError> {
        let mut file = unsealed()?;
        let copied = std::io::copy(&mut source.take(bytes_max.saturating_add(1)), &mut file)?;
        if copied > bytes_max {
            return Err(SealedFileError::TooLarge { max: bytes_max });
        }
        Self::seal(file)
    }

    /// Seals a memory file made by [`unsealed`] that nobody else writes to any more.
    pub(crate) fn seal(file: File) -> Result<Self, SealedFileError> {
        fcntl_add_seals(&file, SEALS).map_err(std::io::Error::from)?;
        Self::bounded(file)
    }

    /// Takes a descriptor from another process and checks that it is sealed.
    ///
    /// # Errors
    /// When it is not.
    pub fn from_descriptor(descriptor: OwnedFd) -> Result<Self, SealedFileError> {
        let seals = fcntl_get_seals(&descriptor).map_err(std::io::Error::from)?;
        if !seals.contains(SEALS) {
            return Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied).into());
        }
        Self::bounded(File::from(descriptor))
    }

    fn bounded(file: File) -> Result<Self, SealedFileError> {
        let size = fstat(&file).map_err(std::io::Error::from)?.st_size;
        let bytes = u64::try_from(size).unwrap_or(0);
        Ok(Self { file, bytes })
    }

    /// Length.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All bytes, copied into memory.
    ///
    /// # Errors
    /// When reading does not work.
    pub fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.bytes).map_err(std::io::Error::other)?];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// A second handle on the same bytes.
    ///
    /// # Errors
    /// When no descriptor is free.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            bytes: self.bytes,
        })
    }

    /// The open file.
    pub fn into_file(self) -> File {
        self.file
    }
}

impl AsFd for SealedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A memory file that can still be written and will be sealed.
pub(crate) fn unsealed() -> std::io::Result<File> {
    // Without EXEC, kernels with vm.memfd_noexec set would refuse to map compiled code; older ones do not know the flag.
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = memfd_create(c"mutual", flags | MemfdFlags::EXEC)
        .or_else(|_| memfd_create(c"mutual", flags))?;
    Ok(File::from(made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_cannot_be_changed() {
        let sealed = SealedFile::from_bytes(b"hello").unwrap();
        assert_eq!(sealed.read().unwrap(), b"hello");
        assert_eq!(sealed.bytes(), 5);
        let mut file = sealed.try_clone().unwrap().into_file();
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(0).is_err());
        let again = SealedFile::from_descriptor(file.into()).unwrap();
        assert_eq!(again.read().unwrap(), b"hello");
    }

    #[test]
    fn a_reader_is_bounded() {
        assert_eq!(
            SealedFile::from_reader(&mut &b"hello"[..], 5)
                .unwrap()
                .bytes(),
            5
        );
        let error = SealedFile::from_reader(&mut &b"hello"[..], 4).unwrap_err();
        assert!(matches!(error, SealedFileError::TooLarge { max: 4 }));
    }

    #[test]
    fn an_ordinary_file_is_not_sealed() {
        let file = tempfile::tempfile().unwrap();
        assert!(SealedFile::from_descriptor(file.into()).is_err());
        assert!(SealedFile::from_descriptor(unsealed().unwrap().into()).is_err());
    }
}
