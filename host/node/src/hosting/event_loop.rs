//! The one event loop of a host: waits for everything at once, and decides what follows.

use super::site::{Site, Step};
use super::status::{Asked, Done, History, Request, Status};
use super::work::Work;
use super::{Event, Host};
use crate::clock::elapsed;
use crate::fit::Standing;
use crate::link::{Fetch, PeerEvent, Peers};
use crate::wire;
use mutual_protocol::membership::Member;
use mutual_protocol::message::{AttemptOrder, LeaseReply, LeaseRequest, NodeMessage};
use mutual_protocol::outcome::Blame;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{FencingToken, NodeId, RegisterId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often this host says what it has, when nothing changes.
const BEAT: Duration = Duration::from_secs(40);
/// How often the guests' progress is looked at.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Points that attempts have come to and the loop has not: a few for each slot.
const STEPS_MAX: usize = 256;
/// How long the end waits for released jobs, before it leaves them to the kernel.
const PATIENCE: Duration = Duration::from_secs(4);

/// State of a host at work.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) host: Host,
    pub(super) site: Site,
    pub(super) works: BTreeMap<RegisterId, Work>,
    pub(super) members: BTreeMap<NodeId, Member>,
    pub(super) standing: Standing,
    pub(super) sequence: u64,
    peers: Arc<dyn Peers>,
    events: mpsc::Receiver<PeerEvent>,
    asked: mpsc::Receiver<Asked>,
    steps: mpsc::Receiver<(RegisterId, Step)>,
    history: History,
    /// The end has begun, and is waited for until then.
    ending: Option<Instant>,
    next_beat: Instant,
    next_progress: Instant,
}

impl Loop {
    pub(super) fn new(
        host: Host,
        (peers, fetch): (Arc<dyn Peers>, Arc<dyn Fetch>),
        (events, asked): (mpsc::Receiver<PeerEvent>, mpsc::Receiver<Asked>),
    ) -> Self {
        let (inbox, steps) = mpsc::channel(STEPS_MAX);
        let own = (host.key.clone(), host.clock.clone(), host.build.clone());
        let tools = host.tools.clone();
        let now = Instant::now();
        Self {
            site: Site::new(own, tools, (peers.clone(), fetch), inbox),
            host,
            works: BTreeMap::new(),
            members: BTreeMap::new(),
            standing: Standing::Serving,
            sequence: 0,
            peers,
            events,
            asked,
            steps,
            history: History::default(),
            ending: None,
            next_beat: now + BEAT,
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
        self.site.tasks.end().await;
    }

    async fn next_event(&mut self) -> Event {
        let now = self.site.clock.boot();
        let timer = self.works.values().filter_map(Work::timer).min();
        let timer = timer.map(|at| Instant::now() + elapsed(now, at));
        let is_running = self.works.values().any(Work::is_running);
        let (ending, beat) = (self.ending, self.next_beat);
        tokio::select! {
            biased;
            asked = self.asked.recv() => asked.map_or(Event::NetworkGone, Event::Asked),
            event = self.events.recv() => event.map_or(Event::NetworkGone, Event::Peer),
            Some((register, step)) = self.steps.recv() => Event::Step(register, step),
            () = sleep_until(ending.unwrap_or(beat)), if ending.is_some() => Event::PatienceEnds,
            () = sleep_until(timer.unwrap_or(beat)), if timer.is_some() => Event::Timer,
            () = sleep_until(self.next_progress), if is_running => Event::ProgressTick,
            () = sleep_until(beat) => Event::Beat,
            Ok(()) = self.host.addresses.changed() => Event::Moved,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Peer(event) => self.handle_peer(event),
            Event::Step(register, step) => {
                self.with(register, |work, site| work.handle(site, step))
            }
            Event::Asked(asked) => self.handle_asked(asked),
            Event::Timer => self.for_each(Work::tick),
            Event::ProgressTick => {
                self.next_progress = Instant::now() + PROGRESS_EVERY;
                self.for_each(Work::look_at_progress);
            }
            Event::Beat | Event::Moved => {
                self.next_beat = Instant::now() + BEAT;
                self.publish();
            }
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
            self.publish();
        }
        for (to, message) in self.site.take_outbox() {
            if !self.peers.send(to, &message) {
                tracing::debug!("{to} misses a message of kind {}", message.kind());
            }
        }
    }

    fn handle_peer(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Up { node, member } => {
                self.members.insert(node, member);
                let record = self.record();
                self.site.send(node, NodeMessage::Host(record));
            }
            // Its leases run out by themselves, or are renewed when it is back.
            PeerEvent::Down { node } | PeerEvent::Unreachable { node } => {
                self.members.remove(&node);
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
            NodeMessage::Request(LeaseRequest::Decided(cert)) => {
                self.for_each(|work, site| {
                    if work.peer() == node {
                        work.decided(site, cert.clone());
                    }
                });
            }
            NodeMessage::Host(_) | NodeMessage::Goodbye { .. } | NodeMessage::Stale { .. } => {}
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
                self.with(register, |work, site| work.replied(site, reply));
            }
            Err(_) => self.drop_peer(node, "an answer whose signature is wrong"),
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
            Request::Resume => self.standing = Standing::Serving,
            Request::Drain => self.standing = Standing::Draining,
            Request::Pause => {
                self.standing = Standing::Paused;
                self.for_each(|work, site| work.release(site, Blame::Donor));
            }
            Request::Stop => {
                self.standing = Standing::Draining;
                self.ending.get_or_insert(Instant::now() + PATIENCE);
                self.for_each(|work, site| work.release(site, Blame::Donor));
            }
            Request::Kill(prefix) => {
                let is_meant = |id: &&RegisterId| id.job.to_string().starts_with(&prefix);
                killed = self.works.keys().filter(is_meant).copied().collect();
                for register in &killed {
                    self.with(*register, |work, site| work.release(site, Blame::Donor));
                }
            }
        }
        self.publish();
        let _asker_left = asked.reply.send(self.status(killed));
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

    fn for_each(&mut self, mut act: impl FnMut(&mut Work, &mut Site)) {
        for work in self.works.values_mut() {
            act(work, &mut self.site);
        }
    }
}
