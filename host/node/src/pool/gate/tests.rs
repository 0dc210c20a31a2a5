//! Two sides of the gate that talk without a network: who is let in, and every refusal.

use super::*;
use crate::pool::tests::{Machine, NOW, founder, ticket};
use crate::pool::{JoinRefused, Joining};
use mutual_protocol::limits::{CLOCK_SLACK_MS, HOST_NAME_BYTES_MAX, MEMBERSHIP_MS_MAX};
use mutual_protocol::membership::Role;
use mutual_protocol::ticket::Ticket;
use mutual_testkit::seeds;

pub(in crate::pool) fn host() -> Machine {
    Machine::new(seeds::HOST)
}

pub(in crate::pool) fn stranger() -> NodeId {
    SigningKey::from_seed(&seeds::STRANGER).public().into()
}

impl Machine {
    pub(in crate::pool) fn gate(&self, pool: Pool) -> PoolGate {
        self.gate_at(pool, self.node())
    }

    pub(in crate::pool) fn gate_at(&self, pool: Pool, transport: NodeId) -> PoolGate {
        PoolGate::new(pool, self.key.clone(), transport, self.clock.clone()).unwrap()
    }

    pub(in crate::pool) fn joining<'a>(&'a self, ticket: &'a Ticket) -> Joining<'a> {
        Joining {
            ticket,
            identity: &self.key,
            transport: self.node(),
            name: Line::cut("attic"),
            roles: [Role::Host, Role::Store].into(),
        }
    }

    /// What this machine says to the ticket's first admitter.
    pub(in crate::pool) fn join_hello(&self, ticket: &Ticket) -> Vec<u8> {
        self.joining(ticket)
            .hello(&self.pools, ticket.admitters[0], self.clock.wall_ms())
            .unwrap()
    }

    pub(in crate::pool) fn join(
        &self,
        ticket: &Ticket,
        gate: &PoolGate,
    ) -> Result<Pool, JoinRefused> {
        let verdict = gate.receive(self.node(), &self.join_hello(ticket));
        let admitter = ticket.admitters[0];
        let now_ms = self.clock.wall_ms();
        self.joining(ticket)
            .joined(&self.pools, admitter, answer(&verdict), now_ms)
    }
}

pub(in crate::pool) fn answer(verdict: &Verdict) -> &[u8] {
    match verdict {
        Verdict::Admit { answer } | Verdict::Answer { answer } | Verdict::Refuse { answer, .. } => {
            answer
        }
    }
}

/// Why `verdict` lets nobody in; panics when it does.
pub(in crate::pool) fn reason(verdict: &Verdict) -> Refusal {
    match (verdict, Answer::decode(answer(verdict)).unwrap()) {
        (Verdict::Refuse { .. }, Answer::Refused { reason, .. }) => reason,
        other => panic!("let in: {other:?}"),
    }
}

/// Why joining failed at the other side.
pub(in crate::pool) fn refused(joined: Result<Pool, JoinRefused>) -> Refusal {
    match joined {
        Err(JoinRefused::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// A pool, its founder's gate, and a host that has joined.
pub(in crate::pool) fn joined() -> (Machine, PoolGate, Machine, Pool) {
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
