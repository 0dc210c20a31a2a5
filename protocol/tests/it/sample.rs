//! One value of every kind, always the same: an owner, two hosts and three witnesses agree on one job.

use mutual_protocol::ids::{Codec, Nonce, Signature};
use mutual_protocol::lease::cert::Rules;
use mutual_protocol::lease::{
    Cancel, CheckpointHead, Claim, Commit, Committed, LeaseCert, Nack, NackReason, Offer, Preempt,
    Promise, QuorumCert, Release, Renew, RenewAck, ResultCert, Stored, Value, Vote, VoteReq,
};
use mutual_protocol::manifest::{Entry, GuestPath, Manifest, Node};
use mutual_protocol::membership::{MembershipCert, Role};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::{AttemptRecord, Build, Receipt, Usage};
use mutual_protocol::sign::{Ed25519, Message};
use mutual_protocol::spec::{
    Audience, FinalAt, JobSpec, Preopen, Profile, ProgramKind, ProgramRef, Regen, Requirements,
    ResultPolicy, Shape, SpecLimits, Stdin, WitnessSet,
};
use mutual_protocol::{
    Cid, Digest, Epoch, FencingToken, Generation, NodeId, OwnerId, PoolId, PublicKey, RegisterId,
    ReplicaIndex, ShardIndex, ShardRange, Signed, SigningKey, Slot, Verified, Verifier,
};
use mutual_testkit::seeds;
use std::sync::LazyLock;

/// 1 January 2027, milliseconds since 1970.
pub(crate) const NEW_YEAR_MS: u64 = 1_798_761_600_000;
pub(crate) const POOL: [u8; 32] = *b"test seed of the key of a pool..";
const REGEN: [u8; 32] = *b"test seed of a key for regen....";

pub(crate) fn key(seed: &[u8; 32]) -> SigningKey {
    SigningKey::from_seed(seed)
}

pub(crate) fn owner() -> SigningKey {
    key(&seeds::OWNER)
}

pub(crate) fn host() -> SigningKey {
    key(&seeds::HOST)
}

pub(crate) fn node(key: &SigningKey) -> NodeId {
    NodeId::from(key.public())
}

/// The first `n` witnesses in the order of their keys.
pub(crate) fn witnesses(n: usize) -> Vec<SigningKey> {
    let mut keys: Vec<_> = seeds::WITNESSES.iter().take(n).map(key).collect();
    keys.sort_by_key(SigningKey::public);
    keys
}

pub(crate) fn pool() -> PoolId {
    PoolId::from(key(&POOL).public())
}

fn path(text: &str) -> GuestPath {
    GuestPath::parse(text).unwrap()
}

fn blob(name: &str) -> Cid {
    Cid::of(Codec::Raw, name.as_bytes())
}

pub(crate) fn membership(member: &SigningKey, role: Role) -> Verified<MembershipCert> {
    key(&POOL).sign(MembershipCert {
        pool: pool(),
        member: node(member),
        roles: vec![role],
        serial: 7,
        not_after_ms: NEW_YEAR_MS,
    })
}

pub(crate) fn manifest() -> Manifest {
    let file = |name: &str, size, executable| Entry {
        path: path(name),
        node: Node::File {
            cid: blob(name),
            size,
            executable,
        },
    };
    let empty = Entry {
        path: path("in/empty"),
        node: Node::Directory,
    };
    let script = file("in/run.sh", 42, true);
    Manifest::new(vec![script, empty, file("data.csv", 1 << 40, false)]).unwrap()
}

pub(crate) fn manifest_cid() -> Cid {
    Cid::of(Codec::DagCbor, &mutual_protocol::codec::encode(&manifest()))
}

