//! The first words on a connection: versions, requests to join, refusals.

use crate::pool_sample::{
    NOW_MS, REFUSALS, answers, delegated_proof, hellos, join_body, transport,
};
use crate::sample::{owner, pool, stranger};
use mutual_protocol::admission::{Answer, Hello, HelloError, JoinRequest, Refusal, VERSION};
use mutual_protocol::codec::DecodeError;
use mutual_protocol::limits::{CLOCK_SLACK_MS, HELLO_BYTES_MAX};
use mutual_protocol::membership::ProofError;
use mutual_protocol::{PoolId, SigningKey};
use std::collections::BTreeSet;

#[test]
fn another_version_is_refused_by_name() {
    let (_, hello) = hellos().remove(0);
    for theirs in [0, VERSION + 1, u16::MAX] {
        let mut bytes = hello.encode();
        bytes[2..4].copy_from_slice(&theirs.to_be_bytes());
        let verdict = Hello::decode(&bytes);
        assert!(
            matches!(verdict, Err(HelloError::Version { theirs: t, ours: VERSION }) if t == theirs)
        );
        // Whatever follows: a later version may say it in another way, and at greater length.
        bytes.extend([0xff; HELLO_BYTES_MAX]);
        let verdict = Answer::decode(&bytes);
        assert!(matches!(verdict, Err(HelloError::Version { .. })));
    }
}

#[test]
fn another_protocol_is_foreign() {
    for bytes in [
        &b""[..],
        b"m",
        b"mc",
        b"mc\0",
        b"\x13/multistream/1.0.0\n",
        b"GET / HTTP/1.1\r\n",
    ] {
        let verdict = Hello::decode(bytes);
        assert!(matches!(verdict, Err(HelloError::Foreign)), "{verdict:?}");
    }
}

#[test]
fn words_are_short_and_of_their_own_side() {
    let mut long = hellos().remove(0).1.encode();
    long.resize(HELLO_BYTES_MAX + 1, 0);
    let verdict = Hello::decode(&long);
    assert!(matches!(
        verdict,
        Err(HelloError::Malformed(DecodeError::TooLarge { .. }))
    ));
    for (name, hello) in hellos() {
        let taken = Answer::decode(&hello.encode()).is_ok();
        assert_eq!(taken, name == "hello-member", "{name}");
        assert!(hello.encode().len() <= HELLO_BYTES_MAX);
    }
    for (name, answer) in answers() {
        let taken = Hello::decode(&answer.encode()).is_ok();
        assert_eq!(taken, name == "answer-member", "{name}");
        assert!(answer.encode().len() <= HELLO_BYTES_MAX);
    }
}

/// Checks the sample request with one thing changed.
#[track_caller]
fn check(
    signer: &SigningKey,
    change: impl FnOnce(&mut JoinRequest),
    expected: Result<(), Refusal>,
) {
    let mut body = join_body();
    change(&mut body);
    let request = signer.sign(body);
    assert_eq!(request.check(pool(), transport(), NOW_MS), expected);
}

#[test]
fn a_request_to_join_is_checked() {
    let theirs = stranger().public();
    check(&owner(), |_| (), Ok(()));
    check(&stranger(), |_| (), Err(Refusal::Proof));
    check(
        &owner(),
        |request| request.pool = PoolId::from(theirs),
        Err(Refusal::OtherPool),
    );
    check(
        &owner(),
        |request| request.transport = theirs.into(),
        Err(Refusal::Proof),
    );
    check(
        &owner(),
        |request| request.member = theirs.into(),
        Err(Refusal::Proof),
    );
    for (wall_ms, expected) in [
        (NOW_MS - CLOCK_SLACK_MS, Ok(())),
        (NOW_MS - CLOCK_SLACK_MS - 1, Err(Refusal::Clock)),
        (NOW_MS + CLOCK_SLACK_MS, Ok(())),
        (NOW_MS + CLOCK_SLACK_MS + 1, Err(Refusal::Clock)),
        (0, Err(Refusal::Clock)),
        (u64::MAX, Err(Refusal::Clock)),
    ] {
        check(&owner(), |request| request.wall_ms = wall_ms, expected);
    }
}

#[test]
fn each_refusal_has_a_code_of_its_own() {
    let codes: BTreeSet<_> = REFUSALS.iter().map(|refusal| refusal.code().code).collect();
    assert_eq!(codes.len(), REFUSALS.len(), "{codes:?}");
}

#[test]
fn a_refused_proof_becomes_the_refusal_that_helps() {
    let refusal = |now_ms| {
        let verdict =
            delegated_proof().verify(&mutual_protocol::sign::Ed25519, pool(), transport(), now_ms);
        Refusal::from(&verdict.unwrap_err())
    };
    assert_eq!(refusal(NOW_MS - 40 * 86_400_000), Refusal::Clock);
    assert_eq!(refusal(NOW_MS - 2 * 86_400_000), Refusal::Clock);
    assert_eq!(refusal(NOW_MS + 40 * 86_400_000), Refusal::Proof);
    let other = ProofError::OtherPool { found: pool() };
    assert_eq!(Refusal::from(&other), Refusal::OtherPool);
}

#[test]
fn a_request_does_not_show_its_secret() {
    let shown = format!("{:?}", join_body());
    assert!(shown.contains("TicketSecret(..)"), "{shown}");
}
