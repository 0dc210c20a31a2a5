//! Keys, specs and short-hands for the tests.

use mutual_lease::{BootNanos, Context};
use mutual_protocol::ids::{Codec, Nonce, SealId};
use mutual_protocol::lease::{
    Claim, Commit, Committed, LeaseCert, Promise, QuorumCert, ResultCert, Value, Vote,
};
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::{
    Audience, FinalAt, JobSpec, Profile, ProgramKind, ProgramRef, Regen, Requirements,
    ResultPolicy, Shape, SpecLimits, Stdin, WitnessSet,
};
use mutual_protocol::{
    Cid, Digest, Epoch, FencingToken, Generation, NodeId, OwnerId, RegisterId, ReplicaIndex,
    ShardIndex, ShardRange, SigningKey, Slot, Verified,
};
use std::sync::Arc;

/// 2026-01-01T00:00:00Z.
pub(crate) const WALL_MS: u64 = 1_767_225_600_000;

/// The key with this number.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

pub(crate) fn owner_key() -> SigningKey {
    key(1)
}

/// Host keys are 10, 11, …
pub(crate) fn host_key(i: u8) -> SigningKey {
    key(10 + i)
}

pub(crate) fn host(i: u8) -> NodeId {
    NodeId::from(host_key(i).public())
}

/// Witness keys, sorted by public key as the spec has them.
pub(crate) fn witness_keys(n: u8) -> Vec<SigningKey> {
    let mut keys: Vec<_> = (0..n).map(|i| key(100 + i)).collect();
    keys.sort_by_key(SigningKey::public);
    keys
}

pub(crate) fn at(ms: u64) -> Context<'static> {
    Context {
        now: BootNanos(ms * 1_000_000),
        wall_ms: WALL_MS + ms,
        random: [7; 16],
        verifier: &Ed25519,
    }
}

/// A spec of one shard for two hosts; n decides q. T is 10 s.
pub(crate) fn draft(n: u8) -> JobSpec {
    let quorum = match n {
        1 => 1,
        3 => 2,
        4 | 5 => 3,
        _ => 5,
    };
    let program = Cid::of(Codec::Raw, b"program");
    let mut hosts = vec![host(0), host(1), host(2)];
    hosts.sort();
    JobSpec {
        previous: None,
        job: None,
        generation: Generation(0),
        pool: None,
        owner: OwnerId::from(owner_key().public()),
        seal_id: SealId::from_bytes([5; 32]),
        program: ProgramRef {
            cid: program,
            size: 8,
            kind: ProgramKind::Module,
        },
        profile: Profile::plain(),
        argv0: "p".to_owned(),
        arguments: vec![],
        environment: vec![],
        stdin: Stdin::Empty,
        inputs: Cid::of(Codec::DagCbor, b"\x80"),
        preopens: vec![],
        key_commitment: None,
        limits: SpecLimits {
            memory_bytes_max: 1 << 20,
            disk_bytes_max: 1 << 20,
            files_max: 10,
            stdio_bytes_max: 1 << 20,
            wall_ms_max: None,
            fuel_max: None,
        },
        requirements: Requirements::default(),
        audience: Audience::Hosts(hosts),
        shape: Shape::single(),
        witnesses: WitnessSet {
            keys: witness_keys(n).iter().map(SigningKey::public).collect(),
            quorum,
        },
        lease_ttl_ms: 10_000,
        run_on_ms_max: 100_000,
        attempt_ms_max: 600_000,
        retries: 0,
        not_before_ms: WALL_MS,
        not_after_ms: WALL_MS + 86_400_000,
        result: ResultPolicy {
            stored_by: 0,
            paths: vec![],
            keep_ms: 1,
        },
        priority: 0,
        price_max: None,
        final_at: FinalAt::Witnesses,
        regen: Regen::default(),
        membership: None,
        seal_cert: None,
    }
}

