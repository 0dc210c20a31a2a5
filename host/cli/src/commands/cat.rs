//! `mc cat`: content of the store to stdout, block by block.

use crate::account::Account;
use crate::args::CatArgs;
use crate::explain;
use crate::failure::Failure;
use mutual_protocol::{Cid, codes, limits};
use mutual_store::ExportError;

pub(crate) fn cat(args: &CatArgs) -> Result<u8, Failure> {
    let cid = parse_cid(&args.cid)?;
    let account = Account::open()?;
    let _guard = account.blocks.guard().map_err(|e| explain::file(&e))?;
    match account
        .blocks
        .export_file(cid, None, &mut std::io::stdout().lock())
    {
        // The reader of a pipe may leave when it has enough.
        Err(ExportError::Write(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(ExportError::Dag(_))
            if account
                .blocks
                .list_tree(cid, limits::MANIFEST_ENTRIES_MAX)
                .is_ok() =>
        {
            Err(Failure::new(codes::INPUT_NOT_A_FILE)
                .because(cid.to_string())
                .next(format!("fetch it: mc get {cid} FOLDER"))
                .exit(1))
        }
        Err(e) => Err(explain::export(&e)),
        Ok(_) => Ok(0),
    }
}

pub(crate) fn parse_cid(text: &str) -> Result<Cid, Failure> {
    text.parse().map_err(|e| {
        Failure::new(codes::CONTENT_CID)
            .because(format!("`{text}`"))
            .caused_by(&e)
    })
}
