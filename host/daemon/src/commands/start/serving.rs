//! A host that serves: network, control socket and the host's loop side by side, until somebody wants its end.

use super::background::Background;
use super::entry::{self, Own};
use super::signals::Signals;
use super::talk;
use crate::args::StartArgs;
use crate::commands::limits;
use crate::explain;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::donor::control::{self, Desk};
use mutual_node::donor::lock::HostLock;
use mutual_node::donor::places::Places;
use mutual_node::donor::report::About;
use mutual_node::donor::settings::Settings;
use mutual_node::donor::{self, contacts, places};
use mutual_node::home::Home;
use mutual_node::hosting::{self, Asked, Given, Host, Request, Tools};
use mutual_node::link::PeerEvent;
use mutual_node::network::{Network, Start};
use mutual_node::pool::{Pool, PoolGate, TicketOrder};
use mutual_node::tasks::TaskGroup;
use mutual_protocol::bounded::{Address, List};
use mutual_protocol::codes;
use mutual_runner::{CompileCache, Spawner};
use mutual_terminal::account::Account;
use mutual_terminal::failure::Failure;
use mutual_terminal::output;
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// Questions that wait for the loop.
const ASKED_MAX: usize = 32;
/// How long the end may take: the loop itself gives up a little earlier.
const END_MAX: Duration = Duration::from_millis(4_300);
/// How long goodbyes may take.
const CLOSE_MAX: Duration = Duration::from_millis(300);
/// How long the first ticket can be used: somebody walks to the other machine, or mails it.
const TICKET_LIFE: Duration = Duration::from_hours(24);

/// Serves until it is asked to stop.
pub(super) async fn serve(
    args: &StartArgs,
    spawner: Spawner,
    background: &mut Option<Background>,
) -> Result<(), Failure> {
    let mut signals = Signals::listen();
    let begun = tokio::select! {
        begun = begin(args, spawner) => begun?,
        () = signals.next() => return Ok(()),
    };
    begun.attend(&mut signals, background).await
}

/// A host with everything around it, about to serve.
struct Serving {
    home: Home,
    _lock: HostLock,
    host: Host,
    network: Network,
    events: mpsc::Receiver<PeerEvent>,
    asked: mpsc::Receiver<Asked>,
    desk: Desk,
    tasks: TaskGroup,
}

async fn begin(args: &StartArgs, spawner: Spawner) -> Result<Serving, Failure> {
    let account = Account::open()?;
    let home = account.home.clone();
    let lock = HostLock::take(&home.host_lock()).map_err(|e| explain::lock(&e))?;
    let mut settings = entry::settings(&home, args)?;
    let own = Own::load(&home)?;
    let given = limits::given(&home, limits::of(args.limits)?.or(settings.limits))?;
    let (ips, port) = entry::place(&mut settings)?;
    let (mut pool, is_new) = entry::pool((&home, &own), args, &mut settings).await?;
    donor::renew(&mut pool, SystemClock.wall_ms()).map_err(|e| explain::coded(e.code(), &e))?;
    let (network, events) = connect(&account, &own, &pool, places::listen(&ips, port))?;
    settings
        .save(&home.host_settings())
        .map_err(|e| explain::settings(&e))?;
    let mut all = network.addresses();
    let expected = (!settings.listen.is_empty()).then_some(ips.len() * 2);
    places::settled(&mut all, expected).await;
    let addresses = watch::Sender::new(places::reachable(&all.borrow()));
    if is_new {
        invite(&pool, &own, &addresses.borrow())?;
    }
    let tasks = TaskGroup::new();
    let (asker, asked) = mpsc::channel(ASKED_MAX);
    let (about, told) = watch::channel(about((&own, &pool), &settings, given));
    let desk = Desk {
        about: told,
        asked: asker,
        stopping: Arc::default(),
    };
    let host = host(
        (account, &own, &pool),
        spawner,
        &settings,
        (given, addresses.subscribe()),
    );
    let listener = control::listen(&home.host_socket()).map_err(|e| explain::data_folder(&e))?;
    tasks.spawn(
        "control",
        control::serve(listener, desk.clone(), tasks.clone()),
    );
    tasks.spawn("contacts", contacts::keep(network.clone(), pool.clone()));
    tasks.spawn(
        "membership",
        donor::keep_renewed(pool, Arc::new(SystemClock)),
    );
    tasks.spawn("addresses", tell_addresses(addresses.subscribe(), about));
    tasks.spawn("places", places::pass_on(all, addresses));
    Ok(Serving {
        home,
        _lock: lock,
        host,
        network,
        events,
        asked,
        desk,
        tasks,
    })
}

