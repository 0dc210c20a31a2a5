//! A run in a pool of puppets: its loop and theirs go on in turns, in virtual time.

use super::super::super::Loop;
use super::puppet::{Puppet, cert_of};
use crate::attached::{
    Attached, GUEST_FOLDERS, Place, PoolPlace, RunCommand, RunEnd, RunError, RunEvent, Source,
};
use crate::clock::{Clock as _, elapsed};
use crate::link::{Fetch, FetchFailure, Fetching, PeerEvent, Peers};
use crate::logs;
use crate::prepare::{self, ForPool, RunKeys};
use crate::rig::{self, TestClock};
use crate::tasks::TaskGroup;
use mutual_protocol::ids::Codec;
use mutual_protocol::manifest::Manifest;
use mutual_protocol::membership::Role;
use mutual_protocol::message::NodeMessage;
use mutual_protocol::receipt::Build;
use mutual_protocol::spec::Stdin;
use mutual_protocol::{Cid, NodeId, PoolId, SigningKey, codec};
use mutual_runner::Spawner;
use mutual_store::{BlockStore, RunStore, StagingArea};
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn pool_key() -> SigningKey {
    SigningKey::from_seed(b"test seed of the key of the pool")
}

#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) up: BTreeSet<NodeId>,
    pub(super) sent: VecDeque<(NodeId, NodeMessage)>,
    pub(super) redialed: Vec<NodeId>,
    pub(super) dropped: Vec<(NodeId, String)>,
    pub(super) shared: Vec<Cid>,
}

/// The network as the run sees it.
#[derive(Debug, Default)]
pub(super) struct Net(pub(super) Mutex<Wire>);

impl Peers for Net {
    fn send(&self, to: NodeId, message: &NodeMessage) -> bool {
        let mut wire = self.0.lock().unwrap();
        let is_up = wire.up.contains(&to);
        if is_up {
            // As it is on the way: what is too large or malformed would not be heard.
            let message = NodeMessage::decode(&message.encode()).unwrap();
            wire.sent.push_back((to, message));
        }
        is_up
    }

    fn redial(&self, node: NodeId) {
        self.0.lock().unwrap().redialed.push(node);
    }

    fn drop_peer(&self, node: NodeId, why: &str) {
        let mut wire = self.0.lock().unwrap();
        wire.up.remove(&node);
        wire.dropped.push((node, why.to_owned()));
    }

    fn share(&self, root: Cid) {
        self.0.lock().unwrap().shared.push(root);
    }
}

/// Outputs are in the store already; how fetching ends is the test's to say.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) failures: Mutex<VecDeque<FetchFailure>>,
    pub(super) hangs: Mutex<bool>,
    pub(super) asked: Mutex<Vec<(NodeId, Vec<Cid>, u64)>>,
}

impl Fetch for Outputs {
    fn fetch(&self, from: NodeId, roots: Vec<Cid>, bytes_max: u64) -> Fetching {
        self.asked.lock().unwrap().push((from, roots, bytes_max));
        let failure = self.failures.lock().unwrap().pop_front();
        let hangs = *self.hangs.lock().unwrap();
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            failure.map_or(Ok(()), Err)
        })
    }
}

pub(super) struct World {
    pub(super) _folder: TempDir,
    pub(super) clock: Arc<TestClock>,
    pub(super) blocks: BlockStore,
    pub(super) run: Loop,
    pub(super) net: Arc<Net>,
    pub(super) outputs: Arc<Outputs>,
    pub(super) hosts: Vec<Puppet>,
    pub(super) failed: Option<RunError>,
    pub(super) shown: Vec<RunEvent>,
    pub(super) commands: mpsc::Sender<RunCommand>,
    pub(super) takes: bool,
    pub(super) manifest: Cid,
    events: mpsc::Sender<PeerEvent>,
    screen: mpsc::Receiver<RunEvent>,
    /// Dropped connections whose end was told.
    drops: usize,
    tasks: TaskGroup,
}

/// How a run differs from the plain one.
pub(super) struct Setup {
    pub(super) named: BTreeSet<NodeId>,
    pub(super) stdin: Vec<u8>,
    pub(super) wait_for: Duration,
    pub(super) wall_ms_max: Option<u64>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            named: BTreeSet::new(),
            stdin: Vec::new(),
            wait_for: Duration::from_secs(30),
            wall_ms_max: None,
        }
    }
}

