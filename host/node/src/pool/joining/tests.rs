//! Tickets, from the order to the certificate: two machines that talk by the gate, without a network.

use super::*;
use crate::clock::Clock as _;
use crate::pool::gate::tests::{answer, host, joined, reason, refused, stranger};
use crate::pool::tests::{Machine, NOW, founder, ticket};
use mutual_net::{Gate as _, Verdict};
use mutual_protocol::limits::CLOCK_SLACK_MS;
use mutual_protocol::ticket::TicketSecret;
use mutual_testkit::seeds;

#[test]
fn a_ticket_is_used_as_often_as_it_says() {
    let (founder, host) = (founder(), host());
    let lab = founder.create("lab");
    let ticket = ticket(&lab, founder.node(), 1);
    let gate = founder.gate(lab.clone());
    let first = host.join(&ticket, &gate).unwrap();
    let left = || {
        founder
            .again()
            .get(None)
            .unwrap()
            .uses_left(&ticket.secret, NOW)
    };
    assert_eq!(left().unwrap(), 0, "on the disk");
    let other = Machine::new(seeds::OTHER_HOST);
    assert_eq!(refused(other.join(&ticket, &gate)), Refusal::UsedUp);
    // The answer was lost: the same node asks again and is the same member.
    let again = host.join(&ticket, &gate).unwrap();
    assert_eq!(again.membership().serial, first.membership().serial);
    lab.revoke(first.membership().serial).unwrap();
    assert_eq!(refused(host.join(&ticket, &gate)), Refusal::Revoked);
}

/// Many nodes at once, each answered by a handle of its own, as if by a process of its own.
#[test]
fn only_as_many_win_a_race_as_the_ticket_says() {
    let founder = founder();
    let lab = founder.create("lab");
    for uses in [1, 3] {
        let ticket = ticket(&lab, founder.node(), uses);
        let race = |n: u8| {
            let host = Machine::new([n; 32]);
            let gate = founder.gate(founder.again().get(None).unwrap());
            host.join(&ticket, &gate)
                .map(|pool| pool.membership().serial)
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || race(n))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let serials: BTreeSet<u64> = outcomes
            .iter()
            .filter_map(|o| o.as_ref().ok().copied())
            .collect();
        assert_eq!(serials.len(), usize::from(uses), "{outcomes:?}");
        let losers = outcomes.into_iter().filter_map(Result::err);
        let used_up = |error| {
            matches!(
                error,
                JoinRefused::Refused {
                    reason: Refusal::UsedUp,
                    ..
                }
            )
        };
        assert!(
            losers
                .map(used_up)
                .eq([true; 8].into_iter().skip(usize::from(uses)))
        );
    }
}

#[test]
fn tickets_that_are_not_good_are_refused_by_name() {
    let (founder, host) = (founder(), host());
    let (lab, other) = (founder.create("lab"), founder.create("other"));
    let good = ticket(&lab, founder.node(), 1);
    let gate = founder.gate(lab.clone());
    let forged = Ticket {
        secret: TicketSecret::from_bytes([3; 16]),
        ..good.clone()
    };
    assert_eq!(refused(host.join(&forged, &gate)), Refusal::UnknownTicket);
    let of_other = Ticket {
        pool: other.id(),
        ..good.clone()
    };
    assert_eq!(refused(host.join(&of_other, &gate)), Refusal::OtherPool);
    let moved = Ticket {
        pool: lab.id(),
        ..ticket(&other, founder.node(), 1)
    };
    assert_eq!(refused(host.join(&moved, &gate)), Refusal::UnknownTicket);
    let mut nothing = host.joining(&good);
    nothing.roles = [Role::Gateway].into();
    let hello = nothing.hello(&host.pools, founder.node(), NOW).unwrap();
    assert_eq!(reason(&gate.receive(host.node(), &hello)), Refusal::Proof);
    host.clock.set(NOW + CLOCK_SLACK_MS + 1);
    assert_eq!(refused(host.join(&good, &gate)), Refusal::Clock);
    host.clock.set(NOW);
    founder.clock.set(good.not_after_ms + 1);
    host.clock.set(good.not_after_ms + 1);
    assert_eq!(refused(host.join(&good, &gate)), Refusal::TicketExpired);
    founder.clock.set(NOW);
    host.clock.set(NOW);
    assert_eq!(
        lab.uses_left(&good.secret, NOW).unwrap(),
        1,
        "none of these was a use"
    );
    host.clock.set(good.not_after_ms + CLOCK_SLACK_MS + 1);
    let late = host
        .joining(&good)
        .hello(&host.pools, founder.node(), host.clock.wall_ms());
    assert!(matches!(late, Err(JoinRefused::Expired(_))));
}

