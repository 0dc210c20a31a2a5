//! An owner as it should be, with its witness in memory: real machines, real keys, and a test that may silence it.

use super::house::{House, cert, pool};
use super::network::Out;
use crate::clock::Clock as _;
use crate::rig::{self, TestClock};
use crate::wire::{sign_reply, verify_request};
use mutual_lease::{
    Context, OwnerEffect, OwnerInput, VerifiedRequest, Witness, WitnessEffect, WitnessFact,
    WitnessInput,
};
use mutual_protocol::lease::{Cancel, Offer, ResultCert};
use mutual_protocol::membership::Role;
use mutual_protocol::message::{AttemptEvent, AttemptOrder, LeaseReply, LeaseRequest, NodeMessage};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::{Audience, JobSpec, Stdin};
use mutual_protocol::{Cid, FencingToken, NodeId, RegisterId, Signed, SigningKey, Verified};
use mutual_store::BlockStore;
use std::num::NonZeroU32;
use std::sync::Arc;

pub(super) struct Owner {
    pub(super) node: NodeId,
    pub(super) spec: Arc<Verified<JobSpec>>,
    /// Token of the newest lease.
    pub(super) token: Option<FencingToken>,
    pub(super) decided: Option<Box<ResultCert>>,
    /// Requests that came, by kind.
    pub(super) requests: Vec<&'static str>,
    /// Hears everything and answers nothing.
    pub(super) is_silent: bool,
    /// Answers to commits do not arrive.
    pub(super) loses_committed: bool,
    key: SigningKey,
    witness_key: SigningKey,
    witness: Witness,
    machine: mutual_lease::Owner,
    clock: Arc<TestClock>,
}

impl Owner {
    pub(super) fn new(
        blocks: &BlockStore,
        clock: Arc<TestClock>,
        change: impl FnOnce(&mut JobSpec),
    ) -> Self {
        let (key, witness_key) = rig::keys();
        let node = NodeId::from(key.public());
        let mut spec = rig::prepared(blocks, &*clock).spec.value().clone();
        spec.pool = Some(pool());
        spec.audience = Audience::Members;
        spec.stdin = Stdin::Attached;
        spec.run_on_ms_max = u64::from(spec.lease_ttl_ms);
        spec.limits.memory_bytes_max = 2 << 30;
        spec.limits.disk_bytes_max = 4 << 30;
        spec.membership = Some(cert(node, Role::Submit));
        change(&mut spec);
        let spec = Arc::new(key.sign(spec));
        let mut owner = Self {
            node,
            machine: mutual_lease::Owner::new(spec.clone(), NonZeroU32::MIN),
            witness: Witness::new(witness_key.public()),
            spec: spec.clone(),
            token: None,
            decided: None,
            requests: Vec::new(),
            is_silent: false,
            loses_committed: false,
            key,
            witness_key,
            clock,
        };
        // A spec that breaks a rule is for hosts to decline.
        let ctx = owner.context();
        let _accepted = owner.witness.step(&ctx, WitnessInput::Accept(spec));
        owner
    }

    pub(super) fn register(&self) -> RegisterId {
        self.machine.registers().next().unwrap()
    }

