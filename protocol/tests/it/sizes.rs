//! The largest messages that honest nodes can make fit the caps of their kinds.

use crate::pool_sample;
use crate::sample::{self, node, register};
use mutual_protocol::admission::JoinRequest;
use mutual_protocol::bounded::List;
use mutual_protocol::codec;
use mutual_protocol::discovery::{Contact, HostRecord, Issue, JobAd};
use mutual_protocol::lease::{
    CheckpointHead, Claim, Commit, Committed, LeaseCert, Nack, NackReason, Offer, Promise,
    QuorumCert, Release, Renew, ResultCert, Value, Vote, VoteReq,
};
use mutual_protocol::manifest::GuestPath;
use mutual_protocol::membership::{MembershipCert, Role};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::sign::{Ed25519, Message};
use mutual_protocol::spec::{Audience, JobSpec, Preopen, Regen, Requirements};
use mutual_protocol::{
    Digest, Epoch, FencingToken, Generation, NodeId, OwnerId, PoolId, PublicKey, RegisterId,
    ReplicaIndex, ShardIndex, ShardRange, Signed, Slot, limits,
};

/// The token whose numbers take the most bytes.
fn token() -> FencingToken {
    let register = RegisterId {
        generation: Generation(u64::MAX),
        shards: ShardRange {
            first: ShardIndex(u32::MAX),
            count: u32::MAX,
        },
        slot: Slot::Replica(ReplicaIndex(u16::MAX)),
        ..register()
    };
    let epoch = Epoch(u32::MAX);
    FencingToken { register, epoch }
}

/// Signs it, takes it through the decoder, and returns its envelope.
#[track_caller]
fn fits<T: Message>(body: T) -> Signed<T> {
    let signed = sample::host().sign(body).signed().clone();
    let size = signed.body().len();
    let read = Signed::<T>::decode(&signed.encode())
        .map(|signed| signed.verify(&Ed25519).map(|verified| verified.digest()));
    assert!(matches!(read, Ok(Ok(_))), "{}: {size}: {read:?}", T::TAG);
    signed
}

/// A record of just the largest size that is decoded.
fn largest_attempt() -> Signed<AttemptRecord> {
    let record = |detail: usize| AttemptRecord {
        token: token(),
        outcome: Outcome::HostFailed {
            code: "mc::store::full".to_owned(),
            detail: "x".repeat(detail),
        },
        ..sample::attempt_body()
    };
    let spare = AttemptRecord::SIZE_MAX - codec::encode(&record(1000)).len();
    let signed = fits(record(1000 + spare));
    assert_eq!(signed.body().len(), AttemptRecord::SIZE_MAX);
    signed
}

fn largest_value() -> Value {
    Value::Failed {
        attempts: vec![largest_attempt(); limits::ATTEMPTS_MAX],
    }
}

fn largest_lock() -> QuorumCert {
    let vote = fits(Vote {
        token: token(),
        host: node(&sample::host()),
        value: Digest::of(b""),
    });
    QuorumCert {
        value: largest_value(),
        votes: vec![vote; limits::WITNESSES_MAX],
    }
}

fn largest_lease() -> LeaseCert {
    let promise = fits(Promise {
        token: token(),
        host: node(&sample::host()),
        ttl_ms: u32::MAX,
        lock: Some(largest_lock()),
        sequence: u64::MAX,
        granted_at_ms: u64::MAX,
    });
    LeaseCert {
        promises: vec![promise; limits::WITNESSES_MAX],
    }
}

#[test]
fn the_largest_certificates_fit_the_messages_that_carry_them() {
    let cert = largest_lock();
    fits(Commit { cert });
    let commit = fits(Committed {
        token: token(),
        host: node(&sample::host()),
        value: Digest::of(b""),
    });
    fits(Nack {
        asked: token(),
        reason: NackReason::EpochTooHigh,
        promised: Some(Epoch(u32::MAX)),
        wait_ms: u32::MAX,
        decided: Some(ResultCert {
            value: largest_value(),
            commits: vec![commit; limits::WITNESSES_MAX],
        }),
    });
    fits(Renew {
        token: token(),
        number: u32::MAX,
        lease: Some(largest_lease()),
        usage: sample::usage(),
        checkpoint: None,
    });
    let stored = sample::stored().signed().clone();
    fits(VoteReq {
        token: token(),
        value: largest_value(),
        lease: largest_lease(),
        stored: vec![stored; 16],
    });
}

