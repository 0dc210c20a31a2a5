//! What a host is started with, kept in a small file of the data folder so that a restart is the same host.

use super::machine::Machine;
use crate::hosting::Given;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The file is a few hundred bytes; a hand that edits it may add as much again.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Addresses that a host takes connections at, each over TCP and QUIC.
pub const LISTEN_MAX: usize = 8;

/// The form of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Schema {
    #[default]
    #[serde(rename = "mc.v1/host-settings")]
    V1,
}

/// What was set; what is absent has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    schema: Schema,
    /// What people call this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The port of its first start, TCP and UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where it takes connections; empty for every address of the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<IpAddr>,
    /// The pool that it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// What it gives.
    #[serde(default)]
    pub limits: Limits,
}

/// What a donor has set of [`Given`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Attempts at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u16>,
    /// Processor cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u16>,
    /// Memory, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Disk, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The system refuses.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It says something else.
    #[error("{}: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        detail: String,
    },
}

impl Limits {
    /// `self`, and `other` where nothing is set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            slots: if self.slots.is_some() {
                self.slots
            } else {
                other.slots
            },
            cpus: if self.cpus.is_some() {
                self.cpus
            } else {
                other.cpus
            },
            memory_bytes: if self.memory_bytes.is_some() {
                self.memory_bytes
            } else {
                other.memory_bytes
            },
            disk_bytes: if self.disk_bytes.is_some() {
                self.disk_bytes
            } else {
                other.disk_bytes
            },
        }
    }

    /// What `machine` gives under these limits: defaults where nothing is set.
    pub fn given(self, machine: Machine) -> Given {
        let default = machine.given();
        let cpus = self.cpus.unwrap_or(default.cpus);
        Given {
            // A job has a core, unless the donor says otherwise.
            slots: self.slots.unwrap_or(cpus),
            cpus,
            memory_bytes: self.memory_bytes.unwrap_or(default.memory_bytes),
            disk_bytes: self.disk_bytes.unwrap_or(default.disk_bytes),
        }
    }
}

impl Settings {
    /// Reads the file at `path`; defaults when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let mut text = String::new();
        let read =
            File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        match read {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(at(path))?,
        };
        let damaged = |detail: String| SettingsError::Damaged {
            path: path.to_owned(),
            detail,
        };
        let settings: Self = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if settings.listen.len() > LISTEN_MAX {
            return Err(damaged(format!("more than {LISTEN_MAX} addresses")));
        }
        Ok(settings)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SettingsError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(at(folder))?;
        let new = path.with_extension(format!("new-{}", std::process::id()));
        let text = serde_json::to_string_pretty(self).map_err(|e| at(path)(io::Error::other(e)))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new).map_err(at(&new))?;
        let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
        let placed = written.and_then(|()| fs::rename(&new, path));
        placed.map_err(|source| {
            let _was_not_made = fs::remove_file(&new);
            at(path)(source)
        })
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SettingsError {
    move |source| SettingsError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine {
        cores: 8,
        memory_bytes: 16 << 30,
        disk_bytes_free: 50 << 30,
    };

    #[test]
    fn what_was_set_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/host.json");
        assert_eq!(Settings::load(&path).unwrap(), Settings::default());
        let settings = Settings {
            name: Some("lab-3".to_owned()),
            port: Some(4470),
            listen: vec!["::1".parse().unwrap()],
            limits: Limits {
                cpus: Some(3),
                ..Limits::default()
            },
            ..Settings::default()
        };
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path).unwrap(), settings);
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "no temporary file is left");
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.json");
        let many = format!(
            r#"{{"schema":"mc.v1/host-settings","listen":["::1"{}]}}"#,
            ",\"::1\"".repeat(LISTEN_MAX)
        );
        for bad in [
            "",
            "{}",
            r#"{"schema":"mc.v2/host-settings"}"#,
            r#"{"schema":"mc.v1/host-settings","ports":1}"#,
            many.as_str(),
        ] {
            fs::write(&path, bad).unwrap();
            assert!(
                matches!(Settings::load(&path), Err(SettingsError::Damaged { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn limits_are_what_was_set_and_else_a_part_of_the_machine() {
        let given = Limits::default().given(MACHINE);
        assert_eq!((given.slots, given.cpus), (4, 4));
        assert_eq!((given.memory_bytes, given.disk_bytes), (4 << 30, 5 << 30));
        let set = Limits {
            cpus: Some(1),
            slots: Some(9),
            ..Limits::default()
        };
        let given = Limits {
            cpus: Some(2),
            ..Limits::default()
        }
        .or(set)
        .given(MACHINE);
        assert_eq!((given.slots, given.cpus), (9, 2));
    }
}
