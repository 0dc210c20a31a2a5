//! The queries that are going on, each with the one who waits for it.

use super::store::Store;
use super::{
    DHT_KEY_BYTES_MAX, DHT_LIFE_MAX, DHT_VALUE_BYTES_MAX, DhtError, Found, Lookup, RecordCheck,
};
use crate::address::Address;
use crate::identity::{node_of, peer_of};
use libp2p::PeerId;
use libp2p::kad::store::{Error as StoreError, RecordStore as _};
use libp2p::kad::{
    Behaviour, Event, GetClosestPeersError, GetClosestPeersOk, GetProvidersOk, GetRecordOk,
    InboundRequest, PutRecordError, QueryId, QueryResult, QueryStats, Quorum, Record, RecordKey,
};
use mutual_protocol::ids::NodeId;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Queries of this node at a time. Each has three requests under way.
const QUERIES_MAX: usize = 64;
/// Values that one query may bring, of twenty nodes that are asked for it.
const FOUND_MAX: usize = 64;
/// Providers that one query may bring: those of a full key, from several nodes that know different ones.
const PROVIDERS_MAX: usize = 1024;

type Reply<T> = oneshot::Sender<Result<T, DhtError>>;

/// What may be asked.
#[derive(Debug)]
pub(crate) enum Ask {
    Bootstrap(Reply<()>),
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
        life: Duration,
        reply: Reply<()>,
    },
    Get(Vec<u8>, Reply<Lookup>),
    Provide(Vec<u8>, Reply<()>),
    Unprovide(Vec<u8>, Reply<()>),
    Providers(Vec<u8>, Reply<Vec<NodeId>>),
    Find(NodeId, Reply<Vec<Address>>),
}

