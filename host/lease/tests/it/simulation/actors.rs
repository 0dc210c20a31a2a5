//! What each kind of node does with the effects of its machine, and how it fails.

use super::disk::Leaving;
use super::machine::{Clock, Event, Message, Node, context};
use super::plan::Mutant;
use super::world::{SECOND, World};
use crate::fixture::{host, owner_key, record};
use mutual_lease::{
    HolderEffect, HolderInput, OwnerEffect, OwnerInput, Peer, Record, Reply, Request, Violation,
    Witness, WitnessEffect, WitnessFact, WitnessInput,
};
use mutual_protocol::lease::Cancel;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::{FencingToken, PublicKey};

impl World {
    // ---- witnesses ----

    pub(super) fn witness(&mut self, i: usize, input: WitnessInput) {
        let random = self.random.bytes();
        let node = &mut self.witnesses[i];
        let Some(machine) = &mut node.machine else {
            return;
        };
        let ctx = context(node.clock.now(self.time), self.time, random);
        for effect in machine.step(&ctx, input) {
            self.witness_effect(i, effect);
        }
        for register in self.registers.clone() {
            let machine = self.witnesses[i].machine.as_ref();
            let state = machine.and_then(|machine| machine.register(&register));
            let promised = state.and_then(|state| state.promised());
            let epoch = promised.map(|(epoch, _)| epoch).unwrap_or_default();
            if self.witnesses[i].machine.is_some() {
                self.oracle.holds(i, register, epoch);
            }
        }
    }

