//! Nodes for tests, and waiting for what they tell.

use mutual_net::{
    Address, Dht, DhtMode, Event, Events, Gate, Identity, Limits, Net, PeerInfo, RecordCheck,
    Refusal, Settings, Verdict,
};
use mutual_protocol::ids::NodeId;
use std::future::Future;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

pub(crate) const TCP4: &str = "/ip4/127.0.0.1/tcp/0";
pub(crate) const TCP6: &str = "/ip6/::1/tcp/0";
pub(crate) const QUIC4: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub(crate) const QUIC6: &str = "/ip6/::1/udp/0/quic-v1";

/// What members say at the gate.
pub(crate) const PASSWORD: &[u8] = b"we are members";
/// What they answer to others.
pub(crate) const REFUSAL: &[u8] = b"you are not";

/// A test that hangs fails after this time. No test comes near it.
const TEST_TIME_MAX: Duration = Duration::from_secs(60);

/// Runs a test to its end.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let done = tokio::time::timeout(TEST_TIME_MAX, test).await;
        done.expect("the test hangs");
    });
}

/// Whether this machine has IPv6 on its loopback. Says so where it has not.
pub(crate) fn has_ipv6() -> bool {
    let both = TcpListener::bind("[::1]:0").is_ok() && UdpSocket::bind("[::1]:0").is_ok();
    if !both {
        eprintln!("SKIPPED: this machine has no IPv6 on its loopback");
    }
    both
}

/// Lets in who knows the password.
pub(crate) struct Password(pub(crate) &'static [u8]);

impl Gate for Password {
    fn hello(&self, _to: NodeId) -> Vec<u8> {
        self.0.to_vec()
    }

    fn receive(&self, _from: NodeId, hello: &[u8]) -> Verdict {
        match hello {
            hello if hello == self.0 => Verdict::Admit {
                answer: self.0.to_vec(),
            },
            [b't', ticket @ ..] => Verdict::Answer {
                answer: [b"redeemed ", ticket].concat(),
            },
            _ => Verdict::Refuse {
                answer: REFUSAL.to_vec(),
                refusal: refusal(),
            },
        }
    }

    fn confirm(&self, _from: NodeId, answer: &[u8]) -> Result<(), Refusal> {
        if answer == self.0 {
            return Ok(());
        }
        Err(refusal())
    }
}

pub(crate) fn refusal() -> Refusal {
    Refusal {
        reason: "wrong password".to_owned(),
    }
}

/// Values are a number of one byte and anything; the greater number is newer, and 0 is invalid.
pub(crate) struct Numbered;

impl RecordCheck for Numbered {
    fn accept(&self, _: &[u8], value: &[u8], _: Option<NodeId>, held: Option<&[u8]>) -> bool {
        let number = value.first().copied().unwrap_or(0);
        let held = held.and_then(|held| held.first().copied()).unwrap_or(0);
        number > held
    }
}

/// The settings of a member with its own key.
pub(crate) fn settings(number: u8, listen: &[&str]) -> Settings {
    Settings {
        identity: Identity::from_seed(&[number; 32]),
        pool: "p-test".to_owned(),
        gate: Arc::new(Password(PASSWORD)),
        listen: listen.iter().map(|text| text.parse().unwrap()).collect(),
        dht: Some(Dht {
            mode: DhtMode::Server,
            check: Arc::new(Numbered),
        }),
        limits: Limits::default(),
    }
}

/// A node with its events.
pub(crate) struct Node {
    pub(crate) net: Net,
    pub(crate) events: Events,
}

impl Node {
    pub(crate) fn start(settings: &Settings) -> Self {
        let (net, events) = Net::start(settings).unwrap();
        Self { net, events }
    }

    /// The next event that `pick` takes. Others are left out.
    pub(crate) async fn next<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let event = self.events.next().await.expect("the network has ended");
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    }

    /// Where it listens, for the one address of its settings.
    pub(crate) async fn address(&mut self) -> Address {
        let node = self.net.node();
        let listening = |event| match event {
            Event::Listening { address } => Some(address),
            _ => None,
        };
        self.next(listening).await.with_node(node)
    }

    pub(crate) async fn connected(&mut self) -> PeerInfo {
        let connected = |event| match event {
            Event::Connected(info) => Some(info),
            _ => None,
        };
        self.next(connected).await
    }

    pub(crate) async fn disconnected(&mut self) -> NodeId {
        let disconnected = |event| match event {
            Event::Disconnected { node } => Some(node),
            _ => None,
        };
        self.next(disconnected).await
    }

    pub(crate) async fn message(&mut self) -> (NodeId, Vec<u8>) {
        let message = |event| match event {
            Event::Message { from, bytes } => Some((from, bytes)),
            _ => None,
        };
        self.next(message).await
    }

    /// Takes events until the network ends, so that its peers need not wait.
    pub(crate) fn drain(self) -> Net {
        let mut events = self.events;
        drop(TaskTracker::new().spawn(async move { while events.next().await.is_some() {} }));
        self.net
    }
}

/// Two members, the second one connected to the first.
pub(crate) async fn pair(listen: &str) -> (Node, Node) {
    let mut first = Node::start(&settings(1, &[listen]));
    let second = Node::start(&settings(2, &[]));
    let address = first.address().await;
    let found = second.net.dial(address).await.unwrap();
    assert_eq!(found, first.net.node());
    (first, second)
}

/// A message goes both ways between two connected nodes; `second` has dialed, so that it knows of the connection.
pub(crate) async fn assert_alive(first: &mut Node, second: &mut Node) {
    second.net.send(first.net.node(), b"ping".to_vec()).unwrap();
    assert_eq!(first.message().await.1, b"ping");
    first.net.send(second.net.node(), b"pong".to_vec()).unwrap();
    assert_eq!(second.message().await.1, b"pong");
}
