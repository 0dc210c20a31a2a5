//! The job spec: everything that decides what runs, under which limits, and who keeps its leases.

mod check;

pub use check::SpecError;

use crate::ids::{Cid, Digest, Generation, NodeId, OwnerId, PoolId, PublicKey, SealId, SpecHash};
use crate::manifest::GuestPath;
use crate::membership::MembershipCert;
use crate::sign::{Message, Signed, Verified};
use serde::{Deserialize, Serialize};

/// What kind of binary the program is; told apart by its 8-byte header, never adapted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProgramKind {
    /// A core module for WASI 0.1 (preview 1).
    Module,
    /// A component for WASI 0.2.
    Component,
}

impl ProgramKind {
    /// Reads the magic number, layer and version (WebAssembly core specification §5.5.16; component model,
    /// Binary.md). `None` for anything else.
    pub fn of(header: &[u8]) -> Option<Self> {
        match header.get(..8)? {
            b"\0asm\x01\0\0\0" => Some(Self::Module),
            b"\0asm\x0d\0\x01\0" => Some(Self::Component),
            _ => None,
        }
    }
}

/// A content-addressed program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramRef {
    /// The binary: a UnixFS file or one raw block.
    pub cid: Cid,
    /// Length in bytes.
    pub size: u64,
    /// Module or component.
    pub kind: ProgramKind,
}

/// How time and randomness behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeterminismClass {
    /// Clocks run and randomness is random.
    Open,
    /// Both are derived from the job.
    Deterministic,
}

/// The semantic profile: what fixes a program's meaning and its fuel, on every machine and every build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name of the pinned WebAssembly feature set.
    pub features: String,
    /// Version of the metering pass; 0 is the plain path, metered by the engine.
    pub pass: u32,
    /// Version of the cost table.
    pub cost_table: u32,
    /// Version of the guest's world; 0 is the engine's own WASI.
    pub world: u32,
    /// Clocks and randomness.
    pub class: DeterminismClass,
}

impl Profile {
    /// The profile that this release runs: the plain path.
    pub fn plain() -> Self {
        Self {
            features: "mc-1".to_owned(),
            pass: 0,
            cost_table: 0,
            world: 0,
            class: DeterminismClass::Open,
        }
    }

    /// The profile's identity in receipts.
    pub fn digest(&self) -> Digest {
        Digest::of(&crate::codec::encode(self))
    }
}

/// Where the guest's standard input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stdin {
    /// Nothing: the first read sees the end.
    Empty,
    /// Streamed by the owner of an attached run.
    Attached,
    /// A blob.
    Blob(Cid),
}

/// A folder that the guest gets under a name of its own, beside the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preopen {
    /// The name as the guest sees it, byte for byte: `.`, `data` or `/data`.
    pub name: String,
    /// Where its content lies in the guest's root; none means the root itself, whose name is `/`.
    pub path: Option<GuestPath>,
    /// Whether what the guest changes comes back.
    pub writable: bool,
}

/// Bounds that the spec asks for; the host's policy may cap them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecLimits {
    /// Linear memory in bytes.
    pub memory_bytes_max: u64,
    /// Scratch space and outputs together in bytes.
    pub disk_bytes_max: u64,
    /// Files and folders that the guest may make.
    pub files_max: u64,
    /// stdout and stderr together in bytes.
    pub stdio_bytes_max: u64,
    /// From the guest's first instruction, milliseconds; none means until `not_after_ms`.
    pub wall_ms_max: Option<u64>,
    /// Fuel by the profile's cost table; none means not bounded.
    pub fuel_max: Option<u64>,
}

/// What a host must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Processor cores.
    pub cpus: u16,
    /// Physical memory in bytes.
    pub memory_bytes_min: u64,
    /// Disk in bytes.
    pub disk_bytes_min: u64,
}

/// Who may hold the lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Audience {
    /// These nodes.
    Hosts(Vec<NodeId>),
    /// Every member of the pool with the host role.
    Members,
}

/// The shape of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Tasks in all.
    pub tasks: u64,
    /// Tasks of one shard; the last shard may have fewer.
    pub tasks_per_shard: u32,
    /// Shards.
    pub shards: u32,
    /// Executions of each shard.
    pub replicas: u16,
    /// Equal results that the pick needs; 1 without replicas.
    pub agree: u16,
}

impl Shape {
    /// One task, run once.
    pub const fn single() -> Self {
        Self {
            tasks: 1,
            tasks_per_shard: 1,
            shards: 1,
            replicas: 1,
            agree: 1,
        }
    }
}

