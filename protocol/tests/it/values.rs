//! Which values a register may decide: each rule broken once.

use crate::sample::{self, key, node, register, rules, token};
use mutual_protocol::lease::cert::CertError;
use mutual_protocol::lease::{Cancel, Value};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::spec::Audience;
use mutual_protocol::{Cid, Digest, RegisterId, ReplicaIndex, Signed, SigningKey, Slot};
use mutual_testkit::seeds;

#[derive(Debug, PartialEq)]
enum Verdict {
    Admissible,
    /// The whole text of the rule.
    Rule(&'static str),
    Part,
}

fn verdict(value: &Value, register: &RegisterId) -> Verdict {
    match rules(&sample::spec()).admissible(value, register) {
        Ok(()) => Verdict::Admissible,
        Err(CertError::Inadmissible { rule }) => Verdict::Rule(rule),
        Err(CertError::Part(_)) => Verdict::Part,
        Err(other) => panic!("{other}"),
    }
}

fn sign(key: &SigningKey, record: AttemptRecord) -> Signed<AttemptRecord> {
    key.sign(record).signed().clone()
}

/// The `Ok` value of an attempt that is changed before its host signs it.
fn ok(change: impl FnOnce(&mut AttemptRecord)) -> Value {
    let mut record = sample::attempt_body();
    change(&mut record);
    let Value::Ok {
        manifest, receipt, ..
    } = sample::ok_value()
    else {
        unreachable!()
    };
    Value::Ok {
        manifest,
        receipt,
        attempt: sign(&sample::host(), record),
    }
}

/// A failed value whose last record is changed before its host signs it.
fn failed(change: impl FnOnce(&mut AttemptRecord)) -> Value {
    let mut last = sample::failure_body(2);
    change(&mut last);
    let first = sample::failure(1).signed().clone();
    Value::Failed {
        attempts: vec![first, sign(&sample::host(), last)],
    }
}

#[test]
fn whole_values_are_admissible() {
    let register = register();
    assert_eq!(verdict(&sample::ok_value(), &register), Verdict::Admissible);
    assert_eq!(
        verdict(&sample::failed_value(), &register),
        Verdict::Admissible
    );
    assert_eq!(
        verdict(&sample::cancelled_value(), &register),
        Verdict::Admissible
    );
    assert_eq!(verdict(&ok(|_| {}), &register), Verdict::Admissible);
    assert_eq!(verdict(&failed(|_| {}), &register), Verdict::Admissible);
    // A program that ends by itself is finished, whatever its exit code.
    let code_9 = ok(|r| r.outcome = Outcome::Finished { exit_code: 9 });
    assert_eq!(verdict(&code_9, &register), Verdict::Admissible);
}

#[test]
fn ok_needs_a_finished_attempt_with_this_manifest_and_receipt() {
    let trapped = ok(|r| r.outcome = Outcome::OutOfFuel);
    let rule = Verdict::Rule("an Ok value needs a finished attempt");
    assert_eq!(verdict(&trapped, &register()), rule);

    let rule = "manifest and receipt are those of the attempt";
    let other = Cid::of(mutual_protocol::ids::Codec::DagCbor, b"other");
    let cases = [
        ok(|r| r.manifest = Some(other)),
        ok(|r| r.manifest = None),
        ok(|r| r.receipt = Digest::of(b"other")),
    ];
    for value in cases {
        assert_eq!(verdict(&value, &register()), Verdict::Rule(rule));
    }
}

#[test]
fn failed_needs_every_allowed_attempt_once() {
    let [one, two, three] = [1, 2, 3].map(|epoch| sample::failure(epoch).signed().clone());
    let count = "a failed value holds one record per allowed attempt";
    let order = "attempts are of rising epochs";
    let cases = [
        (count, vec![]),
        (count, vec![one.clone()]),
        (count, vec![one.clone(), two.clone(), three.clone()]),
        (order, vec![one.clone(), one.clone()]),
        (order, vec![two.clone(), one.clone()]),
        (
            order,
            vec![sample::failure(0).signed().clone(), one.clone()],
        ),
    ];
    for (rule, attempts) in cases {
        let value = Value::Failed { attempts };
        assert_eq!(
            verdict(&value, &register()),
            Verdict::Rule(rule),
            "{value:?}"
        );
    }
}

#[test]
fn only_guest_and_owner_can_fail_a_job() {
    let rule = "only failures by guest or owner are values";
    let detail = String::new();
    let host_failed = Outcome::RunnerFailed { detail };
    for blame in [Blame::Host, Blame::Donor, Blame::Network, Blame::Unknown] {
        let value = failed(|r| (r.outcome, r.blame) = (host_failed.clone(), blame));
        assert_eq!(
            verdict(&value, &register()),
            Verdict::Rule(rule),
            "{blame:?}"
        );
    }
    let finished = failed(|r| r.outcome = Outcome::Finished { exit_code: 1 });
    assert_eq!(verdict(&finished, &register()), Verdict::Rule(rule));

    let rule = "the blame does not fit the outcome";
    for blame in [Blame::Guest, Blame::Owner] {
        let value = failed(|r| (r.outcome, r.blame) = (host_failed.clone(), blame));
        assert_eq!(
            verdict(&value, &register()),
            Verdict::Rule(rule),
            "{blame:?}"
        );
    }
}

#[test]
fn a_record_is_its_own_hosts_word_about_this_register() {
    let rule = "an attempt is recorded by its host, for this register";
    let other_register = ok(|r| r.token.register.slot = Slot::Replica(ReplicaIndex(0)));
    assert_eq!(verdict(&other_register, &register()), Verdict::Rule(rule));
    let borrowed = ok(|r| r.host = node(&key(&seeds::OTHER_HOST)));
    assert_eq!(verdict(&borrowed, &register()), Verdict::Rule(rule));

    let mut forged = sample::attempt().signed().encode();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let Value::Ok {
        manifest, receipt, ..
    } = sample::ok_value()
    else {
        unreachable!()
    };
    let attempt = Signed::decode(&forged).unwrap();
    let value = Value::Ok {
        manifest,
        receipt,
        attempt,
    };
    assert_eq!(verdict(&value, &register()), Verdict::Part);
}

#[test]
fn a_record_is_of_a_host_that_the_spec_allows() {
    let allowed = |host: &SigningKey| {
        let mut body = sample::spec_body();
        body.audience = Audience::Hosts(vec![node(host)]);
        let spec = sample::owner().sign(body);
        let register = RegisterId {
            job: spec.job(),
            ..register()
        };
        let value = ok(|record| record.token.register = register);
        rules(&spec).admissible(&value, &register)
    };
    assert!(allowed(&sample::host()).is_ok());
    let verdict = allowed(&key(&seeds::OTHER_HOST));
    let Err(CertError::Inadmissible { rule }) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(
        rule,
        "an attempt is recorded by a host that the spec allows"
    );
}

#[test]
fn only_the_owner_cancels_and_only_this_register() {
    let order = |key: &SigningKey, register| Value::Cancelled {
        order: key.sign(Cancel { register }).signed().clone(),
    };
    let rule = "a job is cancelled by its owner's order for this register";
    let by_host = order(&sample::host(), register());
    assert_eq!(verdict(&by_host, &register()), Verdict::Rule(rule));
    let other = RegisterId {
        slot: Slot::Replica(ReplicaIndex(0)),
        ..register()
    };
    let elsewhere = order(&sample::owner(), other);
    assert_eq!(verdict(&elsewhere, &register()), Verdict::Rule(rule));
}

#[test]
fn a_pick_can_only_be_cancelled_for_now() {
    let pick = RegisterId {
        slot: Slot::Pick,
        ..register()
    };
    let rule = "a pick needs result certificates, which no value carries yet";
    assert_eq!(verdict(&sample::ok_value(), &pick), Verdict::Rule(rule));
    assert_eq!(verdict(&sample::failed_value(), &pick), Verdict::Rule(rule));
    let order = sample::owner().sign(Cancel { register: pick });
    let cancelled = Value::Cancelled {
        order: order.signed().clone(),
    };
    assert_eq!(verdict(&cancelled, &pick), Verdict::Admissible);
}

/// The epoch of a record is not bound to the epoch at which the value is decided: a finisher proposes another's work.
#[test]
fn a_record_of_an_earlier_epoch_stays_admissible() {
    let value = ok(|record| record.token = token(1));
    assert_eq!(verdict(&value, &register()), Verdict::Admissible);
}
