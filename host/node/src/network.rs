//! The network of a pool, as loops see it: `mutual_net` and the pool's gate behind [`Peers`], [`Fetch`] and
//! [`PeerEvent`].
//!
//! What comes in is decoded here; a peer whose messages cannot be is dropped. Content is served from the store, but
//! only what was shared and what lies below it.

mod content;

use crate::clock::{Clock as _, SystemClock};
use crate::link::{Fetch, FetchFailure, Fetching, PeerEvent, Peers};
use crate::pool::PoolGate;
use crate::tasks::TaskGroup;
use content::{From, Shelf, Sink, failure};
use mutual_net::blob::{self, FetchLimits, ServeBudget};
use mutual_net::{
    Address, DialError, Direction, Event, Events, Identity, Limits, Net, NetStream, Settings,
    StartError,
};
use mutual_protocol::bounded;
use mutual_protocol::membership::Member;
use mutual_protocol::message::{MessageError, NodeMessage};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{Cid, NodeId, PoolId};
use mutual_store::BlockStore;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Events that a loop has not taken: the network waits then.
const EVENTS_MAX: usize = 64;
/// How long a broken connection is tried again. Whoever is alive on a LAN answers in milliseconds.
const REDIAL_MAX: Duration = Duration::from_secs(2);
/// Nodes whose addresses are remembered.
const KNOWN_MAX: usize = 1024;
/// How often it is looked whether members are still members.
const SIFT_EVERY: Duration = Duration::from_secs(60);

/// What a node's network is started with.
#[derive(Debug)]
pub struct Start {
    /// The key of its connections.
    pub transport_seed: [u8; 32],
    /// The pool.
    pub pool: PoolId,
    /// Who is let in.
    pub gate: Arc<PoolGate>,
    /// Where connections are taken; nowhere for a node that only dials.
    pub listen: Vec<Address>,
    /// Content that can be shared, and where fetched content goes.
    pub blocks: BlockStore,
}

/// A node's network. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Network {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    net: Net,
    gate: Arc<PoolGate>,
    blocks: BlockStore,
    shelf: Arc<Shelf>,
    known: Mutex<BTreeMap<NodeId, Vec<Address>>>,
    budgets: Mutex<BTreeMap<NodeId, ServeBudget>>,
    addresses: watch::Sender<Vec<bounded::Address>>,
    events: mpsc::Sender<PeerEvent>,
    tasks: TaskGroup,
}

impl Network {
    /// Starts the network. Must run within tokio.
    ///
    /// # Errors
    /// When an address cannot be listened at.
    pub fn start(start: Start) -> Result<(Self, mpsc::Receiver<PeerEvent>), StartError> {
        let settings = Settings {
            identity: Identity::from_seed(&start.transport_seed),
            pool: start.pool.to_string(),
            gate: start.gate.clone(),
            listen: start.listen,
            dht: None,
            limits: Limits::default(),
        };
        let (net, happened) = Net::start(&settings)?;
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let inner = Arc::new(Inner {
            net,
            gate: start.gate,
            shelf: Arc::new(Shelf::new(start.blocks.clone())),
            blocks: start.blocks,
            known: Mutex::default(),
            budgets: Mutex::default(),
            addresses: watch::Sender::new(Vec::new()),
            events,
            tasks: TaskGroup::new(),
        });
        let tasks = inner.tasks.clone();
        tasks.spawn("network", pump(inner.clone(), happened));
        tasks.spawn("members that are none any more", sift(inner.clone()));
        Ok((Self { inner }, receiver))
    }

    /// Connects to whoever answers at `address`.
    ///
    /// # Errors
    /// When nobody does, or one of both sides refuses.
    pub async fn dial(&self, address: Address) -> Result<NodeId, DialError> {
        self.inner.net.dial(address).await
    }

    /// Connects to `node`.
    ///
    /// # Errors
    /// As [`Network::dial`].
    pub async fn dial_node(
        &self,
        node: NodeId,
        addresses: Vec<Address>,
    ) -> Result<NodeId, DialError> {
        self.inner.net.dial_node(node, addresses).await
    }

    /// Where this node takes connections, as it learns it.
    pub fn addresses(&self) -> watch::Receiver<Vec<bounded::Address>> {
        self.inner.addresses.subscribe()
    }

    /// Who is connected.
    pub async fn peers(&self) -> Vec<mutual_net::PeerInfo> {
        self.inner.net.peers().await
    }

    /// Addresses at which nodes were reached, by the key of their connections.
    pub fn known(&self) -> BTreeMap<NodeId, Vec<Address>> {
        lock(&self.inner.known).clone()
    }

    /// Ends all connections, within two seconds.
    pub async fn close(self) {
        self.inner.tasks.end().await;
        self.inner.net.clone().close().await;
    }
}

impl Peers for Network {
    fn send(&self, to: NodeId, message: &NodeMessage) -> bool {
        let sent = self.inner.net.send(to, message.encode());
        sent.inspect_err(|e| tracing::debug!("{to}: {e}")).is_ok()
    }

    fn redial(&self, node: NodeId) {
        self.inner.dial_again(node);
    }

    fn drop_peer(&self, node: NodeId, why: &str) {
        tracing::warn!("{node} is dropped: {why}");
        let net = self.inner.net.clone();
        let disconnect = async move { net.disconnect(node).await };
        self.inner.tasks.spawn("disconnect", disconnect);
    }

    fn share(&self, root: Cid) {
        self.inner.shelf.share(root);
    }
}

