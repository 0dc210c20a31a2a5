//! A host at work in a test: its loop runs as in life, its clock stands still until the test lets time pass.

use super::life::running;
use super::network::{Content, Out, Wire};
use super::owner::Owner;
use crate::attempt::GUEST_FOLDERS;
use crate::hosting::event_loop::Loop;
use crate::hosting::{Asked, Given, Host, Request, Status, Tools};
use crate::link::{Fetch, PeerEvent, Peers};
use crate::rig::sandbox::{child, code};
use crate::rig::{self, TestClock};
use crate::tasks::TaskGroup;
use mutual_protocol::bounded::Line;
use mutual_protocol::discovery::HostRecord;
use mutual_protocol::membership::{Member, MembershipCert, Role};
use mutual_protocol::message::NodeMessage;
use mutual_protocol::receipt::Build;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::ProgramKind;
use mutual_protocol::{NodeId, PoolId, Signed, SigningKey};
use mutual_runner::frame::{self, Kind};
use mutual_runner::message::{Ended, Ending, encode};
use mutual_runner::{BuildId, CompileCache, Metering, ProgramKey, Spawner};
use mutual_store::{BlockStore, StagingArea};
use mutual_testkit::seeds;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;

/// How long a test waits for real processes and threads before it fails, in real time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Turns that each task of a test gets before time goes on.
const TURNS: usize = 40;
/// Looks at something that processes and threads do, before a test fails.
const WAITS_MAX: usize = 50_000;
/// What a pipe surely takes at once.
const PIPE_BYTES: usize = 16 << 10;
const STEP: Duration = Duration::from_millis(100);

pub(super) fn pool_key() -> SigningKey {
    SigningKey::from_seed(b"test seed of the key of the pool")
}

pub(super) fn pool() -> PoolId {
    PoolId::from(pool_key().public())
}

/// The pool's word on a member.
pub(super) fn cert(member: NodeId, role: Role) -> Signed<MembershipCert> {
    let cert = MembershipCert {
        pool: pool(),
        member,
        roles: vec![role],
        serial: 1,
        not_after_ms: rig::WALL_MS + 24 * 3600 * 1000,
    };
    pool_key().sign(cert).signed().clone()
}

pub(super) struct House {
    pub(super) folder: TempDir,
    pub(super) clock: Arc<TestClock>,
    pub(super) blocks: BlockStore,
    pub(super) node: NodeId,
    pub(super) wire: Arc<Wire>,
    pub(super) content: Arc<Content>,
    pub(super) events: mpsc::Sender<PeerEvent>,
    pub(super) asked: Option<mpsc::Sender<Asked>>,
    pub(super) serving: oneshot::Receiver<()>,
    /// Everything that the host did, in order.
    pub(super) log: Vec<Out>,
    outs: mpsc::Receiver<Out>,
    /// What the guest does comes out of here.
    guest: File,
    tasks: TaskGroup,
    _addresses: watch::Sender<Vec<mutual_protocol::bounded::Address>>,
    _frozen: std::sync::mpsc::SyncSender<()>,
}

pub(super) const GIVEN: Given = Given {
    slots: 2,
    cpus: 4,
    memory_bytes: 4 << 30,
    disk_bytes: 10 << 30,
};

impl House {
    pub(super) fn open() -> Self {
        Self::with(GIVEN)
    }

    /// Another host of the pool.
    pub(super) fn other() -> Self {
        Self::named(GIVEN, seeds::OTHER_HOST)
    }

    pub(super) fn with(given: Given) -> Self {
        Self::named(given, seeds::HOST)
    }

    fn named(given: Given, seed: [u8; 32]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let clock = Arc::new(TestClock::new());
        let blocks = BlockStore::open(&at("store")).unwrap();
        let key = Arc::new(SigningKey::from_seed(&seed));
        let node = NodeId::from(key.public());
        let guest = fifo(&at("guest"));
        let cache = cache(&at("cache"));
        let (addresses, addresses_rx) = watch::channel(Vec::new());
        let host = Host {
            tools: Tools {
                blocks: blocks.clone(),
                staging: Arc::new(StagingArea::open(&at("staging"), &GUEST_FOLDERS).unwrap()),
                cache: Some(Arc::new(cache)),
                spawner: spawner(folder.path()),
            },
            build: Build {
                engine: "stub".to_owned(),
                compiler: "none".to_owned(),
                target: "none".to_owned(),
            },
            clock: clock.clone(),
            key,
            pool: pool(),
            membership: cert(node, Role::Host),
            name: Line::cut("lab-3"),
            given,
            addresses: addresses_rx,
        };
        let (wire, outs) = Wire::new();
        let content = Arc::new(Content::default());
        let (events, events_rx) = mpsc::channel(64);
        let (asked, asked_rx) = mpsc::channel(8);
        let network: (Arc<dyn Peers>, Arc<dyn Fetch>) = (wire.clone(), content.clone());
        let mut at_work = Loop::new(host, network, (events_rx, asked_rx));
        let tasks = at_work.site.tasks.clone();
        // As `hosting::serve` does it.
        let (ended, serving) = oneshot::channel();
        TaskGroup::new().spawn("host", async move {
            at_work.serve().await;
            at_work.end().await;
            let _test_is_over = ended.send(());
        });
        Self {
            folder,
            clock,
            blocks,
            node,
            wire,
            content,
            events,
            asked: Some(asked),
            serving,
            log: Vec::new(),
            outs,
            guest,
            tasks,
            _addresses: addresses,
            _frozen: freeze(),
        }
    }

