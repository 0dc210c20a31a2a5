//! `mc gc`: what dead processes left and what is past its time goes, then the content that nothing names any more.

use crate::account::Account;
use crate::args::GcArgs;
use crate::explain;
use crate::failure::Failure;
use crate::{output, show};
use mutual_node::clock::{Clock as _, SystemClock};
use std::time::{Duration, UNIX_EPOCH};

pub(crate) fn gc(args: &GcArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    // For its warnings: what is damaged is not collected.
    account.records()?;
    let now_ms = SystemClock.wall_ms();
    let now = UNIX_EPOCH + Duration::from_millis(now_ms);
    let older_ms = args
        .older_than
        .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let folders = account.folders();
    let swept = folders
        .sweep(now, usize::MAX)
        .map_err(|e| explain::file(&e))?;
    let done = folders
        .collect(now_ms, older_ms)
        .map_err(|e| explain::store(&e))?;
    if done.content.is_none() {
        output::say(
            "a run is using the store: its content stays for now; run `mc gc` again when it has ended\n",
        );
    }
    let content = done.content.unwrap_or_default();
    output::line(&format!(
        "removed {}, {} ({}), {} of dead processes",
        show::count(done.runs, "run"),
        show::count(
            usize::try_from(content.blocks).unwrap_or(usize::MAX),
            "block"
        ),
        bytesize::ByteSize(content.bytes),
        show::count(swept.folders, "folder")
    ))?;
    Ok(0)
}
