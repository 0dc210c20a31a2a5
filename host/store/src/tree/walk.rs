//! Walks a person's folder: what is in it, in order, counted before anything is read.

use super::{Hidden, ImportTreeError, Symlinks, TreeOptions, ignore::Ignore};
use crate::fault::FileError;
use crate::import::{ImportError, what};
use mutual_protocol::manifest::GuestPath;
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One thing in the folder.
#[derive(Debug)]
pub(super) struct Found {
    /// Where, relative to the folder.
    pub(super) path: GuestPath,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A file, and where to read it: a link's path is not its content's.
    File {
        source: PathBuf,
    },
    EmptyFolder,
    Symlink {
        target: Vec<u8>,
    },
}

/// Lists `root` in the order of a manifest.
pub(super) fn walk(root: &Path, options: &TreeOptions) -> Result<Vec<Found>, ImportTreeError> {
    let metadata = fs::metadata(root).map_err(FileError::at(root))?;
    if !metadata.is_dir() {
        return Err(ImportTreeError::NotAFolder {
            path: root.to_owned(),
        });
    }
    let real = fs::canonicalize(root).map_err(FileError::at(root))?;
    let ignore = match options.ignore_file {
        Some(name) => read_ignore(&root.join(name))?,
        None => Ignore::default(),
    };
    let mut walk = Walk {
        options,
        ignore,
        root: real.clone(),
        open: vec![real],
        found: Vec::new(),
        bytes: 0,
    };
    walk.folder(root, None)?;
    Ok(walk.found)
}

fn read_ignore(path: &Path) -> Result<Ignore, ImportTreeError> {
    match fs::read(path) {
        Ok(text) => Ok(Ignore::parse(&String::from_utf8_lossy(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ignore::default()),
        Err(error) => Err(FileError::at(path)(error).into()),
    }
}

struct Walk<'a> {
    options: &'a TreeOptions,
    ignore: Ignore,
    /// The folder itself, without links: nothing outside it is taken.
    root: PathBuf,
    /// The folders from the root to the current one, without links: a link to one of them leads in a circle.
    open: Vec<PathBuf>,
    found: Vec<Found>,
    bytes: u64,
}

impl Walk<'_> {
    /// Lists what is in `folder`, whose guest path is `path`. The depth of guest paths bounds the recursion.
    fn folder(&mut self, folder: &Path, path: Option<&GuestPath>) -> Result<(), ImportTreeError> {
        let entries = fs::read_dir(folder).map_err(FileError::at(folder))?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names: Vec<OsString> = names
            .collect::<Result<_, _>>()
            .map_err(FileError::at(folder))?;
        names.sort();
        let is_hidden = |name: &OsString| name.as_bytes().starts_with(b".");
        names.retain(|name| self.options.hidden == Hidden::Include || !is_hidden(name));
        for name in names {
            let source = folder.join(&name);
            let Some(name) = name.to_str() else {
                return Err(ImportTreeError::NotUtf8 { path: source });
            };
            let path = match path {
                Some(path) => path.join(name),
                None => GuestPath::parse(name),
            };
            let path = path.map_err(|error| ImportTreeError::Path {
                path: source.clone(),
                source: error,
            })?;
            let metadata = fs::symlink_metadata(&source).map_err(FileError::at(&source))?;
            if !self.ignore.excludes(path.as_str(), metadata.is_dir()) {
                self.entry(source, path, &metadata)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        source: PathBuf,
        path: GuestPath,
        metadata: &Metadata,
    ) -> Result<(), ImportTreeError> {
        if metadata.is_dir() {
            return self.subfolder(&source, path);
        }
        if metadata.is_symlink() {
            return match self.options.symlinks {
                Symlinks::Follow => self.follow(source, path),
                Symlinks::Keep => {
                    let target = fs::read_link(&source).map_err(FileError::at(&source))?;
                    self.add(
                        path,
                        What::Symlink {
                            target: target.into_os_string().into_vec(),
                        },
                    )
                }
            };
        }
        if let Some(what) = what(metadata.file_type()) {
            return Err(ImportError::NotAFile { path: source, what }.into());
        }
        self.bytes = self.bytes.saturating_add(metadata.len());
        if self.bytes > self.options.bytes_max {
            return Err(ImportTreeError::TooLarge {
                max: self.options.bytes_max,
            });
        }
        self.add(path, What::File { source })
    }

    fn subfolder(&mut self, source: &Path, path: GuestPath) -> Result<(), ImportTreeError> {
        let real = fs::canonicalize(source).map_err(FileError::at(source))?;
        let before = self.found.len();
        self.open.push(real);
        self.folder(source, Some(&path))?;
        self.open.pop();
        if self.found.len() == before {
            self.add(path, What::EmptyFolder)
        } else {
            Ok(())
        }
    }

    fn follow(&mut self, link: PathBuf, path: GuestPath) -> Result<(), ImportTreeError> {
        let target = || fs::read_link(&link).map_err(FileError::at(&link));
        let real = match fs::canonicalize(&link) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ImportTreeError::LinkDangling {
                    target: target()?,
                    path: link,
                });
            }
            Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
                return Err(ImportTreeError::LinkCircle { path: link });
            }
            Err(error) => return Err(FileError::at(&link)(error).into()),
        };
        if !real.starts_with(&self.root) {
            return Err(ImportTreeError::LinkOut {
                target: target()?,
                path: link,
            });
        }
        if self.open.contains(&real) {
            return Err(ImportTreeError::LinkCircle { path: link });
        }
        let metadata = fs::symlink_metadata(&real).map_err(FileError::at(&real))?;
        self.entry(real, path, &metadata)
    }

    fn add(&mut self, path: GuestPath, what: What) -> Result<(), ImportTreeError> {
        if self.found.len() == self.options.entries_max {
            return Err(ImportTreeError::TooMany {
                max: self.options.entries_max,
            });
        }
        self.found.push(Found { path, what });
        Ok(())
    }
}
