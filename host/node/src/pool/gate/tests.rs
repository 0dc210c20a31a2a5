//! Two sides of the gate that talk without a network: joining by ticket, connections of members, and every refusal.

use super::*;
use crate::pool::tests::{Machine, NOW, founder, ticket};
use crate::pool::{JoinRefused, Joining};
use mutual_protocol::bounded::{Address, List};
use mutual_protocol::limits::{CLOCK_SLACK_MS, HOST_NAME_BYTES_MAX, MEMBERSHIP_MS_MAX};
use mutual_protocol::membership::Role;
use mutual_protocol::ticket::{Ticket, TicketSecret};
use mutual_testkit::seeds;
use std::collections::BTreeSet;

fn host() -> Machine {
    Machine::new(seeds::HOST)
}

fn stranger() -> NodeId {
    SigningKey::from_seed(&seeds::STRANGER).public().into()
}

impl Machine {
    fn gate(&self, pool: Pool) -> PoolGate {
        self.gate_at(pool, self.node())
    }

    fn gate_at(&self, pool: Pool, transport: NodeId) -> PoolGate {
        PoolGate::new(pool, self.key.clone(), transport, self.clock.clone()).unwrap()
    }

    fn joining<'a>(&'a self, ticket: &'a Ticket) -> Joining<'a> {
        Joining {
            ticket,
            identity: &self.key,
            transport: self.node(),
            name: Line::cut("attic"),
            roles: [Role::Host, Role::Store].into(),
        }
    }

    /// What this machine says to the ticket's first admitter.
    fn join_hello(&self, ticket: &Ticket) -> Vec<u8> {
        self.joining(ticket)
            .hello(&self.pools, ticket.admitters[0], self.clock.wall_ms())
            .unwrap()
    }

    fn join(&self, ticket: &Ticket, gate: &PoolGate) -> Result<Pool, JoinRefused> {
        let verdict = gate.receive(self.node(), &self.join_hello(ticket));
        let admitter = ticket.admitters[0];
        let now_ms = self.clock.wall_ms();
        self.joining(ticket)
            .joined(&self.pools, admitter, answer(&verdict), now_ms)
    }
}

fn answer(verdict: &Verdict) -> &[u8] {
    match verdict {
        Verdict::Admit { answer } | Verdict::Answer { answer } | Verdict::Refuse { answer, .. } => {
            answer
        }
    }
}

/// Why `verdict` lets nobody in; panics when it does.
fn reason(verdict: &Verdict) -> Refusal {
    match (verdict, Answer::decode(answer(verdict)).unwrap()) {
        (Verdict::Refuse { .. }, Answer::Refused { reason, .. }) => reason,
        other => panic!("let in: {other:?}"),
    }
}

