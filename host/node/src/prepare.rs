//! From what a person asked for to a signed spec: program and inputs become blobs, paths are checked, limits are set.
//!
//! Everything here blocks on the disk and runs before there is a lease.

mod inputs;

pub(crate) use inputs::RESERVED;
pub use inputs::{Baseline, InputRequest, InputSource, PreopenRequest};

use crate::clock::{Clock, WALL_MS_MIN, random};
use inputs::Inputs;
use mutual_protocol::ids::{Codec, SealId};
use mutual_protocol::manifest::{GuestPath, GuestPathError, Manifest, ManifestError};
use mutual_protocol::membership::MembershipCert;
use mutual_protocol::spec::{
    Audience, FinalAt, JobSpec, Preopen, Profile, ProgramKind, ProgramRef, Regen, Requirements,
    ResultPolicy, Shape, SpecError, SpecLimits, Stdin, WitnessSet,
};
use mutual_protocol::{
    Cid, Generation, NodeId, OwnerId, PoolId, PublicKey, Signed, SigningKey, Verified, codec,
    limits,
};
use mutual_store::{
    BlockStore, DirectoryTreeError, ExportError, FileError, ImportError, ImportTreeError,
};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How long an attached run without a time limit may go on: the spec must end some day.
const OPEN_END_MS: u64 = 30 * 24 * 3600 * 1000;

/// What a person asked for.
#[derive(Debug)]
pub struct RunRequest {
    /// The program.
    pub program: ProgramRef,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// argv\[0\].
    pub argv0: String,
    /// The other arguments.
    pub arguments: Vec<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Stdin,
    /// Inputs at paths of the guest's root.
    pub inputs: Vec<InputRequest>,
    /// Folders with names of their own.
    pub preopens: Vec<PreopenRequest>,
    /// Paths that become outputs, beside `/out` and writable preopens.
    pub outputs: Vec<GuestPath>,
    /// Bounds.
    pub limits: SpecLimits,
    /// Milliseconds that outputs and logs are kept.
    pub keep_ms: u64,
    /// Most bytes of one input folder; more is refused.
    pub folder_bytes_max: u64,
}

/// A job that is ready to be offered.
#[derive(Debug)]
pub struct Prepared {
    /// The signed spec; it passed its checks.
    pub spec: Verified<JobSpec>,
    /// The input manifest.
    pub manifest: Manifest,
    /// What each writable preopen held, in the order of the spec's preopens.
    pub baselines: Vec<Baseline>,
    /// The program's bytes, for the compiler.
    pub program: Vec<u8>,
}

impl Prepared {
    /// Files that a writable root brought along: the guest may change them, unlike other inputs.
    pub(crate) fn root_entries(&self) -> impl Iterator<Item = GuestPath> {
        let roots = self
            .baselines
            .iter()
            .filter(|baseline| baseline.path.is_none());
        roots.flat_map(|baseline| baseline.entries.iter().map(|entry| entry.path.clone()))
    }
}

/// Keys of an attached run.
#[derive(Clone, Copy, Debug)]
pub struct RunKeys<'a> {
    /// Signs the spec, and is the only host that may claim it where there is no pool.
    pub owner: &'a SigningKey,
    /// The run's own witness.
    pub witness: PublicKey,
    /// The pool whose hosts may claim it instead.
    pub pool: Option<&'a ForPool>,
}

/// What a job needs to run on other hosts of a pool.
#[derive(Clone, Debug)]
pub struct ForPool {
    /// The pool.
    pub pool: PoolId,
    /// The owner's membership.
    pub membership: Signed<MembershipCert>,
    /// The hosts that may have it; every one of the pool when there is none.
    pub hosts: BTreeSet<NodeId>,
}

impl ForPool {
    fn audience(&self) -> Audience {
        if self.hosts.is_empty() {
            return Audience::Members;
        }
        Audience::Hosts(self.hosts.iter().copied().collect())
    }
}

