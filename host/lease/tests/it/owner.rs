//! The owner: offers, attempts, failures, cancels, and what it does not believe.

use crate::fixture::{
    at, draft, finished, host, host_key, key, ok, owner_key, promise, quorum_cert, record,
    result_cert, signed, token, trapped, witness_keys,
};
use mutual_lease::{
    Owner, OwnerEffect, OwnerInput, Reply, Request, VerifiedRequest, Violation, WitnessFact,
};
use mutual_protocol::lease::{Cancel, Nack, NackReason, Offer, Release, ResultCert, Value};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{
    Epoch, FencingToken, NodeId, RegisterId, ReplicaIndex, SigningKey, Slot, Verified, limits,
};
use std::num::NonZeroU32;
use std::sync::Arc;

struct Rig {
    owner: Owner,
    spec: Arc<Verified<JobSpec>>,
    registers: Vec<RegisterId>,
}

#[derive(Debug, Default)]
struct Did {
    offers: Vec<(NodeId, Offer)>,
    sent: Vec<Request>,
    violation: Option<Violation>,
    wanted: Vec<(RegisterId, u32)>,
    decided: Vec<(RegisterId, ResultCert)>,
    done: bool,
    timer: Option<u64>,
}

impl Rig {
    fn new(draft: JobSpec, shards_per_offer: u32) -> Self {
        let spec = signed(draft);
        let owner = Owner::new(spec.clone(), NonZeroU32::new(shards_per_offer).unwrap());
        let registers = owner.registers().collect();
        Self {
            owner,
            spec,
            registers,
        }
    }

    fn step(&mut self, ms: u64, input: OwnerInput) -> Did {
        let mut did = Did::default();
        for effect in self.owner.step(&at(ms), input) {
            match effect {
                OwnerEffect::Offer { to, offer } => did.offers.push((to, *offer)),
                OwnerEffect::Send { message, .. } => did.sent.push(message),
                OwnerEffect::Timer(timer) => did.timer = Some(timer.0 / 1_000_000),
                OwnerEffect::Violation(violation) => did.violation = Some(violation),
                OwnerEffect::Wanted { register, attempts } => did.wanted.push((register, attempts)),
                OwnerEffect::Decided { register, cert } => did.decided.push((register, *cert)),
                OwnerEffect::Done => did.done = true,
                other => panic!("{other:?}"),
            }
        }
        did
    }

    fn ready(&mut self, ms: u64, i: u8) -> Option<Offer> {
        let did = self.step(ms, OwnerInput::HostReady(host(i)));
        did.offers.into_iter().next().map(|(_, offer)| offer)
    }

    fn leased(&mut self, ms: u64, token: FencingToken, i: u8) {
        let host = host(i);
        self.step(ms, OwnerInput::Fact(WitnessFact::Leased { token, host }));
    }

    fn release(
        &mut self,
        token: FencingToken,
        key: &SigningKey,
        attempt: Option<Verified<AttemptRecord>>,
    ) -> Did {
        let release = Release {
            token,
            blame: Blame::Guest,
            attempt: attempt.map(|a| a.signed().clone()),
            checkpoint: None,
        };
        let release = VerifiedRequest::from(key.sign(release));
        self.step(1_000, OwnerInput::Request(release))
    }

    fn cancel(&mut self, register: RegisterId) -> Did {
        let order = owner_key().sign(Cancel { register });
        self.step(1_000, OwnerInput::Cancel(Box::new(order)))
    }

    fn decide(&mut self, token: FencingToken, signers: u8) -> Did {
        let value = ok(&finished(token, &host_key(0), "x"));
        let n = u8::try_from(self.spec.value().witnesses.keys.len()).unwrap();
        let keys = &witness_keys(n)[..usize::from(signers)];
        let cert = Box::new(result_cert(keys, token, host(0), &value));
        self.step(2_000, OwnerInput::Request(VerifiedRequest::Decided(cert)))
    }
}

fn shards(count: u32) -> JobSpec {
    let mut draft = draft(1);
    draft.shape.tasks = u64::from(count);
    draft.shape.shards = count;
    draft
}

#[test]
fn a_job_is_cut_into_ranges_the_last_one_shorter() {
    let rig = Rig::new(shards(10), 4);
    let ranges: Vec<_> = rig
        .registers
        .iter()
        .map(|id| (id.shards.first.0, id.shards.count))
        .collect();
    assert_eq!(ranges, [(0, 4), (4, 4), (8, 2)]);
}

