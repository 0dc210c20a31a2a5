//! The certificates of an ended run: kept as blobs, read back and verified like anybody else's.

use crate::record::Proofs;
use mutual_protocol::lease::cert::{CertError, Rules};
use mutual_protocol::lease::{LeaseCert, ResultCert, Value};
use mutual_protocol::receipt::Receipt;
use mutual_protocol::sign::{Ed25519, VerifyError};
use mutual_protocol::spec::{JobSpec, SpecError};
use mutual_protocol::{Cid, Signed, Verified, codec, ids::Codec, limits};
use mutual_store::{BlockStore, FileError, GetError};
use serde::{Serialize, de::DeserializeOwned};

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
    /// A blob is missing or damaged.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A blob is not what the record says.
    #[error("{cid} is not a {what}")]
    Form {
        /// The blob.
        cid: Cid,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
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

/// Certificates of one decided run.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// The spec.
    pub spec: &'a Verified<JobSpec>,
    /// The lease.
    pub lease: &'a LeaseCert,
    /// The decision.
    pub result: &'a ResultCert,
    /// The receipt.
    pub receipt: &'a Verified<Receipt>,
}

/// Keeps the certificates as blobs.
///
/// # Errors
/// When the store cannot be written.
pub fn keep(store: &BlockStore, bundle: &Bundle<'_>) -> Result<Proofs, FileError> {
    let put = |bytes: &[u8]| store.put_new(Codec::DagCbor, bytes);
    Ok(Proofs {
        spec: put(&bundle.spec.signed().encode())?,
        lease: put(&codec::encode(bundle.lease))?,
        result: put(&codec::encode(bundle.result))?,
        receipt: put(&bundle.receipt.signed().encode())?,
    })
}

/// Reads the certificates back and verifies each of them against the spec.
///
/// # Errors
/// When one is missing, damaged or not valid.
pub fn read(store: &BlockStore, proofs: &Proofs) -> Result<Shown, ProofError> {
    let spec = blob::<Signed<JobSpec>>(store, proofs.spec, "spec")?.verify(&Ed25519)?;
    spec.check()?;
    let rules = Rules::new(&spec, &Ed25519);
    let lease = rules.lease(&blob::<LeaseCert>(
        store,
        proofs.lease,
        "lease certificate",
    )?)?;
    let result = rules.decided(&blob::<ResultCert>(
        store,
        proofs.result,
        "result certificate",
    )?)?;
    let receipt = blob::<Signed<Receipt>>(store, proofs.receipt, "receipt")?.verify(&Ed25519)?;
    if receipt.value().token.register != result.token.register
        || lease.token.register != result.token.register
    {
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

fn blob<T: Serialize + DeserializeOwned>(
    store: &BlockStore,
    cid: Cid,
    what: &'static str,
) -> Result<T, ProofError> {
    let bytes = store.get(cid, limits::BLOCK_BYTES_MAX)?;
    codec::decode(&bytes, limits::BLOCK_BYTES_MAX).map_err(|source| ProofError::Form {
        cid,
        what,
        source,
    })
}