pub(crate) fn signed(draft: JobSpec) -> Arc<Verified<JobSpec>> {
    let spec = owner_key().sign(draft);
    spec.check().unwrap();
    Arc::new(spec)
}

/// The first register of a job.
pub(crate) fn register(spec: &Verified<JobSpec>) -> RegisterId {
    RegisterId {
        job: spec.job(),
        generation: Generation(0),
        shards: ShardRange::one(ShardIndex(0)),
        slot: Slot::Replica(ReplicaIndex(0)),
    }
}

pub(crate) fn token(register: RegisterId, epoch: u32) -> FencingToken {
    let epoch = Epoch(epoch);
    FencingToken { register, epoch }
}

pub(crate) fn claim(token: FencingToken, key: &SigningKey) -> Verified<Claim> {
    key.sign(Claim {
        token,
        host: NodeId::from(key.public()),
        key_exchange: None,
        membership: None,
        nonce: Nonce::from_bytes([0; 16]),
        quote: None,
    })
}

/// A promise as a witness would make it.
pub(crate) fn promise(token: FencingToken, host: NodeId, lock: Option<QuorumCert>) -> Promise {
    Promise {
        token,
        host,
        ttl_ms: 10_000,
        lock,
        sequence: 1,
        granted_at_ms: WALL_MS,
    }
}

/// A lease certificate from the first witnesses of `keys`.
pub(crate) fn lease(keys: &[SigningKey], promise: &Promise) -> LeaseCert {
    let promises = keys.iter().map(|key| key.sign(promise.clone()));
    LeaseCert {
        promises: promises.map(|p| p.signed().clone()).collect(),
    }
}

/// What a host records about an attempt. Different texts give different outputs.
pub(crate) fn record(
    token: FencingToken,
    key: &SigningKey,
    outcome: Outcome,
    text: &str,
) -> Verified<AttemptRecord> {
    let manifest = Cid::of(Codec::DagCbor, text.as_bytes());
    key.sign(AttemptRecord {
        token,
        host: NodeId::from(key.public()),
        blame: outcome.blame(),
        manifest: outcome.is_finished().then_some(manifest),
        receipt: Digest::of(text.as_bytes()),
        outcome,
    })
}

pub(crate) fn finished(
    token: FencingToken,
    key: &SigningKey,
    text: &str,
) -> Verified<AttemptRecord> {
    record(token, key, Outcome::Finished { exit_code: 0 }, text)
}

pub(crate) fn trapped(token: FencingToken, key: &SigningKey) -> Verified<AttemptRecord> {
    let trap = "unreachable".to_owned();
    record(token, key, Outcome::Trapped { trap }, "trap")
}

/// The value that a finished attempt stands for.
pub(crate) fn ok(record: &Verified<AttemptRecord>) -> Value {
    Value::Ok {
        manifest: record.value().manifest.unwrap(),
        receipt: record.value().receipt,
        attempt: record.signed().clone(),
    }
}

pub(crate) fn quorum_cert(
    keys: &[SigningKey],
    token: FencingToken,
    host: NodeId,
    value: &Value,
) -> QuorumCert {
    let vote = Vote {
        token,
        host,
        value: value.digest(),
    };
    let votes = keys.iter().map(|key| key.sign(vote.clone()));
    QuorumCert {
        value: value.clone(),
        votes: votes.map(|v| v.signed().clone()).collect(),
    }
}

pub(crate) fn result_cert(
    keys: &[SigningKey],
    token: FencingToken,
    host: NodeId,
    value: &Value,
) -> ResultCert {
    let committed = Committed {
        token,
        host,
        value: value.digest(),
    };
    let commits = keys.iter().map(|key| key.sign(committed.clone()));
    ResultCert {
        value: value.clone(),
        commits: commits.map(|c| c.signed().clone()).collect(),
    }
}

pub(crate) fn commit(cert: QuorumCert, key: &SigningKey) -> Verified<Commit> {
    key.sign(Commit { cert })
}
