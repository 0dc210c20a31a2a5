//! One process that plays all three parts, as `mc run` does: the shortest driver there is.

use crate::fixture::{
    at, draft, finished, host, host_key, owner_key, register, signed, trapped, witness_keys,
};
use mutual_lease::{
    Claimant, Context, Holder, HolderEffect, HolderInput, LossReason, Owner, OwnerEffect,
    OwnerInput, Peer, VerifiedReply, VerifiedRequest, Witness, WitnessEffect, WitnessFact,
    WitnessInput,
};
use mutual_protocol::lease::cert::Rules;
use mutual_protocol::lease::{Cancel, LeaseCert, ResultCert, Value};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{FencingToken, SigningKey, Verified};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

/// What still has to be delivered. Nothing here waits for anything, so a queue is the whole network.
enum Step {
    Witness(WitnessInput),
    Holder(HolderInput),
    Owner(OwnerInput),
}

struct Attached {
    spec: Arc<Verified<JobSpec>>,
    witness: Witness,
    owner: Owner,
    holder: Option<Holder>,
    keys: [SigningKey; 3],
    run: Option<(FencingToken, LeaseCert)>,
    decided: Option<ResultCert>,
    lost: Option<LossReason>,
    wanted: Vec<u32>,
    pauses: Vec<&'static str>,
    done: bool,
}

impl Attached {
    fn new(draft: JobSpec) -> Self {
        let spec = signed(draft);
        let witness_key = witness_keys(1).remove(0);
        let mut run = Self {
            witness: Witness::new(witness_key.public()),
            owner: Owner::new(spec.clone(), NonZeroU32::MIN),
            holder: None,
            keys: [owner_key(), host_key(0), witness_key],
            run: None,
            decided: None,
            lost: None,
            wanted: vec![],
            pauses: vec![],
            done: false,
            spec: spec.clone(),
        };
        run.drive(&at(0), Step::Witness(WitnessInput::Accept(spec)));
        run
    }

    fn start(&mut self, ctx: &Context<'_>) -> FencingToken {
        self.lost = None;
        self.drive(ctx, Step::Owner(OwnerInput::HostReady(host(0))));
        self.run.as_ref().unwrap().0
    }

    /// Hands one input in, and everything that follows from it.
    fn drive(&mut self, ctx: &Context<'_>, first: Step) {
        let mut queue = VecDeque::from([first]);
        while let Some(step) = queue.pop_front() {
            match step {
                Step::Witness(input) => {
                    for effect in self.witness.step(ctx, input) {
                        self.on_witness(effect, &mut queue);
                    }
                }
                Step::Holder(input) => {
                    let Some(holder) = &mut self.holder else {
                        continue;
                    };
                    for effect in holder.step(ctx, input) {
                        self.on_holder(effect, &mut queue);
                    }
                }
                Step::Owner(input) => {
                    for effect in self.owner.step(ctx, input) {
                        self.on_owner(effect, &mut queue);
                    }
                }
            }
        }
    }

    fn on_witness(&mut self, effect: WitnessEffect, queue: &mut VecDeque<Step>) {
        match effect {
            // The witness lives in memory: nothing to write, nothing to wait for.
            WitnessEffect::Persist { .. } | WitnessEffect::Timer(_) => {}
            WitnessEffect::Send { to, message, .. } => {
                let reply: VerifiedReply = message.sign(&self.keys[2]);
                if to == self.keys[1].public() {
                    queue.push_back(Step::Holder(HolderInput::Reply(reply.clone())));
                }
                if to == self.keys[0].public() {
                    queue.push_back(Step::Owner(OwnerInput::Reply(reply)));
                }
            }
            WitnessEffect::Fact(fact) => queue.push_back(Step::Owner(OwnerInput::Fact(fact))),
            other => panic!("{other:?}"),
        }
    }