#[test]
fn each_host_gets_another_register_until_none_is_left() {
    let mut rig = Rig::new(shards(3), 1);
    for i in 0..3 {
        let offer = rig.ready(0, i).unwrap();
        assert_eq!(offer.register, rig.registers[usize::from(i)]);
        assert_eq!((offer.epoch, offer.failures.len()), (Epoch(1), 0));
    }
    assert_eq!(rig.ready(0, 0), None);
}

#[test]
fn an_offer_that_nobody_takes_up_is_made_again() {
    let mut rig = Rig::new(draft(1), 1);
    let did = rig.step(0, OwnerInput::HostReady(host(0)));
    assert_eq!(did.timer, Some(u64::from(limits::HOLD_MS)));
    let did = rig.step(3_000, OwnerInput::Tick);
    assert_eq!(did.wanted, [(rig.registers[0], 0)]);
    assert_eq!(rig.ready(3_000, 1).unwrap().epoch, Epoch(1));
}

#[test]
fn the_timer_is_for_the_offer_that_ends_first() {
    let mut rig = Rig::new(shards(2), 1);
    rig.ready(0, 0);
    rig.step(1_000, OwnerInput::HostReady(host(1)));
    let did = rig.step(3_000, OwnerInput::Tick);
    assert_eq!((did.wanted.len(), did.timer), (1, Some(4_000)));
}

#[test]
fn a_lease_that_ends_is_offered_again_at_the_next_epoch() {
    let mut rig = Rig::new(draft(1), 1);
    rig.ready(0, 0);
    let first = token(rig.registers[0], 3);
    rig.leased(10, first, 0);
    rig.leased(20, token(rig.registers[0], 2), 1); // old news
    assert_eq!(rig.ready(20, 1), None);
    let did = rig.step(
        30,
        OwnerInput::Fact(WitnessFact::Ended {
            token: token(rig.registers[0], 2),
        }),
    );
    assert!(did.wanted.is_empty(), "that was an earlier one");
    let did = rig.step(30, OwnerInput::Fact(WitnessFact::Ended { token: first }));
    assert_eq!(did.wanted, [(rig.registers[0], 1)]);
    assert_eq!(rig.ready(40, 1).unwrap().epoch, Epoch(4));
    // A lease whose end nobody reports is over when no witness could have renewed it any longer.
    rig.leased(50, token(rig.registers[0], 4), 1);
    assert!(rig.step(600_000, OwnerInput::Tick).wanted.is_empty());
    assert_eq!(rig.step(620_051, OwnerInput::Tick).wanted.len(), 1);
}

#[test]
fn failures_are_counted_once_each_and_only_from_the_holder() {
    let mut draft = draft(1);
    draft.retries = 1;
    let mut rig = Rig::new(draft, 1);
    let tokens = [1, 2].map(|epoch| token(rig.registers[0], epoch));
    rig.ready(0, 0);
    rig.leased(0, tokens[0], 0);
    let stranger = rig.release(
        tokens[0],
        &host_key(1),
        Some(trapped(tokens[0], &host_key(1))),
    );
    assert!(stranger.wanted.is_empty());
    let elsewhere = trapped(token(rig.registers[0], 9), &host_key(0));
    rig.release(tokens[0], &host_key(0), Some(elsewhere));
    assert_eq!(
        rig.ready(0, 0).unwrap().failures.len(),
        0,
        "another attempt's"
    );
    let detail = "mine".to_owned();
    let own_fault = record(
        tokens[0],
        &host_key(0),
        Outcome::RunnerFailed { detail },
        "",
    );
    assert_eq!(
        rig.release(tokens[0], &host_key(0), Some(own_fault))
            .wanted
            .len(),
        1
    );
    assert_eq!(
        rig.ready(0, 0).unwrap().failures.len(),
        0,
        "no fault of the guest"
    );
    rig.leased(0, tokens[1], 0);
    let trap = trapped(tokens[1], &host_key(0));
    rig.release(tokens[1], &host_key(0), Some(trap.clone()));
    rig.release(tokens[1], &host_key(0), Some(trap.clone()));
    let offer = rig.ready(0, 1).unwrap();
    assert_eq!(offer.failures, [trap.signed().clone()]);
}

#[test]
fn after_the_last_retry_the_owner_proves_the_failure_itself() {
    let mut rig = Rig::new(draft(1), 1);
    rig.ready(0, 0);
    let first = token(rig.registers[0], 1);
    rig.leased(0, first, 0);
    let did = rig.release(first, &host_key(0), Some(trapped(first, &host_key(0))));
    let [Request::Claim(claim)] = &did.sent[..] else {
        panic!("{did:?}")
    };
    let me = NodeId::from(owner_key().public());
    assert_eq!((claim.token, claim.host), (token(rig.registers[0], 2), me));
    let granted = Reply::from(promise(claim.token, me, None)).sign(&witness_keys(1)[0]);
    let did = rig.step(1_000, OwnerInput::Reply(granted));
    assert!(matches!(&did.sent[..], [Request::VoteReq(request)]
        if matches!(request.value, Value::Failed { .. })));
}

