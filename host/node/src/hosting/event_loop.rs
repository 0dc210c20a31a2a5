//! The one event loop of a host: waits for everything at once, and decides what follows.

use super::site::{Site, Step, WorkId};
use super::status::{Asked, Done, History, Request, Status};
use super::work::Work;
use super::{Event, Host};
use crate::clock::elapsed;
use crate::fit::Standing;
use crate::link::{Fetch, PeerEvent, Peers};
use crate::wire;
use mutual_protocol::discovery::HostRecord;
use mutual_protocol::lease::ResultCert;
use mutual_protocol::membership::Member;
use mutual_protocol::message::{AttemptOrder, LeaseReply, LeaseRequest, NodeMessage};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{FencingToken, NodeId, RegisterId, Signed};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// How often this host says what it has, when nothing changes.
const BEAT: Duration = Duration::from_secs(40);
/// How often it says so at most: offers come and go by others' will.
const PUBLISH_GAP: Duration = Duration::from_millis(50);
/// How often the guests' progress is looked at.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Points that attempts have come to and the loop has not: a few for each slot.
const STEPS_MAX: usize = 256;
/// How long the end waits for released jobs, before it leaves them to the kernel.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the end waits for threads that hang on a disk, after that.
const THREADS_PATIENCE: Duration = Duration::from_millis(500);

/// State of a host at work.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) host: Host,
    pub(super) site: Site,
    pub(super) works: BTreeMap<RegisterId, Work>,
    pub(super) members: BTreeMap<NodeId, Member>,
    /// Hosts that are connected, by what they said of themselves first.
    pub(super) others: BTreeMap<NodeId, Signed<HostRecord>>,
    pub(super) standing: Standing,
    pub(super) sequence: u64,
    peers: Arc<dyn Peers>,
    events: mpsc::Receiver<PeerEvent>,
    asked: mpsc::Receiver<Asked>,
    steps: mpsc::Receiver<(WorkId, Step)>,
    history: History,
    /// The end has begun, and is waited for until then.
    ending: Option<Instant>,
    next_beat: Instant,
    published_at: Instant,
    next_progress: Instant,
}

impl Loop {
    pub(super) fn new(
        host: Host,
        (peers, fetch): (Arc<dyn Peers>, Arc<dyn Fetch>),
        (events, asked): (mpsc::Receiver<PeerEvent>, mpsc::Receiver<Asked>),
    ) -> Self {
        let (inbox, steps) = mpsc::channel(STEPS_MAX);
        let now = Instant::now();
        Self {
            site: Site::new(&host, (peers.clone(), fetch), inbox),
            host,
            works: BTreeMap::new(),
            members: BTreeMap::new(),
            others: BTreeMap::new(),
            standing: Standing::Serving,
            sequence: 0,
            peers,
            events,
            asked,
            steps,
            history: History::default(),
            ending: None,
            next_beat: now + BEAT,
            published_at: now,
            next_progress: now + PROGRESS_EVERY,
        }
    }

    /// Until it is asked to stop, and nothing runs here any more.
    pub(super) async fn serve(&mut self) {
        while self.ending.is_none() || !self.works.is_empty() {
            let event = self.next_event().await;
            if matches!(event, Event::NetworkGone | Event::PatienceEnds) {
                return;
            }
            self.handle(event);
            self.settle();
        }
    }

    /// Ends what is left of attempts.
    pub(super) async fn end(self) {
        let ended = timeout(THREADS_PATIENCE, self.site.tasks.end()).await;
        if ended.is_err() {
            tracing::warn!("work with the disk hangs: it is left to the system");
        }
    }

