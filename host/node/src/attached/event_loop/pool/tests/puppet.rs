//! A host of the pool that does what a test says, by a real holder and with real signatures.

use super::world::pool_key;
use crate::link::PeerEvent;
use crate::receipt::record;
use crate::rig::WALL_MS;
use crate::wire;
use mutual_lease::{BootNanos, Claimant, Context, Holder, HolderEffect, HolderInput};
use mutual_protocol::bounded::{Line, List};
use mutual_protocol::discovery::{HostRecord, HostState, Issue, Runtime};
use mutual_protocol::membership::{Member, MembershipCert, Role};
use mutual_protocol::message::{
    AttemptEvent, AttemptOrder, Chunk, DeclineReason, LeaseRequest, NodeMessage, Phase, Stream,
};
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::{AttemptRecord, Receipt, Usage};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{Cid, FencingToken, NodeId, PoolId, Signed, SigningKey, Verified};
use std::sync::Arc;

/// What it does with offers.
#[derive(Clone, Debug, Default)]
pub(super) enum Stance {
    #[default]
    Takes,
    Declines(DeclineReason),
    Silent,
    /// It claims, and never renews.
    Lazy,
}

/// How its lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Decided,
    Lost,
}

pub(super) struct Puppet {
    pub(super) key: SigningKey,
    pub(super) node: NodeId,
    pub(super) stance: Stance,
    pub(super) is_up: bool,
    pub(super) holder: Option<Holder>,
    pub(super) timer: Option<BootNanos>,
    pub(super) spec: Option<Arc<Verified<JobSpec>>>,
    pub(super) token: Option<FencingToken>,
    /// What leaves does so from then on.
    pub(super) is_active: bool,
    pub(super) end: Option<End>,
    pub(super) offers: usize,
    pub(super) orders: Vec<AttemptOrder>,
    pub(super) stale: Vec<(FencingToken, FencingToken)>,
    pub(super) credit: i64,
    reported: Option<Box<Verified<AttemptRecord>>>,
    written: [u64; 2],
    sequence: u64,
    out: Vec<NodeMessage>,
}