#[test]
fn an_owner_whose_own_claim_is_superseded_claims_again() {
    let mut rig = Rig::new(draft(1), 1);
    let me = NodeId::from(owner_key().public());
    let first = token(rig.registers[0], 1);
    rig.cancel(first.register);
    let key = &witness_keys(1)[0];
    let granted = Reply::from(promise(first, me, None)).sign(key);
    rig.step(1_000, OwnerInput::Reply(granted));
    let nack = Nack {
        asked: first,
        reason: NackReason::StaleToken,
        promised: Some(Epoch(2)),
        wait_ms: 0,
        decided: None,
    };
    let did = rig.step(1_100, OwnerInput::Reply(Reply::from(nack).sign(key)));
    let did = rig.step(did.timer.unwrap() + 1, OwnerInput::Tick);
    assert!(matches!(&did.sent[..], [Request::Claim(claim)] if claim.token.epoch == Epoch(3)));
}

#[test]
fn a_cancel_proposes_the_lock_when_there_is_one() {
    let mut rig = Rig::new(draft(1), 1);
    let register = rig.registers[0];
    let me = NodeId::from(owner_key().public());
    rig.leased(0, token(register, 1), 0);
    let did = rig.cancel(register);
    let [Request::Claim(claim)] = &did.sent[..] else {
        panic!("{did:?}")
    };
    assert!(rig.cancel(register).sent.is_empty(), "once is enough");
    let value = ok(&finished(token(register, 1), &host_key(0), "x"));
    assert_eq!(claim.token.epoch, Epoch(2));
    let key = &witness_keys(1)[0];
    let lock = quorum_cert(&witness_keys(1), token(register, 1), host(0), &value);
    let granted = Reply::from(promise(claim.token, me, Some(lock))).sign(key);
    let did = rig.step(2_400, OwnerInput::Reply(granted));
    assert!(matches!(&did.sent[..], [Request::VoteReq(request)] if request.value == value));
}

#[test]
fn a_pre_emption_goes_out_and_the_register_is_offered_again() {
    let mut rig = Rig::new(draft(1), 1);
    rig.ready(0, 0);
    rig.leased(0, token(rig.registers[0], 1), 0);
    let did = rig.step(10, OwnerInput::Preempt(rig.registers[0]));
    assert!(matches!(&did.sent[..], [Request::Preempt(preempt)] if preempt.epoch == Epoch(2)));
    assert_eq!(did.wanted, [(rig.registers[0], 1)]);
    assert_eq!(rig.ready(20, 1).unwrap().epoch, Epoch(2));
}

#[test]
fn decisions_are_believed_with_proof_and_the_last_one_ends_the_job() {
    let mut rig = Rig::new(shards(2), 1);
    let tokens = [0, 1].map(|i| token(rig.registers[i], 1));
    let did = rig.decide(tokens[0], 0);
    assert!(did.decided.is_empty() && did.violation.is_some());
    let mut outside = tokens[0];
    outside.register.shards.count = 2;
    assert!(matches!(
        rig.decide(outside, 1).violation,
        Some(Violation::Register)
    ));
    let did = rig.decide(tokens[0], 1);
    assert!(did.decided.len() == 1 && !did.done);
    assert!(rig.decide(tokens[0], 1).decided.is_empty(), "once");
    assert!(rig.decide(tokens[1], 1).done);
    assert!(
        rig.cancel(tokens[0].register).sent.is_empty(),
        "it is too late"
    );
    assert_eq!(rig.ready(3_000, 0), None);
}

#[test]
fn a_host_does_not_get_two_replicas_of_a_shard() {
    let mut draft = draft(1);
    draft.shape.replicas = 2;
    draft.shape.agree = 2;
    let mut rig = Rig::new(draft, 1);
    assert_eq!(rig.registers[1].slot, Slot::Replica(ReplicaIndex(1)));
    assert_eq!(rig.ready(0, 0).unwrap().register, rig.registers[0]);
    assert_eq!(rig.ready(0, 0), None);
    assert_eq!(rig.ready(0, 1).unwrap().register, rig.registers[1]);
}

#[test]
fn other_requests_are_not_for_an_owner() {
    let mut rig = Rig::new(draft(1), 1);
    let claim = crate::fixture::claim(token(rig.registers[0], 1), &key(9));
    let did = rig.step(0, OwnerInput::Request(claim.into()));
    assert!(matches!(did.violation, Some(Violation::Unasked)));
}
