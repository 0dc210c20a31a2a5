//! The handle by which the program uses the network.

use crate::address::{Address, Transport};
use crate::dht::{Ask, DhtError, Lookup, Queries};
use crate::event::{DialError, Events, PeerInfo, SendError};
use crate::settings::Settings;
use crate::stream::NetStream;
use crate::streams::{Kind, OpenError};
use crate::swarm::{BuildError, Command, Link, Loop, Shared, Target, Tasks, build};
use mutual_protocol::ids::NodeId;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Commands that wait for the loop. Whoever gives one more waits.
const COMMANDS_MAX: usize = 256;
/// Events that wait for the program: 64 MiB when all of them are the longest messages.
const EVENTS_MAX: usize = 64;

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The pool's name does not fit into protocol names.
    #[error("the name of the pool must be 1 to 112 letters, digits and -")]
    PoolName,
    /// The key pair cannot be used for the handshake.
    #[error("the identity cannot be used for handshakes")]
    Identity(#[source] Box<dyn Error + Send + Sync>),
    /// Connections cannot be taken there: the port is in use, or the address is not this machine's.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: Address,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}

/// A node of the pool's network. Clones are handles to the same node.
///
/// [`Net::send`] never waits; all else is asked of the network's own task. The node ends by [`Net::close`], and when
/// all handles or the [`Events`] have been dropped. Dropping a future of this type takes nothing back that was begun.
#[derive(Clone)]
pub struct Net {
    node: NodeId,
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Net({:?})", self.node)
    }
}

impl Net {
    /// Starts a node. Must run within tokio, with I/O and time.
    ///
    /// # Errors
    /// When the settings do not fit, or an address cannot be listened at.
    pub fn start(settings: &Settings) -> Result<(Self, Events), StartError> {
        let tasks = Tasks::default();
        let mut swarm = build(settings, &tasks).map_err(|error| match error {
            BuildError::PoolName => StartError::PoolName,
            BuildError::Handshake(error) => StartError::Identity(error.into()),
        })?;
        for address in &settings.listen {
            let listening = check_free(address).and_then(|()| {
                let listening = swarm.listen_on(address.to_multiaddr());
                listening.map_err(listen_error)
            });
            listening.map_err(|source| StartError::Listen {
                address: address.clone(),
                source,
            })?;
        }
        let (commands, commands_rx) = mpsc::channel(COMMANDS_MAX);
        let (events, events_rx) = mpsc::channel(EVENTS_MAX);
        let shared = Arc::new(Shared {
            limits: settings.limits,
            events,
            commands: commands.downgrade(),
            links: Mutex::new(BTreeMap::new()),
            tasks,
        });
        let queries = settings.dht.as_ref();
        let queries = queries.map(|dht| Queries::new(Arc::clone(&dht.check)));
        let work = Loop::new(swarm, commands_rx, Arc::clone(&shared), queries);
        // Not by `Tasks::spawn`, which would cut it off: the loop ends the others.
        drop(shared.tasks.tracker.spawn(work.run()));
        let node = settings.identity.node();
        let net = Self {
            node,
            commands,
            shared,
        };
        Ok((net, Events(events_rx)))
    }

    /// Who this is.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Ends the node: writes what waits, closes its connections, and waits until all its tasks have ended. That
    /// takes two seconds at most, and a moment with peers that listen.
    pub async fn close(self) {
        let tasks = &self.shared.tasks;
        tasks.stop.cancel();
        tasks.tracker.close();
        tasks.tracker.wait().await;
    }

    /// Connects to whoever answers at `address`, or to the node that it names. Done at once when that is connected.
    ///
    /// # Errors
    /// When nobody answers, or one of the two gates refuses.
    pub async fn dial(&self, address: Address) -> Result<NodeId, DialError> {
        self.dial_target(Target::Address(address)).await
    }

    /// Connects to `node` at one of `addresses`, which are tried side by side, or where the DHT's table has it.
    ///
    /// # Errors
    /// As [`Net::dial`].
    pub async fn dial_node(
        &self,
        node: NodeId,
        addresses: Vec<Address>,
    ) -> Result<NodeId, DialError> {
        self.dial_target(Target::Node(node, addresses)).await
    }

    async fn dial_target(&self, target: Target) -> Result<NodeId, DialError> {
        let answer = self.ask(|reply| Command::Dial(target, reply)).await;
        answer.unwrap_or(Err(DialError::Closed))
    }

    /// Closes all connections to `node`. [`crate::Event::Disconnected`] follows.
    pub async fn disconnect(&self, node: NodeId) {
        // When the loop has ended, so have its connections.
        drop(self.commands.send(Command::Disconnect(node)).await);
    }