    fn witness_effect(&mut self, i: usize, effect: WitnessEffect) {
        let life = self.witnesses[i].life;
        match effect {
            WitnessEffect::Persist { id, record } => {
                if matches!(record, Record::Register(..)) && self.faults(self.plan.power_cut_one_in)
                {
                    let delay = self.random.below(SECOND / 50);
                    self.after(delay, Event::PowerCut(i, life));
                }
                self.witnesses[i].disk.write(id, record);
                let delay = self.random.below(SECOND / 50);
                self.after(delay, Event::Sync(i, life));
            }
            WitnessEffect::Send { to, message, after } => {
                if self.leaves_early(&message) {
                    return self.reply(i, to, message);
                }
                let disk = &mut self.witnesses[i].disk;
                let ready = disk.hold_back(after, Leaving::Reply(to, message));
                ready.into_iter().for_each(|ready| self.leaves(i, ready));
            }
            WitnessEffect::Timer(at) => {
                let time = self.witnesses[i].clock.time_us(at).max(self.time);
                self.after(time - self.time, Event::Tick(Node::Witness(i), life));
            }
            WitnessEffect::Violation(what) => self.accused(Node::Witness(i), &what),
            WitnessEffect::Fact(fact) => {
                let disk = &mut self.witnesses[i].disk;
                let ready = disk.hold_back(disk.latest(), Leaving::Fact(fact));
                ready.into_iter().for_each(|ready| self.leaves(i, ready));
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn leaves(&mut self, i: usize, what: Leaving) {
        match what {
            Leaving::Reply(to, reply) => self.reply(i, to, reply),
            Leaving::Fact(fact) => self.fact(i, fact),
        }
    }

    fn fact(&mut self, i: usize, fact: WitnessFact) {
        match &fact {
            WitnessFact::BlocksWanted { manifest, .. } => {
                let held = WitnessInput::Held(*manifest);
                return self.witness(i, held);
            }
            WitnessFact::Leased { token, .. } if token.epoch.0 > 1 => self.takeovers += 1,
            WitnessFact::Decided { register, cert } => self.oracle.believed(*register, cert),
            _ => {}
        }
        if i == 0 && self.plan.scenes.owner_sees {
            self.owner(OwnerInput::Fact(fact));
        }
    }

    fn leaves_early(&self, message: &Reply) -> bool {
        match message {
            Reply::Promise(_) => self.plan.mutant == Mutant::PromiseEarly,
            Reply::Vote(_) => self.plan.mutant == Mutant::VoteEarly,
            Reply::Committed(_) => self.plan.mutant == Mutant::CommitEarly,
            _ => false,
        }
    }

    fn reply(&mut self, i: usize, to: PublicKey, mut reply: Reply) {
        if let (Reply::Promise(promise), Mutant::LockHidden) = (&mut reply, self.plan.mutant) {
            promise.lock = None;
        }
        let to = self.node_of(to);
        self.note(Node::Witness(i), &format!("{} to {to:?}", name(&reply)));
        let forges = self.plan.mutant == Mutant::SmallQuorum && !matches!(reply, Reply::Nack(_));
        let signers = if forges {
            vec![i, (i + 1) % self.witnesses.len()]
        } else {
            vec![i]
        };
        for signer in signers {
            self.oracle.signed(signer, &reply);
            let message = reply.clone().sign(&self.witnesses[signer].key);
            self.send(to, Message::Reply(message));
        }
    }

    pub(super) fn power_cut(&mut self, i: usize) {
        self.note(Node::Witness(i), "power cut");
        self.power_cuts += u64::from(!self.witnesses[i].disk.is_clean());
        let node = &mut self.witnesses[i];
        node.machine = None;
        node.disk.cut();
        node.life += 1;
        let delay = self.random.below(5 * SECOND);
        self.after(delay, Event::Restart(i));
    }

    pub(super) fn restart(&mut self, i: usize) {
        self.note(Node::Witness(i), "restart");
        let is_old = self.plan.mutant == Mutant::OldBackup || self.plan.scenes.lies && i == 0;
        let forgotten = if is_old { self.random.below(6) } else { 0 };
        let forgotten = usize::try_from(forgotten).unwrap();
        let clock = Clock::new(&mut self.random);
        let ctx = context(clock.now(self.time), self.time, [0; 16]);
        let node = &mut self.witnesses[i];
        let records = node.disk.records(forgotten);
        node.machine = Some(Witness::restore(node.key.public(), &ctx, records).unwrap());
        node.clock = clock;
        self.witness(i, WitnessInput::Tick);
    }

    // ---- hosts ----

    pub(super) fn host(&mut self, i: usize, input: &HolderInput) {
        if matches!(input, HolderInput::Reply(_)) && self.faults(self.plan.host_death_one_in) {
            self.note(Node::Host(i), "dies");
            self.hosts[i].machines.clear();
        }
        for k in 0..self.hosts[i].machines.len() {
            self.holder(i, k, input.clone());
        }
        let node = &mut self.hosts[i];
        let is_over = |machine: &mutual_lease::Holder| machine.is_over();
        node.machines.retain(|machine| !is_over(machine));
        if node.machines.is_empty() {
            node.running = None;
            node.life += 1;
        }
    }

    fn holder(&mut self, i: usize, k: usize, input: HolderInput) {
        let random = self.random.bytes();
        let node = &mut self.hosts[i];
        let ctx = context(node.clock.now(self.time), self.time, random);
        let life = node.life;
        let register = node.machines[k].register();
        for effect in node.machines[k].step(&ctx, input) {
            match effect {
                HolderEffect::Send { to, message } => self.holder_sends(i, &to, message),
                HolderEffect::Timer(at) => {
                    let time = self.hosts[i].clock.time_us(at).max(self.time);
                    self.after(time - self.time, Event::Tick(Node::Host(i), life));
                }
                HolderEffect::Violation(what) => self.accused(Node::Host(i), &what),
                HolderEffect::Run { token, .. } => self.run_guest(i, token),
                HolderEffect::Decided { cert } => {
                    self.note(Node::Host(i), "decided");
                    self.oracle.believed(register, &cert);
                }
                other => self.note(Node::Host(i), &format!("{other:?}")),
            }
        }
    }

    fn holder_sends(&mut self, i: usize, to: &[Peer], message: Request) {
        let request = message.sign(&self.hosts[i].key);
        for peer in to {
            let to = match peer {
                Peer::Witness(key) => Node::Witness(self.witness_of(*key)),
                Peer::Owner(_) => Node::Owner,
            };
            self.send(to, Message::Request(request.clone()));
        }
    }

    fn run_guest(&mut self, i: usize, token: FencingToken) {
        self.note(Node::Host(i), &format!("runs at {}", token.epoch));
        self.hosts[i].running = Some(token);
        let life = self.hosts[i].life;
        let delay = self.random.below(15 * SECOND);
        self.after(delay, Event::End(i, life));
        self.after(0, Event::Emit(i, life));
    }

    pub(super) fn end_of_guest(&mut self, i: usize) {
        let Some(token) = self.hosts[i].running.take() else {
            return;
        };
        let outcome = match self.random.below(2) {
            _ if !self.random.one_in(self.plan.failure_one_in) => {
                Outcome::Finished { exit_code: 0 }
            }
            0 => Outcome::OutOfFuel,
            _ => Outcome::RunnerFailed {
                detail: String::new(),
            },
        };
        let report = |outcome: Outcome, text: String| HolderInput::Report {
            attempt: Box::new(record(token, &self.hosts[i].key, outcome, &text)),
            stored: vec![],
        };
        let first = report(outcome.clone(), format!("{i} at {}", token.epoch));
        let second = report(outcome, format!("{i} at {}, otherwise", token.epoch));
        if self.plan.scenes.equivocates && i == 0 {
            let twin = self.hosts[i].machines[0].clone();
            self.hosts[i].machines.push(twin);
            self.holder(i, 1, second);
        }
        self.holder(i, 0, first);
        self.host(i, &HolderInput::Tick);
    }

    pub(super) fn emit(&mut self, i: usize) {
        let node = &self.hosts[i];
        let (Some(token), Some(machine)) = (node.running, node.machines.first()) else {
            return;
        };
        let life = node.life;
        let may = machine.may_emit(node.clock.now(self.time));
        let is_timed = !self.plan.scenes.cancels && !self.plan.scenes.preempts;
        if is_timed && (may || self.plan.mutant == Mutant::DeafHolder) {
            self.oracle.emitted((token.register, token.epoch));
        }
        self.after(SECOND / 5, Event::Emit(i, life));
    }

    // ---- the owner ----

    pub(super) fn ready(&mut self, i: usize) {
        if self.hosts[i].machines.is_empty() {
            self.owner(OwnerInput::HostReady(host(u8::try_from(i).unwrap())));
        }
        let delay = SECOND / 2 + self.random.below(SECOND);
        self.after(delay, Event::Ready(i));
    }

    pub(super) fn cancel(&mut self) {
        for register in self.registers.clone() {
            self.oracle.cancelled.insert(register);
            let order = owner_key().sign(Cancel { register });
            self.owner(OwnerInput::Cancel(Box::new(order)));
        }
    }

    pub(super) fn owner(&mut self, input: OwnerInput) {
        let ctx = context(
            self.owner_clock.now(self.time),
            self.time,
            self.random.bytes(),
        );
        for effect in self.owner.step(&ctx, input) {
            match effect {
                OwnerEffect::Offer { to, offer } => {
                    let to = self.node_of(to.key());
                    let offer = Box::new(owner_key().sign(*offer));
                    self.send(to, Message::Offer(offer));
                }
                OwnerEffect::Send { to, message } => {
                    let request = message.sign(&owner_key());
                    for key in to {
                        let to = Node::Witness(self.witness_of(key));
                        self.send(to, Message::Request(request.clone()));
                    }
                }
                OwnerEffect::Timer(at) => {
                    let time = self.owner_clock.time_us(at).max(self.time);
                    self.after(time - self.time, Event::Tick(Node::Owner, 0));
                }
                OwnerEffect::Violation(what) => self.accused(Node::Owner, &what),
                OwnerEffect::Decided { register, cert } => {
                    self.note(Node::Owner, "decided");
                    self.oracle.believed(register, &cert);
                }
                other => self.note(Node::Owner, &format!("{other:?}")),
            }
        }
    }

    fn faults(&mut self, one_in: u64) -> bool {
        !self.is_healed && self.random.one_in(one_in)
    }

    /// Where everybody keeps to the protocol, nobody is accused. A host that forgot in its death what it voted for looks
    /// like one that shows two results.
    fn accused(&mut self, by: Node, what: &Violation) {
        self.note(by, &format!("{what:?}"));
        let excused = match what {
            Violation::Equivocation => {
                self.plan.scenes.equivocates || self.plan.host_death_one_in > 0
            }
            _ => self.plan.scenes.equivocates || self.plan.scenes.lies,
        };
        if !excused && self.plan.mutant == Mutant::None {
            self.oracle
                .violations
                .push(format!("{by:?} accuses: {what:?}"));
        }
    }
}

fn name(reply: &Reply) -> &'static str {
    match reply {
        Reply::Promise(_) => "promise",
        Reply::RenewAck(_) => "renew-ack",
        Reply::Vote(_) => "vote",
        Reply::Committed(_) => "committed",
        Reply::Nack(_) => "nack",
    }
}
