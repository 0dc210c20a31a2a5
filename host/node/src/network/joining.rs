//! A ticket on its way to whoever redeems it.

use crate::pool::{JoinRefused, Joining, Pool, Pools};
use mutual_net::{Identity, JoinError};
use mutual_protocol::codes::{self, Code};

/// Why a ticket was not redeemed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedeemTicketError {
    /// The ticket names no address that this version understands.
    #[error("the ticket names no address that can be dialed from here")]
    NoAddress,
    /// Nobody answers at any of its addresses.
    #[error("nobody answers at {}", addresses.join(", "))]
    Unreachable {
        /// Where was tried.
        addresses: Vec<String>,
    },
    /// The pool said no, or its answer is not its word.
    #[error(transparent)]
    Refused(#[from] JoinRefused),
}

impl RedeemTicketError {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::NoAddress | Self::Unreachable { .. } => &codes::POOL_UNREACHABLE,
            Self::Refused(e) => e.code(),
        }
    }
}

/// Redeems the ticket at the first of its addresses where an admitter answers, and keeps the membership.
///
/// `transport` is the connection's key, the same as `joining.transport`.
///
/// # Errors
/// When nobody answers, or the pool says no.
pub async fn redeem(
    pools: &Pools,
    joining: &Joining<'_>,
    transport: &Identity,
    now_ms: u64,
) -> Result<Pool, RedeemTicketError> {
    let targets = joining.targets();
    if targets.is_empty() {
        return Err(RedeemTicketError::NoAddress);
    }
    let mut addresses = Vec::new();
    for (admitter, address) in targets {
        let hello = joining.hello(pools, admitter, now_ms)?;
        match mutual_net::join(transport, &address, hello).await {
            Ok(answer) | Err(JoinError::Refused { answer }) => {
                return Ok(joining.joined(pools, admitter, &answer, now_ms)?);
            }
            Err(e) => {
                tracing::debug!("{address}: {e}");
                addresses.push(address.to_string());
            }
        }
    }
    Err(RedeemTicketError::Unreachable { addresses })
}
