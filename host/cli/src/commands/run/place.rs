//! Where a run takes place: here, or on a host of a pool.

use crate::args::RunArgs;
use crate::commands::{id, pool};
use crate::failure::Failure;
use mutual_node::attached::{Place, PoolPlace};
use mutual_node::clock::{SystemClock, random};
use mutual_node::donor::{contacts, control};
use mutual_node::home::Home;
use mutual_node::network::{Network, Start};
use mutual_node::pool::{Pool, PoolGate, Pools};
use mutual_node::prepare::ForPool;
use mutual_node::tasks::TaskGroup;
use mutual_protocol::{NodeId, SigningKey, codes};
use mutual_store::BlockStore;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long the own host may take to answer: its loop never blocks.
const ASK_MAX: Duration = Duration::from_secs(2);

/// The network of a run in a pool. Close it when the run has ended.
pub(super) struct InPool {
    pub(super) network: Network,
    pub(super) for_pool: ForPool,
    contacts: TaskGroup,
}

/// The pool that the run takes place in; none for this machine.
pub(super) fn choose(
    (args, local): (&RunArgs, bool),
    home: &Home,
) -> Result<Option<Pool>, Failure> {
    if local {
        return Ok(None);
    }
    let pools = Pools::open(home);
    let is_in_none = pools
        .list()
        .is_ok_and(|list| list.pools.is_empty() && list.damaged.is_empty());
    if is_in_none && args.place.pool.is_none() && args.place.host.is_empty() {
        return Ok(None);
    }
    pool::find(&pools, args.place.pool.as_deref())
        .map(Some)
        .map_err(|failure| failure.exit(codes::RUN_NO_HOST.exit))
}

impl InPool {
    /// Starts to connect with the members that are known. Needs tokio around.
    pub(super) fn start(
        args: &RunArgs,
        (home, blocks): (&Home, &BlockStore),
        pool: Pool,
    ) -> Result<(Self, Place), Failure> {
        let failed = |e: &(dyn std::error::Error + 'static)| {
            Failure::new(codes::POOL_UNREACHABLE).caused_by(e)
        };
        let hosts = args.place.host.iter().map(|text| host(text));
        let for_pool = ForPool {
            pool: pool.id(),
            membership: pool.certificate().clone(),
            hosts: hosts.collect::<Result<BTreeSet<_>, _>>()?,
        };
        let owner = Arc::new(id::load(&home.identity_file())?);
        // A key for this process alone: a host of the same account may run beside it.
        let seed: [u8; 32] = random().map_err(|e| failed(&e))?;
        let transport = NodeId::from(SigningKey::from_seed(&seed).public());
        let gate = PoolGate::new(pool.clone(), owner, transport, Arc::new(SystemClock))
            .map_err(|e| Failure::new(*e.code()).caused_by(&e))?;
        let (network, events) = Network::start(Start {
            transport_seed: seed,
            pool: pool.id(),
            gate: Arc::new(gate),
            listen: Vec::new(),
            blocks: blocks.clone(),
        })
        .map_err(|e| failed(&e))?;
        let contacts = TaskGroup::new();
        contacts.spawn("contacts", contacts::keep(network.clone(), pool));
        contacts.spawn(
            "own host",
            dial_own_host(network.clone(), home.host_socket()),
        );
        let place = Place::Pool(PoolPlace {
            pool: for_pool.pool,
            peers: Arc::new(network.clone()),
            events,
            fetch: Arc::new(network.clone()),
            wait_for: args.place.wait_for,
        });
        let in_pool = Self {
            network,
            for_pool,
            contacts,
        };
        Ok((in_pool, place))
    }

    /// Ends all connections.
    pub(super) async fn close(self) {
        self.contacts.end().await;
        self.network.close().await;
    }
}

/// A host of this account is a host of the pool like others, and nobody else tells of it.
async fn dial_own_host(network: Network, socket: PathBuf) {
    let asked = timeout(ASK_MAX, control::ask(&socket, &control::Ask::Status)).await;
    let Ok(Ok((report, _))) = asked else { return };
    let addresses = report.about.addresses.iter().map(|text| text.parse());
    if let Ok(node) = report.about.host.parse() {
        let addresses = addresses.filter_map(Result::ok).collect();
        if let Err(e) = network.dial_node(node, addresses).await {
            tracing::debug!("the own host is not reached: {e}");
        }
    }
}

fn host(text: &str) -> Result<NodeId, Failure> {
    text.parse().map_err(|_not_a_node| {
        Failure::new(codes::ARGUMENT_USAGE)
            .because(format!("--host {text}: not the id of a node"))
            .next("mc-host id prints it on that machine")
    })
}