impl Setup {
    pub(super) fn open(self, hosts: usize) -> World {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let clock = Arc::new(TestClock::new());
        let blocks = BlockStore::open(&at("store")).unwrap();
        let (owner, witness) = rig::keys();
        let me = NodeId::from(owner.public());
        let pool = PoolId::from(pool_key().public());
        let for_pool = ForPool {
            pool,
            membership: cert_of(me, vec![Role::Submit]),
            hosts: self.named,
        };
        let keys = RunKeys {
            owner: &owner,
            witness: witness.public(),
            pool: Some(&for_pool),
        };
        let mut request = rig::request();
        request.stdin = Stdin::Attached;
        request.limits.wall_ms_max = self.wall_ms_max;
        let prepared = prepare::prepare(&blocks, &*clock, keys, request).unwrap();
        let (net, outputs) = (Arc::new(Net::default()), Arc::new(Outputs::default()));
        let (events, heard) = mpsc::channel(4096);
        let place = PoolPlace {
            pool,
            peers: net.clone(),
            events: heard,
            fetch: outputs.clone(),
            wait_for: self.wait_for,
        };
        let node = node(folder.path(), &blocks, &clock, place);
        let (tasks, connections) = (TaskGroup::new(), TaskGroup::new());
        let (shown, screen) = mpsc::channel(64);
        let (commands, commands_rx) = mpsc::channel(8);
        let mut run = Loop::new(
            node,
            prepared,
            Source::new(std::io::Cursor::new(self.stdin)),
            (shown, commands_rx),
            (tasks.clone(), connections),
        )
        .unwrap();
        let empty = codec::encode(&Manifest::new(Vec::new()).unwrap());
        let manifest = blocks.put_new(Codec::DagCbor, &empty).unwrap();
        run.open().unwrap();
        let mut world = World {
            _folder: folder,
            clock,
            blocks,
            run,
            net,
            outputs,
            hosts: (1..).take(hosts).map(|n| Puppet::new([n; 32])).collect(),
            failed: None,
            shown: Vec::new(),
            commands,
            takes: true,
            manifest,
            events,
            screen,
            drops: 0,
            tasks,
        };
        for host in 0..hosts {
            world.connect(host);
            world.hosts[host].publish(|_| {});
        }
        world
    }
}

/// This process, as its owner sets it up.
fn node(folder: &Path, blocks: &BlockStore, clock: &Arc<TestClock>, place: PoolPlace) -> Attached {
    let at = |name: &str| folder.join(name);
    let (owner, witness) = rig::keys();
    Attached {
        blocks: blocks.clone(),
        runs: RunStore::open(&at("runs")).unwrap(),
        staging: StagingArea::open(&at("staging"), &GUEST_FOLDERS).unwrap(),
        runtime: at("runtime"),
        cache: None,
        code: None,
        build: Build {
            engine: "none".to_owned(),
            compiler: "none".to_owned(),
            target: "none".to_owned(),
        },
        spawner: Spawner::with_executable(PathBuf::from("/bin/false"), "none".into()).unwrap(),
        spare: None,
        place: Place::Pool(place),
        clock: clock.clone(),
        owner,
        witness,
        command: Vec::new(),
        name: None,
    }
}

impl World {
    pub(super) fn connect(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        host.is_up = true;
        self.net.0.lock().unwrap().up.insert(host.node);
        let (node, member) = (host.node, host.member());
        self.events
            .try_send(PeerEvent::Up { node, member })
            .unwrap();
    }

    pub(super) fn cut(&mut self, host: usize) {
        let node = self.hosts[host].node;
        self.hosts[host].is_up = false;
        self.net.0.lock().unwrap().up.remove(&node);
        self.events.try_send(PeerEvent::Down { node }).unwrap();
    }

    /// Its machine is gone: nothing of it comes back, not even an end of the connection.
    pub(super) fn kill(&mut self, host: usize) {
        self.cut(host);
        let node = self.hosts[host].node;
        self.events
            .try_send(PeerEvent::Unreachable { node })
            .unwrap();
    }

    pub(super) fn send(&self, command: RunCommand) {
        self.commands.try_send(command).unwrap();
    }