impl Serving {
    async fn attend(
        self,
        signals: &mut Signals,
        background: &mut Option<Background>,
    ) -> Result<(), Failure> {
        if let Some(background) = background {
            background.started(&self.home.host_log());
        }
        self.tasks.spawn("talk", talk::talk(self.desk.clone()));
        self.tasks.spawn_blocking(upkeep);
        let peers = (
            Arc::new(self.network.clone()) as Arc<_>,
            Arc::new(self.network.clone()) as Arc<_>,
        );
        let mut serving = pin!(hosting::serve(self.host, peers, self.events, self.asked));
        let signalled = tokio::select! {
            () = &mut serving => false,
            () = signals.next() => true,
        };
        if signalled {
            ask_to_stop(&self.desk);
            tokio::select! {
                _in_time = timeout(END_MAX, &mut serving) => {}
                () = signals.next() => {}
            }
        }
        talk::end();
        let _goodbyes_are_a_courtesy = timeout(CLOSE_MAX, self.network.close()).await;
        let asked_to = signalled || self.desk.stopping.load(Ordering::Relaxed);
        self.tasks.end().await;
        // What stays is a dead host's, and is taken over.
        let _is_gone = std::fs::remove_file(self.home.host_socket());
        if asked_to {
            return Ok(());
        }
        Err(Failure::new(codes::HOST_NETWORK))
    }
}

/// What killed processes left goes; nobody waits for it.
fn upkeep() {
    match Account::open() {
        Ok(account) => account.upkeep(),
        Err(e) => tracing::debug!("no upkeep: {}", e.code()),
    }
}

/// Whoever holds the loop hears it; a full queue holds questions of people who see the end.
fn ask_to_stop(desk: &Desk) {
    let (reply, _nobody_waits) = oneshot::channel();
    let request = Request::Stop;
    let _is_full = desk.asked.try_send(Asked { request, reply });
}

fn connect(
    account: &Account,
    own: &Own,
    pool: &Pool,
    listen: Places,
) -> Result<(Network, mpsc::Receiver<PeerEvent>), Failure> {
    let clock = Arc::new(SystemClock);
    let gate = PoolGate::new(pool.clone(), own.key.clone(), own.node, clock);
    let gate = gate.map_err(|e| explain::coded(e.code(), &e))?;
    let start = Start {
        transport_seed: own.seed,
        pool: pool.id(),
        gate: Arc::new(gate),
        listen,
        blocks: account.blocks.clone(),
    };
    Network::start(start).map_err(|e| explain::coded(places::code_of(&e), &e))
}

/// Prints the line to type on another machine.
fn invite(pool: &Pool, own: &Own, addresses: &[Address]) -> Result<(), Failure> {
    let nowhere = |_none| Failure::new(codes::HOST_LISTEN).because("this machine has no address");
    let order = TicketOrder {
        admitters: List::new(vec![own.node]).map_err(nowhere)?,
        addresses: List::new(
            addresses
                .iter()
                .take(mutual_protocol::limits::ADDRESSES_MAX)
                .cloned()
                .collect(),
        )
        .map_err(nowhere)?,
        roles: BTreeSet::from(entry::ROLES),
        uses: 1,
        life: TICKET_LIFE,
    };
    let ticket = pool.issue_ticket(order, SystemClock.wall_ms());
    let ticket = ticket.map_err(|e| explain::coded(e.code(), &e))?;
    output::say(&format!(
        "made the pool {}; on the other machine, once and within a day:\n",
        pool.id()
    ));
    output::line(&format!("mc pool join {}", ticket.to_text()))?;
    Ok(())
}

fn host(
    (account, own, pool): (Account, &Own, &Pool),
    spawner: Spawner,
    settings: &Settings,
    (given, addresses): (Given, watch::Receiver<Vec<Address>>),
) -> Host {
    let cache = CompileCache::open(&account.home.compiled(), mutual_engine::build_id());
    let cache = cache
        .inspect_err(|e| output::say(&format!("warning: compiled programs are not kept: {e}\n")));
    Host {
        tools: Tools {
            blocks: account.blocks,
            staging: Arc::new(account.staging),
            cache: cache.ok().map(Arc::new),
            spawner,
        },
        build: mutual_engine::build(),
        clock: Arc::new(SystemClock),
        key: own.key.clone(),
        pool: pool.id(),
        membership: pool.certificate().clone(),
        name: entry::name(settings),
        given,
        addresses,
    }
}

fn about((own, pool): (&Own, &Pool), settings: &Settings, given: Given) -> About {
    About {
        pid: std::process::id(),
        host: own.node.to_string(),
        name: entry::name(settings).to_string(),
        pool: pool.id().to_string(),
        pool_name: pool.name().map(ToString::to_string),
        founder: pool.is_founder(),
        member_until_ms: pool.membership().not_after_ms,
        started_at_ms: SystemClock.wall_ms(),
        addresses: Vec::new(),
        given,
    }
}

/// Keeps what is told on the control socket true.
async fn tell_addresses(mut addresses: watch::Receiver<Vec<Address>>, about: watch::Sender<About>) {
    loop {
        let now = addresses
            .borrow_and_update()
            .iter()
            .map(ToString::to_string)
            .collect();
        about.send_modify(|about| about.addresses = now);
        if addresses.changed().await.is_err() {
            return;
        }
    }
}
