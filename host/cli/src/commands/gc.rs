//! `mc gc`: what is past its time goes: records first, then the content that nothing names any more.

use crate::account::Account;
use crate::args::GcArgs;
use crate::explain;
use crate::failure::Failure;
use crate::output;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::history;
use mutual_node::record::RunRecord;
use mutual_store::CollectError;
use std::time::Duration;

pub(crate) fn gc(args: &GcArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let records = account.records()?;
    let now_ms = SystemClock.wall_ms();
    let older_ms = args
        .older_than
        .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let gone = history::expired(records, now_ms, older_ms);
    for (run, _) in &gone {
        account.runs.remove(*run).map_err(|e| explain::file(&e))?;
    }
    let swept = account
        .staging
        .sweep(1_000_000)
        .map_err(|e| explain::file(&e))?;
    // Asked twice: runs that started meanwhile are looked at again under the store's lock.
    let roots = || {
        let records = account
            .runs
            .records(|bytes| serde_json::from_slice::<RunRecord>(bytes))?;
        Ok(records
            .runs
            .iter()
            .flat_map(|(_, record)| record.roots())
            .collect::<Vec<_>>())
    };
    // With an explicit age the person wants the space now; otherwise fresh `mc add` content has an hour of grace.
    let grace = if args.older_than.is_some() {
        Duration::ZERO
    } else {
        history::GRACE
    };
    let now = std::time::UNIX_EPOCH + Duration::from_millis(now_ms);
    let collected = match account.blocks.collect(roots, now, grace) {
        Ok(collected) => collected,
        Err(CollectError::Busy) => {
            output::say(
                "a run is using the store: its content stays for now; run `mc gc` again when it has ended\n",
            );
            Default::default()
        }
        Err(e) => return Err(explain::store(&e)),
    };
    output::line(&format!(
        "removed {} runs, {} blocks ({}), {} folders of dead processes",
        gone.len(),
        collected.blocks,
        bytesize::ByteSize(collected.bytes),
        swept.removed
    ))?;
    Ok(0)
}
