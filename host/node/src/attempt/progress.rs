//! Progress that the guest tells by lines `n/m text` in `/.mc/progress`: the newest whole line counts.

use rustix::fs::{Mode, OFlags};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

/// Bytes at the end of the file that are looked at; a longer line is not a progress line.
const TAIL_BYTES: u64 = 4096;
/// Longest text that is passed on, in characters.
const TEXT_MAX: usize = 200;

/// What the guest told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) total: u64,
    pub(crate) text: String,
}

/// Looks at the file again and again, and tells only what changed.
#[derive(Debug)]
pub(crate) struct Watch {
    root: PathBuf,
    last: Option<Progress>,
}

impl Watch {
    /// A watch on the guest whose root is the folder `root`.
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { root, last: None }
    }

    /// The newest progress, when it is another than the last time.
    pub(crate) fn look(&mut self) -> Option<Progress> {
        let now = self.read()?;
        if self.last.as_ref() == Some(&now) {
            return None;
        }
        self.last = Some(now.clone());
        Some(now)
    }

    /// The guest may have put anything at the path: no link on it is followed, and only a regular file is read.
    fn read(&self) -> Option<Progress> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let folder = flags | OFlags::DIRECTORY;
        let root = rustix::fs::open(&self.root, folder, Mode::empty()).ok()?;
        let folder = rustix::fs::openat(root, ".mc", folder, Mode::empty()).ok()?;
        let file = rustix::fs::openat(folder, "progress", flags, Mode::empty()).ok()?;
        let mut file = std::fs::File::from(file);
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(TAIL_BYTES)))
            .ok()?;
        let mut tail = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
        parse(&String::from_utf8_lossy(&tail))
    }
}

/// The last whole line. A line without its end may still be growing.
fn parse(tail: &str) -> Option<Progress> {
    let whole = tail.get(..tail.rfind('\n')?)?;
    let line = whole.rsplit('\n').next()?;
    let (numbers, text) = line.split_once(' ').unwrap_or((line, ""));
    let (done, total) = numbers.split_once('/')?;
    Some(Progress {
        done: done.parse().ok()?,
        total: total.parse().ok()?,
        text: text.chars().take(TEXT_MAX).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_count() {
        let told = |tail: &str| parse(tail).map(|p| (p.done, p.total, p.text));
        assert_eq!(told("1/10 a\n2/10 b\n"), Some((2, 10, "b".into())));
        assert_eq!(told("1/10 a\n2/1"), Some((1, 10, "a".into())));
        assert_eq!(told("3/4\n"), Some((3, 4, String::new())));
        for nothing in [
            "",
            "1/10 a",
            "nonsense\n",
            "-1/2 x\n",
            "1/99999999999999999999 x\n",
        ] {
            assert_eq!(told(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_change_is_told_once_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (own, path) = (
            folder.path().join(".mc"),
            folder.path().join(".mc/progress"),
        );
        let mut watch = Watch::new(folder.path().to_owned());
        assert_eq!(watch.look(), None);
        std::fs::create_dir(&own).unwrap();
        assert_eq!(watch.look(), None);
        std::fs::write(&path, "1/2 x\n").unwrap();
        assert_eq!(watch.look().map(|p| p.done), Some(1));
        assert_eq!(watch.look(), None);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(folder.path().join("secret"), "9/9 secret\n").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), &path).unwrap();
        assert_eq!(watch.look(), None);
        std::fs::rename(&own, folder.path().join("moved")).unwrap();
        std::fs::create_dir(folder.path().join("other")).unwrap();
        std::fs::write(folder.path().join("other/progress"), "9/9 secret\n").unwrap();
        std::os::unix::fs::symlink("other", &own).unwrap();
        assert_eq!(watch.look(), None);
    }
}
