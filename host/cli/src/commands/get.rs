//! `mc get`: the outputs of a run, or content by its CID, to a place on this machine.

use super::cat::parse_cid;
use crate::account::Account;
use crate::args::GetArgs;
use crate::explain;
use crate::failure::Failure;
use crate::{output, show};
use mutual_node::outputs::PlaceOutputError;
use mutual_node::proofs;
use mutual_protocol::manifest::{GuestPath, Manifest, Node};
use mutual_protocol::{Cid, codec, codes, limits};
use mutual_store::{BlockStore, ExportError};
use std::path::{Component, Path, PathBuf};

pub(crate) fn get(args: &GetArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let _guard = account.blocks.guard().map_err(|e| explain::file(&e))?;
    if let Ok(cid) = args.what.parse::<Cid>() {
        return get_content(&account.blocks, cid, args.target.clone());
    }
    if args.what.starts_with("baf") || args.what.starts_with("Qm") {
        parse_cid(&args.what)?;
    }
    let (_, record) = account.find(&args.what)?;
    let outputs = record
        .ending
        .as_ref()
        .and_then(|ending| ending.outputs)
        .ok_or_else(|| {
            let failure = Failure::new(codes::RUN_NO_OUTPUT)
                .because(format!("{} has no outputs", record.job));
            if record.ending.is_none() {
                failure.next("wait until it has ended: mc wait JOB")
            } else {
                failure
            }
        })?;
    let manifest = read_manifest(&account.blocks, outputs)?;
    let target = args
        .target
        .clone()
        .unwrap_or_else(|| show::short(&record.job).into());
    let proofs = record.ending.as_ref().and_then(|ending| ending.proofs);
    let folders = proofs.map(|cid| proofs::named_folders(&account.blocks, cid));
    let folders = folders.transpose().map_err(|e| explain::store(&e))?;
    let folders = folders.unwrap_or_default();
    let count = place_all(&account.blocks, &manifest, &target, &folders)?;
    let files = show::count(count, "file");
    output::say(&format!("{files} in {}\n", target.display()));
    Ok(0)
}

/// Reads a manifest that this store made.
pub(crate) fn read_manifest(blocks: &BlockStore, cid: Cid) -> Result<Manifest, Failure> {
    let bytes = blocks
        .get(cid, limits::MANIFEST_BYTES_MAX)
        .map_err(|e| explain::store(&e))?;
    codec::decode(&bytes, limits::MANIFEST_BYTES_MAX).map_err(|e| {
        Failure::new(codes::STORE_DAMAGED)
            .because(format!("{cid}"))
            .caused_by(&e)
    })
}

fn place_all(
    blocks: &BlockStore,
    manifest: &Manifest,
    target: &Path,
    folders: &[(GuestPath, String)],
) -> Result<usize, Failure> {
    let mut count = 0;
    for entry in manifest.entries() {
        let place = target.join(place_of(&entry.path, folders));
        match entry.node {
            Node::File {
                cid,
                size,
                executable,
            } => {
                blocks
                    .place_file(cid, size, &place, executable)
                    .map_err(|e| explain::place(&e))?;
                count += 1;
            }
            Node::Directory => {
                let made = std::fs::create_dir_all(&place);
                made.map_err(|e| {
                    Failure::new(codes::OUTPUT_PLACE).because(format!("{}: {e}", place.display()))
                })?;
            }
        }
    }
    Ok(count)
}

/// Everything below `/out` goes straight into the target; folders of `--dir` have the names that the guest knew them
/// by, as far as those lead downwards; other paths stay as they are.
fn place_of(path: &GuestPath, folders: &[(GuestPath, String)]) -> PathBuf {
    let inside = folders
        .iter()
        .find_map(|(folder, name)| Some((name, path.below(folder)?)));
    if let Some((name, rest)) = inside {
        let names = Path::new(name).components();
        let names = names.filter(|name| matches!(name, Component::Normal(_)));
        return names.collect::<PathBuf>().join(rest);
    }
    let path = path.as_str();
    path.strip_prefix("out/").unwrap_or(path).into()
}

fn get_content(blocks: &BlockStore, cid: Cid, target: Option<PathBuf>) -> Result<u8, Failure> {
    let target = target.unwrap_or_else(|| cid.to_string().into());
    match blocks.export_file(cid, None, &mut std::io::sink()) {
        Ok(size) => blocks
            .place_file(cid, size, &target, false)
            .map_err(|e| explain::place(&e))?,
        Err(ExportError::Get(e)) => return Err(explain::store(&e)),
        Err(_) => {
            let tree = blocks
                .list_tree(cid, limits::MANIFEST_ENTRIES_MAX)
                .map_err(|e| explain::store(&e))?;
            let manifest = Manifest::new(tree.entries)
                .map_err(|e| Failure::new(codes::STORE_DAMAGED).because(format!("{cid}: {e}")))?;
            place_all(blocks, &manifest, &target, &[])?;
        }
    }
    output::say(&format!("{}\n", target.display()));
    Ok(0)
}

/// An output could not be put where it belongs.
pub(crate) fn explain_place(error: &PlaceOutputError) -> Failure {
    match error {
        PlaceOutputError::Place(e) => explain::place(e),
        other => Failure::new(codes::OUTPUT_PLACE).caused_by(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_has_its_place_below_the_target() {
        let path = |text: &str| GuestPath::parse(text).unwrap();
        let folder = |at: &str, name: &str| (path(at), name.to_owned());
        let folders = [
            folder(".mc/dir/0", "../up/data"),
            folder(".mc/dir/1", "/abs"),
        ];
        for (guest, expected) in [
            ("out/a/b", "a/b"),
            ("outer/a", "outer/a"),
            ("r.txt", "r.txt"),
            (".mc/dir/0/x", "up/data/x"),
            (".mc/dir/1/y/z", "abs/y/z"),
        ] {
            assert_eq!(place_of(&path(guest), &folders), Path::new(expected));
        }
    }
}
