//! What a donor's process needs around [`crate::hosting::serve`]: its settings and lock, the port it keeps, joining by
//! a ticket, finding other members again, and the socket by which other terminals of the account ask and tell it.
//!
//! Nothing here runs jobs, and nothing here knows a terminal.

pub mod contacts;
pub mod control;
pub mod joining;
pub mod lock;
pub mod machine;
pub mod places;
pub mod report;
pub mod settings;

use crate::clock::Clock;
use crate::pool::{KeepCertError, Pool};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether the membership needs renewal: it has days for it.
const RENEWAL_EVERY: Duration = Duration::from_secs(3600);

/// Renews the founder's own membership when its time has come. Whether it did.
///
/// # Errors
/// When the pool's files cannot be used.
pub fn renew(pool: &mut Pool, now_ms: u64) -> Result<bool, KeepCertError> {
    let is_due = pool.is_founder() && pool.needs_renewal(now_ms);
    if is_due {
        pool.renew(now_ms)?;
    }
    Ok(is_due)
}

/// Does [`renew`] for as long as the task lives.
pub async fn keep_renewed(mut pool: Pool, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(RENEWAL_EVERY);
    loop {
        ticks.tick().await;
        match renew(&mut pool, clock.wall_ms()) {
            Ok(true) => tracing::info!("the membership of {} is renewed", pool.id()),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the membership cannot be renewed"),
        }
    }
}
