//! Tickets as people pass them on: whole, garbled, of other versions, and never showing their secret.

use crate::pool_sample::{NOW_MS, line, ticket};
use mutual_protocol::bounded::{Address, List};
use mutual_protocol::codes;
use mutual_protocol::limits::{
    ADDRESS_BYTES_MAX, ADDRESSES_MAX, ADMITTERS_MAX, CLOCK_SLACK_MS, TICKET_CHARS_MAX,
};
use mutual_protocol::membership::Role;
use mutual_protocol::ticket::{ParseTicketError, Ticket, TicketExpired, TicketSecret};
use mutual_protocol::{Digest, NodeId};

const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";

#[test]
fn a_ticket_survives_being_pasted() {
    let text = ticket().to_text();
    assert!(text.starts_with("mct1") && text.len() < 400, "{text}");
    assert!(
        text.chars()
            .all(|c| ALPHABET.contains(c) || "mct1".contains(c))
    );
    assert_eq!(Ticket::parse(&format!(" {text}\n")).unwrap(), ticket());
}

#[test]
fn every_wrong_character_is_noticed() {
    let text = ticket().to_text();
    for at in 4..text.len() {
        for other in ALPHABET.chars().chain("ilouA -=".chars()) {
            if text[at..].starts_with(other) {
                continue;
            }
            let bad = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            if bad.trim() == text {
                continue;
            }
            let verdict = Ticket::parse(&bad);
            assert!(matches!(verdict, Err(ParseTicketError::Garbled)), "{bad}");
        }
    }
    let upper = text.to_uppercase();
    assert!(matches!(
        Ticket::parse(&upper),
        Err(ParseTicketError::NotATicket)
    ));
}

#[test]
fn other_texts_are_told_apart() {
    for text in [
        "", "hello", "mc", "mct", "mctx123", "n-00", "mct0aaaa", "ßßß",
    ] {
        let verdict = Ticket::parse(text);
        assert!(
            matches!(verdict, Err(ParseTicketError::NotATicket)),
            "{text}"
        );
    }
    let verdict = Ticket::parse(&ticket().to_text().replacen('1', "2", 1));
    assert!(matches!(
        verdict,
        Err(ParseTicketError::Version { version: '2' })
    ));
    assert_eq!(verdict.unwrap_err().code(), &codes::TICKET_VERSION);
    for text in [
        "mct1".to_owned(),
        format!("mct1{}", "0".repeat(TICKET_CHARS_MAX * 9)),
        "mct1ü".to_owned(),
    ] {
        let verdict = Ticket::parse(&text).unwrap_err();
        assert!(matches!(verdict, ParseTicketError::Garbled), "{text}");
        assert_eq!(verdict.code(), &codes::TICKET_INVALID);
    }
}

/// A right checksum over a wrong content: somebody made it on purpose.
#[test]
fn content_is_checked_beyond_the_checksum() {
    let body = b"\xa0";
    let sum = Digest::of(body);
    let bytes = [body, &sum.as_bytes()[..4]].concat();
    let mut bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    bits += &"0".repeat((5 - bits.len() % 5) % 5);
    let letter = |five: &[u8]| {
        let five = std::str::from_utf8(five).unwrap();
        char::from(ALPHABET.as_bytes()[usize::from_str_radix(five, 2).unwrap()])
    };
    let text: String = bits.as_bytes().chunks(5).map(letter).collect();
    let verdict = Ticket::parse(&format!("mct1{text}"));
    assert!(
        matches!(verdict, Err(ParseTicketError::Content(_))),
        "{verdict:?}"
    );
}

#[test]
fn a_ticket_ends() {
    let end = ticket().not_after_ms;
    assert_eq!(ticket().check(NOW_MS), Ok(()));
    assert_eq!(ticket().check(end + CLOCK_SLACK_MS), Ok(()));
    let expired = Err(TicketExpired { not_after_ms: end });
    assert_eq!(ticket().check(end + CLOCK_SLACK_MS + 1), expired);
}

#[test]
fn a_secret_is_compared_and_not_shown() {
    let secret = |last| {
        let mut bytes = [0xab; 16];
        bytes[15] = last;
        TicketSecret::from_bytes(bytes)
    };
    assert_eq!(secret(1), secret(1));
    assert_ne!(secret(1), secret(2));
    let shown = format!("{:?} {:#?}", ticket(), secret(1));
    assert!(shown.contains("TicketSecret(..)"), "{shown}");
    for bytes in ["sixteen", "115, 105", "171"] {
        assert!(!shown.contains(bytes), "{shown}");
    }
}

/// However long the addresses are, the text stays short, and the first addresses are in it.
#[test]
fn the_largest_ticket_is_cut_to_fit() {
    let address = |i: usize| -> Address { line(&format!("{i:0>ADDRESS_BYTES_MAX$}")) };
    let all: Vec<Address> = (0..ADDRESSES_MAX).map(address).collect();
    let nodes = (0..ADMITTERS_MAX).map(|i| NodeId::from_bytes([u8::try_from(i).unwrap(); 32]));
    let largest = Ticket {
        admitters: List::new(nodes.collect()).unwrap(),
        addresses: List::new(all.clone()).unwrap(),
        roles: [
            Role::Submit,
            Role::Host,
            Role::Witness,
            Role::Store,
            Role::Relay,
            Role::Gateway,
        ]
        .into(),
        not_after_ms: u64::MAX,
        ..ticket()
    };
    let text = largest.to_text();
    assert!(text.len() <= TICKET_CHARS_MAX, "{}", text.len());
    let read = Ticket::parse(&text).unwrap();
    assert_eq!(read.addresses.to_vec(), all[..3]);
    assert_eq!(read.admitters, largest.admitters);
}