impl Puppet {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_seed(&seed);
        Self {
            node: NodeId::from(key.public()),
            key,
            stance: Stance::Takes,
            is_up: false,
            holder: None,
            timer: None,
            spec: None,
            token: None,
            is_active: false,
            end: None,
            offers: 0,
            orders: Vec::new(),
            stale: Vec::new(),
            credit: 256 << 10,
            reported: None,
            written: [0; 2],
            sequence: 0,
            out: Vec::new(),
        }
    }

    pub(super) fn cert(&self) -> Signed<MembershipCert> {
        cert_of(self.node, vec![Role::Host])
    }

    pub(super) fn member(&self) -> Member {
        Member {
            node: self.node,
            roles: [Role::Host].into(),
            serial: 1,
            transport: self.node,
            not_after_ms: u64::MAX,
        }
    }

    /// A newer record of itself.
    pub(super) fn record(&mut self, change: impl FnOnce(&mut HostRecord)) -> HostRecord {
        self.sequence += 1;
        let mut record = HostRecord {
            pool: PoolId::from(pool_key().public()),
            host: self.node,
            name: Line::new("puppet").unwrap(),
            issue: Issue {
                sequence: self.sequence,
                issued_at_ms: WALL_MS,
                life_ms: 30 * 60 * 1000,
            },
            state: HostState::Idle,
            slots_free: 2,
            slots: 4,
            cpus: 4,
            memory_bytes: 16 << 30,
            disk_bytes: 64 << 30,
            runtimes: [Runtime::Wasm].into(),
            build: Line::new("test").unwrap(),
            addresses: List::new(Vec::new()).unwrap(),
            membership: self.cert(),
        };
        change(&mut record);
        record
    }

    pub(super) fn publish(&mut self, change: impl FnOnce(&mut HostRecord)) {
        let record = self.record(change);
        let record = self.key.sign(record).signed().clone();
        self.out.push(NodeMessage::Host(record));
    }

    /// What it has said since the last time; nothing gets out while it is cut off.
    pub(super) fn take_out(&mut self) -> Vec<PeerEvent> {
        let node = self.node;
        let out = std::mem::take(&mut self.out).into_iter();
        let said = out.filter(|_| self.is_up).map(|message| PeerEvent::Said {
            node,
            message: Box::new(message),
        });
        said.collect()
    }

    pub(super) fn send(&mut self, message: NodeMessage) {
        self.out.push(message);
    }

    pub(super) fn hear(&mut self, now: BootNanos, message: NodeMessage) {
        match message {
            NodeMessage::Offer { spec, offer, .. } => {
                self.offers += 1;
                let offer = offer.verify(&Ed25519).unwrap();
                let register = offer.value().register;
                if let Stance::Declines(reason) = self.stance {
                    let reasons = List::new(vec![reason]).unwrap();
                    self.send(NodeMessage::Decline { register, reasons });
                }
                if matches!(self.stance, Stance::Takes | Stance::Lazy) {
                    let spec = Arc::new(spec.verify(&Ed25519).unwrap());
                    spec.check().unwrap();
                    let me = Claimant {
                        membership: Some(self.cert()),
                        ..Claimant::key_only(self.node)
                    };
                    let holder = Holder::new(me, spec.clone(), &offer, &Ed25519).unwrap();
                    (self.holder, self.spec) = (Some(holder), Some(spec));
                    (self.token, self.is_active, self.end) = (None, false, None);
                    (self.written, self.credit) = ([0; 2], 256 << 10);
                    self.step(now, HolderInput::Start);
                }
            }
            NodeMessage::Reply(reply) => {
                let reply = wire::verify_reply(reply, &Ed25519).unwrap();
                self.step(now, HolderInput::Reply(reply));
            }
            NodeMessage::Request(LeaseRequest::Decided(cert)) => {
                self.step(now, HolderInput::Decided(Box::new(cert)));
            }
            NodeMessage::Order { token, order } => {
                assert_eq!(Some(token), self.token);
                match &order {
                    AttemptOrder::Credit { bytes } => self.credit += i64::from(*bytes),
                    AttemptOrder::Taken => {
                        let attempt = self.reported.take().unwrap();
                        let stored = Vec::new();
                        self.step(now, HolderInput::Report { attempt, stored });
                    }
                    _ => {}
                }
                self.orders.push(order);
            }
            NodeMessage::Stale { token, current } => self.stale.push((token, current)),
            other => panic!("nobody says this to a host: {other:?}"),
        }
    }

    pub(super) fn step(&mut self, now: BootNanos, input: HolderInput) {
        let ctx = Context {
            now,
            wall_ms: WALL_MS,
            random: [u8::try_from(self.offers).unwrap(); 16],
            verifier: &Ed25519,
        };
        let Some(holder) = &mut self.holder else {
            return;
        };
        for effect in holder.step(&ctx, input) {
            match effect {
                HolderEffect::Send { message, .. } => {
                    let request = wire::sign_request(message, &self.key);
                    let is_renew = matches!(request, LeaseRequest::Renew(_));
                    if !(is_renew && matches!(self.stance, Stance::Lazy)) {
                        self.out.push(NodeMessage::Request(request));
                    }
                }
                HolderEffect::Timer(at) => self.timer = Some(at),
                HolderEffect::Run { token, .. } => self.token = Some(token),
                HolderEffect::Resume => self.is_active = true,
                HolderEffect::StopEverything => self.is_active = false,
                HolderEffect::Decided { .. } => self.end = Some(End::Decided),
                HolderEffect::Lost { .. } => self.end = Some(End::Lost),
                HolderEffect::Violation(violation) => panic!("{violation}"),
                _ => {}
            }
        }
        if holder.is_over() {
            self.timer = None;
        }
    }

    /// Says something about its attempt.
    pub(super) fn say(&mut self, event: AttemptEvent) {
        let token = self.token.unwrap();
        self.send(NodeMessage::Attempt { token, event });
    }

    pub(super) fn start(&mut self) {
        for phase in [Phase::Fetching, Phase::Staging, Phase::Running] {
            self.say(AttemptEvent::Phase(phase));
        }
        self.say(AttemptEvent::Started);
    }

    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        for bytes in Chunk::split(bytes) {
            let written = &mut self.written[usize::from(stream == Stream::Stderr)];
            let offset = *written;
            *written += bytes.as_slice().len() as u64;
            self.credit -= i64::try_from(bytes.as_slice().len()).unwrap();
            self.say(AttemptEvent::Output {
                stream,
                offset,
                bytes,
            });
        }
    }

    pub(super) fn print(&mut self, text: &str) {
        self.write(Stream::Stdout, text.as_bytes());
    }

    pub(super) fn receipt(&self, outcome: Outcome, manifest: Option<Cid>) -> Receipt {
        let spec = self.spec.as_ref().unwrap().value();
        Receipt {
            token: self.token.unwrap(),
            host: self.node,
            program: spec.program.cid,
            profile: spec.profile.digest(),
            build: None,
            outcome,
            usage: Usage::default(),
            manifest,
            started_at_ms: 1,
            ended_at_ms: 2,
        }
    }

    /// The attempt ends; a finished one is reported when its outputs are taken, a failed one at once.
    pub(super) fn end(&mut self, now: BootNanos, outcome: Outcome, manifest: Option<Cid>) {
        let receipt = self.receipt(outcome, manifest);
        self.end_with(now, receipt);
    }

    pub(super) fn end_with(&mut self, now: BootNanos, receipt: Receipt) {
        let is_finished = receipt.outcome.is_finished();
        let receipt = self.key.sign(receipt);
        let attempt = self.key.sign(record(&receipt));
        self.say(AttemptEvent::Ended {
            receipt: receipt.signed().clone(),
            attempt: attempt.signed().clone(),
            message: None,
        });
        let attempt = Box::new(attempt);
        if is_finished {
            self.reported = Some(attempt);
        } else {
            let stored = Vec::new();
            self.step(now, HolderInput::Report { attempt, stored });
        }
    }
}

pub(super) fn cert_of(member: NodeId, roles: Vec<Role>) -> Signed<MembershipCert> {
    let cert = MembershipCert {
        pool: PoolId::from(pool_key().public()),
        member,
        roles,
        serial: 1,
        not_after_ms: WALL_MS + 24 * 3600 * 1000,
    };
    pool_key().sign(cert).signed().clone()
}