/// Why joining failed at the other side.
fn refused(joined: Result<Pool, JoinRefused>) -> Refusal {
    match joined {
        Err(JoinRefused::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// A pool, its founder's gate, and a host that has joined.
fn joined() -> (Machine, PoolGate, Machine, Pool) {
    let (founder, host) = (founder(), host());
    let lab = founder.create("lab");
    let ticket = ticket(&lab, founder.node(), 1);
    let gate = founder.gate(lab);
    let pool = host.join(&ticket, &gate).unwrap();
    (founder, gate, host, pool)
}

#[test]
fn a_host_joins_by_ticket_and_connects_both_ways() {
    let (founder, admitting, host, pool) = joined();
    assert_eq!(pool.id(), admitting.pool.id());
    assert_eq!(pool.membership().roles, [Role::Host], "asked for and given");
    assert!(!pool.is_founder());
    assert_eq!(pool.known_peers()[0].node, founder.node());
    assert!(
        admitting.member_of(host.node()).is_none(),
        "redeeming is no connection"
    );
    let key = NodeId::from_bytes([9; 32]);
    for transport in [host.node(), key] {
        let gate = host.gate_at(host.again().get(None).unwrap(), transport);
        let verdict = admitting.receive(transport, &gate.hello(founder.node()));
        assert!(matches!(verdict, Verdict::Admit { .. }), "{verdict:?}");
        gate.confirm(founder.node(), answer(&verdict)).unwrap();
        let member = admitting.member_of(transport).unwrap();
        assert_eq!((member.node, member.transport), (host.node(), transport));
        let there = gate.member_of(founder.node()).unwrap();
        assert!(there.roles.contains(&Role::Witness));
        admitting.forget(transport);
        assert!(admitting.member_of(transport).is_none());
    }
}

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
    let ticket = ticket(&gate.pool, founder.node(), 1);
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
    let ticket = ticket(&gate.pool, founder.node(), 2);
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

#[test]
fn members_are_refused_when_they_are_none_any_more() {
    let (founder, gate, host, pool) = joined();
    let hers = host.gate(pool.clone());
    let hello = hers.hello(founder.node());
    let come = || gate.receive(host.node(), &hello);
    assert!(matches!(come(), Verdict::Admit { .. }));
    assert_eq!(gate.sift(), []);
    assert_eq!(reason(&gate.receive(stranger(), &hello)), Refusal::Proof);

    gate.pool.revoke(pool.membership().serial).unwrap();
    assert_eq!(gate.sift(), [host.node()]);
    assert!(gate.member_of(host.node()).is_none());
    assert_eq!(reason(&come()), Refusal::Revoked);
    let answer = Answer::Member(hers.proof()).encode();
    let turned = gate.confirm(host.node(), &answer).unwrap_err();
    assert!(turned.reason.starts_with("mc::pool::revoked"), "{turned}");

    founder.clock.set(NOW - MEMBERSHIP_MS_MAX);
    assert_eq!(reason(&come()), Refusal::Clock);
    founder
        .clock
        .set(NOW + MEMBERSHIP_MS_MAX + CLOCK_SLACK_MS + 1);
    assert_eq!(reason(&come()), Refusal::Proof);
}

#[test]
fn a_delegation_is_for_one_key() {
    let (founder, gate, host, pool) = joined();
    let hers = host.gate_at(pool.clone(), NodeId::from_bytes([9; 32]));
    let hello = hers.hello(founder.node());
    for other in [host.node(), stranger()] {
        assert_eq!(reason(&gate.receive(other, &hello)), Refusal::Proof);
    }
    let earlier = PoolGate::new(pool, founder.key.clone(), host.node(), host.clock.clone());
    assert_eq!(earlier.unwrap_err().member, host.node());
}

#[test]
fn other_words_are_refused_by_name() {
    let (founder, gate, host, pool) = joined();
    let hello = host.gate(pool).hello(founder.node());
    let mut newer = hello.clone();
    newer[3] = 2;
    let verdict = gate.receive(host.node(), &newer);
    assert_eq!(reason(&verdict), Refusal::Version);
    let Answer::Refused { detail, .. } = Answer::decode(answer(&verdict)).unwrap() else {
        panic!("{verdict:?}");
    };
    assert!(detail.as_str().contains("version 2"), "{detail}");
    let refusal = gate.confirm(host.node(), answer(&verdict)).unwrap_err();
    assert!(refusal.reason.starts_with("mc::pool::version"), "{refusal}");
    for words in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &hello[..hello.len() - 1],
        &[0; 5000],
    ] {
        assert_eq!(reason(&gate.receive(host.node(), words)), Refusal::Proof);
        assert!(gate.confirm(host.node(), words).is_err());
    }
    let theirs = gate.receive(
        stranger(),
        &founder.gate(founder.create("other")).hello(stranger()),
    );
    assert_eq!(reason(&theirs), Refusal::OtherPool);
    let unasked = Answer::Admitted {
        cert: gate.pool.certificate().clone(),
        by: gate.proof(),
    };
    assert!(gate.confirm(founder.node(), &unasked.encode()).is_err());
}

/// Nobody is let in by a list that cannot be read, and a stranger learns no path.
#[test]
fn a_damaged_folder_lets_nobody_in() {
    let (founder, gate, host, pool) = joined();
    let hello = host.gate(pool).hello(founder.node());
    assert!(matches!(
        gate.receive(host.node(), &hello),
        Verdict::Admit { .. }
    ));
    let ticket = ticket(&gate.pool, founder.node(), 1);
    for (name, words) in [("revoked", hello), ("tickets", host.join_hello(&ticket))] {
        std::fs::write(gate.pool.folder.join(name), "torn").unwrap();
        let verdict = gate.receive(host.node(), &words);
        assert_eq!(reason(&verdict), Refusal::Full, "{name}");
        let told = String::from_utf8_lossy(answer(&verdict));
        assert!(
            told.contains("this node cannot") && !told.contains('/'),
            "{told}"
        );
    }
    assert_eq!(gate.sift(), [host.node()]);
}

/// Valid hellos of every kind, as long as they can be, then each with each byte changed in turn.
#[test]
fn no_answer_is_longer_than_the_gate_takes() {
    let (founder, gate, host, pool) = joined();
    let key = NodeId::from_bytes([255; 32]);
    let long = founder.gate_at(gate.pool.clone(), key);
    let ticket = ticket(&gate.pool, founder.node(), 256);
    let mut joining = host.joining(&ticket);
    joining.name = Line::cut(&"n".repeat(HOST_NAME_BYTES_MAX));
    joining.roles = gate.pool.membership().roles.iter().copied().collect();
    let join = joining.hello(&host.pools, founder.node(), NOW).unwrap();
    let member = host.gate_at(pool, key).hello(founder.node());
    for (from, hello) in [(host.node(), join), (key, member)] {
        assert!(hello.len() <= GATE_BYTES_MAX);
        let verdict = long.receive(from, &hello);
        assert!(!matches!(verdict, Verdict::Refuse { .. }), "{verdict:?}");
        for at in 0..hello.len() {
            let mut bad = hello.clone();
            bad[at] ^= 0x40;
            for verdict in [long.receive(from, &bad), long.receive(from, &hello[..at])] {
                reason(&verdict);
                assert!(answer(&verdict).len() <= GATE_BYTES_MAX);
            }
        }
        assert!(answer(&verdict).len() <= GATE_BYTES_MAX);
    }
}