    fn context(&self) -> Context<'static> {
        Context {
            now: self.clock.boot(),
            wall_ms: self.clock.wall_ms(),
            random: [7; 16],
            verifier: &Ed25519,
        }
    }

    /// The offer that the owner makes now.
    pub(super) fn offer(&mut self, host: NodeId) -> Signed<Offer> {
        let ctx = self.context();
        let effects = self.machine.step(&ctx, OwnerInput::HostReady(host));
        let offer = effects.into_iter().find_map(|effect| match effect {
            OwnerEffect::Offer { offer, .. } => Some(self.key.sign(*offer).signed().clone()),
            _ => None,
        });
        offer.expect("a register is free")
    }

    pub(super) fn sign<T: mutual_protocol::sign::Message>(&self, value: T) -> Signed<T> {
        self.key.sign(value).signed().clone()
    }

    /// Offers the job as it should be.
    pub(super) async fn offers(&mut self, house: &House) {
        let offer = self.proposes(house.node);
        house.says(self.node, offer).await;
    }

    pub(super) fn proposes(&mut self, host: NodeId) -> NodeMessage {
        let offer = self.offer(host);
        self.message(offer)
    }

    pub(super) fn message(&self, offer: Signed<Offer>) -> NodeMessage {
        NodeMessage::Offer {
            spec: self.spec.signed().clone(),
            offer,
            inputs_bytes: 1 << 20,
        }
    }

    /// An order for the newest attempt.
    pub(super) async fn orders(&self, house: &House, order: AttemptOrder) {
        let token = self.token.unwrap();
        let order = NodeMessage::Order { token, order };
        house.says(self.node, order).await;
    }

    pub(super) fn holds(&mut self, manifest: Cid) {
        let silent = self.witness_step(WitnessInput::Held(manifest));
        assert!(silent.is_empty());
    }

    /// Cancels the job, or lets somebody else in; gives what the owner tells the host.
    pub(super) async fn cancels(&mut self, house: &House) {
        let register = self.register();
        let order = self.key.sign(Cancel { register });
        let input = OwnerInput::Cancel(Box::new(order));
        let replies = self.owner_step(input);
        self.answer(house, replies).await;
    }

    /// Takes the lease away; gives what the witness says to who had it.
    pub(super) fn preempts(&mut self) -> Vec<NodeMessage> {
        let input = OwnerInput::Preempt(self.register());
        self.owner_step(input)
    }

    /// Hears what the host says, and answers as owner and witness.
    pub(super) async fn hear(&mut self, house: &House, out: &Out) {
        let Out::Said(to, NodeMessage::Request(request)) = out else {
            return;
        };
        if *to != self.node {
            return;
        }
        self.requests.push(match request {
            LeaseRequest::Claim(_) => "claim",
            LeaseRequest::Renew(_) => "renew",
            LeaseRequest::VoteReq(_) => "vote",
            LeaseRequest::Commit(_) => "commit",
            LeaseRequest::Release(_) => "release",
            LeaseRequest::Preempt(_) => "preempt",
            LeaseRequest::Decided(_) => "decided",
        });
        if self.is_silent {
            return;
        }
        let request = verify_request(request.clone(), &Ed25519).unwrap();
        let is_for_owner = matches!(
            request,
            VerifiedRequest::Release(_) | VerifiedRequest::Decided(_)
        );
        let mut replies = self.witness_step(WitnessInput::Request(request.clone()));
        if is_for_owner {
            replies.extend(self.owner_step(OwnerInput::Request(request)));
        }
        self.answer(house, replies).await;
    }

    async fn answer(&self, house: &House, replies: Vec<NodeMessage>) {
        let is_lost = |reply: &NodeMessage| {
            self.loses_committed && matches!(reply, NodeMessage::Reply(LeaseReply::Committed(_)))
        };
        for reply in replies.into_iter().filter(|reply| !is_lost(reply)) {
            house.says(self.node, reply).await;
        }
    }

    fn witness_step(&mut self, input: WitnessInput) -> Vec<NodeMessage> {
        let ctx = self.context();
        let mut replies = Vec::new();
        for effect in self.witness.step(&ctx, input) {
            match effect {
                WitnessEffect::Send { to, message, .. } if to == self.key.public() => {
                    let reply = message.sign(&self.witness_key);
                    replies.extend(self.owner_step(OwnerInput::Reply(reply)));
                }
                WitnessEffect::Send { message, .. } => {
                    let reply = sign_reply(message, &self.witness_key);
                    replies.push(NodeMessage::Reply(reply));
                }
                WitnessEffect::Fact(fact) => {
                    if let WitnessFact::Leased { token, .. } = &fact {
                        self.token = Some(*token);
                    }
                    replies.extend(self.owner_step(OwnerInput::Fact(fact)));
                }
                WitnessEffect::Violation(violation) => panic!("the host broke a rule: {violation}"),
                _ => {}
            }
        }
        replies
    }

    fn owner_step(&mut self, input: OwnerInput) -> Vec<NodeMessage> {
        let ctx = self.context();
        let mut replies = Vec::new();
        for effect in self.machine.step(&ctx, input) {
            match effect {
                OwnerEffect::Send { message, .. } => {
                    let request = message.sign(&self.key);
                    replies.extend(self.witness_step(WitnessInput::Request(request)));
                }
                OwnerEffect::Decided { cert, .. } => self.decided = Some(cert),
                OwnerEffect::Violation(violation) => panic!("the host broke a rule: {violation}"),
                _ => {}
            }
        }
        replies
    }
}

/// The attempt's event, if the message is one.
pub(super) fn event(message: &NodeMessage) -> Option<&AttemptEvent> {
    match message {
        NodeMessage::Attempt { event, .. } => Some(event),
        _ => None,
    }
}
