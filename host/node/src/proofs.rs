//! The certificates of an ended run: kept as one block, read back and verified like anybody else's.

use mutual_protocol::lease::cert::{CertError, Rules};
use mutual_protocol::lease::{LeaseCert, ResultCert, Value};
use mutual_protocol::manifest::GuestPath;
use mutual_protocol::receipt::Receipt;
use mutual_protocol::sign::{Ed25519, VerifyError};
use mutual_protocol::spec::{JobSpec, SpecError};
use mutual_protocol::{Cid, JobId, NodeId, Signed, Verified, codec, ids::Codec, limits};
use mutual_store::{BlockStore, FileError, GetError};
use serde::{Deserialize, Serialize};

/// What the certificates of a run prove, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Who signed the spec.
    pub owner: String,
    /// Who held the lease.
    pub holder: String,
    /// At which epoch.
    pub epoch: u32,
    /// Witnesses of the job.
    pub witnesses: usize,
    /// Signatures that the certificates need.
    pub quorum: u16,
    /// `ok`, `failed` or `cancelled`.
    pub decided: &'static str,
    /// Engine and compiler; `none` when the program was never compiled.
    pub build: String,
}

/// Why certificates prove nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The block is missing or damaged.
    #[error(transparent)]
    Get(#[from] GetError),
    /// The block holds something else.
    #[error("{cid} holds no certificates")]
    Form {
        /// The block.
        cid: Cid,
        /// Why not.
        #[source]
        source: codec::DecodeError,
    },
    /// A signature is not valid.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// The spec breaks a rule.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A certificate is not valid.
    #[error(transparent)]
    Cert(#[from] CertError),
    /// The parts are valid and do not belong together.
    #[error("the certificates do not belong together")]
    Mixed,
}

/// Certificates of one decided run: everything that a stranger needs to check it, in one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The spec.
    pub spec: Signed<JobSpec>,
    /// The lease of the deciding attempt.
    pub lease: LeaseCert,
    /// The decision.
    pub result: ResultCert,
    /// The receipt.
    pub receipt: Signed<Receipt>,
}

/// Keeps the certificates as one block.
///
/// # Errors
/// When the store cannot be written.
pub fn keep(store: &BlockStore, bundle: &Bundle) -> Result<Cid, FileError> {
    store.put_new(Codec::DagCbor, &codec::encode(bundle))
}

/// The folders that a run's guest had under names of their own: where their files are in manifests, and the name.
///
/// # Errors
/// When the block is missing or damaged.
pub fn named_folders(store: &BlockStore, cid: Cid) -> Result<Vec<(GuestPath, String)>, ProofError> {
    let spec = read_bundle(store, cid)?.spec.verify(&Ed25519)?;
    let preopens = spec.value().preopens.iter();
    Ok(preopens
        .filter_map(|preopen| Some((preopen.path.clone()?, preopen.name.clone())))
        .collect())
}

fn read_bundle(store: &BlockStore, cid: Cid) -> Result<Bundle, ProofError> {
    let bytes = store.get(cid, limits::BLOCK_BYTES_MAX)?;
    codec::decode(&bytes, limits::BLOCK_BYTES_MAX)
        .map_err(|source| ProofError::Form { cid, source })
}

/// Whether the decided value speaks of this receipt. A cancelled job decides no result, and so names none.
fn names(value: &Value, receipt: &Verified<Receipt>) -> Result<bool, VerifyError> {
    let attempt = match value {
        Value::Ok { attempt, .. } => Some(attempt),
        Value::Failed { attempts } => attempts.last(),
        Value::Cancelled { .. } => return Ok(true),
    };
    let record = attempt
        .map(|attempt| attempt.verify(&Ed25519))
        .transpose()?;
    Ok(record.is_some_and(|record| record.value().receipt == receipt.digest()))
}

/// Reads the certificates of `job` back, verifies each of them against the spec, and that they belong together.
///
/// # Errors
/// When the block is missing or damaged, or a certificate is not valid.
pub fn read(store: &BlockStore, cid: Cid, job: &JobId) -> Result<Shown, ProofError> {
    let bundle = read_bundle(store, cid)?;
    let spec = bundle.spec.verify(&Ed25519)?;
    spec.check()?;
    let rules = Rules::new(&spec, &Ed25519);
    let lease = rules.lease(&bundle.lease)?;
    let result = rules.decided(&bundle.result)?;
    let receipt = bundle.receipt.verify(&Ed25519)?;
    let register = result.token.register;
    let computed_by_holder =
        receipt.value().host == lease.host && NodeId::from(receipt.signer()) == lease.host;
    let same_work = receipt.value().token == lease.token && lease.token.register == register;
    if spec.job() != *job || !computed_by_holder || !same_work || !names(&result.value, &receipt)? {
        return Err(ProofError::Mixed);
    }
    let build = receipt.value().build.as_ref().map_or_else(
        || "none".to_owned(),
        |b| format!("{} ({})", b.engine, b.compiler),
    );
    Ok(Shown {
        owner: spec.value().owner.to_string(),
        holder: result.host.to_string(),
        epoch: result.token.epoch.0,
        witnesses: spec.value().witnesses.keys.len(),
        quorum: spec.value().witnesses.quorum,
        decided: match result.value {
            Value::Ok { .. } => "ok",
            Value::Failed { .. } => "failed",
            Value::Cancelled { .. } => "cancelled",
        },
        build,
    })
}
