//! Certificates that prove nothing, each broken in one way.

use crate::sample::{self, node, rules, signed_by, token};
use mutual_protocol::lease::cert::{CertError, later};
use mutual_protocol::lease::{LeaseCert, Promise, QuorumCert, ResultCert, Vote};
use mutual_protocol::sign::Message;
use mutual_protocol::{Epoch, FencingToken, Generation, JobId, ReplicaIndex, Signed, Slot};

type Change = fn(&mut FencingToken);

/// What is wrong with the parts.
#[derive(Debug, PartialEq)]
enum Wrong {
    Part,
    Quorum,
    Foreign,
    Duplicate,
    Mixed,
}

fn wrong<T: std::fmt::Debug>(verdict: Result<T, CertError>) -> Wrong {
    match verdict.unwrap_err() {
        CertError::Part(_) => Wrong::Part,
        CertError::Quorum { got, quorum } => {
            assert!(got < usize::from(quorum));
            Wrong::Quorum
        }
        CertError::Foreign { signer } => {
            assert_eq!(signer, sample::stranger().public());
            Wrong::Foreign
        }
        CertError::Duplicate { .. } => Wrong::Duplicate,
        CertError::Mixed => Wrong::Mixed,
        other => panic!("{other}"),
    }
}

/// Ways to break the signatures under `parts`, whatever they say.
fn broken_parts<T: Message>(good: &[Signed<T>], body: T) -> Vec<(Wrong, Vec<Signed<T>>)> {
    let [first, second] = good else {
        panic!("a quorum of two");
    };
    let foreign = sample::stranger().sign(body).signed().clone();
    let mut forged = first.encode();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = Signed::decode(&forged).unwrap();
    vec![
        (Wrong::Quorum, vec![]),
        (Wrong::Quorum, vec![first.clone()]),
        (Wrong::Duplicate, vec![first.clone(), first.clone()]),
        (Wrong::Foreign, vec![first.clone(), foreign.clone()]),
        (Wrong::Foreign, [good, &[foreign]].concat()),
        (Wrong::Part, vec![forged, second.clone()]),
    ]
}

#[test]
fn whole_certificates_prove_what_they_say() {
    let spec = sample::spec();
    let rules = rules(&spec);
    let lease = rules.lease(&sample::lease_cert()).unwrap();
    assert_eq!((lease.token, lease.host), (token(2), node(&sample::host())));
    assert_eq!((lease.ttl_ms, lease.lock), (60_000, None));
    let certified = rules.certified(&sample::quorum_cert()).unwrap();
    assert_eq!(certified.value, sample::ok_value());
    assert_eq!(rules.decided(&sample::result_cert()).unwrap(), certified);
    // More than a quorum proves as much.
    let promises = signed_by(3, |i| Promise {
        ttl_ms: [30_000, 20_000, 40_000][i],
        ..sample::promise_body(2, None)
    });
    let lease = rules.lease(&LeaseCert { promises }).unwrap();
    assert_eq!(lease.ttl_ms, 20_000, "the shortest counts");
}

#[test]
fn parts_are_of_different_witnesses_and_as_many_as_the_quorum() {
    let spec = sample::spec();
    let rules = rules(&spec);
    let value = sample::ok_value();
    let lease = sample::lease_cert().promises;
    for (want, promises) in broken_parts(&lease, sample::promise_body(2, None)) {
        assert_eq!(wrong(rules.lease(&LeaseCert { promises })), want);
    }
    let votes = sample::quorum_cert().votes;
    for (want, votes) in broken_parts(&votes, sample::vote_body(&value)) {
        let value = value.clone();
        assert_eq!(wrong(rules.certified(&QuorumCert { value, votes })), want);
    }
    let commits = sample::result_cert().commits;
    for (want, commits) in broken_parts(&commits, sample::committed_body(&value)) {
        let value = value.clone();
        assert_eq!(wrong(rules.decided(&ResultCert { value, commits })), want);
    }
}

#[test]
fn parts_say_the_same() {
    let spec = sample::spec();
    let rules = rules(&spec);
    let other = node(&sample::stranger());
    let epochs = signed_by(2, |i| sample::promise_body([2, 3][i], None));
    let hosts = signed_by(2, |i| Promise {
        host: [node(&sample::host()), other][i],
        ..sample::promise_body(2, None)
    });
    for promises in [epochs, hosts] {
        assert_eq!(wrong(rules.lease(&LeaseCert { promises })), Wrong::Mixed);
    }
    let value = sample::ok_value();
    let body = sample::vote_body(&value);
    let token_3 = Vote {
        token: token(3),
        ..body
    };
    let host = Vote {
        host: other,
        ..body
    };
    let digest = sample::vote_body(&sample::failed_value());
    for odd in [token_3, host, digest] {
        let votes = signed_by(2, |i| [&body, &odd][i].clone());
        let cert = QuorumCert {
            value: value.clone(),
            votes,
        };
        assert_eq!(wrong(rules.certified(&cert)), Wrong::Mixed, "{odd:?}");
    }
    let host = mutual_protocol::lease::Committed {
        host: other,
        ..sample::committed_body(&value)
    };
    let commits = signed_by(2, |i| [&sample::committed_body(&value), &host][i].clone());
    assert_eq!(
        wrong(rules.decided(&ResultCert { value, commits })),
        Wrong::Mixed
    );
}

