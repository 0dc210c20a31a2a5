//! What an attempt used and how it ended, signed by the host that computed it.

use crate::ids::{Cid, Digest, FencingToken, NodeId};
use crate::outcome::{Blame, Outcome};
use crate::sign::Message;
use serde::{Deserialize, Serialize};

/// What an attempt used. Measured by the sandbox's parent and the kernel, except `fuel`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Fuel by the semantic profile's cost table.
    pub fuel: u64,
    /// CPU time of the sandbox process, user and system, in microseconds.
    pub cpu_us: u64,
    /// From the claim to the end, in microseconds.
    pub wall_us: u64,
    /// Peak resident memory of the sandbox process in bytes.
    pub memory_bytes_peak: u64,
    /// Bytes of program and inputs.
    pub input_bytes: u64,
    /// Bytes of outputs and logs.
    pub output_bytes: u64,
}

/// How a program was compiled. Any build of one semantic profile gives the same result and the same fuel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Engine and version, for example `wasmtime 48.0.8`.
    pub engine: String,
    /// Compiler, for example `cranelift`.
    pub compiler: String,
    /// Instruction set and features, hashed.
    pub target: String,
}

/// A host's statement of use. Signer: the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Which attempt.
    pub token: FencingToken,
    /// Who computed.
    pub host: NodeId,
    /// The program.
    pub program: Cid,
    /// Digest of the semantic profile.
    pub profile: Digest,
    /// How it was compiled; none when it never was.
    pub build: Option<Build>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// Output manifest, when there is one.
    pub manifest: Option<Cid>,
    /// Start by the host's wall clock, milliseconds since 1970; informative.
    pub started_at_ms: u64,
    /// End by the host's wall clock, milliseconds since 1970; informative.
    pub ended_at_ms: u64,
}

impl Message for Receipt {
    const TAG: &'static str = "receipt";
    const SIZE_MAX: usize = 4 << 10;
}

/// Who computed which value at which token. Travels inside every value. Signer: the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptRecord {
    /// Which attempt.
    pub token: FencingToken,
    /// Who computed.
    pub host: NodeId,
    /// How it ended.
    pub outcome: Outcome,
    /// Whose doing.
    pub blame: Blame,
    /// Output manifest, when there is one.
    pub manifest: Option<Cid>,
    /// Digest of the receipt's signed bytes.
    pub receipt: Digest,
}

impl Message for AttemptRecord {
    const TAG: &'static str = "attempt";
    const SIZE_MAX: usize = 4 << 10;
}