/// What the owner signs in generation 0.
pub(crate) fn spec_body() -> JobSpec {
    JobSpec {
        previous: None,
        job: None,
        generation: Generation(0),
        pool: Some(pool()),
        owner: OwnerId::from(owner().public()),
        seal_id: mutual_protocol::ids::SealId::from_bytes([0x5e; 32]),
        program: ProgramRef {
            cid: blob("program"),
            size: 123_456,
            kind: ProgramKind::Component,
        },
        profile: Profile::plain(),
        argv0: "count".to_owned(),
        arguments: vec!["--top".to_owned(), "10".to_owned()],
        environment: vec![
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ("TZ".to_owned(), String::new()),
        ],
        stdin: Stdin::Blob(blob("stdin")),
        inputs: manifest_cid(),
        preopens: vec![Preopen {
            name: "data".to_owned(),
            path: Some(path("in")),
            writable: true,
        }],
        key_commitment: None,
        limits: SpecLimits {
            memory_bytes_max: 1 << 30,
            disk_bytes_max: 1 << 31,
            files_max: 1000,
            stdio_bytes_max: 1 << 20,
            wall_ms_max: Some(3_600_000),
            fuel_max: None,
        },
        requirements: requirements(),
        audience: Audience::Members,
        shape: Shape {
            tasks: 100,
            tasks_per_shard: 30,
            shards: 4,
            replicas: 2,
            agree: 2,
        },
        witnesses: witness_set(3, 2),
        lease_ttl_ms: 60_000,
        run_on_ms_max: 600_000,
        attempt_ms_max: 4_200_000,
        retries: 1,
        not_before_ms: NEW_YEAR_MS,
        not_after_ms: NEW_YEAR_MS + 7 * 86_400_000,
        result: ResultPolicy {
            stored_by: 1,
            paths: vec![path("report.txt"), path("work/log")],
            keep_ms: 604_800_000,
        },
        priority: -3,
        price_max: Some(25),
        final_at: FinalAt::Witnesses,
        regen: Regen {
            keys: vec![key(&REGEN).public()],
            threshold: 1,
        },
        membership: Some(membership(&owner(), Role::Submit).signed().clone()),
        seal_cert: None,
    }
}

/// The generation after it, with the other choice wherever there is one.
pub(crate) fn next_spec_body() -> JobSpec {
    let first = spec();
    let mut hosts = vec![node(&host()), node(&key(&seeds::OTHER_HOST))];
    hosts.sort();
    JobSpec {
        previous: Some(first.spec_hash()),
        job: Some(first.job()),
        generation: Generation(1),
        pool: None,
        stdin: Stdin::Attached,
        key_commitment: Some(Digest::of(b"data key")),
        audience: Audience::Hosts(hosts),
        witnesses: witness_set(1, 1),
        price_max: None,
        final_at: FinalAt::Owner,
        regen: Regen::default(),
        membership: None,
        seal_cert: Some(b"not verified yet".to_vec()),
        ..spec_body()
    }
}

pub(crate) fn witness_set(n: usize, quorum: u16) -> WitnessSet {
    let keys = witnesses(n).iter().map(SigningKey::public).collect();
    WitnessSet { keys, quorum }
}

pub(crate) fn spec() -> Verified<JobSpec> {
    static SPEC: LazyLock<Verified<JobSpec>> = LazyLock::new(|| owner().sign(spec_body()));
    SPEC.clone()
}

/// The rules of `spec` with real signatures.
pub(crate) fn rules(spec: &Verified<JobSpec>) -> Rules<'_> {
    Rules::new(spec, &Ed25519)
}

pub(crate) fn requirements() -> Requirements {
    Requirements {
        cpus: 2,
        memory_bytes_min: 1 << 30,
        disk_bytes_min: 1 << 31,
    }
}

pub(crate) fn register() -> RegisterId {
    RegisterId {
        job: spec().job(),
        generation: Generation(0),
        shards: ShardRange {
            first: ShardIndex(1),
            count: 2,
        },
        slot: Slot::Replica(ReplicaIndex(1)),
    }
}

/// Epoch 1 failed; the samples are about epoch 2.
pub(crate) fn token(epoch: u32) -> FencingToken {
    FencingToken {
        register: register(),
        epoch: Epoch(epoch),
    }
}

pub(crate) fn usage() -> Usage {
    Usage {
        fuel: 5_000_000_000,
        cpu_us: 2_500_000,
        wall_us: 3_000_000,
        memory_bytes_peak: 70_000_000,
        input_bytes: 123_498,
        output_bytes: 512,
    }
}