/// The nodes that keep the registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSet {
    /// Their keys, sorted, without repetition; n is their number.
    pub keys: Vec<PublicKey>,
    /// Quorum.
    pub quorum: u16,
}

impl WitnessSet {
    /// How many lying witnesses the set survives: any two quorums share one more than that.
    pub fn liars(&self) -> usize {
        (usize::from(self.quorum) * 2).saturating_sub(self.keys.len() + 1)
    }

    /// How many refusals make a quorum impossible: n - q + 1.
    pub fn blocking(&self) -> usize {
        (self.keys.len() + 1).saturating_sub(usize::from(self.quorum))
    }
}

/// Who has the last word on a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalAt {
    /// A quorum of witnesses: at most one result, whatever the owner does.
    Witnesses,
    /// The owner's counter-signature: allows a forced generation change.
    Owner,
}

/// Keys that may together start a new generation when the owner cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regen {
    /// The keys, sorted.
    pub keys: Vec<PublicKey>,
    /// How many of them; more than half, or 0 when there are none.
    pub threshold: u16,
}

/// What happens to outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultPolicy {
    /// Storage nodes that must hold every block before the vote; 0 means the owner of an attached run does.
    pub stored_by: u16,
    /// Guest paths that become the output, beside `/out` and the writable preopens.
    pub paths: Vec<GuestPath>,
    /// Milliseconds that outputs and logs are kept.
    pub keep_ms: u64,
}

/// One generation of a job, as its owner signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// The spec that this one follows; none in generation 0.
    pub previous: Option<SpecHash>,
    /// The job's id when generation > 0, whose own hash cannot give it.
    pub job: Option<crate::ids::JobId>,
    /// Revision.
    pub generation: Generation,
    /// The pool; none for a run on the owner's own machine.
    pub pool: Option<PoolId>,
    /// Signer.
    pub owner: OwnerId,
    /// Makes otherwise equal specs differ.
    pub seal_id: SealId,
    /// What runs.
    pub program: ProgramRef,
    /// What it means.
    pub profile: Profile,
    /// argv\[0\].
    pub argv0: String,
    /// The other arguments.
    pub arguments: Vec<String>,
    /// Environment variables, sorted by name, each once.
    pub environment: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Stdin,
    /// Manifest of inputs.
    pub inputs: Cid,
    /// Folders with names of their own.
    pub preopens: Vec<Preopen>,
    /// Commitment to the data key of a confidential job.
    pub key_commitment: Option<Digest>,
    /// Bounds.
    pub limits: SpecLimits,
    /// What the host must have.
    pub requirements: Requirements,
    /// Who may hold the lease.
    pub audience: Audience,
    /// Shards and replicas.
    pub shape: Shape,
    /// Who keeps the registers.
    pub witnesses: WitnessSet,
    /// T: length of a lease, milliseconds.
    pub lease_ttl_ms: u32,
    /// How long a holder that reaches no quorum may compute on, milliseconds.
    pub run_on_ms_max: u64,
    /// Longest life of one token by renewals, milliseconds.
    pub attempt_ms_max: u64,
    /// Further attempts after one that the guest is to blame for.
    pub retries: u16,
    /// Not before, milliseconds since 1970.
    pub not_before_ms: u64,
    /// Not after, milliseconds since 1970.
    pub not_after_ms: u64,
    /// Outputs.
    pub result: ResultPolicy,
    /// Higher goes first among one owner's jobs.
    pub priority: i32,
    /// Most that the owner pays, in the pool's unit; none where nothing is charged.
    pub price_max: Option<u64>,
    /// Who has the last word.
    pub final_at: FinalAt,
    /// Who may act for a lost owner.
    pub regen: Regen,
    /// The owner's membership of the pool.
    pub membership: Option<Signed<MembershipCert>>,
    /// Proof that the previous generation ended, encoded; none in generation 0.
    #[serde(with = "serde_bytes")]
    pub seal_cert: Option<Vec<u8>>,
}

impl Message for JobSpec {
    const TAG: &'static str = "spec";
    const SIZE_MAX: usize = 1 << 20;
}

impl Verified<JobSpec> {
    /// Hash of this generation's spec.
    pub fn spec_hash(&self) -> SpecHash {
        SpecHash::from_bytes(*self.digest().as_bytes())
    }

    /// The job's id.
    pub fn job(&self) -> crate::ids::JobId {
        self.value().job.unwrap_or_else(|| self.spec_hash().job())
    }
}