    pub(super) fn end(&mut self, host: usize, outcome: mutual_protocol::outcome::Outcome) {
        let manifest = outcome.is_finished().then_some(self.manifest);
        let now = self.clock.boot();
        self.hosts[host].end(now, outcome, manifest);
    }

    pub(super) fn finish(&mut self, host: usize, exit_code: u8) {
        self.end(
            host,
            mutual_protocol::outcome::Outcome::Finished { exit_code },
        );
    }

    pub(super) fn is_decided(&self) -> bool {
        self.run.decision.is_some()
    }

    /// What the person was shown of stdout.
    pub(super) fn stdout(&self) -> String {
        let bytes = self.shown.iter().filter_map(|event| match event {
            RunEvent::Stdout(bytes) => Some(bytes.clone()),
            _ => None,
        });
        String::from_utf8(bytes.flatten().collect()).unwrap()
    }

    pub(super) fn diverged(&self) -> Vec<(logs::Stream, u64)> {
        let found = self.shown.iter().filter_map(|event| match event {
            RunEvent::Diverged { stream, at } => Some((*stream, *at)),
            _ => None,
        });
        found.collect()
    }

    /// Passes on what is said on both sides.
    fn pass(&mut self) {
        let now = self.clock.boot();
        loop {
            let sent = self.net.0.lock().unwrap().sent.pop_front();
            let Some((to, message)) = sent else { break };
            let host = self.hosts.iter_mut().find(|host| host.node == to).unwrap();
            host.hear(now, message);
        }
        let dropped = self.net.0.lock().unwrap().dropped.clone();
        for (node, _) in &dropped[self.drops..] {
            let host = self.hosts.iter().position(|host| host.node == *node);
            self.cut(host.unwrap());
        }
        self.drops = dropped.len();
        for host in &mut self.hosts {
            for event in host.take_out() {
                self.events.try_send(event).unwrap();
            }
        }
        while self.takes
            && let Ok(event) = self.screen.try_recv()
        {
            self.shown.push(event);
        }
    }

    /// One turn of the run, or of a holder whose timer rings.
    async fn turn(&mut self) {
        self.pass();
        let now = self.clock.boot();
        let timers = self.hosts.iter().filter_map(|host| host.timer).min();
        let ring = timers.map(|at| Instant::now() + elapsed(now, at));
        let wait = ring.unwrap_or_else(|| Instant::now() + PATIENCE);
        tokio::select! {
            biased;
            event = self.run.next_event() => {
                if let Err(e) = self.run.handle(event) {
                    self.failed = Some(e);
                }
            }
            Some(event) = self.screen.recv(), if self.takes => self.shown.push(event),
            () = tokio::time::sleep_until(wait) => {
                let now = self.clock.boot();
                for host in &mut self.hosts {
                    if host.timer.take_if(|at| *at <= now).is_some() {
                        host.step(now, mutual_lease::HolderInput::Tick);
                    }
                }
            }
        }
        self.pass();
    }

    /// Until `done`, or the run is over.
    pub(super) async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        self.pass();
        while !done(self) {
            assert!(Instant::now() < end, "not in time: {:?}", self.shown);
            assert!(!self.is_decided(), "decided: {:?}", self.run.ended);
            assert!(self.failed.is_none(), "{:?}", self.failed);
            self.turn().await;
        }
    }

    pub(super) async fn for_time(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.is_decided() && self.failed.is_none() {
            tokio::select! {
                () = self.turn() => {}
                () = tokio::time::sleep_until(end) => {}
            }
        }
        self.pass();
    }

    /// Until one of the hosts has the lease and may speak; gives which.
    pub(super) async fn leased(&mut self) -> usize {
        let active = |world: &Self| {
            let mut hosts = world.hosts.iter();
            hosts.position(|host| host.is_active && host.is_up && host.end.is_none())
        };
        self.until(|world| active(world).is_some()).await;
        active(self).unwrap()
    }

    /// Until everything that was said is heard.
    pub(super) async fn heard(&mut self) {
        self.for_time(Duration::from_millis(20)).await;
    }

    pub(super) async fn decided(&mut self) -> RunEnd {
        self.until(Self::is_decided).await;
        self.concluded().await
    }

    pub(super) async fn concluded(&mut self) -> RunEnd {
        self.pass();
        self.run.conclude().await.unwrap()
    }

    pub(super) async fn close(self) {
        drop(self.run);
        self.tasks.end().await;
    }
}
