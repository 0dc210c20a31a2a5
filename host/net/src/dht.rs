//! Queries of the pool's DHT, and the rule by which values of others are kept.
//!
//! A value is taken from its publisher alone, never passed on by others, so that the publisher is authenticated by
//! the connection. It lives as long as its publisher said, an hour at the most, and is published anew by its
//! publisher alone.

mod query;
mod store;

pub(crate) use query::{Ask, Queries};
pub(crate) use store::Store;

use crate::identity::Identity;
use crate::settings::DhtMode;
use libp2p::StreamProtocol;
use libp2p::kad::{Behaviour, Caching, Config, Mode, StoreInserts};
use mutual_protocol::ids::NodeId;
use std::time::Duration;

/// Longest key in bytes.
pub const DHT_KEY_BYTES_MAX: usize = 128;
/// Longest value in bytes: a job ad or a host record takes less than half of it.
pub const DHT_VALUE_BYTES_MAX: usize = 8192;
/// Longest life of a value that others are asked to keep.
pub const DHT_LIFE_MAX: Duration = Duration::from_secs(3600);

/// How long others keep that somebody provides something.
const PROVIDER_LIFE: Duration = Duration::from_secs(30 * 60);
/// How often it is said again, so that nodes that have come since learn of it: thrice in its life.
const PROVIDER_RENEWAL: Duration = Duration::from_secs(10 * 60);
/// A query that takes longer gives what it has.
const QUERY_TIME_MAX: Duration = Duration::from_secs(10);
/// A packet holds all providers of a key with their addresses, or a value.
const PACKET_BYTES_MAX: usize = 64 << 10;

/// Decides which values are believed.
///
/// It is asked before a value of somebody else is kept, and for each value that a query brings. Called on the
/// network's own task: it must not wait, and a signature or two is all the time that it may take.
pub trait RecordCheck: Send + Sync + 'static {
    /// Whether `value` is valid under `key`, and newer than `held`, which passed before.
    ///
    /// `publisher` is authenticated where it is given, and it is not given for what a query brings: there, what
    /// the value itself proves is all there is.
    fn accept(
        &self,
        key: &[u8],
        value: &[u8],
        publisher: Option<NodeId>,
        held: Option<&[u8]>,
    ) -> bool;
}

/// A value that a query has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value. [`RecordCheck::accept`] has accepted it.
    pub value: Vec<u8>,
    /// Who gave it; `None` for what this node holds itself.
    pub holder: Option<NodeId>,
}

/// All that a query for a key has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// Different values, the newest first.
    pub found: Vec<Found>,
    /// Requests that it took.
    pub requests: u32,
}

/// Why a query failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DhtError {
    /// This node takes no part in the DHT.
    #[error("this node takes no part in the DHT")]
    Off,
    /// As many queries as may be are going on.
    #[error("too many queries are going on")]
    Busy,
    /// Nobody is known who could be asked, or nobody has answered.
    #[error("no other node of the DHT answers")]
    NoPeers,
    /// The key or value is longer than the DHT takes.
    #[error("the key or value is too long")]
    TooLong,
    /// Our own check does not accept our own value: it is invalid, or not newer than what we hold.
    #[error("the value is not valid or not newer than the one that is there")]
    Invalid,
    /// This node's own store is full.
    #[error("the store of this node is full")]
    Full,
    /// It took too long.
    #[error("the query took longer than {} s", QUERY_TIME_MAX.as_secs())]
    Timeout,
    /// The network has been shut down.
    #[error("the network has been shut down")]
    Closed,
}

/// Builds the behaviour for the pool's own Kademlia.
pub(crate) fn behaviour(
    identity: &Identity,
    name: StreamProtocol,
    mode: DhtMode,
) -> Behaviour<Store> {
    let mut config = Config::new(name);
    config
        .set_query_timeout(QUERY_TIME_MAX)
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_record_ttl(Some(DHT_LIFE_MAX))
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_record_ttl(Some(PROVIDER_LIFE))
        .set_provider_publication_interval(Some(PROVIDER_RENEWAL))
        .set_caching(Caching::Disabled)
        .set_max_packet_size(PACKET_BYTES_MAX);
    let peer = identity.peer();
    let mut behaviour = Behaviour::with_config(peer, Store::new(peer), config);
    behaviour.set_mode(Some(match mode {
        DhtMode::Server => Mode::Server,
        DhtMode::Client => Mode::Client,
    }));
    behaviour
}