#[test]
fn a_join_request_is_good_for_its_own_connection_and_an_admitter() {
    let (founder, gate, host, pool) = joined();
    let ticket = ticket(gate.pool(), founder.node(), 1);
    let other = Machine::new(seeds::OTHER_HOST);
    let hello = other.join_hello(&ticket);
    assert_eq!(reason(&gate.receive(stranger(), &hello)), Refusal::Proof);
    let no_admitter = host.gate(pool);
    assert_eq!(
        reason(&no_admitter.receive(other.node(), &hello)),
        Refusal::NotAnAdmitter
    );
    let elsewhere = other.joining(&ticket).hello(&other.pools, host.node(), NOW);
    assert!(matches!(elsewhere, Err(JoinRefused::NotAnAdmitter { node }) if node == host.node()));
    let own = founder
        .joining(&ticket)
        .hello(&founder.pools, founder.node(), NOW);
    assert!(matches!(own, Err(JoinRefused::Founder { .. })));
    assert!(matches!(
        gate.receive(other.node(), &hello),
        Verdict::Answer { .. }
    ));
}

#[test]
fn only_the_tickets_admitters_are_dialed() {
    let (founder, host) = (founder(), host());
    let good = ticket(&founder.create("lab"), founder.node(), 1);
    let plain: mutual_net::Address = "/ip6/::1/udp/7/quic-v1".parse().unwrap();
    let (ours, theirs) = (
        plain.clone().with_node(founder.node()),
        plain.clone().with_node(stranger()),
    );
    let addresses =
        [&theirs, &ours, &plain].map(|address| Address::new(address.to_string()).unwrap());
    let later = Address::new("/a/kind/to/come").unwrap();
    let mixed = Ticket {
        addresses: List::new([addresses.as_slice(), &[later]].concat()).unwrap(),
        ..good
    };
    let target = (founder.node(), ours);
    assert_eq!(host.joining(&mixed).targets(), [target.clone(), target]);
}

#[test]
fn only_the_pools_word_makes_a_member() {
    let (founder, gate, host, _) = joined();
    let ticket = ticket(gate.pool(), founder.node(), 2);
    let other = Machine::new(seeds::OTHER_HOST);
    let verdict = gate.receive(other.node(), &other.join_hello(&ticket));
    let good = answer(&verdict);
    let says = |machine: &Machine, by, bytes: &[u8]| {
        let joining = machine.joining(&ticket);
        joining.joined(&machine.pools, by, bytes, NOW).unwrap_err()
    };
    let wrong_node = says(&other, stranger(), good);
    assert!(
        matches!(wrong_node, JoinRefused::Proof(_)),
        "{wrong_node:?}"
    );
    let for_another = says(&host, founder.node(), good);
    assert!(matches!(for_another, JoinRefused::Member { member } if member == other.node()));
    let evil = Machine::new(seeds::STRANGER);
    let pool = evil.create("trap");
    let cert = pool.certificate().clone();
    let trap = Answer::Admitted {
        cert,
        by: evil.gate(pool).proof(),
    };
    let other_pool = says(&other, evil.node(), &trap.encode());
    assert!(matches!(
        other_pool,
        JoinRefused::Proof(ProofError::OtherPool { .. })
    ));
    let mut modest = other.joining(&ticket);
    modest.roles = [Role::Submit].into();
    let more = modest.joined(&other.pools, founder.node(), good, NOW);
    assert!(matches!(more, Err(JoinRefused::Roles)));
    let member = Answer::Member(gate.proof()).encode();
    assert!(matches!(
        says(&other, founder.node(), &member),
        JoinRefused::NoCertificate
    ));
    let newer = says(&other, founder.node(), b"mc\0\x02\xa0");
    assert_eq!(newer.code().code, "mc::pool::version");
    assert!(other.pools.get(None).is_err(), "nothing was kept");
    other
        .joining(&ticket)
        .joined(&other.pools, founder.node(), good, NOW)
        .unwrap();
}
