//! The one loop of the network: commands of the program and events of libp2p go in, events of ours come out.

mod behaviour;
mod dialing;
mod peers;

pub(crate) use behaviour::{Behaviour, BuildError, build};
pub(crate) use dialing::Target;
pub(crate) use peers::Link;

use crate::dht::{Ask, DhtError, Queries};
use crate::identity::{node_of, peer_of};
use crate::settings::Limits;
use crate::streams::{Kind, OpenError, OpenReply, Opened};
use crate::{Address, DialError, Event, PeerInfo, Violation};
use behaviour::BehaviourEvent;
use futures::StreamExt as _;
use libp2p::swarm::{ConnectionId, ListenError, SwarmEvent};
use libp2p::{Swarm, identify, ping};
use mutual_protocol::ids::NodeId;
use peers::Peers;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Events that wait for the program. While there are more, libp2p is not listened to, and peers wait in turn.
const WAITING_MAX: usize = 256;
/// Refused connections are not worth a place in that queue beyond this: anybody can make them.
const WAITING_REFUSALS_MAX: usize = 32;
/// At the end, messages that wait are written, and then connections are closed in order, each for this time at most.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);

/// What the program and our own tasks want of the loop.
#[derive(Debug)]
pub(crate) enum Command {
    Dial(Target, oneshot::Sender<Result<NodeId, DialError>>),
    Disconnect(NodeId),
    /// Messages to a node may be lost.
    Lost(NodeId),
    Violation {
        node: NodeId,
        violation: Violation,
    },
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    Listening(oneshot::Sender<Vec<Address>>),
    Open {
        node: NodeId,
        kind: Kind,
        reply: OpenReply,
    },
    Dht(Ask),
}

/// What the loop, its tasks and the handles of the program share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) events: mpsc::Sender<Event>,
    /// Weak, so that the network ends when the program has dropped its handles.
    pub(crate) commands: mpsc::WeakSender<Command>,
    /// The ways to peers that are connected. Locked for a look-up, never while waiting.
    pub(crate) links: Mutex<BTreeMap<NodeId, Link>>,
    pub(crate) tasks: Tasks,
}

/// The tasks of the network: all of them end with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    /// All of them.
    pub(crate) tracker: TaskTracker,
    /// Those that write messages, once more: they are waited for before connections are closed.
    writers: TaskTracker,
    /// Asks the loop to end.
    pub(crate) stop: CancellationToken,
    /// Ends the others, by the loop.
    end: CancellationToken,
}

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let end = self.end.clone();
        let task = async move {
            end.run_until_cancelled(task).await;
        };
        self.tracker.spawn(task).abort_handle()
    }

    pub(crate) fn spawn_writer(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(self.writers.track_future(task));
    }
}

/// What happens next for the program, in this order.
enum Waiting {
    Event(Event),
    /// Messages must not overtake the news that their sender is connected.
    Read(Opened),
}

/// See the module.
pub(crate) struct Loop {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    waiting: VecDeque<Waiting>,
    peers: Peers,
    dialing: BTreeMap<ConnectionId, oneshot::Sender<Result<NodeId, DialError>>>,
    queries: Option<Queries>,
}

