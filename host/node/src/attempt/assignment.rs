//! What an attempt is about, and what it works with.

use crate::prepare::Prepared;
use mutual_protocol::Verified;
use mutual_protocol::manifest::{GuestPath, Manifest};
use mutual_protocol::spec::JobSpec;
use mutual_runner::{CompileCache, CompiledProgram, Metering, ProgramKey, Spare, Spawner};
use mutual_store::{BlockStore, Cancel, StagingArea};
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
pub(crate) struct Tools {
    /// Content.
    pub(crate) blocks: BlockStore,
    /// Roots of guests.
    pub(crate) staging: Arc<StagingArea>,
    /// Compiled programs; without it each attempt compiles.
    pub(crate) cache: Option<Arc<CompileCache>>,
    /// Makes sandbox processes.
    pub(crate) spawner: Spawner,
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
    /// Bytes of inputs and program.
    pub(crate) fn bytes(&self) -> u64 {
        let program = self.spec.value().program.size;
        self.manifest.total_bytes().saturating_add(program)
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
