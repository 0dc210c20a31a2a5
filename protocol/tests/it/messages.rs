//! Messages between members: kinds by name, and each bound.

use crate::cbor;
use crate::pool_sample::{line, messages};
use crate::sample::{register, token};
use mutual_protocol::bounded::{Line, Text};
use mutual_protocol::codec::{self, DecodeError};
use mutual_protocol::limits::{
    CHUNK_BYTES_MAX, DECLINE_REASONS_MAX, ENDING_BYTES_MAX, LINE_BYTES_MAX, NODE_MESSAGE_BYTES_MAX,
};
use mutual_protocol::message::{AttemptEvent, Chunk, MessageError, NodeMessage, Stream};
use std::collections::BTreeSet;

#[test]
fn the_name_of_a_kind_is_its_key_on_the_wire() {
    let mut seen = BTreeSet::new();
    for (vector, messages) in messages() {
        for message in messages {
            let pairs = cbor::pairs(&message.encode());
            assert_eq!(pairs.len(), 1);
            assert_eq!(cbor::key(&pairs[0]), message.kind());
            assert_eq!(vector, format!("node-{}", message.kind()));
            seen.insert(message.kind());
        }
    }
    let all: BTreeSet<_> = NodeMessage::KINDS.iter().copied().collect();
    assert_eq!(seen, all);
}

#[test]
fn an_unknown_kind_is_refused_by_name() {
    for kind in ["x", "offers", "a-kind-of-23-characters"] {
        let bytes = cbor::map(&[[codec::encode(&kind), vec![0xa0]].concat()]);
        let verdict = NodeMessage::decode(&bytes);
        assert!(
            matches!(&verdict, Err(MessageError::UnknownKind { kind: k }) if k.as_str() == kind),
            "{verdict:?}"
        );
    }
    let escape = cbor::map(&[[codec::encode(&"\x1b[2J"), vec![0]].concat()]);
    let shown = NodeMessage::decode(&escape).unwrap_err().to_string();
    assert!(!shown.contains('\x1b'), "{shown:?}");

    let known = cbor::map(&[[codec::encode(&"offer"), vec![0xa0]].concat()]);
    let malformed = [
        known,
        codec::encode(&"offer"),
        codec::encode(&7),
        Vec::new(),
        b"\xa1\x77cut".to_vec(),
    ];
    for bytes in malformed {
        let verdict = NodeMessage::decode(&bytes);
        assert!(
            matches!(verdict, Err(MessageError::Malformed(_))),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_message_that_is_too_long_is_not_looked_at() {
    let verdict = NodeMessage::decode(&vec![0xa1; NODE_MESSAGE_BYTES_MAX + 1]);
    assert!(matches!(
        verdict,
        Err(MessageError::Malformed(DecodeError::TooLarge { .. }))
    ));
}

/// A stand-in for a message whose field passes its bound: the same names, plain types.
fn attempt(event: &impl serde::Serialize) -> Vec<u8> {
    let token = [codec::encode(&"token"), codec::encode(&token(2))].concat();
    let event = [codec::encode(&"event"), codec::encode(event)].concat();
    named("attempt", &cbor::map(&[event, token]))
}

fn named(name: &str, value: &[u8]) -> Vec<u8> {
    cbor::map(&[[codec::encode(&name), value.to_vec()].concat()])
}

#[derive(serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Loose {
    Output {
        stream: Stream,
        offset: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Progress {
        done: u64,
        total: Option<u64>,
        text: String,
    },
}

#[test]
fn output_and_texts_are_bounded() {
    let output = |size| {
        attempt(&Loose::Output {
            stream: Stream::Stderr,
            offset: 0,
            bytes: vec![7; size],
        })
    };
    let read = NodeMessage::decode(&output(CHUNK_BYTES_MAX)).unwrap();
    assert!(matches!(
        read,
        NodeMessage::Attempt { event: AttemptEvent::Output { bytes, .. }, .. } if bytes.as_slice().len() == CHUNK_BYTES_MAX
    ));
    assert!(NodeMessage::decode(&output(CHUNK_BYTES_MAX + 1)).is_err());

    let progress = |text: String| {
        let (done, total) = (1, None);
        attempt(&Loose::Progress { done, total, text })
    };
    assert!(NodeMessage::decode(&progress("x".repeat(LINE_BYTES_MAX))).is_ok());
    assert!(NodeMessage::decode(&progress("x".repeat(LINE_BYTES_MAX + 1))).is_err());
    assert!(NodeMessage::decode(&progress("\x1b[31m".to_owned())).is_err());
    assert!(Text::<ENDING_BYTES_MAX>::new("x".repeat(ENDING_BYTES_MAX + 1)).is_err());
}

#[test]
fn a_decline_has_reasons_and_not_too_many() {
    let decline = |count: usize| {
        let reasons = [
            codec::encode(&"reasons"),
            codec::encode(&vec!["no_slot"; count]),
        ];
        let register = [codec::encode(&"register"), codec::encode(&register())];
        let body = cbor::map(&[reasons.concat(), register.concat()]);
        NodeMessage::decode(&named("decline", &body))
    };
    assert!(decline(0).is_err());
    assert_eq!(decline(1).unwrap().kind(), "decline");
    assert!(decline(DECLINE_REASONS_MAX).is_ok());
    assert!(decline(DECLINE_REASONS_MAX + 1).is_err());
}

#[test]
fn chunks_hold_every_byte_in_order() {
    let bytes: Vec<u8> = (0..150_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let chunks: Vec<_> = Chunk::split(&bytes).collect();
    assert_eq!(chunks.len(), 3);
    let together: Vec<u8> = chunks.into_iter().flat_map(Chunk::into_vec).collect();
    assert_eq!(together, bytes);
    assert!(Chunk::new(vec![0; CHUNK_BYTES_MAX + 1]).is_none());
}

#[test]
fn what_a_peer_sent_is_not_poured_into_logs() {
    let secret = Chunk::new(b"output of a program".to_vec()).unwrap();
    assert_eq!(format!("{secret:?}"), "Chunk(19 bytes)");
    let shown: Line<9> = line("a\"b");
    assert_eq!(format!("{shown:?} {shown}"), "\"a\\\"b\" a\"b");
}
