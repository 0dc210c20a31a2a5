//! Manifests: a list of guest paths with their content, for inputs and outputs alike.

use crate::ids::Cid;
use crate::limits;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not a path inside a guest's root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuestPathError {
    /// Nothing but slashes and dots.
    #[error("the path is empty")]
    Empty,
    /// A `..` component.
    #[error("the path leaves its root with `..`")]
    Parent,
    /// NUL, a backslash or a control character.
    #[error("the path holds the character {found:?}")]
    Character {
        /// The first wrong one.
        found: char,
    },
    /// Longer than [`limits::PATH_BYTES_MAX`], or a component longer than [`limits::NAME_BYTES_MAX`].
    #[error("the path or one of its names is too long")]
    TooLong,
    /// More components than [`limits::PATH_DEPTH_MAX`].
    #[error("the path is nested too deeply")]
    TooDeep,
}

/// An absolute path in the guest's root, normalised, without the leading slash.
///
/// It cannot hold `.`, `..`, empty components, NUL, backslashes or control characters: joining it below a folder
/// never leaves that folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GuestPath(String);

impl GuestPath {
    /// Parses `/a/b`, `a/b` or `./a//b`; all are the path `a/b`.
    ///
    /// # Errors
    /// When the path is empty, leaves its root, or passes a limit.
    pub fn parse(text: &str) -> Result<Self, GuestPathError> {
        if let Some(found) = text.chars().find(|c| c.is_control() || *c == '\\') {
            return Err(GuestPathError::Character { found });
        }
        let mut names = Vec::new();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => return Err(GuestPathError::Parent),
                name if name.len() > limits::NAME_BYTES_MAX => return Err(GuestPathError::TooLong),
                name => names.push(name),
            }
        }
        if names.is_empty() {
            return Err(GuestPathError::Empty);
        }
        if names.len() > limits::PATH_DEPTH_MAX {
            return Err(GuestPathError::TooDeep);
        }
        let path = names.join("/");
        if path.len() > limits::PATH_BYTES_MAX {
            return Err(GuestPathError::TooLong);
        }
        Ok(Self(path))
    }

    /// The path without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path's names from the root down.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path of `name` below this one.
    ///
    /// # Errors
    /// As [`GuestPath::parse`].
    pub fn join(&self, name: &str) -> Result<Self, GuestPathError> {
        Self::parse(&format!("{}/{name}", self.0))
    }

    /// What is left of this path below `base`: `Some("")` for `base` itself.
    pub fn below(&self, base: &Self) -> Option<&str> {
        let rest = self.0.strip_prefix(&base.0)?;
        if rest.is_empty() {
            Some(rest)
        } else {
            rest.strip_prefix('/')
        }
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

impl fmt::Debug for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for GuestPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let path = Self::parse(&text).map_err(serde::de::Error::custom)?;
        if path.0 != text {
            return Err(serde::de::Error::custom(
                "the path is not in its normal form",
            ));
        }
        Ok(path)
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Node {
    /// An empty directory. Directories with content follow from their entries.
    Directory,
    /// A file.
    File {
        /// Its content: a UnixFS file or one raw block.
        cid: Cid,
        /// Length in bytes.
        size: u64,
        /// Whether it may be executed; the only attribute that travels.
        executable: bool,
    },
}

/// One path of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where.
    pub path: GuestPath,
    /// What.
    pub node: Node,
}

/// Why entries do not make a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Two entries have one path.
    #[error("the path {path} is given twice")]
    Twice {
        /// The path.
        path: GuestPath,
    },
    /// A path goes through a file.
    #[error("{file} is a file, so {path} cannot be below it")]
    ThroughFile {
        /// The file.
        file: GuestPath,
        /// The path below it.
        path: GuestPath,
    },
    /// More than [`limits::MANIFEST_ENTRIES_MAX`].
    #[error("{count} entries are more than the {max} allowed")]
    TooMany {
        /// Entries given.
        count: usize,
        /// The limit.
        max: usize,
    },
}

/// A canonical list of paths: sorted, each once, none below a file.
///
/// Its identity is the CID of its DAG-CBOR bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Manifest(Vec<Entry>);

