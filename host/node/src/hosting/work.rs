//! One job on this host: its lease, its attempt, and what whoever offered it is told of both.

mod ending;
mod outlet;

use super::site::{Fetched, Site, Step};
use crate::attempt::{Attempt, Done, Phase, Ready, Shared, Watch};
use crate::tasks::TaskGroup;
use crate::wire;
use mutual_lease::{
    BootNanos, Claimant, Holder, HolderEffect, HolderInput, OfferError, VerifiedReply,
};
use mutual_protocol::bounded::Line;
use mutual_protocol::lease::{Offer, ResultCert};
use mutual_protocol::message::{self, AttemptEvent, AttemptOrder, NodeMessage};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{FencingToken, NodeId, RegisterId, Verified};
use mutual_runner::{Control, Report, RunnerEvent};
use outlet::Outlet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a guest may take for its last words when its owner stops it.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Parts of standard input that wait for the guest: one is asked for at a time, and its end may come with it.
const INPUTS_MAX: usize = 4;

/// The way to a guest's standard input; none is its end.
type Input = mpsc::Sender<Option<Vec<u8>>>;

/// A job that this host has claimed.
#[derive(Debug)]
pub(super) struct Work {
    /// The connection to whoever offered it: owner and witness of an attached run.
    peer: NodeId,
    spec: Arc<Verified<JobSpec>>,
    holder: Holder,
    timer: Option<BootNanos>,
    started_at_ms: u64,
    phase: Phase,
    /// From the lease on.
    token: Option<FencingToken>,
    /// Bytes of program and inputs, as the offer says.
    input_bytes_max: u64,
    shared: Option<Arc<Shared>>,
    attempt: Option<Attempt>,
    outlet: Outlet,
    stdin: Option<Input>,
    /// Waits until the owner has the outputs.
    reported: Option<Box<Verified<AttemptRecord>>>,
    outcome: Option<Outcome>,
    lost: Option<String>,
    /// The lease is gone, whatever the attempt still does.
    is_over: bool,
}

/// What people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The register.
    pub register: RegisterId,
    /// Who signed the job.
    pub owner: NodeId,
    /// Where it stands.
    pub phase: Phase,
    /// Epoch of its lease; none while it is claimed.
    pub epoch: Option<u32>,
    /// Since when, milliseconds since 1970.
    pub started_at_ms: u64,
}

impl Work {
    /// Claims what `peer` offers.
    ///
    /// # Errors
    /// When the offer proves nothing.
    pub(super) fn take(
        site: &mut Site,
        peer: NodeId,
        spec: Arc<Verified<JobSpec>>,
        (offer, input_bytes_max): (&Verified<Offer>, u64),
    ) -> Result<Self, OfferError> {
        let me = Claimant::key_only(site.node());
        let holder = Holder::new(me, spec.clone(), offer, &Ed25519)?;
        let mut work = Self {
            peer,
            spec,
            holder,
            timer: None,
            started_at_ms: site.clock.wall_ms(),
            phase: Phase::Claiming,
            token: None,
            input_bytes_max,
            shared: None,
            attempt: None,
            outlet: Outlet::default(),
            stdin: None,
            reported: None,
            outcome: None,
            lost: None,
            is_over: false,
        };
        work.step(site, HolderInput::Start);
        Ok(work)
    }

    pub(super) const fn timer(&self) -> Option<BootNanos> {
        self.timer
    }

    pub(super) const fn peer(&self) -> NodeId {
        self.peer
    }

