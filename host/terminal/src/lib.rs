//! What the commands `mc` and `mc-host` share in front of a person: how they fail, print, name formats, find the
//! account's folders, and look whether everything is in place. No command lives here.

pub mod account;
pub mod doctor;
pub mod explain;
pub mod failure;
pub mod format;
pub mod identity;
pub mod output;
pub mod show;
pub mod start;

use failure::Failure;
use mutual_protocol::codes;

/// Runs a short conversation on a runtime of its own.
///
/// # Errors
/// When the system gives no runtime.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| Failure::new(codes::STORE_IO).caused_by(&e))?;
    Ok(runtime.block_on(future))
}
