//! What all jobs of a host share: its key, its clock, what attempts need, and the ways in and out.

use super::Host;
use crate::attempt::{Assignment, Done, Shared, Tools};
use crate::clock::{Clock, random};
use crate::link::{Fetch, FetchFailure, Peers};
use crate::tasks::TaskGroup;
use mutual_lease::{Claimant, Context};
use mutual_protocol::membership::MembershipCert;
use mutual_protocol::message::NodeMessage;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::Build;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{Cid, NodeId, RegisterId, Signed, SigningKey, Verified, codes};
use mutual_runner::{CompiledProgram, RunnerEvent};
use mutual_store::Fault;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, spawn_blocking};

/// Answers of other threads of one attempt that wait to be passed on: it gives at most three.
const DONE_MAX: usize = 4;

/// Names one claim of this process: a register may be claimed again while something of an earlier claim still goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkId {
    pub(super) register: RegisterId,
    number: u64,
}

/// Where everything arrives that goes on beside the loop.
pub(super) type Inbox = mpsc::Sender<(WorkId, Step)>;

/// Dropping it ends what was wanted.
pub(super) type Wanted = oneshot::Sender<()>;

/// Something that went on beside the loop has come to a point.
#[derive(Debug)]
pub(super) enum Step {
    /// Program and inputs are here, or the attempt has ended with this outcome.
    Fetched(Result<Box<Fetched>, Outcome>),
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
    membership: Signed<MembershipCert>,
    claims: u64,
    /// Messages to be sent when the loop is done with this event.
    outbox: Vec<(NodeId, NodeMessage)>,
    /// Who broke the protocol during this event, and how.
    accused: Vec<(NodeId, String)>,
}

impl Site {
    pub(super) fn new(
        host: &Host,
        (peers, fetch): (Arc<dyn Peers>, Arc<dyn Fetch>),
        inbox: Inbox,
    ) -> Self {
        Self {
            key: host.key.clone(),
            clock: host.clock.clone(),
            build: host.build.clone(),
            tasks: TaskGroup::new(),
            tools: host.tools.clone(),
            fetch,
            peers,
            inbox,
            membership: host.membership.clone(),
            claims: 0,
            outbox: Vec::new(),
            accused: Vec::new(),
        }
    }

    pub(super) fn node(&self) -> NodeId {
        NodeId::from(self.key.public())
    }

    /// Who claims: a pool's witness lets only its members in.
    pub(super) fn claimant(&self) -> Claimant {
        Claimant {
            membership: Some(self.membership.clone()),
            ..Claimant::key_only(self.node())
        }
    }

    /// A name for the next claim.
    pub(super) const fn claim(&mut self, register: RegisterId) -> WorkId {
        self.claims = self.claims.saturating_add(1);
        let number = self.claims;
        WorkId { register, number }
    }

    /// The surroundings of a step of a lease; none while the system gives no random numbers.
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

    /// `node` breaks the protocol: its connection ends when the loop is done with this event.
    pub(super) fn accuse(&mut self, node: NodeId, why: String) {
        self.accused.push((node, why));
    }

    pub(super) fn take_accused(&mut self) -> Vec<(NodeId, String)> {
        std::mem::take(&mut self.accused)
    }

    pub(super) fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// A way for an attempt's work on other threads to tell that it is done.
    pub(super) fn steps(&self, id: WorkId) -> mpsc::Sender<Done> {
        let (sender, mut done) = mpsc::channel(DONE_MAX);
        let inbox = self.inbox();
        self.tasks.spawn("steps of an attempt", async move {
            while let Some(done) = done.recv().await {
                if inbox.send((id, Step::Done(done))).await.is_err() {
                    return;
                }
            }
        });
        sender
    }

    /// Brings program and inputs here, at most `bytes_max` bytes, while it is wanted; then [`Step::Fetched`] comes.
    pub(super) fn fetch(
        &self,
        (peer, id): (NodeId, WorkId),
        spec: Arc<Verified<JobSpec>>,
        bytes_max: u64,
    ) -> Wanted {
        let (wanted, unwanted) = oneshot::channel();
        let bringing = bring(
            self.tools.clone(),
            self.fetch.clone(),
            spec,
            (peer, bytes_max),
        );
        let inbox = self.inbox();
        self.tasks.spawn("inputs of an attempt", async move {
            let fetched = tokio::select! {
                fetched = bringing => fetched,
                _nobody_waits = unwanted => return,
            };
            let _loop_is_gone = inbox.send((id, Step::Fetched(fetched))).await;
        });
        wanted
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

async fn bring(
    tools: Tools,
    fetch: Arc<dyn Fetch>,
    spec: Arc<Verified<JobSpec>>,
    (peer, bytes_max): (NodeId, u64),
) -> Result<Box<Fetched>, Outcome> {
    let (finder, sought) = (tools.clone(), spec.clone());
    let code = spawn_blocking(move || finder.compiled(sought.value()));
    let code = code.await.map_err(|e| vanished(&e))?;
    let value = spec.value();
    let mut roots = vec![value.inputs];
    roots.extend(code.is_none().then_some(value.program.cid));
    let coming = fetch.fetch(peer, roots, bytes_max);
    coming.await.map_err(|e| not_fetched(&e))?;
    let wants_program = code.is_none();
    let loaded = spawn_blocking(move || Assignment::load(&tools.blocks, &spec, wants_program));
    let assignment = loaded.await.map_err(|e| vanished(&e))??;
    Ok(Box::new(Fetched { assignment, code }))
}

fn vanished(error: &JoinError) -> Outcome {
    Outcome::RunnerFailed {
        detail: format!("loading ended without a word: {error}"),
    }
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