pub(crate) fn receipt() -> Verified<Receipt> {
    host().sign(Receipt {
        token: token(2),
        host: node(&host()),
        program: blob("program"),
        profile: Profile::plain().digest(),
        build: Some(Build {
            engine: "wasmtime 48.0.8".to_owned(),
            compiler: "cranelift".to_owned(),
            target: "x86_64".to_owned(),
        }),
        outcome: Outcome::Finished { exit_code: 0 },
        usage: usage(),
        manifest: Some(manifest_cid()),
        started_at_ms: NEW_YEAR_MS + 1,
        ended_at_ms: NEW_YEAR_MS + 3_001,
    })
}

pub(crate) fn attempt_body() -> AttemptRecord {
    AttemptRecord {
        token: token(2),
        host: node(&host()),
        outcome: Outcome::Finished { exit_code: 0 },
        blame: Blame::Guest,
        manifest: Some(manifest_cid()),
        receipt: receipt().digest(),
    }
}

pub(crate) fn attempt() -> Verified<AttemptRecord> {
    host().sign(attempt_body())
}

pub(crate) fn failure_body(epoch: u32) -> AttemptRecord {
    AttemptRecord {
        token: token(epoch),
        outcome: Outcome::Trapped {
            trap: "unreachable".to_owned(),
        },
        manifest: None,
        ..attempt_body()
    }
}

pub(crate) fn failure(epoch: u32) -> Verified<AttemptRecord> {
    host().sign(failure_body(epoch))
}

pub(crate) fn ok_value() -> Value {
    Value::Ok {
        manifest: manifest_cid(),
        receipt: receipt().digest(),
        attempt: attempt().signed().clone(),
    }
}

pub(crate) fn failed_value() -> Value {
    let attempts = [1, 2].map(|epoch| failure(epoch).signed().clone());
    Value::Failed {
        attempts: attempts.to_vec(),
    }
}

pub(crate) fn cancel() -> Verified<Cancel> {
    owner().sign(Cancel {
        register: register(),
    })
}

pub(crate) fn cancelled_value() -> Value {
    Value::Cancelled {
        order: cancel().signed().clone(),
    }
}

pub(crate) fn promise_body(epoch: u32, lock: Option<QuorumCert>) -> Promise {
    Promise {
        token: token(epoch),
        host: node(&host()),
        ttl_ms: 60_000,
        lock,
        sequence: 9,
        granted_at_ms: NEW_YEAR_MS + 10,
    }
}

pub(crate) fn vote_body(value: &Value) -> Vote {
    Vote {
        token: token(2),
        host: node(&host()),
        value: value.digest(),
    }
}

pub(crate) fn committed_body(value: &Value) -> Committed {
    Committed {
        token: token(2),
        host: node(&host()),
        value: value.digest(),
    }
}

/// What the first `count` witnesses say, each its own body.
pub(crate) fn signed_by<T: Message>(count: usize, body: impl Fn(usize) -> T) -> Vec<Signed<T>> {
    let sign = |(i, key): (usize, &SigningKey)| key.sign(body(i)).signed().clone();
    witnesses(3)[..count].iter().enumerate().map(sign).collect()
}

pub(crate) fn lease_cert() -> LeaseCert {
    let promises = signed_by(2, |_| promise_body(2, None));
    LeaseCert { promises }
}

pub(crate) fn quorum_cert() -> QuorumCert {
    let value = ok_value();
    let votes = signed_by(2, |_| vote_body(&value));
    QuorumCert { value, votes }
}

pub(crate) fn result_cert() -> ResultCert {
    let value = ok_value();
    let commits = signed_by(2, |_| committed_body(&value));
    ResultCert { value, commits }
}

fn checkpoint() -> CheckpointHead {
    CheckpointHead {
        sequence: 3,
        cid: blob("checkpoint"),
    }
}

pub(crate) fn stored() -> Verified<Stored> {
    key(&seeds::STRANGER).sign(Stored {
        manifest: manifest_cid(),
        total_bytes: manifest().total_bytes(),
        pinned_until_ms: NEW_YEAR_MS + 8 * 86_400_000,
    })
}