    pub(super) const fn token(&self) -> Option<FencingToken> {
        self.token
    }

    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// How the attempt ended, once it has.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome.clone()
    }

    /// Why the lease was lost, if it was.
    pub(super) fn lost(&self) -> Option<String> {
        self.lost.clone()
    }

    /// Memory and disk that the job may take, bytes.
    pub(super) fn promised(&self) -> (u64, u64) {
        let limits = &self.spec.value().limits;
        let disk = limits.disk_bytes_max.saturating_add(self.input_bytes_max);
        (limits.memory_bytes_max, disk)
    }

    /// Whether nothing of it is left on this host.
    pub(super) const fn is_gone(&self) -> bool {
        self.is_over && self.attempt.is_none()
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            register: self.holder.register(),
            owner: NodeId::from(self.spec.value().owner.key()),
            phase: self.phase,
            epoch: self.token.map(|token| token.epoch.0),
            started_at_ms: self.started_at_ms,
        }
    }

    /// The time has come that [`Work::timer`] told.
    pub(super) fn tick(&mut self, site: &mut Site) {
        if self.timer.take_if(|at| *at <= site.clock.boot()).is_some() {
            self.step(site, HolderInput::Tick);
        }
    }

    /// A witness answered.
    pub(super) fn replied(&mut self, site: &mut Site, reply: VerifiedReply) {
        self.step(site, HolderInput::Reply(reply));
    }

    /// A decision came from elsewhere.
    pub(super) fn decided(&mut self, site: &mut Site, cert: ResultCert) {
        self.step(site, HolderInput::Decided(Box::new(cert)));
    }

    /// The donor takes the machine back, or kills this job: the lease is released.
    pub(super) fn release(&mut self, site: &mut Site, blame: Blame) {
        self.step(site, HolderInput::Release { blame });
        self.end(site);
    }

    /// What the owner wants of the attempt; whether `token` is the one that runs.
    pub(super) fn order(
        &mut self,
        site: &mut Site,
        token: FencingToken,
        order: AttemptOrder,
    ) -> bool {
        if self.token != Some(token) || self.is_over {
            return false;
        }
        match order {
            AttemptOrder::Credit { bytes } => self.outlet.credit(bytes),
            AttemptOrder::Input { bytes, .. } => self.input(Some(bytes.into_vec())),
            AttemptOrder::InputEnd => self.input(None),
            AttemptOrder::Stop { now } => self.stop(site, now),
            AttemptOrder::Taken => self.taken(site),
        }
        true
    }

    /// Bytes of standard input, or its end. The owner gives one part for each that was wanted.
    fn input(&self, bytes: Option<Vec<u8>>) {
        if let Some(stdin) = &self.stdin
            && stdin.try_send(bytes).is_err()
        {
            tracing::warn!("{} sends input that nobody asked for", self.peer);
        }
    }

    fn stop(&mut self, site: &mut Site, now: bool) {
        let grace = if now { Duration::ZERO } else { STOP_GRACE };
        match (&mut self.attempt, self.phase) {
            (Some(attempt), Phase::Running) => attempt.stop(Outcome::Cancelled, grace),
            (_, Phase::Collecting | Phase::Deciding) => {}
            _ => {
                if let Some(shared) = &self.shared {
                    shared.cancel.cancel();
                }
                self.attempt_ended(site, Outcome::Cancelled, None);
            }
        }
    }

    /// The owner has all outputs: now the result can be put to the vote.
    fn taken(&mut self, site: &mut Site) {
        if let Some(attempt) = self.reported.take() {
            self.report(site, attempt);
        }
    }

    fn report(&mut self, site: &mut Site, attempt: Box<Verified<AttemptRecord>>) {
        let stored = Vec::new();
        self.step(site, HolderInput::Report { attempt, stored });
    }

    fn step(&mut self, site: &mut Site, input: HolderInput) {
        let Some(ctx) = site.context() else { return };
        for effect in self.holder.step(&ctx, input) {
            self.did(site, effect);
        }
    }

    fn did(&mut self, site: &mut Site, effect: HolderEffect) {
        match effect {
            // Owner and witness are one node: it hands each its own.
            HolderEffect::Send { message, .. } => {
                let request = wire::sign_request(message, &site.key);
                site.send(self.peer, NodeMessage::Request(request));
            }
            HolderEffect::Timer(at) => self.timer = Some(at),
            HolderEffect::Violation(violation) => {
                tracing::warn!("{} breaks the protocol: {violation}", self.peer);
            }
            HolderEffect::Run { token, .. } => self.begin(site, token),
            HolderEffect::StopEverything => self.outlet.hold(),
            HolderEffect::Resume => self.outlet.let_out(site, self.peer),
            HolderEffect::Decided { .. } => self.end(site),
            HolderEffect::Lost { reason } => {
                self.lost = Some(format!("{reason:?}"));
                self.end(site);
            }
            _ => {}
        }
    }

    /// The lease is held: everything that the attempt needs comes here first.
    fn begin(&mut self, site: &mut Site, token: FencingToken) {
        self.token = Some(token);
        self.enter(site, Phase::Fetching);
        let from = (self.peer, self.holder.register());
        site.fetch(from, self.spec.clone(), self.input_bytes_max);
    }

    /// The lease is gone, with or without a decision: whatever still runs is killed.
    fn end(&mut self, site: &mut Site) {
        self.is_over = true;
        self.timer = None;
        self.reported = None;
        self.outlet.close();
        if let Some(shared) = &self.shared {
            shared.cancel.cancel();
        }
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        if self.phase == Phase::Running {
            // Its last word comes when the process is gone.
            attempt.stop(Outcome::Cancelled, Duration::ZERO);
        } else {
            attempt.silence();
            attempt.clear(&site.tasks);
            self.attempt = None;
        }
    }

    /// Something that went on beside the loop has come to a point.
    pub(super) fn handle(&mut self, site: &mut Site, step: Step) {
        match step {
            Step::Fetched(Err(outcome)) => self.attempt_ended(site, outcome, None),
            Step::Fetched(Ok(fetched)) => self.fetched(site, fetched),
            Step::Done(Done::Compiling) => self.enter(site, Phase::Compiling),
            Step::Done(Done::Ready(Err(outcome))) => self.attempt_ended(site, outcome, None),
            Step::Done(Done::Ready(Ok(ready))) => self.launch(site, ready),
            Step::Done(Done::Collected(collected)) => self.collected(site, collected),
            Step::Runner(event) => self.handle_runner(site, event),
            Step::RunnerGone => {
                let detail = "the sandbox ended without a word".to_owned();
                self.attempt_ended(site, Outcome::RunnerFailed { detail }, None);
            }
        }
    }

    fn fetched(&mut self, site: &mut Site, fetched: Fetched) {
        let Some(token) = self.token.filter(|_| !self.is_over) else {
            return;
        };
        let shared = site.shared(fetched);
        let done = site.steps(self.holder.register());
        self.attempt = Some(Attempt::start(token, &shared, &site.tasks, &done));
        self.shared = Some(shared);
        self.enter(site, Phase::Staging);
    }

    fn launch(&mut self, site: &mut Site, ready: Ready) {
        let (Some(attempt), Some(shared)) = (&mut self.attempt, &self.shared) else {
            return;
        };
        let launched = match attempt.stopped.take() {
            Some(outcome) => Err(outcome),
            None => attempt.launch(shared, ready, None, &site.tasks),
        };
        match launched {
            Ok(()) => {
                let (control, events) = attempt.take_streams();
                let register = self.holder.register();
                self.outlet
                    .pump(events, site.inbox(), register, &site.tasks);
                self.stdin = control.map(|control| pump_input(control, &site.tasks));
            }
            Err(outcome) => self.attempt_ended(site, outcome, None),
        }
    }

    fn handle_runner(&mut self, site: &mut Site, event: RunnerEvent) {
        match event {
            RunnerEvent::Started => {
                self.enter(site, Phase::Running);
                self.say(site, AttemptEvent::Started);
            }
            RunnerEvent::Stdout(bytes) => self.output(site, message::Stream::Stdout, &bytes),
            RunnerEvent::Stderr(bytes) => self.output(site, message::Stream::Stderr, &bytes),
            RunnerEvent::StdinWanted { bytes_max } => {
                let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
                self.say(site, AttemptEvent::InputWanted { bytes_max });
            }
            RunnerEvent::Ended(report) => self.runner_ended(site, report),
            _ => {}
        }
    }

    fn output(&mut self, site: &mut Site, stream: message::Stream, bytes: &[u8]) {
        if let Some(token) = self.token {
            self.outlet.output(site, self.peer, token, (stream, bytes));
        }
    }

    /// The guest may have told how far it is.
    pub(super) fn look_at_progress(&mut self, site: &mut Site) {
        let watch = self
            .attempt
            .as_mut()
            .and_then(|attempt| attempt.watch.as_mut());
        if let Some(told) = watch.and_then(Watch::look) {
            let event = AttemptEvent::Progress {
                done: told.done,
                total: (told.total > 0).then_some(told.total),
                text: Line::cut(&told.text),
            };
            self.say(site, event);
        }
    }

    fn say(&mut self, site: &mut Site, event: AttemptEvent) {
        if let Some(token) = self.token {
            self.outlet.say(site, self.peer, token, event);
        }
    }

    fn enter(&mut self, site: &mut Site, phase: Phase) {
        self.phase = phase;
        if let Some(attempt) = &mut self.attempt {
            attempt.phase = phase;
        }
        if let Some(phase) = phase.on_the_wire() {
            self.say(site, AttemptEvent::Phase(phase));
        }
    }

    /// The attempt's report, once the sandbox has given it.
    fn own_report(&self) -> Option<&Report> {
        self.attempt
            .as_ref()
            .and_then(|attempt| attempt.report.as_ref())
    }
}

/// Passes standard input on to the sandbox.
fn pump_input(control: Control, tasks: &TaskGroup) -> Input {
    let (sender, mut given) = mpsc::channel::<Option<Vec<u8>>>(INPUTS_MAX);
    tasks.spawn("input of an attempt", async move {
        while let Some(bytes) = given.recv().await {
            let passed = match bytes {
                Some(bytes) => control.send_stdin(bytes).await,
                None => control.close_stdin().await,
            };
            if passed.is_err() {
                return;
            }
        }
    });
    sender
}