    /// Something happens in the network.
    pub(super) async fn event(&self, event: PeerEvent) {
        self.events.send(event).await.unwrap();
    }

    pub(super) async fn says(&self, node: NodeId, message: NodeMessage) {
        let message = Box::new(message);
        self.event(PeerEvent::Said { node, message }).await;
    }

    /// A member that may do one thing is connected.
    pub(super) async fn up(&self, node: NodeId, role: Role) {
        let member = Member {
            node,
            roles: [role].into(),
            serial: 1,
            transport: node,
            not_after_ms: u64::MAX,
        };
        self.event(PeerEvent::Up { node, member }).await;
    }

    /// An owner whose spec differs from the plain one, connected.
    pub(super) async fn owner(
        &self,
        change: impl FnOnce(&mut mutual_protocol::spec::JobSpec),
    ) -> Owner {
        let owner = Owner::new(&self.blocks, self.clock.clone(), change);
        self.up(owner.node, Role::Submit).await;
        owner
    }

    /// What the host does next; the test fails when that is nothing.
    pub(super) async fn next(&mut self) -> Out {
        let out = tokio::time::timeout(3600 * 1000 * STEP, self.outs.recv()).await;
        let Ok(Some(out)) = out else {
            panic!("nothing more comes; so far: {:#?}", self.log);
        };
        self.log.push(out.clone());
        out
    }

    /// What the host has done by now, as far as nothing outside it is waited for.
    pub(super) async fn settled(&mut self) -> Vec<Out> {
        for _ in 0..TURNS {
            yield_now().await;
        }
        let mut outs = Vec::new();
        while let Ok(out) = self.outs.try_recv() {
            self.log.push(out.clone());
            outs.push(out);
        }
        outs
    }