impl Ask {
    /// Says why nothing is asked.
    pub(crate) fn refuse(self, error: DhtError) {
        match self {
            Self::Bootstrap(reply)
            | Self::Put { reply, .. }
            | Self::Provide(_, reply)
            | Self::Unprovide(_, reply) => drop(reply.send(Err(error))),
            Self::Get(_, reply) => drop(reply.send(Err(error))),
            Self::Providers(_, reply) => drop(reply.send(Err(error))),
            Self::Find(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

/// Who waits for a query, and what has come so far.
enum Waiting {
    Done(Reply<()>),
    Values {
        key: Vec<u8>,
        lookup: Lookup,
        reply: Reply<Lookup>,
    },
    Providers(BTreeSet<NodeId>, Reply<Vec<NodeId>>),
    Addresses(PeerId, Reply<Vec<Address>>),
}

/// See the module.
pub(crate) struct Queries {
    check: Arc<dyn RecordCheck>,
    waiting: HashMap<QueryId, Waiting>,
}

impl Queries {
    pub(crate) fn new(check: Arc<dyn RecordCheck>) -> Self {
        Self {
            check,
            waiting: HashMap::new(),
        }
    }

    /// Begins a query. An error of the beginning goes to the one who waits.
    pub(crate) fn ask(&mut self, kad: &mut Behaviour<Store>, ask: Ask) {
        match ask {
            Ask::Bootstrap(reply) => {
                let begun = self
                    .begin(0)
                    .and_then(|()| kad.bootstrap().map_err(|_nobody| DhtError::NoPeers));
                self.wait(begun, reply, Waiting::Done);
            }
            Ask::Put {
                key,
                value,
                life,
                reply,
            } => {
                let begun = self.put(kad, &key, value, life);
                self.wait(begun, reply, Waiting::Done);
            }
            Ask::Get(key, reply) => {
                let begun = self.begin(key.len());
                let begun = begun.map(|()| kad.get_record(RecordKey::new(&key)));
                let lookup = Lookup::default();
                self.wait(begun, reply, |reply| Waiting::Values { key, lookup, reply });
            }
            Ask::Provide(key, reply) => {
                let begun = self.begin(key.len()).and_then(|()| {
                    kad.start_providing(RecordKey::from(key))
                        .map_err(|error| store_error(&error))
                });
                self.wait(begun, reply, Waiting::Done);
            }
            Ask::Unprovide(key, reply) => {
                kad.stop_providing(&RecordKey::from(key));
                reply.send(Ok(())).ok();
            }
            Ask::Providers(key, reply) => {
                let begun = self.begin(key.len());
                let begun = begun.map(|()| kad.get_providers(RecordKey::from(key)));
                self.wait(begun, reply, |reply| {
                    Waiting::Providers(BTreeSet::new(), reply)
                });
            }
            Ask::Find(node, reply) => {
                let peer = peer_of(node);
                let begun = self.begin(0).map(|()| kad.get_closest_peers(peer));
                self.wait(begun, reply, |reply| Waiting::Addresses(peer, reply));
            }
        }
    }

    fn begin(&self, key_bytes: usize) -> Result<(), DhtError> {
        if self.waiting.len() >= QUERIES_MAX {
            return Err(DhtError::Busy);
        }
        if key_bytes > DHT_KEY_BYTES_MAX {
            return Err(DhtError::TooLong);
        }
        Ok(())
    }

    fn put(
        &self,
        kad: &mut Behaviour<Store>,
        key: &[u8],
        value: Vec<u8>,
        life: Duration,
    ) -> Result<QueryId, DhtError> {
        self.begin(key.len())?;
        if value.len() > DHT_VALUE_BYTES_MAX {
            return Err(DhtError::TooLong);
        }
        if !self
            .check
            .accept(key, &value, None, kad.store_mut().held(key))
        {
            return Err(DhtError::Invalid);
        }
        let mut record = Record::new(RecordKey::new(&key), value);
        let now = tokio::time::Instant::now().into_std();
        record.expires = now.checked_add(life.min(DHT_LIFE_MAX));
        kad.put_record(record, Quorum::One)
            .map_err(|error| store_error(&error))
    }

    fn wait<T>(
        &mut self,
        begun: Result<QueryId, DhtError>,
        reply: Reply<T>,
        waiting: impl FnOnce(Reply<T>) -> Waiting,
    ) {
        match begun {
            Ok(id) => drop(self.waiting.insert(id, waiting(reply))),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Takes what Kademlia says: progress of queries, and what others want us to keep. Gives a peer that is new.
    pub(crate) fn handle(&mut self, kad: &mut Behaviour<Store>, event: Event) -> Option<NodeId> {
        match event {
            Event::OutboundQueryProgressed {
                id,
                result,
                stats,
                step,
            } => self.progress(id, result, &stats, step.last),
            Event::InboundRequest { request } => self.keep(kad.store_mut(), request),
            Event::RoutingUpdated {
                peer,
                is_new_peer: true,
                ..
            } => return node_of(&peer),
            _ => {}
        }
        None
    }

    fn keep(&self, store: &mut Store, request: InboundRequest) {
        match request {
            InboundRequest::PutRecord {
                source,
                record: Some(record),
                ..
            } => {
                let key = record.key.as_ref();
                let accepted = record.publisher == Some(source)
                    && record.value.len() <= DHT_VALUE_BYTES_MAX
                    && self
                        .check
                        .accept(key, &record.value, node_of(&source), store.held(key));
                if !accepted {
                    tracing::debug!(%source, "a value for the DHT is refused");
                } else if let Err(error) = store.put(record) {
                    tracing::debug!(%source, %error, "a value for the DHT is not kept");
                }
            }
            // Kademlia has compared the provider with the sender.
            InboundRequest::AddProvider {
                record: Some(record),
            } => {
                if let Err(error) = store.add_provider(record) {
                    tracing::debug!(%error, "a provider is not kept");
                }
            }
            _ => {}
        }
    }

    fn progress(&mut self, id: QueryId, result: QueryResult, stats: &QueryStats, last: bool) {
        let Some(mut waiting) = self.waiting.remove(&id) else {
            // Kademlia's own: it refreshes its tables and renews provider records by itself.
            return;
        };
        match (&mut waiting, &result) {
            (
                Waiting::Values { key, lookup, .. },
                QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))),
            ) => {
                let holder = found.peer.as_ref().and_then(node_of);
                let value = found.record.value.clone();
                add_value(&*self.check, key, lookup, Found { value, holder });
            }
            (
                Waiting::Providers(nodes, _),
                QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })),
            ) => {
                let room = PROVIDERS_MAX.saturating_sub(nodes.len());
                nodes.extend(providers.iter().filter_map(node_of).take(room));
            }
            _ => {}
        }
        if last {
            waiting.finish(result, stats.num_requests());
        } else {
            self.waiting.insert(id, waiting);
        }
    }
}