#[test]
fn the_value_is_the_one_that_was_voted_for() {
    let spec = sample::spec();
    let rules = rules(&spec);
    let cert = QuorumCert {
        value: sample::failed_value(),
        ..sample::quorum_cert()
    };
    assert_eq!(wrong(rules.certified(&cert)), Wrong::Mixed);
    let cert = ResultCert {
        value: sample::cancelled_value(),
        ..sample::result_cert()
    };
    assert_eq!(wrong(rules.decided(&cert)), Wrong::Mixed);
}

#[test]
fn a_lock_is_of_an_earlier_epoch_and_of_this_register() {
    let spec = sample::spec();
    let rules = rules(&spec);
    let lease = |epoch, change: &dyn Fn(&mut Promise)| {
        let promises = signed_by(2, |_| {
            let mut body = sample::promise_body(epoch, Some(sample::quorum_cert()));
            change(&mut body);
            body
        });
        rules.lease(&LeaseCert { promises })
    };
    let found = lease(3, &|_| {}).unwrap().lock.unwrap();
    assert_eq!((found.token, found.value), (token(2), sample::ok_value()));
    assert_eq!(wrong(lease(2, &|_| {})), Wrong::Mixed, "the same epoch");
    assert_eq!(wrong(lease(1, &|_| {})), Wrong::Mixed, "a later epoch");
    let other =
        |promise: &mut Promise| promise.token.register.slot = Slot::Replica(ReplicaIndex(0));
    assert_eq!(wrong(lease(3, &other)), Wrong::Mixed, "another register");
    let short = |promise: &mut Promise| promise.lock.as_mut().unwrap().votes.truncate(1);
    assert_eq!(
        wrong(lease(3, &short)),
        Wrong::Quorum,
        "no quorum in the lock"
    );
}

/// The holder has to propose the certified value of the highest epoch, whoever reports it.
#[test]
fn the_lock_of_the_highest_epoch_counts() {
    let spec = sample::spec();
    let rules = rules(&spec);
    let lock_at = |epoch, value: mutual_protocol::lease::Value| {
        let vote = Vote {
            token: token(epoch),
            ..sample::vote_body(&value)
        };
        let votes = signed_by(2, |_| vote.clone());
        QuorumCert { value, votes }
    };
    let low = lock_at(1, sample::cancelled_value());
    let high = lock_at(2, sample::ok_value());
    for order in [[&low, &high], [&high, &low]] {
        let promises = signed_by(2, |i| sample::promise_body(3, Some(order[i].clone())));
        let lease = rules.lease(&LeaseCert { promises }).unwrap();
        assert_eq!(lease.lock.unwrap().value, sample::ok_value());
    }
    let promises = signed_by(2, |i| {
        sample::promise_body(3, [None, Some(low.clone())][i].clone())
    });
    let lease = rules.lease(&LeaseCert { promises }).unwrap();
    assert_eq!(lease.lock.unwrap().token.epoch, Epoch(1));
    assert_eq!(later(None, None), None);
}

#[test]
fn a_certificate_is_about_a_register_of_the_spec() {
    let spec = sample::spec();
    let rules = rules(&spec);
    let changes: [(&str, Change); 5] = [
        ("job", |t| t.register.job = JobId::from_bytes([9; 32])),
        ("generation", |t| t.register.generation = Generation(1)),
        ("replica", |t| {
            t.register.slot = Slot::Replica(ReplicaIndex(2))
        }),
        ("end of the shards", |t| t.register.shards.count = 4),
        ("no shards", |t| t.register.shards.count = 0),
    ];
    let value = sample::ok_value();
    for (what, change) in changes {
        let mut token = token(2);
        change(&mut token);
        assert!(rules.check_register(&token.register).is_err(), "{what}");
        let promises = signed_by(2, |_| Promise {
            token,
            ..sample::promise_body(2, None)
        });
        assert_eq!(
            wrong(rules.lease(&LeaseCert { promises })),
            Wrong::Mixed,
            "{what}"
        );
        let votes = signed_by(2, |_| Vote {
            token,
            ..sample::vote_body(&value)
        });
        let cert = QuorumCert {
            value: value.clone(),
            votes,
        };
        assert_eq!(wrong(rules.certified(&cert)), Wrong::Mixed, "{what}");
    }
}
