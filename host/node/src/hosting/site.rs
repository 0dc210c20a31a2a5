//! What all jobs of a host share: its key, its clock, what attempts need, and the ways in and out.

use crate::attempt::{Assignment, Done, Shared, Tools};
use crate::clock::{Clock, random};
use crate::link::{Fetch, FetchFailure, Peers};
use crate::tasks::TaskGroup;
use mutual_lease::Context;
use mutual_protocol::message::NodeMessage;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::Build;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{Cid, NodeId, RegisterId, SigningKey, Verified, codes};
use mutual_runner::{CompiledProgram, RunnerEvent};
use mutual_store::{BlockStore, Fault};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// Answers of other threads of one attempt that wait to be passed on: it gives at most three.
const DONE_MAX: usize = 4;

/// Where everything arrives that goes on beside the loop.
pub(super) type Inbox = mpsc::Sender<(RegisterId, Step)>;

/// Something that went on beside the loop has come to a point.
#[derive(Debug)]
pub(super) enum Step {
    /// Program and inputs are here, or the attempt has ended with this outcome.
    Fetched(Result<Fetched, Outcome>),
    /// Work of the attempt on another thread is done.
    Done(Done),
    /// The sandbox says something.
    Runner(RunnerEvent),
    /// The sandbox's driver is gone without a last word.
    RunnerGone,
}

/// What an attempt needs, all of it here.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) assignment: Assignment,
    /// The program's compiled code, when it was here already.
    pub(super) code: Option<CompiledProgram>,
}

/// What all works share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) key: Arc<SigningKey>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) build: Build,
    pub(super) tasks: TaskGroup,
    tools: Tools,
    fetch: Arc<dyn Fetch>,
    peers: Arc<dyn Peers>,
    inbox: Inbox,
    /// Messages to be sent when the loop is done with this event.
    outbox: Vec<(NodeId, NodeMessage)>,
}

impl Site {
    pub(super) fn new(
        (key, clock, build): (Arc<SigningKey>, Arc<dyn Clock>, Build),
        tools: Tools,
        (peers, fetch): (Arc<dyn Peers>, Arc<dyn Fetch>),
        inbox: Inbox,
    ) -> Self {
        Self {
            key,
            clock,
            build,
            tasks: TaskGroup::new(),
            tools,
            fetch,
            peers,
            inbox,
            outbox: Vec::new(),
        }
    }

    pub(super) fn node(&self) -> NodeId {
        NodeId::from(self.key.public())
    }

    /// The surroundings of a step of a lease; none while the system gives no random numbers: the step's timer comes
    /// again.
    pub(super) fn context(&self) -> Option<Context<'static>> {
        let random = random().inspect_err(|e| tracing::error!("no random numbers: {e}"));
        Some(Context {
            now: self.clock.boot(),
            wall_ms: self.clock.wall_ms(),
            random: random.ok()?,
            verifier: &Ed25519,
        })
    }

    pub(super) fn send(&mut self, to: NodeId, message: NodeMessage) {
        self.outbox.push((to, message));
    }

    pub(super) fn take_outbox(&mut self) -> Vec<(NodeId, NodeMessage)> {
        std::mem::take(&mut self.outbox)
    }

    pub(super) fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// A way for an attempt's work on other threads to tell that it is done.
    pub(super) fn steps(&self, register: RegisterId) -> mpsc::Sender<Done> {
        let (sender, mut done) = mpsc::channel(DONE_MAX);
        let inbox = self.inbox();
        self.tasks.spawn("steps of an attempt", async move {
            while let Some(done) = done.recv().await {
                if inbox.send((register, Step::Done(done))).await.is_err() {
                    return;
                }
            }
        });
        sender
    }

    /// Brings program and inputs here, at most `bytes_max` bytes; [`Step::Fetched`] comes when they are.
    pub(super) fn fetch(
        &self,
        (peer, register): (NodeId, RegisterId),
        spec: Arc<Verified<JobSpec>>,
        bytes_max: u64,
    ) {
        let value = spec.value();
        let code = self.tools.compiled(value);
        let mut roots = vec![value.inputs];
        roots.extend(code.is_none().then_some(value.program.cid));
        let coming = self.fetch.fetch(peer, roots, bytes_max);
        let (inbox, blocks) = (self.inbox(), self.tools.blocks.clone());
        self.tasks.spawn("inputs of an attempt", async move {
            let fetched = match coming.await {
                Ok(()) => load(blocks, spec, code).await,
                Err(e) => Err(not_fetched(&e)),
            };
            let _loop_is_gone = inbox.send((register, Step::Fetched(fetched))).await;
        });
    }

    /// What the threads of one attempt share.
    pub(super) fn shared(&self, fetched: Fetched) -> Arc<Shared> {
        let Fetched { assignment, code } = fetched;
        let tools = self.tools.clone();
        Arc::new(Shared::new(tools, assignment, (code, None)))
    }

    /// Lets the owner fetch what an attempt has left.
    pub(super) fn share(&self, root: Cid) {
        self.peers.share(root);
    }
}

async fn load(
    blocks: BlockStore,
    spec: Arc<Verified<JobSpec>>,
    code: Option<CompiledProgram>,
) -> Result<Fetched, Outcome> {
    let wants_program = code.is_none();
    let loaded = spawn_blocking(move || Assignment::load(&blocks, &spec, wants_program)).await;
    let vanished = |_| Outcome::RunnerFailed {
        detail: "loading ended without a word".to_owned(),
    };
    let assignment = loaded.map_err(vanished)??;
    Ok(Fetched { assignment, code })
}

fn not_fetched(failure: &FetchFailure) -> Outcome {
    let code = match failure {
        FetchFailure::Missing { .. } => codes::CONTENT_NOT_FOUND,
        FetchFailure::Store(e) if e.fault() == Fault::DiskFull => codes::STORE_FULL,
        _ => codes::STORE_IO,
    };
    Outcome::HostFailed {
        code: code.code.to_owned(),
        detail: failure.to_string(),
    }
}