/// Why there is no spec.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The wall clock was never set.
    #[error("the clock says {wall_ms} ms since 1970")]
    Clock {
        /// What it says.
        wall_ms: u64,
    },
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// An input file was not taken.
    #[error(transparent)]
    File(#[from] ImportError),
    /// An input folder was not taken.
    #[error(transparent)]
    Tree(#[from] ImportTreeError),
    /// An input is neither file nor folder, or cannot be looked at.
    #[error("{}", path.display())]
    Look {
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Content that an input names is not whole in the store.
    #[error("{cid} is not in the store")]
    Content {
        /// The content.
        cid: Cid,
        /// Why not.
        #[source]
        source: Box<ExportError>,
    },
    /// A folder that an input names is not whole in the store.
    #[error("{cid} is not a folder that is whole in the store")]
    Folder {
        /// The content.
        cid: Cid,
        /// Why not.
        #[source]
        source: Box<DirectoryTreeError>,
    },
    /// A path gets too long below its guest path.
    #[error("a path of the inputs is not valid")]
    Path(#[from] GuestPathError),
    /// Two inputs meet at one path.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] FileError),
    /// The spec breaks a rule.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

/// Names a program by its content, without keeping it.
pub fn program_ref(bytes: &[u8], kind: ProgramKind) -> ProgramRef {
    let mut keep_nothing = |_: mutual_content::Block<'_>| Ok::<(), std::convert::Infallible>(());
    let mut file = mutual_content::FileBuilder::new();
    let root = file
        .push(bytes, &mut keep_nothing)
        .and_then(|()| file.finish(&mut keep_nothing));
    let root = match root {
        Ok(root) => root,
        Err(never) => match never {},
    };
    ProgramRef {
        cid: root.cid,
        size: root.size,
        kind,
    }
}

/// Takes program and inputs into `store` and signs the spec.
///
/// # Errors
/// When an input cannot be taken, paths collide, or the request passes a limit.
pub fn prepare(
    store: &BlockStore,
    clock: &dyn Clock,
    keys: RunKeys<'_>,
    request: RunRequest,
) -> Result<Prepared, PrepareError> {
    let wall_ms = clock.wall_ms();
    if wall_ms < WALL_MS_MIN {
        return Err(PrepareError::Clock { wall_ms });
    }
    if !store.has(request.program.cid) {
        store.put_file(&request.bytes)?;
    }
    let Inputs {
        manifest,
        preopens,
        baselines,
    } = inputs::take(store, &request)?;
    let inputs = store.put_new(Codec::DagCbor, &codec::encode(&manifest))?;
    let seal_id = SealId::from_bytes(random().map_err(PrepareError::Random)?);
    let draft = Draft {
        inputs,
        preopens,
        seal_id,
        wall_ms,
    };
    let spec = draft.spec(keys, &request);
    spec.check()?;
    Ok(Prepared {
        spec: keys.owner.sign(spec),
        manifest,
        baselines,
        program: request.bytes,
    })
}

/// What is known after the inputs were taken.
struct Draft {
    inputs: Cid,
    preopens: Vec<Preopen>,
    seal_id: SealId,
    wall_ms: u64,
}

impl Draft {
    fn spec(self, keys: RunKeys<'_>, request: &RunRequest) -> JobSpec {
        let owner = keys.owner.public();
        let mut environment = request.environment.clone();
        environment.sort();
        let mut paths = request.outputs.clone();
        paths.sort();
        paths.dedup();
        let attempt_ms_max = request
            .limits
            .wall_ms_max
            .map_or(OPEN_END_MS, |wall| wall.saturating_add(600_000));
        JobSpec {
            previous: None,
            job: None,
            generation: Generation(0),
            pool: keys.pool.map(|pool| pool.pool),
            owner: OwnerId::from(owner),
            seal_id: self.seal_id,
            program: request.program,
            profile: Profile::plain(),
            argv0: request.argv0.clone(),
            arguments: request.arguments.clone(),
            environment,
            stdin: request.stdin,
            inputs: self.inputs,
            preopens: self.preopens,
            key_commitment: None,
            limits: request.limits,
            requirements: Requirements {
                cpus: 1,
                ..Requirements::default()
            },
            audience: match keys.pool {
                Some(pool) => pool.audience(),
                None => Audience::Hosts(vec![NodeId::from(owner)]),
            },
            shape: Shape::single(),
            witnesses: WitnessSet {
                keys: vec![keys.witness],
                quorum: 1,
            },
            lease_ttl_ms: limits::LEASE_TTL_MS_ATTACHED,
            // The owner's process is the witness: a host that does not reach it computes for nobody.
            run_on_ms_max: u64::from(limits::LEASE_TTL_MS_ATTACHED)
                * if keys.pool.is_some() { 1 } else { 10 },
            attempt_ms_max,
            retries: 0,
            not_before_ms: self.wall_ms,
            not_after_ms: self
                .wall_ms
                .saturating_add(attempt_ms_max)
                .saturating_add(OPEN_END_MS),
            result: ResultPolicy {
                stored_by: 0,
                paths,
                keep_ms: request.keep_ms,
            },
            priority: 0,
            price_max: None,
            final_at: FinalAt::Witnesses,
            regen: Regen::default(),
            membership: keys.pool.map(|pool| pool.membership.clone()),
            seal_cert: None,
        }
    }
}

#[cfg(test)]
mod tests;
