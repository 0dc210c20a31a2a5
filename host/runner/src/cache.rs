//! Compiled code on this machine's disk: made here, checked here, never taken from anyone.
//!
//! The engine believes compiled code blindly, so each file carries a BLAKE3-keyed MAC by a secret of this machine,
//! over the key it was made for and every byte. What does not match is as good as absent. Reading copies the file
//! into sealed memory first and checks the copy: what was checked is what is run.
//!
//! Blocks; every call is short (2 ms for 10 MB).

use crate::bounds::COMPILED_BYTES_MAX;
use crate::job::{CompiledProgram, Metering};
use crate::sealed::{self, SealedFile};
use mutual_protocol::Cid;
use mutual_protocol::spec::ProgramKind;
use rustix::rand::{GetRandomFlags, getrandom};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Names the layout of a cache file; another layout gets another word.
const MAGIC: &[u8; 8] = b"mccode1\n";
const MAC_BYTES: usize = 32;
const SECRET_BYTES: usize = 32;
/// Read, hashed and copied at once: fits the second-level cache.
const CHUNK_BYTES: usize = 128 << 10;
const SECRET_NAME: &str = "secret";

/// What compiles here: engine, version, settings, CPU features. Code of one build is nothing to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildId(pub String);

/// Which compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramKey {
    /// The program.
    pub program: Cid,
    /// Module or component.
    pub kind: ProgramKind,
    /// How it counts.
    pub metering: Metering,
}

/// Why the cache cannot be used. Programs then are compiled each time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCacheError {
    /// The folder or its secret cannot be made or read.
    #[error("the compile cache at {path}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Someone else could read or change it.
    #[error("the compile cache at {path} is open to other accounts")]
    Exposed {
        /// The folder or file.
        path: PathBuf,
    },
}

/// A folder of compiled code. Any number of processes may use one at the same time.
#[derive(Debug)]
pub struct CompileCache {
    folder: PathBuf,
    secret: [u8; SECRET_BYTES],
    build: BuildId,
}

impl CompileCache {
    /// Opens the cache, making folder (0700) and secret (0600) when they are not there.
    ///
    /// # Errors
    /// When that cannot be done, or when they are open to others.
    pub fn open(folder: &Path, build: BuildId) -> Result<Self, OpenCacheError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenCacheError::Io { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io(folder))?;
        let secret_path = folder.join(SECRET_NAME);
        let secret = secret(folder, &secret_path).map_err(io(&secret_path))?;
        for path in [folder, &secret_path] {
            let meta = path.metadata().map_err(io(path))?;
            if meta.mode() & 0o077 != 0 || meta.uid() != rustix::process::geteuid().as_raw() {
                return Err(OpenCacheError::Exposed {
                    path: path.to_owned(),
                });
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            secret,
            build,
        })
    }

    /// The compiled code, if it is there and unharmed. A harmed file is removed.
    pub fn find(&self, key: &ProgramKey) -> Option<CompiledProgram> {
        let path = self.path(key);
        let mut file = File::open(&path).ok()?;
        let Some(code) = self.read(&mut file, key) else {
            let _not_ours_to_remove = std::fs::remove_file(&path);
            return None;
        };
        let _only_the_order_of_removal = file.set_modified(now());
        Some(CompiledProgram {
            code,
            kind: key.kind,
            metering: key.metering,
        })
    }

    fn read(&self, file: &mut File, key: &ProgramKey) -> Option<SealedFile> {
        let mut head = [0; MAGIC.len() + MAC_BYTES];
        file.read_exact(&mut head).ok()?;
        let mac = head.strip_prefix(MAGIC)?.first_chunk::<MAC_BYTES>()?;
        let mut hasher = self.hasher(key);
        let mut copy = sealed::unsealed().ok()?;
        let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
        let mut chunk = vec![0; length.clamp(1, CHUNK_BYTES)];
        let mut file = file.take(COMPILED_BYTES_MAX);
        loop {
            let bytes = file.read(&mut chunk).ok()?;
            if bytes == 0 {
                break;
            }
            let chunk = chunk.get(..bytes)?;
            hasher.update(chunk);
            copy.write_all(chunk).ok()?;
        }
        if hasher.finalize() != *mac {
            return None;
        }
        SealedFile::seal(copy).ok()
    }

    /// Keeps compiled code, whole or not at all.
    ///
    /// # Errors
    /// When the disk is full or the folder is read-only. The code can be run all the same.
    pub fn keep(&self, key: &ProgramKey, program: &CompiledProgram) -> std::io::Result<()> {
        let code = program.code.read()?;
        let mac = self.hasher(key).update(&code).finalize();
        let suffix = random::<8>()?.map(|byte| format!("{byte:02x}")).concat();
        let partial = self.folder.join(format!("partial-{suffix}"));
        let written = (|| {
            let mut file = private(&partial)?;
            file.write_all(MAGIC)?;
            file.write_all(mac.as_bytes())?;
            file.write_all(&code)?;
            std::fs::rename(&partial, self.path(key))
        })();
        if written.is_err() {
            let _was_not_made = std::fs::remove_file(&partial);
        }
        written
    }

    /// Removes what was not used for longest, until at most `bytes_max` are left; and what a crash left behind.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn collect(&self, bytes_max: u64) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)?.flatten() {
            let (Ok(meta), name) = (entry.metadata(), entry.file_name()) else {
                continue;
            };
            if meta.is_file() && name != SECRET_NAME {
                files.push((meta.mtime(), meta.mtime_nsec(), meta.len(), entry.path()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, _, bytes, _)| bytes).sum();
        for (_, _, bytes, path) in files {
            if total <= bytes_max {
                break;
            }
            std::fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }

    fn path(&self, key: &ProgramKey) -> PathBuf {
        self.folder
            .join(format!("{}.code", self.key_hash(key).to_hex()))
    }

    fn key_hash(&self, key: &ProgramKey) -> blake3::Hash {
        let text = format!(
            "{}\n{:?}\n{:?}\n{}",
            key.program, key.kind, key.metering, self.build.0
        );
        blake3::hash(text.as_bytes())
    }

    fn hasher(&self, key: &ProgramKey) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(self.key_hash(key).as_bytes());
        hasher
    }
}

/// Reads the secret, or makes it: complete under its name or not there, also when two processes begin together.
fn secret(folder: &Path, path: &Path) -> std::io::Result<[u8; SECRET_BYTES]> {
    if let Some(secret) = read_secret(path)? {
        return Ok(secret);
    }
    let suffix = random::<8>()?.map(|byte| format!("{byte:02x}")).concat();
    let partial = folder.join(format!("partial-{suffix}"));
    private(&partial)?.write_all(&random::<SECRET_BYTES>()?)?;
    let _another_process_was_first = std::fs::hard_link(&partial, path);
    std::fs::remove_file(&partial)?;
    read_secret(path)?.ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

/// A secret of the wrong length is removed: what it vouched for is compiled again.
fn read_secret(path: &Path) -> std::io::Result<Option<[u8; SECRET_BYTES]>> {
    match std::fs::read(path) {
        Ok(bytes) => match <[u8; SECRET_BYTES]>::try_from(bytes) {
            Ok(secret) => Ok(Some(secret)),
            Err(_damaged) => std::fs::remove_file(path).map(|()| None),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    // Up to 256 bytes always come whole (getrandom(2)).
    if filled == N {
        Ok(bytes)
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file's time stamp for the order of removal; nothing depends on it"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