impl Manifest {
    /// Sorts and checks `entries`. An empty directory above other entries is dropped: it follows from them.
    ///
    /// # Errors
    /// When a path is there twice, leads through a file, or there are too many.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, ManifestError> {
        let (count, max) = (entries.len(), limits::MANIFEST_ENTRIES_MAX);
        if count > max {
            return Err(ManifestError::TooMany { count, max });
        }
        entries.sort_by(|a, b| a.path.names().cmp(b.path.names()));
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            while let Some(last) = kept.last() {
                let Some(rest) = entry.path.below(&last.path) else {
                    break;
                };
                match last.node {
                    Node::Directory if entry.path != last.path || entry.node == Node::Directory => {
                        kept.pop()
                    }
                    _ if rest.is_empty() => return Err(ManifestError::Twice { path: entry.path }),
                    _ => {
                        return Err(ManifestError::ThroughFile {
                            file: last.path.clone(),
                            path: entry.path,
                        });
                    }
                };
            }
            kept.push(entry);
        }
        Ok(Self(kept))
    }

    /// The entries in canonical order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Bytes of all files.
    pub fn total_bytes(&self) -> u64 {
        self.files()
            .map(|(_, _, size)| size)
            .fold(0, u64::saturating_add)
    }

    /// Path, content and size of each file.
    pub fn files(&self) -> impl Iterator<Item = (&GuestPath, Cid, u64)> {
        self.0.iter().filter_map(|entry| match entry.node {
            Node::File { cid, size, .. } => Some((&entry.path, cid, size)),
            Node::Directory => None,
        })
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::<Entry>::deserialize(deserializer)?;
        let manifest = Self::new(entries.clone()).map_err(serde::de::Error::custom)?;
        if manifest.0 != entries {
            return Err(serde::de::Error::custom(
                "the entries are not in canonical order",
            ));
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Codec;

    fn file(path: &str) -> Entry {
        let node = Node::File {
            cid: Cid::of(Codec::Raw, path.as_bytes()),
            size: 1,
            executable: false,
        };
        Entry {
            path: GuestPath::parse(path).unwrap(),
            node,
        }
    }

    fn directory(path: &str) -> Entry {
        Entry {
            path: GuestPath::parse(path).unwrap(),
            node: Node::Directory,
        }
    }

    #[test]
    fn paths_are_normalised_or_refused() {
        for text in ["/a/b", "a/b", "./a//b/", "a/./b"] {
            assert_eq!(GuestPath::parse(text).unwrap().as_str(), "a/b", "{text}");
        }
        assert_eq!(GuestPath::parse("/"), Err(GuestPathError::Empty));
        assert_eq!(GuestPath::parse("a/../b"), Err(GuestPathError::Parent));
        assert_eq!(
            GuestPath::parse("a\0b"),
            Err(GuestPathError::Character { found: '\0' })
        );
        assert_eq!(
            GuestPath::parse("a\\b"),
            Err(GuestPathError::Character { found: '\\' })
        );
        assert_eq!(
            GuestPath::parse(&"x".repeat(256)),
            Err(GuestPathError::TooLong)
        );
        assert_eq!(
            GuestPath::parse(&"x/".repeat(65)),
            Err(GuestPathError::TooDeep)
        );
    }

    #[test]
    fn order_is_by_names_and_each_path_is_there_once() {
        let manifest = Manifest::new(vec![
            file("a-b"),
            file("a/b"),
            directory("a"),
            directory("c"),
        ])
        .unwrap();
        let paths: Vec<_> = manifest.entries().iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths, ["a/b", "a-b", "c"]);
        let path = GuestPath::parse("x").unwrap();
        assert_eq!(
            Manifest::new(vec![file("x"), file("/x")]),
            Err(ManifestError::Twice { path })
        );
        assert!(matches!(
            Manifest::new(vec![file("x"), file("x/y")]),
            Err(ManifestError::ThroughFile { .. })
        ));
        assert!(matches!(
            Manifest::new(vec![file("x"), directory("x")]),
            Err(ManifestError::Twice { .. })
        ));
    }

    #[test]
    fn only_the_canonical_order_decodes() {
        let manifest = Manifest::new(vec![file("a"), file("b")]).unwrap();
        let bytes = crate::codec::encode(&manifest);
        assert_eq!(
            crate::codec::decode::<Manifest>(&bytes, 10_000).unwrap(),
            manifest
        );
        let swapped = crate::codec::encode(&vec![file("b"), file("a")]);
        assert!(crate::codec::decode::<Manifest>(&swapped, 10_000).is_err());
    }
}
