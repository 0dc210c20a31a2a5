//! Two machines of one pool on loopback: a ticket, a connection, messages, content, and the end.

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::donor::joining::{JoinPoolError, join_pool};
use crate::home::{Home, HomeEnv};
use crate::pool::{Joining, Pool, PoolName, Pools, TicketOrder};
use mutual_protocol::bounded::{Line, List};
use mutual_protocol::membership::Role;
use mutual_protocol::message::GoodbyeReason;
use mutual_protocol::{SigningKey, ids::Codec};
use mutual_testkit::seeds;
use std::collections::BTreeSet;

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);

struct Machine {
    folder: tempfile::TempDir,
    pools: Pools,
    seed: [u8; 32],
}

impl Machine {
    fn new(seed: [u8; 32]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let env = HomeEnv {
            mc_home: Some(folder.path().to_owned()),
            ..HomeEnv::default()
        };
        let pools = Pools::open(&Home::locate(&env).unwrap());
        Self {
            folder,
            pools,
            seed,
        }
    }

    fn key(&self) -> Arc<SigningKey> {
        Arc::new(SigningKey::from_seed(&self.seed))
    }

    fn node(&self) -> NodeId {
        NodeId::from(self.key().public())
    }

    fn start(&self, pool: Pool) -> (Network, mpsc::Receiver<PeerEvent>) {
        let id = pool.id();
        let gate = PoolGate::new(pool, self.key(), self.node(), Arc::new(SystemClock)).unwrap();
        Network::start(Start {
            transport_seed: self.seed,
            pool: id,
            gate: Arc::new(gate),
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            blocks: BlockStore::open(&self.folder.path().join("store")).unwrap(),
        })
        .unwrap()
    }

    async fn join(&self, ticket: &mutual_protocol::ticket::Ticket) -> Result<Pool, JoinPoolError> {
        let key = self.key();
        let joining = Joining {
            ticket,
            identity: &key,
            transport: self.node(),
            name: Line::cut("second"),
            roles: roles(),
        };
        join_pool(&self.pools, &joining, &self.seed, &SystemClock).await
    }
}

fn roles() -> BTreeSet<Role> {
    [Role::Submit, Role::Host].into()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.expect("in time")
}

async fn address(network: &Network) -> bounded::Address {
    let mut addresses = network.addresses();
    let found = soon(addresses.wait_for(|all| !all.is_empty()))
        .await
        .unwrap();
    found[0].clone()
}

#[tokio::test]
async fn two_machines_meet_by_a_ticket() {
    let (first, second) = (Machine::new(seeds::OWNER), Machine::new(seeds::HOST));
    let now_ms = SystemClock.wall_ms();
    let name = PoolName::new("lab").unwrap();
    let pool = first.pools.create(first.node(), name, now_ms).unwrap();
    let (one, mut at_one) = first.start(pool.clone());
    let order = TicketOrder {
        admitters: List::new(vec![first.node()]).unwrap(),
        addresses: List::new(vec![address(&one).await]).unwrap(),
        roles: roles(),
        uses: 1,
        life: Duration::from_secs(3600),
    };
    let ticket = pool.issue_ticket(order, now_ms).unwrap();

    let joined = soon(second.join(&ticket)).await.unwrap();
    assert_eq!((joined.id(), joined.is_founder()), (pool.id(), false));
    let again = soon(Machine::new(seeds::OTHER_HOST).join(&ticket)).await;
    assert_eq!(again.unwrap_err().code().code, "mc::ticket::used");

    let (two, mut at_two) = second.start(joined);
    let there = ticket.addresses[0].as_str().parse().unwrap();
    assert_eq!(soon(two.dial(there)).await.unwrap(), first.node());
    for (events, other) in [(&mut at_one, &second), (&mut at_two, &first)] {
        let Some(PeerEvent::Up { node, member }) = soon(events.recv()).await else {
            panic!("a member is connected")
        };
        assert_eq!((node, member.node), (other.node(), other.node()));
    }

    let goodbye = NodeMessage::Goodbye {
        reason: GoodbyeReason::Leaving,
    };
    assert!(two.send(first.node(), &goodbye));
    let Some(PeerEvent::Said { node, message }) = soon(at_one.recv()).await else {
        panic!("a message")
    };
    assert_eq!((node, *message), (second.node(), goodbye));

    content_goes_over(&one, &two, first.node()).await;

    soon(two.close()).await;
    let Some(PeerEvent::Down { node }) = soon(at_one.recv()).await else {
        panic!("it is gone")
    };
    assert_eq!(node, second.node());
    one.redial(node);
    let Some(PeerEvent::Unreachable { node }) = soon(at_one.recv()).await else {
        panic!("nobody answers any more")
    };
    assert_eq!(node, second.node());
    soon(one.close()).await;
}

/// A file of several blocks, after it was shared and not before; nothing that lies beside it.
async fn content_goes_over(from: &Network, to: &Network, node: NodeId) {
    let bytes: Vec<u8> = (0..5_u32 << 20).map(|i| (i * 7 % 251) as u8).collect();
    let file = from.inner.blocks.put_file(&bytes).unwrap();
    let secret = from.inner.blocks.put_new(Codec::Raw, b"secret").unwrap();
    let early = soon(to.fetch(node, vec![file.cid], 8 << 20))
        .await
        .unwrap_err();
    assert!(matches!(early, FetchFailure::Missing { cid } if cid == file.cid));
    from.share(file.cid);
    let small = soon(to.fetch(node, vec![file.cid], 2 << 20))
        .await
        .unwrap_err();
    assert!(matches!(small, FetchFailure::TooLarge { .. }), "{small:?}");
    soon(to.fetch(node, vec![file.cid], 8 << 20)).await.unwrap();
    assert_eq!(to.inner.blocks.read_file(file.cid, 8 << 20).unwrap(), bytes);
    let other = soon(to.fetch(node, vec![secret], 100)).await.unwrap_err();
    assert!(matches!(other, FetchFailure::Missing { cid } if cid == secret));
}

#[tokio::test]
async fn a_ticket_to_nowhere_says_where_it_was_tried() {
    let (first, second) = (Machine::new(seeds::OWNER), Machine::new(seeds::HOST));
    let now_ms = SystemClock.wall_ms();
    let name = PoolName::new("lab").unwrap();
    let pool = first.pools.create(first.node(), name, now_ms).unwrap();
    // Nobody listens at port 1 of loopback.
    let order = TicketOrder {
        admitters: List::new(vec![first.node()]).unwrap(),
        addresses: List::new(vec![bounded::Address::cut("/ip4/127.0.0.1/tcp/1")]).unwrap(),
        roles: roles(),
        uses: 1,
        life: Duration::from_secs(3600),
    };
    let ticket = pool.issue_ticket(order, now_ms).unwrap();
    let error = soon(second.join(&ticket)).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert_eq!(error.code().code, "mc::pool::unreachable");
    assert!(second.pools.list().unwrap().pools.is_empty());
}
