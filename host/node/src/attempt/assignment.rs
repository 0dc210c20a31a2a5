//! What an attempt is about, and what it works with.

use super::sandbox::{content_code, failed};
use crate::prepare::Prepared;
use mutual_protocol::manifest::{GuestPath, Manifest};
use mutual_protocol::outcome::Outcome;
use mutual_protocol::spec::{JobSpec, Preopen};
use mutual_protocol::{Verified, codec, codes, limits};
use mutual_runner::{CompileCache, CompiledProgram, Metering, ProgramKey, Spare, Spawner};
use mutual_store::{BlockStore, Cancel, ExportError, StagingArea};
use std::sync::{Arc, Mutex};

/// A job with everything that its attempt needs of the job.
#[derive(Debug)]
pub(crate) struct Assignment {
    /// The signed spec; it passed its checks.
    pub(crate) spec: Verified<JobSpec>,
    /// The input manifest.
    pub(crate) manifest: Manifest,
    /// Files that a writable root brought along: the guest may change them, unlike other inputs.
    pub(crate) writable_root: Vec<GuestPath>,
    /// The program's bytes, for the compiler; empty where its compiled code is there.
    pub(crate) program: Vec<u8>,
}

/// What a machine runs attempts with. Clones share all of it.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Content.
    pub blocks: BlockStore,
    /// Roots of guests.
    pub staging: Arc<StagingArea>,
    /// Compiled programs; without it each attempt compiles.
    pub cache: Option<Arc<CompileCache>>,
    /// Makes sandbox processes.
    pub spawner: Spawner,
}

/// What the threads of one attempt share with the loop.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) assignment: Assignment,
    /// Ends the attempt's work with the store.
    pub(crate) cancel: Cancel,
    /// Ends with `cancel`.
    pub(super) blocks: BlockStore,
    pub(super) tools: Tools,
    code: Mutex<Option<CompiledProgram>>,
    spare: Mutex<Option<Spare>>,
}

impl From<Prepared> for Assignment {
    fn from(prepared: Prepared) -> Self {
        let writable_root = prepared.root_entries().collect();
        Self {
            spec: prepared.spec,
            manifest: prepared.manifest,
            writable_root,
            program: prepared.program,
        }
    }
}

impl Assignment {
    /// Reads manifest and program, which are in the store. Blocks on the disk.
    ///
    /// # Errors
    /// How the attempt ends when one of them is damaged or missing.
    pub(crate) fn load(
        blocks: &BlockStore,
        spec: &Verified<JobSpec>,
        wants_program: bool,
    ) -> Result<Self, Outcome> {
        let value = spec.value();
        let manifest = blocks
            .get(value.inputs, limits::MANIFEST_BYTES_MAX)
            .map_err(ExportError::Get)
            .map_err(|e| failed(content_code(&e), &e))?;
        let manifest: Manifest =
            codec::decode(&manifest, limits::MANIFEST_BYTES_MAX).map_err(|e| rejected(&e))?;
        let program = if wants_program {
            let read = blocks.read_file(value.program.cid, limits::PROGRAM_BYTES_MAX);
            read.map_err(|e| failed(content_code(&e), &e))?
        } else {
            Vec::new()
        };
        Ok(Self {
            spec: spec.clone(),
            writable_root: writable_root(value, &manifest),
            manifest,
            program,
        })
    }

    /// Bytes of inputs and program.
    pub(crate) fn bytes(&self) -> u64 {
        let program = self.spec.value().program.size;
        self.manifest.total_bytes().saturating_add(program)
    }
}

/// Which inputs a writable root brought along is not told apart from other inputs: all of them are the guest's then.
fn writable_root(spec: &JobSpec, manifest: &Manifest) -> Vec<GuestPath> {
    let has_root = |preopen: &Preopen| preopen.writable && preopen.path.is_none();
    let paths = manifest.entries().iter().map(|entry| entry.path.clone());
    paths
        .filter(|_| spec.preopens.iter().any(has_root))
        .collect()
}

fn rejected(error: &dyn std::error::Error) -> Outcome {
    Outcome::Rejected {
        code: codes::STORE_DAMAGED.code.to_owned(),
        detail: format!("the input manifest: {error}"),
    }
}

impl Tools {
    /// The compiled code that `spec` needs, when it is there.
    pub(crate) fn compiled(&self, spec: &JobSpec) -> Option<CompiledProgram> {
        let key = ProgramKey {
            program: spec.program.cid,
            kind: spec.program.kind,
            metering: Metering::of(&spec.limits),
        };
        self.cache.as_ref()?.find(&key)
    }
}

impl Shared {
    /// `code` and `spare` save the attempt the time to make them.
    pub(crate) fn new(
        tools: Tools,
        assignment: Assignment,
        (code, spare): (Option<CompiledProgram>, Option<Spare>),
    ) -> Self {
        let cancel = Cancel::default();
        Self {
            assignment,
            blocks: tools.blocks.with_cancel(cancel.clone()),
            cancel,
            tools,
            code: Mutex::new(code),
            spare: Mutex::new(spare),
        }
    }

    pub(super) fn take_code(&self) -> Option<CompiledProgram> {
        self.code.lock().ok().and_then(|mut code| code.take())
    }

    pub(super) fn take_spare(&self) -> Option<Spare> {
        self.spare.lock().ok().and_then(|mut spare| spare.take())
    }
}
