//! One line for each thing that must be in place, and what to do where it is not: the rows that both commands have.

mod sandbox;

pub use sandbox::sandbox;

use crate::account::{self, Account};
use crate::failure::Failure;
use crate::format::DocumentArgs;
use crate::output;
use mutual_node::clock::{Clock as _, SystemClock, WALL_MS_MIN};
use serde_json::json;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// How a look went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In place.
    Good,
    /// Works, with something missing that not everybody needs.
    Lacking,
    /// Does not work.
    Bad,
}

/// What a look found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it went.
    pub state: State,
    /// In words, with the next step where it is bad.
    pub says: String,
}

/// Prints the rows; the exit code says whether one is bad.
///
/// # Errors
/// When stdout does not take them.
pub fn tell(findings: &[Finding], format: DocumentArgs) -> Result<u8, Failure> {
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    if format.is_json() {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| json!({"check": f.what, "state": word(f.state), "says": f.says}))
            .collect();
        output::json(&json!({"schema": "mc.v1/doctor", "checks": rows}))?;
    } else {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| vec![word(f.state).to_owned(), f.what.to_owned(), f.says.clone()])
            .collect();
        output::data(output::table(&["STATE", "CHECK", "RESULT"], &rows).as_bytes())?;
    }
    Ok(u8::from(bad))
}

fn word(state: State) -> &'static str {
    match state {
        State::Good => "ok",
        State::Lacking => "missing",
        State::Bad => "bad",
    }
}

/// Makes a row.
pub fn finding(what: &'static str, state: State, says: impl Into<String>) -> Finding {
    Finding {
        what,
        state,
        says: says.into(),
    }
}

/// The data folder.
pub fn folders() -> Finding {
    match Account::open() {
        Ok(account) => finding(
            "data folder",
            State::Good,
            account.home.data().display().to_string(),
        ),
        Err(failure) => finding("data folder", State::Bad, one_line(&failure)),
    }
}

/// The runtime folder: who can enter it can stop runs and read what they print.
pub fn runtime() -> Finding {
    let what = "runtime folder";
    let home = match account::locate() {
        Ok(home) => home,
        Err(failure) => return finding(what, State::Bad, one_line(&failure)),
    };
    let path = home.runtime().display();
    let wrong = match std::fs::metadata(home.runtime()) {
        Ok(folder) if !folder.is_dir() => Some("is no folder: move it away".to_owned()),
        Ok(folder) => rights(&folder, rustix::process::geteuid().as_raw()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return finding(what, State::Good, format!("{path}, made by the next run"));
        }
        Err(e) => Some(format!(
            "cannot be looked at: {e}; check the folders above it"
        )),
    };
    match wrong {
        Some(wrong) => finding(what, State::Bad, format!("{path} {wrong}")),
        None => finding(what, State::Good, path.to_string()),
    }
}

/// What is wrong with owner and mode of a folder that must be the account's alone.
fn rights(folder: &std::fs::Metadata, account: u32) -> Option<String> {
    let (owner, mode) = (folder.uid(), folder.mode() & 0o7777);
    if owner != account {
        let next = "move it away, or set XDG_RUNTIME_DIR or MC_HOME to a folder of your own";
        return Some(format!("belongs to user {owner}: {next}"));
    }
    (mode != 0o700).then(|| format!("has mode {mode:04o}: chmod 700 it"))
}

/// A failure on one line.
pub fn one_line(failure: &Failure) -> String {
    failure
        .human()
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The wall clock.
pub fn clock() -> Finding {
    let now_ms = SystemClock.wall_ms();
    let state = if now_ms < WALL_MS_MIN {
        State::Bad
    } else {
        State::Good
    };
    finding("clock", state, crate::show::time(now_ms))
}

/// The account's key.
pub fn identity() -> Finding {
    let key = account::locate().and_then(|home| crate::identity::load(&home.identity_file()));
    match key {
        Ok(key) => finding(
            "identity",
            State::Good,
            mutual_protocol::OwnerId::from(key.public()).short(),
        ),
        Err(failure) => finding("identity", State::Bad, one_line(&failure)),
    }
}

/// Another program of the same name in front on PATH would get what is typed.
pub fn path(name: &str) -> Finding {
    let own = std::env::current_exe()
        .ok()
        .and_then(|path| path.canonicalize().ok());
    match (first_on_path(name), own) {
        (Some(first), Some(own)) if first == own => {
            finding("PATH", State::Good, own.display().to_string())
        }
        (Some(first), _) => finding(
            "PATH",
            State::Lacking,
            format!("`{name}` means {}, not this program", first.display()),
        ),
        (None, Some(own)) => finding(
            "PATH",
            State::Lacking,
            format!("`{name}` is not on PATH: {}", own.display()),
        ),
        (None, None) => finding("PATH", State::Lacking, format!("`{name}` is not on PATH")),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the binary's edge: PATH is what is looked at"
)]
fn first_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())?
        .canonicalize()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_folder_of_control_sockets_is_the_accounts_alone() {
        let folder = tempfile::tempdir().unwrap();
        let rights_at = |mode: u32, account: u32| {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            rights(&std::fs::metadata(folder.path()).unwrap(), account)
        };
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(rights_at(0o700, own), None);
        for mode in [0o755, 0o710, 0o701, 0o500, 0o1700] {
            let wrong = rights_at(mode, own).unwrap();
            assert_eq!(wrong, format!("has mode {mode:04o}: chmod 700 it"));
        }
        let wrong = rights_at(0o700, own + 1).unwrap();
        assert!(
            wrong.starts_with(&format!("belongs to user {own}: ")),
            "{wrong}"
        );
    }
}