    /// Lets time pass, in steps; the owner answers what it is asked.
    pub(super) async fn pass(&mut self, owner: &mut Owner, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(STEP);
            left -= step;
            tokio::time::advance(step).await;
            self.quiet(owner).await;
        }
    }

    /// The owner answers until nothing is said any more.
    pub(super) async fn quiet(&mut self, owner: &mut Owner) {
        loop {
            let outs = self.settled().await;
            if outs.is_empty() {
                return;
            }
            for out in outs {
                owner.hear(self, &out).await;
            }
        }
    }

    /// The owner answers until the host has done what `is_it` looks for.
    pub(super) async fn until<T>(
        &mut self,
        owner: &mut Owner,
        is_it: impl Fn(&NodeMessage) -> Option<T>,
    ) -> T {
        for _ in 0..WAITS_MAX {
            let out = self.next().await;
            owner.hear(self, &out).await;
            if let Out::Said(_, message) = &out
                && let Some(found) = is_it(message)
            {
                return found;
            }
        }
        panic!("not in sight; so far: {:#?}", self.log);
    }

    pub(super) async fn ask(&self, request: Request) -> Status {
        let (reply, answer) = oneshot::channel();
        let asked = self.asked.as_ref().unwrap();
        assert!(asked.send(Asked { request, reply }).await.is_ok());
        answer.await.unwrap()
    }

    /// Waits for what processes and threads do.
    pub(super) async fn real(&self, is_done: impl Fn(&Self) -> bool) {
        for _ in 0..WAITS_MAX {
            if is_done(self) {
                return;
            }
            turn_of_others().await;
        }
        panic!("not in sight; so far: {:#?}", self.log);
    }

    /// Waits until the host stands so, while the owner answers.
    pub(super) async fn stands(&mut self, owner: &mut Owner, so: impl Fn(&Status) -> bool) {
        for _ in 0..WAITS_MAX {
            self.quiet(owner).await;
            if so(&self.ask(Request::Status).await) {
                return;
            }
            turn_of_others().await;
        }
        panic!("not in sight; so far: {:#?}", self.log);
    }

    /// Waits until a sandbox is there: its stub makes this file when it starts.
    pub(super) async fn launched(&self) {
        self.real(|house| house.folder.path().join("heard").exists())
            .await;
    }

    /// Waits until the sandbox is killed, if there was one.
    pub(super) async fn killed(&self) {
        let Ok(pid) = std::fs::read_to_string(self.folder.path().join("pid")) else {
            return;
        };
        let status = format!("/proc/{}/status", pid.trim());
        let is_gone = |status: &str| {
            std::fs::read_to_string(status).map_or(true, |text| text.contains("State:\tZ"))
        };
        self.real(|_| is_gone(&status)).await;
    }

    /// Runs a guest whose sandbox never tells of its end.
    pub(super) async fn stuck(&mut self, owner: &mut Owner) {
        running(self, owner).await;
        self.tasks.end().await;
    }

    /// The guest does something.
    pub(super) fn guest(&self, frames: &[(Kind, &[u8])]) {
        let mut bytes = Vec::new();
        for (kind, body) in frames {
            frame::append(&mut bytes, *kind, body);
        }
        let mut guest = self.guest.try_clone().unwrap();
        if bytes.len() <= PIPE_BYTES {
            return guest.write_all(&bytes).unwrap();
        }
        // It waits for its reader.
        std::thread::spawn(move || guest.write_all(&bytes).unwrap());
    }

    /// The guest comes to an end of its own.
    pub(super) fn guest_ends(&self, ending: Ending) {
        let ended = Ended {
            ending,
            message: None,
            fuel: 0,
            memory_bytes_peak: 0,
        };
        self.guest(&[(Kind::Ended, &encode(&ended))]);
    }

    /// What the newest record says: state of the slots. Sequences rise.
    pub(super) fn records(&self, to: NodeId) -> Vec<HostRecord> {
        let of = |out: &Out| match out {
            Out::Said(node, NodeMessage::Host(record)) if *node == to => {
                let record = record.verify(&Ed25519).unwrap();
                record.check(&Ed25519, pool(), rig::WALL_MS).unwrap();
                Some(record.value().clone())
            }
            _ => None,
        };
        let records: Vec<_> = self.log.iter().filter_map(of).collect();
        assert!(
            records.is_sorted_by(|a, b| a.issue.sequence < b.issue.sequence),
            "{records:#?}"
        );
        records
    }

    /// Waits until no guest's root is in use: the first one is given to whoever comes next.
    pub(super) async fn cleared(&self) {
        let staging = self.folder.path().join("staging");
        let staging = StagingArea::open(&staging, &GUEST_FOLDERS).unwrap();
        self.real(|_| staging.create().unwrap().path().ends_with("0"))
            .await;
    }

    /// The root of the one guest.
    pub(super) fn guest_root(&self) -> PathBuf {
        self.root_folders().pop().unwrap()
    }

    fn root_folders(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("staging")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    }
}

/// Time stands still while a blocking thread works; it gives up some day, and then time runs and the test fails.
fn freeze() -> std::sync::mpsc::SyncSender<()> {
    let (frozen, over) = std::sync::mpsc::sync_channel(0);
    tokio::task::spawn_blocking(move || {
        let _test_is_over = over.recv_timeout(PATIENCE);
    });
    frozen
}

/// Other threads get the processor, and this one's tasks theirs.
async fn turn_of_others() {
    tokio::task::spawn_blocking(std::thread::yield_now)
        .await
        .unwrap();
}

/// A guest that does what comes out of a pipe, and whose input lands in a file.
fn spawner(folder: &Path) -> Spawner {
    let folder_name = folder.display();
    let script = format!(
        "[ \"$1\" = runner ] || exit 1\necho $$ >{folder_name}/pid\nexec 3<&0\ncat <&3 >{folder_name}/heard &\nexec cat {folder_name}/guest >&3 3<&-"
    );
    Spawner::with_executable(child(folder, &script), "stub".into()).unwrap()
}

fn fifo(path: &Path) -> File {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    // Open for both, it has always a reader.
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
}

fn cache(folder: &Path) -> CompileCache {
    let request = rig::request();
    let key = ProgramKey {
        program: request.program.cid,
        kind: ProgramKind::Module,
        metering: Metering::None,
    };
    code(folder, &key);
    CompileCache::open(folder, BuildId("test".to_owned())).unwrap()
}
