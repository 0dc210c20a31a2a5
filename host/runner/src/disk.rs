//! What the guest's folders hold: a bounded look at names, lengths, and files that are open without a name.
//!
//! The plain path's disk limit is three things: no file grows beyond the limit (RLIMIT_FSIZE, in the child), this
//! look every quarter of a second, and the owner of the staging folder, who counts outputs once more when
//! collecting them. A file system that counts by itself comes with the walls.

mod watch;

pub(crate) use watch::DiskWatch;

use rustix::fs::{AtFlags, CWD, FileType, statat};
use rustix::process::Pid;
use std::path::{Path, PathBuf};

/// How much lies in a set of folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Lengths of all files, as blobs would count them.
    pub bytes: u64,
    /// Files, folders and links.
    pub files: u64,
}

impl DiskUse {
    /// Whether either number is above `limit`'s.
    pub const fn exceeds(&self, limit: &Self) -> bool {
        self.bytes > limit.bytes || self.files > limit.files
    }

    /// Both sums.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            files: self.files.saturating_add(other.files),
        }
    }

    /// Adds up `folders`, without following links. Ends early once `limit` is passed: the walk is bounded by it.
    ///
    /// Names that vanish meanwhile are not counted. Blocks; not for an event loop's thread.
    pub fn of(folders: &[PathBuf], limit: &Self) -> Self {
        let mut total = Self::default();
        let mut open: Vec<PathBuf> = folders.to_vec();
        while let Some(folder) = open.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                total.files = total.files.saturating_add(1);
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => open.push(entry.path()),
                    Ok(kind) if kind.is_file() => {
                        total.add_file(entry.metadata().map(|meta| meta.len()))
                    }
                    _ => {}
                }
                if total.exceeds(limit) {
                    return total;
                }
            }
        }
        total
    }

    /// Adds up files that a process holds open without a name, which no walk finds.
    pub(crate) fn nameless(process: Pid) -> Self {
        let mut total = Self::default();
        let folder = format!("/proc/{}/fd", process.as_raw_nonzero());
        let Ok(entries) = std::fs::read_dir(folder) else {
            return total;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            // Follows the link, so it asks the open file itself. Sealed memory files are regular and nameless too.
            let Ok(stat) = statat(CWD, &path, AtFlags::empty()) else {
                continue;
            };
            let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            if regular && stat.st_nlink == 0 && !is_memory(&path) {
                total.add_file(Ok(u64::try_from(stat.st_size).unwrap_or(0)));
            }
        }
        total
    }

    fn add_file(&mut self, bytes: std::io::Result<u64>) {
        self.bytes = self.bytes.saturating_add(bytes.unwrap_or(0));
    }
}

/// Compiled code and memory images are memory files, which a guest cannot make.
fn is_memory(link: &Path) -> bool {
    let target = std::fs::read_link(link).unwrap_or_default();
    target
        .as_os_str()
        .as_encoded_bytes()
        .starts_with(b"/memfd:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const NO_LIMIT: DiskUse = DiskUse {
        bytes: u64::MAX,
        files: u64::MAX,
    };

    #[test]
    fn files_folders_and_links_are_counted_and_links_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("d")).unwrap();
        std::fs::write(root.path().join("d/a"), b"12345").unwrap();
        std::fs::write(root.path().join("b"), b"123").unwrap();
        std::os::unix::fs::symlink("/", root.path().join("l")).unwrap();
        let used = DiskUse::of(&[root.path().to_owned()], &NO_LIMIT);
        assert_eq!(used, DiskUse { bytes: 8, files: 4 });
    }

    #[test]
    fn the_walk_ends_when_the_limit_is_passed() {
        let root = tempfile::tempdir().unwrap();
        for name in 0..20 {
            std::fs::write(root.path().join(name.to_string()), b"1").unwrap();
        }
        let limit = DiskUse {
            bytes: u64::MAX,
            files: 5,
        };
        let used = DiskUse::of(&[root.path().to_owned()], &limit);
        assert_eq!(used.files, 6);
        assert!(used.exceeds(&limit));
    }

    #[test]
    fn a_file_without_a_name_is_found_among_open_files() {
        let me = rustix::process::getpid();
        let before = DiskUse::nameless(me).bytes;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[0; 70_001]).unwrap();
        let memory = crate::SealedFile::from_bytes(&[0; 1_000_000]).unwrap();
        let after = DiskUse::nameless(me).bytes;
        assert!(
            (70_001..1_000_000).contains(&(after - before)),
            "{before} {after}"
        );
        drop(memory);
    }
}