pub(crate) fn offer() -> Verified<Offer> {
    owner().sign(Offer {
        spec: Cid::of(Codec::DagCbor, &spec().signed().encode()),
        register: register(),
        epoch: Epoch(2),
        requirements: requirements(),
        failures: vec![failure(1).signed().clone()],
    })
}

pub(crate) fn claim() -> Verified<Claim> {
    host().sign(Claim {
        token: token(2),
        host: node(&host()),
        key_exchange: Some(Digest::from_bytes([0x25; 32])),
        membership: Some(membership(&host(), Role::Host).signed().clone()),
        nonce: Nonce::from_bytes([0x11; 16]),
        quote: Some(20),
    })
}

pub(crate) fn nack(reason: NackReason, decided: Option<ResultCert>) -> Nack {
    Nack {
        asked: token(3),
        reason,
        promised: Some(Epoch(2)),
        wait_ms: 1_500,
        decided,
    }
}

pub(crate) fn renew(number: u32, lease: Option<LeaseCert>) -> Verified<Renew> {
    host().sign(Renew {
        token: token(2),
        number,
        lease,
        usage: usage(),
        checkpoint: Some(checkpoint()),
    })
}

pub(crate) fn vote_req(value: Value) -> Verified<VoteReq> {
    host().sign(VoteReq {
        token: token(2),
        value,
        lease: lease_cert(),
        stored: vec![stored().signed().clone()],
    })
}

pub(crate) fn release() -> Verified<Release> {
    host().sign(Release {
        token: token(1),
        blame: Blame::Guest,
        attempt: Some(failure(1).signed().clone()),
        checkpoint: None,
    })
}

/// Is shown every kind of signed object.
pub(crate) trait Visitor {
    /// `name` is that of the vector file.
    fn visit<T: Message + PartialEq>(&mut self, name: &str, sample: Verified<T>);
}

/// Shows each sample, the two kinds of one message one after the other.
pub(crate) fn visit_all(visitor: &mut impl Visitor) {
    let witness = witnesses(1).remove(0);
    visitor.visit("job-spec", spec());
    visitor.visit("job-spec-next", owner().sign(next_spec_body()));
    visitor.visit("membership-cert", membership(&host(), Role::Host));
    visitor.visit("receipt", receipt());
    visitor.visit("attempt-record", attempt());
    visitor.visit("attempt-record-failed", failure(1));
    visitor.visit("offer", offer());
    visitor.visit("claim", claim());
    visitor.visit("promise", witness.sign(promise_body(2, None)));
    let locked = promise_body(3, Some(quorum_cert()));
    visitor.visit("promise-locked", witness.sign(locked));
    visitor.visit("nack", witness.sign(nack(NackReason::Leased, None)));
    let decided = nack(NackReason::Decided, Some(result_cert()));
    visitor.visit("nack-decided", witness.sign(decided));
    visitor.visit("renew-first", renew(1, Some(lease_cert())));
    visitor.visit("renew", renew(2, None));
    let ack = RenewAck {
        token: token(2),
        number: 2,
        ttl_ms: 60_000,
    };
    visitor.visit("renew-ack", witness.sign(ack));
    visitor.visit("stored", stored());
    visitor.visit("cancel", cancel());
    visitor.visit("vote-req", vote_req(ok_value()));
    visitor.visit("vote-req-failed", vote_req(failed_value()));
    visitor.visit("vote-req-cancelled", vote_req(cancelled_value()));
    visitor.visit("vote", witness.sign(vote_body(&ok_value())));
    let cert = quorum_cert();
    visitor.visit("commit", host().sign(Commit { cert }));
    visitor.visit("committed", witness.sign(committed_body(&ok_value())));
    visitor.visit("release", release());
    let (register, epoch) = (register(), Epoch(3));
    visitor.visit("preempt", owner().sign(Preempt { register, epoch }));
    crate::pool_sample::visit_all(visitor);
}

/// Somebody who has no part in the job.
pub(crate) fn stranger() -> SigningKey {
    key(&seeds::STRANGER)
}

/// Takes every signature, so that only the body can be wrong.
#[derive(Debug)]
pub(crate) struct Trusting;

impl Verifier for Trusting {
    fn verifies(&self, _: &PublicKey, _: &[u8], _: &Signature) -> bool {
        true
    }
}