    async fn next_event(&mut self) -> Event {
        let now = self.site.clock.boot();
        let timer = self.works.values().filter_map(Work::timer).min();
        let timer = timer.map(|at| Instant::now() + elapsed(now, at));
        let is_running = self.works.values().any(Work::is_running);
        let (ending, beat) = (self.ending, self.next_beat);
        let is_asked = ending.is_none() || !self.asked.is_closed();
        tokio::select! {
            biased;
            // What others can send without end comes last, or it would keep leases from being renewed.
            () = sleep_until(ending.unwrap_or(beat)), if ending.is_some() => Event::PatienceEnds,
            () = sleep_until(timer.unwrap_or(beat)), if timer.is_some() => Event::Timer,
            asked = self.asked.recv(), if is_asked => asked.map_or(Event::AskersGone, Event::Asked),
            () = sleep_until(self.next_progress), if is_running => Event::ProgressTick,
            () = sleep_until(beat) => Event::Beat,
            Ok(()) = self.host.addresses.changed() => Event::Moved,
            Some((id, step)) = self.steps.recv() => Event::Step(id, step),
            event = self.events.recv() => event.map_or(Event::NetworkGone, Event::Peer),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Peer(event) => self.handle_peer(event),
            Event::Step(id, step) => self.with(id.register, |work, site| {
                if work.id() == id {
                    work.handle(site, step);
                }
            }),
            Event::Asked(asked) => self.handle_asked(asked),
            Event::AskersGone => self.stop(),
            Event::Timer => self.for_each(Work::tick),
            Event::ProgressTick => {
                self.next_progress = Instant::now() + PROGRESS_EVERY;
                self.for_each(Work::look_at_progress);
            }
            Event::Beat => self.publish(),
            Event::Moved => self.publish_soon(),
            Event::NetworkGone | Event::PatienceEnds => {}
        }
    }

    /// What every event ends with: jobs that are gone are forgotten, messages leave.
    fn settle(&mut self) {
        let gone: Vec<RegisterId> = self
            .works
            .iter()
            .filter(|(_, work)| work.is_gone())
            .map(|(register, _)| *register)
            .collect();
        for register in &gone {
            if let Some(work) = self.works.remove(register) {
                self.history.add(Done {
                    job: work.summary(),
                    outcome: work.outcome(),
                    lost: work.lost(),
                    at_ms: self.site.clock.wall_ms(),
                });
            }
        }
        if !gone.is_empty() {
            self.publish_soon();
        }
        self.post();
        for (node, why) in self.site.take_accused() {
            self.drop_peer(node, &why);
        }
    }

    /// Sends what waits. What an attempt says stays with it while it cannot leave, with all that comes after it.
    fn post(&mut self) {
        let mut behind = BTreeSet::new();
        for (to, message) in self.site.take_outbox() {
            let register = match &message {
                NodeMessage::Attempt { token, .. } => Some(token.register),
                _ => None,
            };
            let is_behind = register.is_some_and(|register| behind.contains(&register));
            if !is_behind && self.peers.send(to, &message) {
                continue;
            }
            tracing::debug!("{to} misses a message of kind {}", message.kind());
            if let Some(register) = register {
                behind.insert(register);
                self.with(register, |work, _| work.keep(message));
            }
        }
    }

    /// Says how this host stands as soon as it may.
    pub(super) fn publish_soon(&mut self) {
        self.next_beat = self.next_beat.min(self.published_at + PUBLISH_GAP);
    }

    /// Says to all members how this host stands.
    fn publish(&mut self) {
        self.published_at = Instant::now();
        self.next_beat = self.published_at + BEAT;
        let record = self.record();
        for peer in self.members.keys() {
            self.site.send(*peer, NodeMessage::Host(record.clone()));
        }
    }

