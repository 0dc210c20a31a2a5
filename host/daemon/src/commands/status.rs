//! `mc-host status`.

use crate::args::DocumentArgs;
use crate::show;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::donor::control::Ask;
use mutual_terminal::failure::Failure;
use mutual_terminal::output;

pub(crate) fn status(format: DocumentArgs) -> Result<u8, Failure> {
    let report = super::ask(&Ask::Status)?;
    if format.is_json() {
        output::json(&show::host(&report))?;
    } else {
        output::data(show::page(&report, SystemClock.wall_ms()).as_bytes())?;
    }
    Ok(0)
}
