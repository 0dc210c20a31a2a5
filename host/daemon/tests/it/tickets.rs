//! Tickets that do not let in: each with its code and its next step, and nothing changed.

use crate::harness::{House, Ran};
use mutual_protocol::PoolId;
use mutual_protocol::bounded::{Address, List};
use mutual_protocol::ticket::{Ticket, TicketSecret};

fn start(house: &House, ticket: &str) -> Ran {
    house.run(["start", "--listen", "127.0.0.1", ticket])
}

fn changed(ticket: &str, change: impl FnOnce(&mut Ticket)) -> String {
    let mut ticket = Ticket::parse(ticket).unwrap();
    change(&mut ticket);
    ticket.to_text()
}

#[test]
fn a_garbled_ticket() {
    let house = House::new();
    for text in [
        "mct1",
        "hello",
        "mct1msj70vvfdhc21e7xwx9mz2n8k41gs1xxd7rbr3bwd96s5k",
    ] {
        start(&house, text).fails(2, "mc::ticket::invalid", "copy the whole ticket");
    }
    start(&house, "mct2abc").fails(125, "mc::ticket::version", "install the version");
    assert!(
        !house.home().join("data/pools").exists(),
        "no pool was made instead"
    );
}

#[test]
fn a_ticket_is_used_once() {
    let (first, second, third) = (House::new(), House::new(), House::new());
    let (one, ticket) = first.found();
    second.serve(&[&ticket]).terminate();
    start(&third, &ticket).fails(125, "mc::ticket::used", "mc pool invite");
    // Who has it may use it again.
    second.serve(&[&ticket]).terminate();
    one.terminate();
}

#[test]
fn a_ticket_that_the_pool_does_not_know_has_ended_or_is_another_pools() {
    let (first, second) = (House::new(), House::new());
    let (one, ticket) = first.found();
    let unknown = changed(&ticket, |t| t.secret = TicketSecret::from_bytes([7; 16]));
    start(&second, &unknown).fails(125, "mc::ticket::unknown", "mc pool invite");
    let expired = changed(&ticket, |t| t.not_after_ms = 1_600_000_000_000);
    start(&second, &expired).fails(125, "mc::ticket::expired", "mc pool invite");
    let other = changed(&ticket, |t| t.pool = PoolId::from_bytes([9; 32]));
    start(&second, &other).fails(125, "mc::pool::other", "mc pool ls");
    let own = first.home();
    one.terminate();
    let made = start(&first, &ticket).fails(2, "mc::argument::usage", "");
    assert!(made.stderr.contains("made p-"), "{made:#?}");
    assert!(own.join("data/pools").exists());
}

#[test]
fn nobody_answers_where_the_ticket_leads() {
    let (first, second) = (House::new(), House::new());
    let (one, ticket) = first.found();
    one.terminate();
    let failed = start(&second, &ticket).fails(9, "mc::pool::unreachable", "mc-host");
    assert!(failed.stderr.contains("127.0.0.1:"), "{failed:#?}");
    let nowhere = changed(&ticket, |t| {
        t.addresses = List::new(vec![Address::cut("/dns/x/tcp/1")]).unwrap()
    });
    start(&second, &nowhere).fails(2, "mc::ticket::invalid", "");
}