#[test]
fn every_allowed_failure_fits_an_offer_and_the_last_one_a_release() {
    fits(Offer {
        spec: sample::manifest_cid(),
        register: token().register,
        epoch: token().epoch,
        requirements: Requirements {
            cpus: u16::MAX,
            memory_bytes_min: u64::MAX,
            disk_bytes_min: u64::MAX,
        },
        failures: vec![largest_attempt(); limits::ATTEMPTS_MAX],
    });
    fits(Release {
        token: token(),
        blame: Blame::Network,
        attempt: Some(largest_attempt()),
        checkpoint: Some(CheckpointHead {
            sequence: u64::MAX,
            cid: sample::manifest_cid(),
        }),
    });
}

#[test]
fn a_claim_with_the_largest_membership_fits() {
    let largest = MembershipCert {
        pool: PoolId::from_bytes([0xff; 32]),
        member: node(&sample::host()),
        roles: vec![
            Role::Submit,
            Role::Host,
            Role::Witness,
            Role::Store,
            Role::Relay,
            Role::Gateway,
        ],
        serial: u64::MAX,
        not_after_ms: u64::MAX,
    };
    fits(Claim {
        token: token(),
        host: node(&sample::host()),
        key_exchange: Some(Digest::of(b"")),
        membership: Some(fits(largest)),
        nonce: mutual_protocol::ids::Nonce::from_bytes([0xff; 16]),
        quote: Some(u64::MAX),
    });
}

#[test]
fn the_largest_record_and_ad_fit() {
    let address = pool_sample::line(&"a".repeat(limits::ADDRESS_BYTES_MAX));
    let addresses = List::new(vec![address; limits::ADDRESSES_MAX]).unwrap();
    let issue = Issue {
        sequence: u64::MAX,
        issued_at_ms: u64::MAX,
        life_ms: u32::MAX,
    };
    fits(HostRecord {
        name: pool_sample::line(&"n".repeat(limits::HOST_NAME_BYTES_MAX)),
        issue,
        memory_bytes: u64::MAX,
        disk_bytes: u64::MAX,
        build: pool_sample::line(&"b".repeat(limits::LINE_BYTES_MAX)),
        addresses: addresses.clone(),
        ..pool_sample::host_record_body()
    });
    let contact = |(i, key): (usize, &_)| Contact {
        node: node(key),
        addresses: List::cut(addresses.iter().take(if i == 0 { 16 } else { 0 }).cloned()),
    };
    let contacts = sample::witnesses(7)
        .iter()
        .enumerate()
        .map(contact)
        .collect();
    fits(JobAd {
        issue,
        generation: Generation(u64::MAX),
        witnesses: List::new(contacts).unwrap(),
        ..pool_sample::job_ad_body()
    });
}

#[test]
fn the_largest_request_to_join_fits() {
    fits(JoinRequest {
        name: pool_sample::line(&"n".repeat(limits::HOST_NAME_BYTES_MAX)),
        roles: [
            Role::Submit,
            Role::Host,
            Role::Witness,
            Role::Store,
            Role::Relay,
            Role::Gateway,
        ]
        .into(),
        wall_ms: u64::MAX,
        ..pool_sample::join_body()
    });
}

/// Every list as long as the rules allow; what the rules do not bound is bounded by the cap itself.
#[test]
fn the_largest_spec_fits() {
    let long = |i: usize| {
        let name = "n".repeat(limits::NAME_BYTES_MAX);
        let path = [name.as_str(); limits::PATH_BYTES_MAX / (limits::NAME_BYTES_MAX + 1)].join("/");
        GuestPath::parse(&format!("{}{i:03}", &path[..path.len() - 3])).unwrap()
    };
    let keys: Vec<PublicKey> = (0..=255).map(|b| PublicKey::from_bytes([b; 32])).collect();
    let preopen = |i| Preopen {
        name: format!("{i:0>255}"),
        path: Some(long(i)),
        writable: true,
    };
    let mut spec = JobSpec {
        owner: OwnerId::from(sample::host().public()),
        argv0: String::new(),
        arguments: vec![String::new(); limits::ARGUMENTS_MAX],
        environment: (0..limits::ARGUMENTS_MAX)
            .map(|i| (format!("V{i:05}"), String::new()))
            .collect(),
        preopens: (0..limits::PREOPENS_MAX).map(preopen).collect(),
        audience: Audience::Hosts(keys.iter().copied().map(NodeId::from).collect()),
        witnesses: sample::witness_set(7, 5),
        regen: Regen {
            keys: keys[..limits::REGEN_KEYS_MAX].to_vec(),
            threshold: 16,
        },
        ..sample::spec_body()
    };
    spec.result.paths = (0..limits::PREOPENS_MAX).map(long).collect();
    let used = spec.arguments.len() + spec.environment.len() * (6 + 2);
    spec.argv0 = "a".repeat(limits::ARGUMENT_BYTES_MAX - used);
    let signed = fits(spec);
    assert_eq!(signed.verify(&Ed25519).unwrap().check(), Ok(()));
}