    fn handle_peer(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Up { node, member } => {
                self.members.insert(node, member);
                let record = self.record();
                self.site.send(node, NodeMessage::Host(record));
                self.introduce(node);
                self.for_each_of(node, Work::catch_up);
            }
            // Its leases run out by themselves, or are renewed when it is back.
            PeerEvent::Down { node } | PeerEvent::Unreachable { node } => {
                self.members.remove(&node);
                self.others.remove(&node);
            }
            PeerEvent::Said { node, message } => {
                if let Some(member) = self.members.get(&node).cloned() {
                    self.said((node, &member), *message);
                }
            }
        }
    }

    fn said(&mut self, (node, member): (NodeId, &Member), message: NodeMessage) {
        match message {
            NodeMessage::Offer {
                spec,
                offer,
                inputs_bytes,
            } => self.offered((node, member), (&spec, &offer), inputs_bytes),
            NodeMessage::Reply(reply) => self.replied(node, reply),
            NodeMessage::Order { token, order } => self.ordered(node, token, order),
            NodeMessage::Request(LeaseRequest::Decided(cert)) => self.decided(node, cert),
            NodeMessage::Stale { token, current } => {
                self.with_of(node, token.register, |work, site| {
                    work.superseded(site, (token, current));
                });
            }
            NodeMessage::Host(record) => self.heard_of((node, member), record),
            NodeMessage::Goodbye { .. } => {}
            NodeMessage::Decline { .. } | NodeMessage::Request(_) | NodeMessage::Attempt { .. } => {
                let why = format!("a message of kind {} for a host", message.kind());
                self.drop_peer(node, &why);
            }
        }
    }

    fn replied(&mut self, node: NodeId, reply: LeaseReply) {
        match wire::verify_reply(reply, &Ed25519) {
            Ok(reply) => {
                let register = reply.token().register;
                self.with_of(node, register, |work, site| work.replied(site, reply));
            }
            Err(_) => self.drop_peer(node, "an answer whose signature is wrong"),
        }
    }

    /// Each of its parts names the register that a certificate is about.
    fn decided(&mut self, node: NodeId, cert: ResultCert) {
        let part = cert.commits.first().map(|part| part.verify(&Ed25519));
        match part {
            Some(Ok(part)) => {
                let register = part.value().token.register;
                self.with_of(node, register, |work, site| work.decided(site, cert));
            }
            _ => self.drop_peer(node, "a decision that proves nothing"),
        }
    }

    /// Only whoever offered a job gives orders about it.
    fn ordered(&mut self, node: NodeId, token: FencingToken, order: AttemptOrder) {
        let own = self.works.get_mut(&token.register);
        let Some(work) = own.filter(|work| work.peer() == node) else {
            return;
        };
        if !work.order(&mut self.site, token, order)
            && let Some(current) = work.token().filter(|current| *current != token)
        {
            self.site.send(node, NodeMessage::Stale { token, current });
        }
    }

    fn handle_asked(&mut self, asked: Asked) {
        let mut killed = Vec::new();
        match asked.request {
            Request::Status => {}
            Request::Resume => self.stand(Standing::Serving),
            Request::Drain => self.stand(Standing::Draining),
            Request::Pause => {
                self.stand(Standing::Paused);
                self.for_each(Work::give_back);
            }
            Request::Stop => self.stop(),
            Request::Kill(prefix) => {
                let is_meant = |id: &&RegisterId| {
                    !prefix.is_empty() && id.job.to_string().starts_with(&prefix)
                };
                killed = self.works.keys().filter(is_meant).copied().collect();
                for register in &killed {
                    self.with(*register, Work::give_back);
                }
            }
        }
        let _asker_left = asked.reply.send(self.status(killed));
    }

    /// The donor's word; a host that ends takes nothing more, whatever comes after.
    fn stand(&mut self, standing: Standing) {
        if self.ending.is_none() {
            self.standing = standing;
            self.publish();
        }
    }

    /// Releases everything and ends; asked again, without waiting.
    fn stop(&mut self) {
        self.stand(Standing::Draining);
        let now = Instant::now();
        self.ending = Some(self.ending.map_or(now + PATIENCE, |_again| now));
        self.for_each(Work::give_back);
    }

    fn status(&self, killed: Vec<RegisterId>) -> Status {
        Status {
            standing: self.standing,
            slots: self.host.given.slots,
            slots_free: self.capacity().slots_free,
            peers: self.members.values().map(|member| member.node).collect(),
            jobs: self.works.values().map(Work::summary).collect(),
            done: self.history.newest_first(),
            killed,
        }
    }

    pub(super) fn drop_peer(&mut self, node: NodeId, why: &str) {
        self.members.remove(&node);
        self.peers.drop_peer(node, why);
    }

    fn with(&mut self, register: RegisterId, act: impl FnOnce(&mut Work, &mut Site)) {
        if let Some(work) = self.works.get_mut(&register) {
            act(work, &mut self.site);
        }
    }

    /// As [`Self::with`], for what only whoever offered the job may say of it.
    fn with_of(
        &mut self,
        node: NodeId,
        register: RegisterId,
        act: impl FnOnce(&mut Work, &mut Site),
    ) {
        self.with(register, |work, site| {
            if work.peer() == node {
                act(work, site);
            }
        });
    }

    fn for_each_of(&mut self, node: NodeId, mut act: impl FnMut(&mut Work, &mut Site)) {
        self.for_each(|work, site| {
            if work.peer() == node {
                act(work, site);
            }
        });
    }

    fn for_each(&mut self, mut act: impl FnMut(&mut Work, &mut Site)) {
        for work in self.works.values_mut() {
            act(work, &mut self.site);
        }
    }
}
