//! The account's key: made at first use, kept in a file that only its owner can read.

use crate::clock::random;
use mutual_protocol::SigningKey;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// First line of the file, so that nobody mistakes it for something else.
const HEADER: &str = "mutual-cloud identity 1\n";

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file cannot be read or made.
    #[error("{path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not an identity.
    #[error("{path} is not an identity file")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Others could read the key.
    #[error("{path} can be read by others (mode {mode:o}): chmod 600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
}

/// Loads the key of `path`, or makes one. Two processes that start at once end up with the same key.
///
/// # Errors
/// When the file is there and unusable, or cannot be made.
pub fn load_or_create(path: &Path) -> Result<SigningKey, IdentityError> {
    match read(path) {
        Err(IdentityError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path)
        }
        other => other,
    }
}

/// Loads the key of `path`.
pub(crate) fn read(path: &Path) -> Result<SigningKey, IdentityError> {
    read_seed(path).map(|seed| SigningKey::from_seed(&seed))
}

/// Loads the secret that the key of `path` is made of, for a node whose connections have the account's own key.
///
/// # Errors
/// When the file is not there or unusable.
pub fn read_seed(path: &Path) -> Result<[u8; 32], IdentityError> {
    let io = |source| IdentityError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text).map_err(io)?;
    parse(&text).ok_or_else(|| IdentityError::Damaged {
        path: path.to_owned(),
    })
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix(HEADER)?.strip_suffix('\n')?;
    let mut seed = [0_u8; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (i, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(i * 2..i * 2 + 2)?, 16).ok()?;
    }
    Some(seed)
}

/// Writes beside the target and links it into place, so that the loser of a race reads the winner's key.
fn create(path: &Path) -> Result<SigningKey, IdentityError> {
    let io = |source| IdentityError::Io {
        path: path.to_owned(),
        source,
    };
    let seed: [u8; 32] = random().map_err(IdentityError::Random)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(io)?;
    let temporary = folder.join(format!(".identity-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(io)?;
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let written = file
        .write_all(format!("{HEADER}{hex}\n").as_bytes())
        .and_then(|()| file.sync_all());
    let linked = written.and_then(|()| std::fs::hard_link(&temporary, path));
    let removed = std::fs::remove_file(&temporary);
    match linked {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(e) => Err(io(e)),
        Ok(()) => removed.map_err(io).and_then(|()| read(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/identity");
        let first = load_or_create(&path).unwrap().public();
        assert_eq!(load_or_create(&path).unwrap().public(), first);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn exposed_and_damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        load_or_create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            load_or_create(&path),
            Err(IdentityError::Exposed { mode: 0o644, .. })
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for bad in ["", "nonsense", "mutual-cloud identity 1\n00\n"] {
            std::fs::write(&path, bad).unwrap();
            assert!(
                matches!(load_or_create(&path), Err(IdentityError::Damaged { .. })),
                "{bad:?}"
            );
        }
    }
}