    fn on_holder(&mut self, effect: HolderEffect, queue: &mut VecDeque<Step>) {
        match effect {
            HolderEffect::Send { to, message } => {
                let request: VerifiedRequest = message.sign(&self.keys[1]);
                queue.extend(to.into_iter().map(|peer| match peer {
                    Peer::Witness(_) => Step::Witness(WitnessInput::Request(request.clone())),
                    Peer::Owner(_) => Step::Owner(OwnerInput::Request(request.clone())),
                }));
            }
            HolderEffect::Run { token, lease } => self.run = Some((token, *lease)),
            HolderEffect::Decided { cert } => self.decided = Some(*cert),
            HolderEffect::Lost { reason } => self.lost = Some(reason),
            HolderEffect::StopEverything => self.pauses.push("stop"),
            HolderEffect::Resume => self.pauses.push("resume"),
            HolderEffect::Timer(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn on_owner(&mut self, effect: OwnerEffect, queue: &mut VecDeque<Step>) {
        match effect {
            OwnerEffect::Offer { offer, .. } => {
                let offer = self.keys[0].sign(*offer);
                let me = Claimant::key_only(host(0));
                let spec = self.spec.clone();
                self.holder = Some(Holder::new(me, spec, &offer, &Ed25519).unwrap());
                queue.push_back(Step::Holder(HolderInput::Start));
            }
            OwnerEffect::Send { message, .. } => {
                let request = message.sign(&self.keys[0]);
                queue.push_back(Step::Witness(WitnessInput::Request(request)));
            }
            OwnerEffect::Decided { cert, .. } => self.decided = Some(*cert),
            OwnerEffect::Wanted { attempts, .. } => self.wanted.push(attempts),
            OwnerEffect::Done => self.done = true,
            OwnerEffect::Timer(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn report(
        &mut self,
        ctx: &Context<'_>,
        attempt: Verified<mutual_protocol::receipt::AttemptRecord>,
    ) {
        if let Some(manifest) = attempt.value().manifest {
            self.drive(ctx, Step::Witness(WitnessInput::Held(manifest)));
        }
        let stored = vec![];
        let attempt = Box::new(attempt);
        self.drive(ctx, Step::Holder(HolderInput::Report { attempt, stored }));
    }

    fn tick(&mut self, ctx: &Context<'_>) {
        self.drive(ctx, Step::Witness(WitnessInput::Tick));
        self.drive(ctx, Step::Holder(HolderInput::Tick));
        self.drive(ctx, Step::Owner(OwnerInput::Tick));
    }
}

#[test]
fn a_run_is_leased_renewed_decided_and_proved() {
    let mut run = Attached::new(draft(1));
    let token = run.start(&at(0));
    assert_eq!((token.register, token.epoch.0), (register(&run.spec), 1));
    for second in 1..=60 {
        run.tick(&at(second * 1000));
        assert!(
            run.holder.as_ref().unwrap().may_emit(at(second * 1000).now),
            "{second} s"
        );
    }
    let renewals = run.holder.as_ref().unwrap().renewals();
    assert!((15..=20).contains(&renewals), "{renewals}");
    run.report(&at(60_000), finished(token, &host_key(0), "result"));
    let rules = Rules::new(&run.spec, &Ed25519);
    let certified = rules.decided(run.decided.as_ref().unwrap()).unwrap();
    assert!(matches!(certified.value, Value::Ok { .. }));
    assert_eq!((certified.token, certified.host), (token, host(0)));
    assert_eq!(
        rules.lease(&run.run.as_ref().unwrap().1).unwrap().token,
        token
    );
    assert!(run.done);
}

#[test]
fn a_guest_that_fails_is_decided_as_failed_after_its_retries() {
    let mut draft = draft(1);
    draft.retries = 1;
    let mut run = Attached::new(draft);
    let first = run.start(&at(0));
    run.report(&at(100), trapped(first, &host_key(0)));
    assert_eq!(
        (run.lost, run.wanted.as_slice()),
        (Some(LossReason::Released), &[1][..])
    );
    let second = run.start(&at(200));
    assert!(second.supersedes(&first));
    run.report(&at(300), trapped(second, &host_key(0)));
    let Value::Failed { attempts } = run.decided.unwrap().value else {
        panic!("not failed")
    };
    assert_eq!(attempts.len(), 2);
}

#[test]
fn a_failure_of_the_host_never_ends_the_job() {
    let mut run = Attached::new(draft(1));
    for round in 1..=5 {
        let token = run.start(&at(round * 1000));
        let detail = "killed".to_owned();
        let failed =
            crate::fixture::record(token, &host_key(0), Outcome::RunnerFailed { detail }, "");
        assert_eq!(failed.value().blame, Blame::Host);
        run.report(&at(round * 1000 + 10), failed);
        assert_eq!(run.lost, Some(LossReason::Released));
        assert_eq!(run.wanted.len() as u64, round);
        assert!(run.decided.is_none());
    }
}

#[test]
fn a_cancel_takes_the_lease_away_and_is_decided_at_once() {
    let mut run = Attached::new(draft(1));
    let token = run.start(&at(0));
    let register = token.register;
    let order = Box::new(owner_key().sign(Cancel { register }));
    run.drive(&at(50), Step::Owner(OwnerInput::Cancel(order)));
    assert_eq!(
        run.lost,
        Some(LossReason::Superseded),
        "the holder was told"
    );
    assert!(matches!(
        run.decided.as_ref().unwrap().value,
        Value::Cancelled { .. }
    ));
    assert!(run.done);
}

#[test]
fn a_laptop_that_slept_past_the_lease_goes_on_when_nobody_claimed() {
    let mut run = Attached::new(draft(1));
    run.start(&at(0));
    run.tick(&at(1000));
    let wake = at(60_000);
    assert!(!run.holder.as_ref().unwrap().may_emit(wake.now));
    run.pauses.clear();
    run.drive(&wake, Step::Holder(HolderInput::Tick));
    assert_eq!(run.pauses, ["stop", "resume"]);
    assert!(run.holder.as_ref().unwrap().may_emit(wake.now));
}

#[test]
fn facts_name_what_happened() {
    let mut witness = Witness::new(witness_keys(1)[0].public());
    let spec = signed(draft(1));
    let effects = witness.step(&at(0), WitnessInput::Accept(spec.clone()));
    let accepted = WitnessFact::Accepted { job: spec.job() };
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, WitnessEffect::Fact(fact) if *fact == accepted))
    );
}