    /// The nodes that are connected.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        self.ask(Command::Peers).await.unwrap_or_default()
    }

    /// Where connections are taken, with this node's id: what belongs into tickets and records.
    pub async fn listening(&self) -> Vec<Address> {
        self.ask(Command::Listening).await.unwrap_or_default()
    }

    /// Puts a message into the queue for `to`. It arrives in order and once, or, if the connection breaks, never.
    ///
    /// # Errors
    /// When there is no connection, the queue is full, or the message is too large.
    pub fn send(&self, to: NodeId, bytes: Vec<u8>) -> Result<(), SendError> {
        let link = self.link(to).ok_or(SendError::NotConnected)?;
        link.outbox.push(bytes)
    }

    /// Opens a stream to `to`, where it arrives as [`crate::Event::Stream`].
    ///
    /// # Errors
    /// When there is no connection, too many streams are open, or the node does not take it.
    pub async fn open(&self, to: NodeId) -> Result<NetStream, OpenError> {
        let link = self.link(to).ok_or(OpenError::NotConnected)?;
        let permit = link.streams.try_acquire_owned();
        let permit = permit.map_err(|_none_left| OpenError::TooMany)?;
        let open = |reply| Command::Open {
            node: to,
            kind: Kind::Blob,
            reply,
        };
        let stream = self.ask(open).await.unwrap_or(Err(OpenError::Closed))?;
        Ok(NetStream::new(stream, to, permit))
    }

    fn link(&self, node: NodeId) -> Option<Link> {
        let links = self.shared.links.lock();
        let links = links.unwrap_or_else(PoisonError::into_inner);
        links.get(&node).cloned()
    }

    /// Makes the DHT's table known to this node, through the nodes that are connected. It is also done by itself,
    /// after each new peer and every five minutes.
    ///
    /// # Errors
    /// When no other node of the DHT is known.
    pub async fn bootstrap(&self) -> Result<(), DhtError> {
        self.ask_dht(Ask::Bootstrap).await
    }

    /// Publishes a value for `life`, an hour at the most. The nodes nearest to `key` keep it if their check accepts it.
    ///
    /// # Errors
    /// When our own check does not accept it, or no node has taken it.
    pub async fn put(&self, key: Vec<u8>, value: Vec<u8>, life: Duration) -> Result<(), DhtError> {
        self.ask_dht(|reply| Ask::Put {
            key,
            value,
            life,
            reply,
        })
        .await
    }

    /// Looks for values. None at all is an empty answer, not an error.
    ///
    /// # Errors
    /// When no query could be made.
    pub async fn get(&self, key: Vec<u8>) -> Result<Lookup, DhtError> {
        self.ask_dht(|reply| Ask::Get(key, reply)).await
    }

    /// Says that this node has what `key` stands for, and says it again until [`Net::unprovide`].
    ///
    /// # Errors
    /// When no query could be made.
    pub async fn provide(&self, key: Vec<u8>) -> Result<(), DhtError> {
        self.ask_dht(|reply| Ask::Provide(key, reply)).await
    }

    /// Says it no more. Others forget it within half an hour.
    ///
    /// # Errors
    /// When this node takes no part in the DHT.
    pub async fn unprovide(&self, key: Vec<u8>) -> Result<(), DhtError> {
        self.ask_dht(|reply| Ask::Unprovide(key, reply)).await
    }

    /// Looks for nodes that provide `key`.
    ///
    /// # Errors
    /// When no query could be made.
    pub async fn providers(&self, key: Vec<u8>) -> Result<Vec<NodeId>, DhtError> {
        self.ask_dht(|reply| Ask::Providers(key, reply)).await
    }

    /// Looks for addresses of a node that serves the DHT.
    ///
    /// # Errors
    /// When no query could be made.
    pub async fn find(&self, node: NodeId) -> Result<Vec<Address>, DhtError> {
        self.ask_dht(|reply| Ask::Find(node, reply)).await
    }

    async fn ask_dht<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, DhtError>>) -> Ask,
    ) -> Result<T, DhtError> {
        let answer = self.ask(|reply| Command::Dht(ask(reply))).await;
        answer.unwrap_or(Err(DhtError::Closed))
    }

    /// `None` when the loop has ended.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// Fails when somebody listens there. libp2p shares TCP ports with other sockets of this user, so that it can dial
/// from the port where it listens; two nodes on one port would each get half of the connections.
fn check_free(address: &Address) -> io::Result<()> {
    if address.transport() == Transport::Tcp && address.socket().port() != 0 {
        drop(TcpListener::bind(address.socket())?);
    }
    Ok(())
}

fn listen_error(error: libp2p::TransportError<io::Error>) -> io::Error {
    match error {
        libp2p::TransportError::Other(error) => error,
        libp2p::TransportError::MultiaddrNotSupported(_) => io::ErrorKind::Unsupported.into(),
    }
}