impl Fetch for Network {
    fn fetch(&self, from: NodeId, roots: Vec<Cid>, bytes_max: u64) -> Fetching {
        let inner = self.inner.clone();
        Box::pin(async move {
            let provider = From {
                net: inner.net.clone(),
                node: from,
            };
            let sink = Arc::new(Sink::new(inner.blocks.clone()));
            let limits = FetchLimits::of_bytes(bytes_max);
            let fetched = blob::fetch(&[provider], &roots, sink.clone(), limits, |_| {}).await;
            fetched.map(drop).map_err(|e| failure(e, &sink))
        })
    }
}

/// Passes on what happens until the network or the loop ends.
async fn pump(inner: Arc<Inner>, mut happened: Events) {
    while let Some(event) = happened.next().await {
        match event {
            Event::Connected(info) => inner.connected(info).await,
            Event::Disconnected { node } => {
                inner.gate.forget(node);
                lock(&inner.budgets).remove(&node);
                inner.tell(PeerEvent::Down { node }).await;
            }
            // As if it had gone and come: loops say again what a node must know.
            Event::Lost { node } => {
                if let Some(member) = inner.gate.member_of(node) {
                    inner.tell(PeerEvent::Down { node }).await;
                    inner.tell(PeerEvent::Up { node, member }).await;
                }
            }
            Event::Message { from, bytes } => inner.heard(from, &bytes).await,
            Event::Stream { stream } => inner.serve(stream),
            Event::Listening { address } => inner.listening(&address),
            Event::Refused {
                node,
                address,
                refusal,
            } => tracing::info!("{node} at {address} was not let in: {refusal}"),
            Event::Violation { node, violation } => {
                tracing::warn!("{node} broke the rules: {violation:?}");
            }
            _ => {}
        }
    }
}

/// Ends the connections of members whose time is over, or whose membership was taken back.
async fn sift(inner: Arc<Inner>) {
    let mut ticks = tokio::time::interval(SIFT_EVERY);
    loop {
        ticks.tick().await;
        for node in inner.gate.sift() {
            inner.net.disconnect(node).await;
        }
    }
}

impl Inner {
    fn dial_again(self: &Arc<Self>, node: NodeId) {
        let inner = self.clone();
        self.tasks.spawn("dial a known node", async move {
            let addresses = lock(&inner.known).get(&node).cloned().unwrap_or_default();
            let dialed = timeout(REDIAL_MAX, inner.net.dial_node(node, addresses)).await;
            // Where it worked, the network says so itself.
            if !matches!(dialed, Ok(Ok(_))) {
                inner.tell(PeerEvent::Unreachable { node }).await;
            }
        });
    }

    async fn tell(&self, event: PeerEvent) {
        let _loop_is_gone = self.events.send(event).await;
    }

    async fn connected(&self, info: mutual_net::PeerInfo) {
        let Some(member) = self.gate.member_of(info.node) else {
            return self.net.disconnect(info.node).await;
        };
        if info.direction == Direction::Outbound {
            self.remember(info.node, vec![info.address]);
        }
        let node = info.node;
        self.tell(PeerEvent::Up { node, member }).await;
    }

    async fn heard(self: &Arc<Self>, from: NodeId, bytes: &[u8]) {
        match NodeMessage::decode(bytes) {
            Ok(message) => {
                self.learn(from, &message);
                let message = Box::new(message);
                self.tell(PeerEvent::Said {
                    node: from,
                    message,
                })
                .await;
            }
            // A later version may say more than this one understands.
            Err(e @ MessageError::UnknownKind { .. }) => tracing::debug!("{from}: {e}"),
            Err(e) => {
                tracing::warn!("{from} is dropped: {e}");
                self.net.disconnect(from).await;
            }
        }
    }

    /// A host's record says where it can be reached: later again, or, when a member tells of it, for the first time.
    fn learn(self: &Arc<Self>, from: NodeId, message: &NodeMessage) {
        let NodeMessage::Host(record) = message else {
            return;
        };
        let Ok(record) = record.verify(&Ed25519) else {
            return;
        };
        let pool = self.gate.pool().id();
        if record.check(&Ed25519, pool, SystemClock.wall_ms()).is_err() {
            return;
        }
        let record = record.value();
        let parsed = record.addresses.iter().map(|text| text.as_str().parse());
        let addresses: Vec<Address> = parsed.filter_map(Result::ok).collect();
        let is_own = |member: Member| member.node == record.host;
        if self.gate.member_of(from).is_some_and(is_own) {
            return self.remember(from, addresses);
        }
        // Hosts connect with the keys that they are called by.
        let is_here = self.gate.member_of(record.host).is_some();
        if is_here || record.host == self.net.node() || record.host == self.gate.identity() {
            return;
        }
        self.remember(record.host, addresses);
        self.dial_again(record.host);
    }

    fn remember(&self, node: NodeId, addresses: Vec<Address>) {
        let mut known = lock(&self.known);
        if addresses.is_empty() || (known.len() >= KNOWN_MAX && !known.contains_key(&node)) {
            return;
        }
        known.insert(node, addresses);
    }

    fn listening(&self, address: &Address) {
        let text = bounded::Address::cut(&address.to_string());
        self.addresses.send_modify(|all| {
            if !all.contains(&text) {
                all.push(text);
            }
        });
    }

    fn serve(&self, stream: NetStream) {
        let budget = lock(&self.budgets)
            .entry(stream.node())
            .or_default()
            .clone();
        let shelf = self.shelf.clone();
        self.tasks.spawn("serve content", async move {
            let served = blob::serve(stream, shelf, &budget).await;
            tracing::debug!("content served: {served:?}");
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
