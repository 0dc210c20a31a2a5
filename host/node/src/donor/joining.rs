//! Redeeming a ticket: every place that it names is tried side by side, and the first answer counts.

use crate::clock::Clock;
use crate::pool::{JoinRefused, Joining, Pool, Pools};
use crate::tasks::TaskGroup;
use mutual_net::{Address, Identity, JoinError, join};
use mutual_protocol::NodeId;
use mutual_protocol::codes::{self, Code};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long the places of a ticket may take to answer: a connection across the world is made in one second.
const JOIN_MAX: Duration = Duration::from_secs(15);

/// Why this account did not become a member.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinPoolError {
    /// Somebody was asked, and it did not come to a membership; or it makes no sense to ask.
    #[error(transparent)]
    Refused(#[from] JoinRefused),
    /// The ticket names no place that this version can dial.
    #[error("the ticket names no address that can be dialed")]
    Nowhere,
    /// Nobody who is named answered.
    #[error("nobody answered at {}", list(places))]
    Unreachable {
        /// Where it was tried.
        places: Vec<Address>,
    },
    /// The pool speaks another version of the protocol.
    #[error("the pool speaks version {theirs} of the protocol")]
    Version {
        /// Its version.
        theirs: u8,
    },
}

impl JoinPoolError {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Refused(refused) => refused.code(),
            Self::Nowhere => &codes::TICKET_INVALID,
            Self::Unreachable { .. } => &codes::POOL_UNREACHABLE,
            Self::Version { .. } => &codes::POOL_VERSION,
        }
    }
}

fn list(places: &[Address]) -> String {
    let sockets = places
        .iter()
        .map(|place| format!("{} ({})", place.socket(), place.transport()));
    sockets.collect::<Vec<_>>().join(", ")
}

type Answer = (NodeId, Result<Vec<u8>, JoinError>);

/// Redeems a ticket with whoever it names, over connections with the key made of `transport_seed`.
///
/// Who asks twice gets the same membership, so all places are asked at once.
///
/// # Errors
/// When nobody answers, or somebody says no.
pub async fn join_pool(
    pools: &Pools,
    joining: &Joining<'_>,
    transport_seed: &[u8; 32],
    clock: &dyn Clock,
) -> Result<Pool, JoinPoolError> {
    let targets = joining.targets();
    let (answered, mut answers) = mpsc::channel(targets.len().max(1));
    let (identity, tasks) = (Identity::from_seed(transport_seed), TaskGroup::new());
    for (admitter, address) in &targets {
        let hello = joining.hello(pools, *admitter, clock.wall_ms())?;
        let (identity, address, admitter) = (identity.clone(), address.clone(), *admitter);
        let answered = answered.clone();
        tasks.spawn("join", async move {
            let answer = join(&identity, &address, hello).await;
            let _somebody_was_faster = answered.send((admitter, answer)).await;
        });
    }
    drop(answered);
    let first = timeout(JOIN_MAX, first_answer(&mut answers)).await;
    tasks.end().await;
    match first.ok().flatten() {
        Some(Ok((admitter, answer))) => {
            Ok(joining.joined(pools, admitter, &answer, clock.wall_ms())?)
        }
        Some(Err(error)) => Err(error),
        None if targets.is_empty() => Err(JoinPoolError::Nowhere),
        None => Err(JoinPoolError::Unreachable {
            places: targets.into_iter().map(|(_, address)| address).collect(),
        }),
    }
}

/// The first yes or no; none when nobody gives one.
async fn first_answer(
    answers: &mut mpsc::Receiver<Answer>,
) -> Option<Result<(NodeId, Vec<u8>), JoinPoolError>> {
    while let Some((admitter, answer)) = answers.recv().await {
        match answer {
            Ok(answer) | Err(JoinError::Refused { answer }) => return Some(Ok((admitter, answer))),
            Err(JoinError::Version { theirs }) => {
                return Some(Err(JoinPoolError::Version { theirs }));
            }
            Err(error) => tracing::debug!("{admitter}: {error}"),
        }
    }
    None
}
