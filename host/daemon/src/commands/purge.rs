//! `mc-host purge`: as if this account had never had a host, or run anything.

use mutual_node::control;
use mutual_node::home::Home;
use mutual_protocol::codes;
use mutual_store::FileError;
use mutual_terminal::failure::Failure;
use mutual_terminal::{account, explain, output};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) fn purge(yes: bool) -> Result<u8, Failure> {
    let home = account::locate()?;
    super::refuse_beside_a_host(&home)?;
    refuse_beside_runs(&home)?;
    let there = folders(&home);
    if there.is_empty() {
        output::say("nothing is here\n");
        return Ok(0);
    }
    output::say(
        "This removes the identity, memberships and pool keys, content, records of runs, and compiled programs:\n",
    );
    for folder in &there {
        output::say(&format!("  {}\n", folder.display()));
    }
    super::confirm("Nothing of it can be brought back. Remove?", yes)?;
    for folder in &there {
        remove(folder)?;
    }
    output::say("removed\n");
    Ok(0)
}

/// The folders of this account that are there; those within others go with them.
fn folders(home: &Home) -> Vec<PathBuf> {
    let mut all = vec![home.data(), home.cache(), home.runtime()];
    all.retain(|folder| folder.exists());
    let outer = |folder: &&Path| {
        all.iter()
            .all(|other| other == folder || !folder.starts_with(other))
    };
    all.iter()
        .copied()
        .filter(outer)
        .map(Path::to_owned)
        .collect()
}

/// A run holds content and a socket that would go from under it.
fn refuse_beside_runs(home: &Home) -> Result<(), Failure> {
    let entries = std::fs::read_dir(home.runtime())
        .into_iter()
        .flatten()
        .flatten();
    let mut sockets = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "sock"));
    match sockets.find(|path| control::is_answered(path)) {
        Some(_) => Err(Failure::new(codes::ARGUMENT_USAGE)
            .because("a run of this account is going on")
            .next("`mc ps` lists them, `mc stop JOB` ends one")
            .exit(1)),
        None => Ok(()),
    }
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| {
            let path = folder.to_owned();
            explain::file(&FileError { path, source })
        }),
    }
}
