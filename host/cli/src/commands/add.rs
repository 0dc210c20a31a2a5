//! `mc add`: files and folders into the store, with the CIDs that IPFS gives them.

use crate::account::Account;
use crate::args::{AddArgs, Format};
use crate::explain;
use crate::failure::Failure;
use crate::output::{self, Written};
use mutual_protocol::{Cid, codes, limits};
use mutual_store::{Hidden, Symlinks, TreeOptions};
use serde_json::json;
use std::path::Path;

pub(crate) fn add(args: &AddArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let _guard = account.blocks.guard().map_err(|e| explain::file(&e))?;
    let mut added = Vec::new();
    for path in &args.paths {
        let (cid, size) = add_one(&account, path, args.hidden)?;
        let name = path.display().to_string();
        let written = match args.format.format() {
            Format::Json => Ok(Written::Whole),
            Format::Jsonl => output::json(&document(&name, cid, size)),
            Format::Id => output::line(&cid.to_string()),
            Format::Auto | Format::Table => output::line(&format!("{cid}  {name}")),
        };
        if written? == Written::ReaderGone {
            break;
        }
        added.push(document(&name, cid, size));
    }
    if args.format.format() == Format::Json {
        output::json(&json!({"schema": "mc.v1/added", "items": added}))?;
    }
    Ok(0)
}

fn document(path: &str, cid: Cid, size: u64) -> serde_json::Value {
    json!({"schema": "mc.v1/added-item", "path": path, "cid": cid.to_string(), "size": size})
}

fn add_one(account: &Account, path: &Path, hidden: bool) -> Result<(Cid, u64), Failure> {
    let metadata = std::fs::metadata(path).map_err(|e| {
        Failure::new(codes::INPUT_NOT_FOUND)
            .because(format!("{}: {e}", path.display()))
            .exit(1)
    })?;
    if !metadata.is_dir() {
        let file = account
            .blocks
            .import_file(path)
            .map_err(|e| explain::import(&e).exit(1))?;
        return Ok((file.root.cid, file.root.size));
    }
    let options = TreeOptions {
        hidden: if hidden {
            Hidden::Include
        } else {
            Hidden::Skip
        },
        symlinks: Symlinks::Keep,
        ignore_file: None,
        entries_max: limits::MANIFEST_ENTRIES_MAX,
        bytes_max: u64::MAX,
    };
    let tree = account
        .blocks
        .import_tree(path, &options)
        .map_err(|e| explain::import_tree(&e).exit(1))?;
    let size = tree.entries.iter().map(|entry| match entry.node {
        mutual_protocol::manifest::Node::File { size, .. } => size,
        mutual_protocol::manifest::Node::Directory => 0,
    });
    let size = size.fold(0, u64::saturating_add);
    let root = account
        .blocks
        .put_directory(&tree)
        .map_err(|e| explain::store(&e).exit(1))?;
    Ok((root.cid, size))
}
