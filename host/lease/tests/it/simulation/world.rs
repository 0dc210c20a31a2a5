//! The event loop of the simulated world, and its network.

use super::disk::Disk;
use super::machine::{Clock, Event, HostNode, Message, Node, WitnessNode};
use super::oracle::Oracle;
use super::plan::{Plan, Random};
use crate::fixture::{draft, host, host_key, signed, witness_keys};
use mutual_lease::{Claimant, Holder, HolderInput, Owner, OwnerInput, Witness, WitnessInput};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{PublicKey, RegisterId, Verified};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;

pub(super) const SECOND: u64 = 1_000_000;
/// Faults end here.
const HEAL: u64 = 60 * SECOND;
/// Two bars of ten leases, and several rounds.
const END: u64 = HEAL + 300 * SECOND;
const HOSTS: u8 = 3;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) oracle: Oracle,
    /// One line for each event.
    pub(crate) trace: String,
    pub(crate) steps: u64,
    /// Leases of a later epoch than the first.
    pub(crate) takeovers: u64,
    pub(crate) power_cuts: u64,
    pub(super) random: Random,
    pub(super) time: u64,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    spec: Arc<Verified<JobSpec>>,
    pub(super) witnesses: Vec<WitnessNode>,
    pub(super) hosts: Vec<HostNode>,
    pub(super) owner: Owner,
    pub(super) owner_clock: Clock,
    pub(super) registers: Vec<RegisterId>,
    pub(super) is_healed: bool,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut random = Random(plan.seed);
        let mut spec = draft(plan.witnesses);
        spec.lease_ttl_ms = 5_000;
        spec.run_on_ms_max = 20_000;
        spec.retries = plan.retries;
        spec.shape.tasks = u64::from(plan.shards);
        spec.shape.shards = plan.shards;
        (spec.shape.replicas, spec.shape.agree) = (plan.replicas, plan.replicas);
        let spec = signed(spec);
        let owner = Owner::new(spec.clone(), NonZeroU32::new(plan.range).unwrap());
        let witnesses = witness_keys(plan.witnesses)
            .into_iter()
            .map(|key| WitnessNode {
                machine: Some(Witness::new(key.public())),
                clock: Clock::new(&mut random),
                disk: Disk::default(),
                life: 0,
                key,
            });
        let witnesses = witnesses.collect();
        let hosts = (0..HOSTS).map(|i| HostNode {
            key: host_key(i),
            clock: Clock::new(&mut random),
            machines: vec![],
            running: None,
            life: 0,
        });
        let hosts = hosts.collect();
        Self {
            registers: owner.registers().collect(),
            oracle: Oracle::new(usize::from(spec.value().witnesses.quorum), plan.scenes.lies),
            owner_clock: Clock::new(&mut random),
            trace: String::new(),
            steps: 0,
            takeovers: 0,
            power_cuts: 0,
            time: 0,
            events: BTreeMap::new(),
            sequence: 0,
            is_healed: false,
            plan,
            random,
            spec,
            witnesses,
            hosts,
            owner,
        }
    }

    pub(crate) fn is_decided(&self) -> bool {
        self.oracle.decided() == self.registers.len()
    }

    pub(crate) fn run(&mut self) {
        for i in 0..self.witnesses.len() {
            let spec = self.spec.clone();
            self.witness(i, WitnessInput::Accept(spec));
            assert!(
                self.witnesses[i].disk.sync().len() == 1,
                "the job is accepted for good"
            );
        }
        for i in 0..self.hosts.len() {
            let delay = self.random.below(SECOND);
            self.after(delay, Event::Ready(i));
        }
        if self.plan.scenes.cancels {
            let delay = self.random.below(HEAL);
            self.after(delay, Event::Cancel);
        }
        if self.plan.scenes.preempts {
            let delay = self.random.below(HEAL / 2);
            self.after(delay, Event::Preempt);
        }
        self.after(HEAL, Event::Heal);
        while let Some(((time, _), event)) = self.events.pop_first() {
            if time > END || self.is_decided() && self.is_healed {
                break;
            }
            self.time = time;
            self.steps += 1;
            self.handle(event);
        }
        self.oracle.finish();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver(to, message) => self.deliver(to, message),
            Event::Tick(Node::Witness(i), life) if life == self.witnesses[i].life => {
                self.witness(i, WitnessInput::Tick);
            }
            Event::Tick(Node::Host(i), life) if life == self.hosts[i].life => {
                self.host(i, &HolderInput::Tick);
            }
            Event::Tick(Node::Owner, _) => self.owner(OwnerInput::Tick),
            Event::Sync(i, life) if life == self.witnesses[i].life => {
                for what in self.witnesses[i].disk.sync() {
                    self.leaves(i, what);
                }
            }
            Event::PowerCut(i, life) if life == self.witnesses[i].life => self.power_cut(i),
            Event::Restart(i) => self.restart(i),
            Event::End(i, life) if life == self.hosts[i].life => self.end_of_guest(i),
            Event::Emit(i, life) if life == self.hosts[i].life => self.emit(i),
            Event::Ready(i) => self.ready(i),
            Event::Cancel => self.cancel(),
            Event::Preempt => self.owner(OwnerInput::Preempt(self.registers[0])),
            Event::Heal => self.is_healed = true,
            Event::Tick(..)
            | Event::Sync(..)
            | Event::PowerCut(..)
            | Event::End(..)
            | Event::Emit(..) => {}
        }
    }

    pub(super) fn after(&mut self, delay: u64, event: Event) {
        self.sequence += 1;
        self.events
            .insert((self.time + delay, self.sequence), event);
    }

    pub(super) fn note(&mut self, who: Node, what: &str) {
        let time = self.time;
        writeln!(self.trace, "{time} {who:?} {what}").unwrap();
    }

    // ---- network ----

    pub(super) fn send(&mut self, to: Node, message: Message) {
        if !self.is_healed && self.random.one_in(self.plan.lost_one_in) {
            return;
        }
        let copies = 1 + u64::from(!self.is_healed && self.random.one_in(self.plan.doubled_one_in));
        for _ in 0..copies {
            let late = !self.is_healed && self.random.one_in(self.plan.late_one_in);
            let delay = 100
                + self
                    .random
                    .below(if late { 20 * SECOND } else { SECOND / 50 });
            self.after(delay, Event::Deliver(to, message.clone()));
        }
    }

    fn deliver(&mut self, to: Node, message: Message) {
        match (to, message) {
            (Node::Witness(i), Message::Request(request)) => {
                self.witness(i, WitnessInput::Request(request));
            }
            (Node::Host(i), Message::Reply(reply)) => self.host(i, &HolderInput::Reply(reply)),
            (Node::Host(i), Message::Offer(offer)) if self.hosts[i].machines.is_empty() => {
                let me = Claimant::key_only(host(u8::try_from(i).unwrap()));
                let holder = Holder::new(me, self.spec.clone(), &offer, &super::Trusting).unwrap();
                self.hosts[i].machines.push(holder);
                self.host(i, &HolderInput::Start);
            }
            (Node::Owner, Message::Request(request)) => self.owner(OwnerInput::Request(request)),
            (Node::Owner, Message::Reply(reply)) => self.owner(OwnerInput::Reply(reply)),
            _ => {}
        }
    }

    pub(super) fn node_of(&self, key: PublicKey) -> Node {
        if key == self.spec.value().owner.key() {
            return Node::Owner;
        }
        let host = self.hosts.iter().position(|host| host.key.public() == key);
        Node::Host(host.unwrap())
    }

    pub(super) fn witness_of(&self, key: PublicKey) -> usize {
        let index = self.witnesses.iter().position(|w| w.key.public() == key);
        index.unwrap()
    }
}