impl Loop {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
        queries: Option<Queries>,
    ) -> Self {
        Self {
            swarm,
            commands,
            peers: Peers::new(Arc::clone(&shared)),
            shared,
            waiting: VecDeque::new(),
            dialing: BTreeMap::new(),
            queries,
        }
    }

    /// Runs until it is told to end, or until nobody is there to give commands or to take events.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.tasks.stop.clone();
        let events = self.shared.events.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                permit = events.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => match self.waiting.pop_front() {
                        Some(Waiting::Event(event)) => permit.send(event),
                        Some(Waiting::Read(opened)) => self.peers.read(opened),
                        None => {}
                    },
                    Err(_gone) => break,
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => break,
                },
                event = self.swarm.select_next_some(), if self.waiting.len() < WAITING_MAX => {
                    self.handle_event(event);
                }
            }
        }
        self.close().await;
    }

    async fn close(mut self) {
        tokio::time::timeout(CLOSE_TIME_MAX, self.flush())
            .await
            .ok();
        let connected: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            // An error says that it has just disconnected by itself.
            self.swarm.disconnect_peer_id(peer).ok();
        }
        let closed = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.next().await;
            }
        };
        tokio::time::timeout(CLOSE_TIME_MAX, closed).await.ok();
        self.shared.tasks.end.cancel();
    }

    /// Lets the queues run empty: what was sent before the end arrives.
    async fn flush(&mut self) {
        let links = &self.shared.links;
        links.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let writers = self.shared.tasks.writers.clone();
        writers.close();
        loop {
            tokio::select! {
                () = writers.wait() => return,
                Some(command) = self.commands.recv() => self.handle_command(command),
                _ = self.swarm.next() => {}
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        // Who asked may have gone: an answer that nobody takes is no error.
        match command {
            Command::Dial(target, reply) => self.dial(target, reply),
            Command::Disconnect(node) => self.disconnect(node),
            Command::Lost(node) => {
                if self.peers.list().iter().any(|peer| peer.node == node) {
                    self.tell(Event::Lost { node });
                }
            }
            Command::Violation { node, violation } => self.punish(node, violation),
            Command::Peers(reply) => drop(reply.send(self.peers.list())),
            Command::Listening(reply) => {
                let node = node_of(self.swarm.local_peer_id());
                let addresses = self.swarm.listeners().filter_map(Address::from_multiaddr);
                let addresses = addresses.map(|address| match node {
                    Some(node) => address.with_node(node),
                    None => address,
                });
                drop(reply.send(addresses.collect()));
            }
            Command::Open { node, kind, reply } => {
                let peer = peer_of(node);
                if self.swarm.is_connected(&peer) {
                    self.swarm.behaviour_mut().streams.open(peer, kind, reply);
                } else {
                    drop(reply.send(Err(OpenError::NotConnected)));
                }
            }
            Command::Dht(ask) => {
                let kad = self.swarm.behaviour_mut().kad.as_mut();
                match (&mut self.queries, kad) {
                    (Some(queries), Some(kad)) => queries.ask(kad, ask),
                    _ => ask.refuse(DhtError::Off),
                }
            }
        }
    }

    fn disconnect(&mut self, node: NodeId) {
        // An error says that it is not connected, which is what was wanted.
        self.swarm.disconnect_peer_id(peer_of(node)).ok();
    }

    fn punish(&mut self, node: NodeId, violation: Violation) {
        tracing::debug!(?node, ?violation, "a peer is disconnected");
        self.tell(Event::Violation { node, violation });
        self.disconnect(node);
    }

    fn tell(&mut self, event: Event) {
        self.waiting.push_back(Waiting::Event(event));
    }

    fn handle_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.handle_behaviour(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                // It is what identify and Kademlia tell others. Addresses seen from outside come with NAT traversal.
                self.swarm.add_external_address(address.clone());
                if let Some(address) = Address::from_multiaddr(&address) {
                    self.tell(Event::Listening { address });
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.swarm.remove_external_address(&address);
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let first = self.peers.connected(&peer_id, connection_id, &endpoint);
                self.waiting.extend(first.map(Waiting::Event));
                // Only now: who has dialed may send at once.
                self.dialed(connection_id, &peer_id);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => {
                let last = self.peers.closed(&peer_id, connection_id);
                self.waiting.extend(last.map(Waiting::Event));
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => self.dial_failed(connection_id, &error),
            SwarmEvent::IncomingConnectionError {
                error: ListenError::Transport(error),
                send_back_addr,
                ..
            } => {
                let refused = dialing::refused(&error, &send_back_addr);
                if self.waiting.len() < WAITING_REFUSALS_MAX {
                    self.waiting.extend(refused.map(Waiting::Event));
                }
            }
            _ => {}
        }
    }

    fn handle_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Streams(opened) => self.opened(opened),
            BehaviourEvent::Ping(ping::Event {
                peer,
                connection,
                result,
            }) => match result {
                Ok(rtt) => self.peers.measured(&peer, rtt),
                Err(ping::Failure::Unsupported) => {}
                // Somebody who does not answer is gone, whatever TCP still hopes for.
                Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {
                    self.swarm.close_connection(connection);
                }
            },
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.swarm.behaviour_mut().learn_addresses(peer_id, info);
            }
            BehaviourEvent::Kad(event) => {
                let kad = self.swarm.behaviour_mut().kad.as_mut();
                if let (Some(queries), Some(kad)) = (&mut self.queries, kad) {
                    let new = queries.handle(kad, event);
                    let new = new.map(|node| Waiting::Event(Event::DhtPeer { node }));
                    self.waiting.extend(new);
                }
            }
            BehaviourEvent::Identify(_) => {}
        }
    }

    fn opened(&mut self, opened: Opened) {
        let Some(node) = node_of(&opened.peer) else {
            return;
        };
        match self.peers.admit(opened) {
            Ok(Some(waiting)) => self.waiting.push_back(waiting),
            Ok(None) => {}
            Err(violation) => self.punish(node, violation),
        }
    }
}
