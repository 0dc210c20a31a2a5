//! `mc get`: the outputs of a run, or content by its CID, to a place on this machine.

use super::cat::parse_cid;
use crate::account::Account;
use crate::args::GetArgs;
use crate::explain;
use crate::failure::Failure;
use crate::{output, show};
use mutual_node::outputs::PlaceOutputError;
use mutual_protocol::manifest::{Manifest, Node};
use mutual_protocol::{Cid, codec, codes, limits};
use mutual_store::{BlockStore, ExportError};
use std::path::{Path, PathBuf};

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
    let count = place_all(&account.blocks, &manifest, &target)?;
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

/// Everything below `/out` goes straight into the folder; other paths keep their names.
fn place_all(blocks: &BlockStore, manifest: &Manifest, target: &Path) -> Result<usize, Failure> {
    let mut count = 0;
    for entry in manifest.entries() {
        let path = entry.path.as_str();
        let place = target.join(path.strip_prefix("out/").unwrap_or(path));
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
            place_all(blocks, &manifest, &target)?;
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
