//! Damage to what is decoded before, or without, a signature.

use crate::pool_sample;
use crate::round_trips::try_all;
use mutual_protocol::admission::{Answer, Hello};
use mutual_protocol::membership::MemberProof;
use mutual_protocol::message::NodeMessage;
use mutual_protocol::ticket::Ticket;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// What a decoder took, encoded again.
type Again = fn(&[u8]) -> Option<Vec<u8>>;

fn proof(bytes: &[u8]) -> Option<Vec<u8>> {
    MemberProof::decode(bytes).ok().map(|proof| proof.encode())
}

fn hello(bytes: &[u8]) -> Option<Vec<u8>> {
    Hello::decode(bytes).ok().map(|hello| hello.encode())
}

fn answer(bytes: &[u8]) -> Option<Vec<u8>> {
    Answer::decode(bytes).ok().map(|answer| answer.encode())
}

fn message(bytes: &[u8]) -> Option<Vec<u8>> {
    NodeMessage::decode(bytes)
        .ok()
        .map(|message| message.encode())
}

fn ticket(bytes: &[u8]) -> Option<Vec<u8>> {
    let ticket = Ticket::parse(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(ticket.to_text().into_bytes())
}

/// Each decoder with what it takes.
fn all() -> Vec<(String, Vec<u8>, Again)> {
    let mut all: Vec<(String, Vec<u8>, Again)> = vec![
        (
            "proof".to_owned(),
            pool_sample::delegated_proof().encode(),
            proof,
        ),
        (
            "ticket".to_owned(),
            pool_sample::ticket().to_text().into_bytes(),
            ticket,
        ),
    ];
    for (name, value) in pool_sample::hellos() {
        all.push((name.to_owned(), value.encode(), hello));
    }
    for (name, value) in pool_sample::answers() {
        all.push((name.to_owned(), value.encode(), answer));
    }
    for (name, values) in pool_sample::messages() {
        for (i, value) in values.iter().enumerate() {
            all.push((format!("{name} {i}"), value.encode(), message));
        }
    }
    all
}

#[test]
fn samples_are_taken_and_neither_cut_nor_longer_ones_are() {
    for (name, good, again) in all() {
        assert_eq!(again(&good).as_ref(), Some(&good), "{name}");
        for end in 0..good.len() {
            assert_eq!(again(&good[..end]), None, "{name} at {end}");
        }
        assert_eq!(again(&[good, vec![b'0']].concat()), None, "{name}");
    }
}

#[test]
fn what_is_taken_has_one_spelling() {
    let edits = vec((any::<Index>(), any::<u8>()), 1..4);
    for (name, good, again) in all() {
        try_all(&edits, |edits| {
            let mut bytes = good.clone();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let Some(taken) = again(&bytes) else { return };
            // White space around a ticket does not count; in a message, the same byte may be a number.
            let expected = if name == "ticket" {
                bytes.trim_ascii()
            } else {
                &bytes
            };
            assert_eq!(taken, expected, "{name}");
        });
    }
}

#[test]
fn any_bytes_do_no_harm() {
    for again in [proof, hello, answer, message, ticket] {
        try_all(&vec(any::<u8>(), 0..200), |bytes| {
            assert_eq!(
                again(&bytes),
                None,
                "a random message is as likely as a forged one"
            );
        });
    }
}