/// Puts the newest value first, as the check compares them.
fn add_value(check: &dyn RecordCheck, key: &[u8], lookup: &mut Lookup, new: Found) {
    let known = lookup.found.iter().any(|found| found.value == new.value);
    if known || lookup.found.len() >= FOUND_MAX || !check.accept(key, &new.value, None, None) {
        return;
    }
    let newest = lookup.found.first().map(|found| found.value.as_slice());
    if check.accept(key, &new.value, None, newest) {
        lookup.found.insert(0, new);
    } else {
        lookup.found.push(new);
    }
}

impl Waiting {
    /// Answers. A query that ran out of time gives what it has, if it has anything.
    fn finish(self, result: QueryResult, requests: u32) {
        match self {
            Self::Done(reply) => drop(reply.send(done(result))),
            Self::Values {
                mut lookup, reply, ..
            } => {
                lookup.requests = requests;
                drop(reply.send(Ok(lookup)));
            }
            Self::Providers(nodes, reply) => drop(reply.send(Ok(nodes.into_iter().collect()))),
            Self::Addresses(peer, reply) => drop(reply.send(Ok(addresses(peer, result)))),
        }
    }
}

fn done(result: QueryResult) -> Result<(), DhtError> {
    match result {
        QueryResult::PutRecord(Err(
            PutRecordError::QuorumFailed { success, .. } | PutRecordError::Timeout { success, .. },
        )) if success.is_empty() => Err(DhtError::NoPeers),
        QueryResult::Bootstrap(Err(_)) | QueryResult::StartProviding(Err(_)) => {
            Err(DhtError::Timeout)
        }
        _ => Ok(()),
    }
}

fn addresses(peer: PeerId, result: QueryResult) -> Vec<Address> {
    let QueryResult::GetClosestPeers(
        Ok(GetClosestPeersOk { peers, .. }) | Err(GetClosestPeersError::Timeout { peers, .. }),
    ) = result
    else {
        return Vec::new();
    };
    let found = peers.into_iter().filter(|info| info.peer_id == peer);
    let addresses = found.flat_map(|info| info.addrs);
    let mut addresses: Vec<_> = addresses
        .filter_map(|address| Address::from_multiaddr(&address))
        .collect();
    addresses.truncate(FOUND_MAX);
    addresses
}

const fn store_error(error: &StoreError) -> DhtError {
    match error {
        StoreError::MaxRecords | StoreError::MaxProvidedKeys => DhtError::Full,
        StoreError::ValueTooLarge => DhtError::TooLong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::swarm::ConnectionId;

    /// The first byte is a number; the greater is the newer, and 0 is invalid.
    struct Numbered;

    impl RecordCheck for Numbered {
        fn accept(&self, _: &[u8], value: &[u8], _: Option<NodeId>, held: Option<&[u8]>) -> bool {
            value[0] > held.map_or(0, |held| held[0])
        }
    }

    fn check(store: &mut Store, publisher: Option<u8>, value: &[u8], kept: &[u8]) {
        let peer = |number| peer_of(NodeId::from_bytes([number; 32]));
        let mut record = Record::new(RecordKey::new(b"key"), value.to_vec());
        record.publisher = publisher.map(peer);
        let request = InboundRequest::PutRecord {
            source: peer(1),
            connection: ConnectionId::new_unchecked(0),
            record: Some(record),
        };
        Queries::new(Arc::new(Numbered)).keep(store, request);
        assert_eq!(store.held(b"key"), Some(kept));
    }

    #[test]
    fn values_are_kept_from_their_publisher_when_they_are_valid_and_newer() {
        let mut store = Store::new(peer_of(NodeId::from_bytes([9; 32])));
        check(&mut store, Some(1), &[2], &[2]);
        check(&mut store, Some(1), &[0], &[2]);
        check(&mut store, Some(1), &[1], &[2]);
        check(&mut store, Some(2), &[3], &[2]);
        check(&mut store, None, &[3], &[2]);
        check(&mut store, Some(1), &[4; DHT_VALUE_BYTES_MAX + 1], &[2]);
        check(&mut store, Some(1), &[3], &[3]);
    }

    #[test]
    fn lookups_hold_each_valid_value_once_and_the_newest_first() {
        let mut lookup = Lookup::default();
        for number in [2, 1, 0, 3, 2, 3] {
            let value = vec![number];
            let holder = None;
            add_value(&Numbered, b"key", &mut lookup, Found { value, holder });
        }
        let values: Vec<_> = lookup.found.iter().map(|found| found.value[0]).collect();
        assert_eq!(values, [3, 2, 1]);
    }
}
