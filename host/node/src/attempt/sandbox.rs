//! From a leased job to a running guest: compiled code, a staged root, a runner.

use super::{Assignment, Shared};
use crate::outputs::{self, CollectError, Collected};
use mutual_protocol::codes::{self, Code};
use mutual_protocol::outcome::Outcome;
use mutual_protocol::spec::{JobSpec, Stdin};
use mutual_protocol::{FencingToken, Verified};
use mutual_runner::{
    Access, CompileLimits, CompileRequest, CompiledProgram, DiskUse, Job, Metering, Preopen,
    ProgramKey, Running, SealedFile, StdinMode, compile,
};
use mutual_store::{
    CollectTreeError, ExportError, Fault, FileError, GetError, MaterialiseError, Staging,
};
use std::error::Error;
use std::path::{Path, PathBuf};

/// A disk with less space left has refused what a guest wrote: guests write up to this much at once.
const DISK_BYTES_LEFT: u64 = 64 << 10;

/// Compiled programs on this machine's disk, in bytes; those used longest ago go first. CPython takes 80 MiB.
const CACHE_BYTES_MAX: u64 = 4 << 30;

/// The folders that every guest finds in its root: for its outputs, for whatever it likes, and to talk to the host.
pub const GUEST_FOLDERS: [&str; 3] = ["out", "tmp", ".mc"];

/// Longest detail of an outcome, bytes: a path or two, in an attempt record of at most 4 KiB.
const DETAIL_BYTES_MAX: usize = 2 << 10;

/// The guest's root and what belongs to it.
#[derive(Debug)]
pub(crate) struct Root {
    staging: Staging,
    /// Inputs, which do not count against the disk limit.
    staged: DiskUse,
}

impl Root {
    /// The folder that the guest sees as `/`.
    pub(super) fn path(&self) -> PathBuf {
        self.staging.path().to_owned()
    }

    /// What lay there before the guest ran.
    pub(super) const fn staged(&self) -> DiskUse {
        self.staged
    }

    /// Removes everything.
    pub(super) fn remove(self) -> Result<(), FileError> {
        self.staging.remove()
    }
}

/// Lays out the guest's root: inputs, and the folders that every guest finds. Blocks on the disk.
pub(super) fn stage(shared: &Shared) -> Result<Root, Outcome> {
    let staging = shared.tools.staging.create().map_err(|e| host_failed(&e))?;
    let root = staging.path().to_owned();
    let spec = shared.assignment.spec.value();
    let mut writable = Vec::new();
    for preopen in spec.preopens.iter().filter(|preopen| preopen.writable) {
        match &preopen.path {
            Some(path) => writable.push(path.clone()),
            // The root itself: what it brought along is the guest's to change.
            None => writable.extend(shared.assignment.writable_root.iter().cloned()),
        }
    }
    shared
        .blocks
        .materialise(&shared.assignment.manifest, &root, &writable)
        .map_err(|e| match &e {
            MaterialiseError::File(e) => host_failed(e),
            MaterialiseError::Content { source, .. } => failed(content_code(source), &e),
            _ => failed(codes::STORE_IO, &e),
        })?;
    let no_limit = DiskUse {
        bytes: u64::MAX,
        files: u64::MAX,
    };
    let staged = DiskUse::of(&[root], &no_limit);
    Ok(Root { staging, staged })
}

/// The program's compiled code: from the cache, or from a compiler child.
pub(super) async fn code(
    shared: &Shared,
    compiling: impl FnOnce(),
) -> Result<CompiledProgram, Outcome> {
    if let Some(code) = shared.take_code() {
        return Ok(code);
    }
    let spec = shared.assignment.spec.value();
    let metering = Metering::of(&spec.limits);
    let key = ProgramKey {
        program: spec.program.cid,
        kind: spec.program.kind,
        metering,
    };
    let tools = &shared.tools;
    if let Some(code) = tools.cache.as_ref().and_then(|cache| cache.find(&key)) {
        return Ok(code);
    }
    compiling();
    let program =
        SealedFile::from_bytes(&shared.assignment.program).map_err(|e| Outcome::RunnerFailed {
            detail: e.to_string(),
        })?;
    let request = CompileRequest {
        program,
        metering,
        limits: CompileLimits::default(),
    };
    let code = compile(&tools.spawner, request).await?;
    if let Some(cache) = &tools.cache {
        // Without it the next run compiles again, which is no reason to fail this one.
        let kept = cache
            .keep(&key, &code)
            .and_then(|()| cache.collect(CACHE_BYTES_MAX));
        if let Err(e) = kept {
            tracing::warn!("compiled code was not kept: {e}");
        }
    }
    Ok(code)
}

/// Hands the job to a runner.
pub(super) fn start(
    shared: &Shared,
    token: &FencingToken,
    code: CompiledProgram,
    root: &Root,
) -> Result<Running, Outcome> {
    let spare = match shared.take_spare() {
        Some(spare) => Ok(spare),
        None => shared.tools.spawner.spare(),
    };
    let spare = spare.map_err(|e| Outcome::RunnerFailed {
        detail: e.to_string(),
    })?;
    let job = job(&shared.assignment.spec, token, code, root);
    spare.start(job).map_err(|e| Outcome::RunnerFailed {
        detail: e.to_string(),
    })
}

/// What was given, and who the guest is: docs/guest.md lists these.
fn environment(spec: &Verified<JobSpec>, token: &FencingToken) -> Vec<(String, String)> {
    let shape = spec.value().shape;
    let first_task = u64::from(token.register.shards.first.0) * u64::from(shape.tasks_per_shard);
    let own = [
        ("MC_ATTEMPT", token.epoch.to_string()),
        ("MC_JOB_ID", spec.job().to_string()),
        ("MC_TASK_COUNT", shape.tasks.to_string()),
        ("MC_TASK_INDEX", first_task.to_string()),
    ];
    let mut environment = spec.value().environment.clone();
    environment.retain(|(name, _)| own.iter().all(|(own, _)| own != name));
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    environment
}

fn job(
    spec: &Verified<JobSpec>,
    token: &FencingToken,
    program: CompiledProgram,
    root: &Root,
) -> Job {
    let environment = environment(spec, token);
    let spec = spec.value();
    let path = root.path();
    let mut arguments = vec![spec.argv0.clone()];
    arguments.extend(spec.arguments.iter().cloned());
    let mut preopens = vec![Preopen {
        host: path.clone(),
        guest: "/".to_owned(),
        access: Access::Write,
    }];
    for preopen in &spec.preopens {
        let Some(below) = &preopen.path else { continue };
        let access = if preopen.writable {
            Access::Write
        } else {
            Access::Read
        };
        preopens.push(Preopen {
            host: path.join(below.as_str()),
            guest: preopen.name.clone(),
            access,
        });
    }
    Job {
        program,
        arguments,
        environment,
        preopens,
        stdin: if spec.stdin == Stdin::Empty {
            StdinMode::Empty
        } else {
            StdinMode::Pulled
        },
        limits: spec.limits,
        staged: root.staged,
    }
}

/// Takes the outputs of a guest that has ended with `outcome`. Blocks on the disk.
pub(super) fn collect(
    shared: &Shared,
    root: &Path,
    staged: DiskUse,
    outcome: Outcome,
) -> Result<Collected, Outcome> {
    let Assignment { spec, manifest, .. } = &shared.assignment;
    let spec = spec.value();
    let ended_well = outcome == (Outcome::Finished { exit_code: 0 });
    if let Some(refused) = (!ended_well)
        .then(|| refused(root, staged, spec.limits.disk_bytes_max))
        .flatten()
    {
        return Err(refused);
    }
    if !outcome.is_finished() {
        return Err(outcome);
    }
    outputs::collect(&shared.blocks, root, spec, manifest).map_err(|e| match &e {
        CollectError::Tree(
            CollectTreeError::TooLarge { .. } | CollectTreeError::TooMany { .. },
        ) => Outcome::DiskLimit,
        CollectError::Tree(CollectTreeError::TooDeep { .. }) | CollectError::Manifest(_) => {
            Outcome::Rejected {
                code: codes::OUTPUT_LIMITS.code.to_owned(),
                detail: chain(&e),
            }
        }
        _ => failed(fault_code(&e), &e),
    })
}

/// Why a guest that ended badly may have been refused more disk: it used up its own, or there is none left.
fn refused(root: &Path, staged: DiskUse, bytes_max: u64) -> Option<Outcome> {
    let limit = DiskUse {
        bytes: staged.bytes.saturating_add(bytes_max).saturating_sub(1),
        files: u64::MAX,
    };
    if DiskUse::of(&[root.to_owned()], &limit).exceeds(&limit) {
        return Some(Outcome::DiskLimit);
    }
    let left = rustix::fs::statvfs(root).ok()?;
    (left.f_bavail.saturating_mul(left.f_frsize) < DISK_BYTES_LEFT).then(|| Outcome::HostFailed {
        code: codes::STORE_FULL.code.to_owned(),
        detail: "the program found no space left".to_owned(),
    })
}

fn host_failed(error: &FileError) -> Outcome {
    failed(code_of(error.fault()), error)
}

pub(super) fn failed(code: Code, error: &dyn Error) -> Outcome {
    Outcome::HostFailed {
        code: code.code.to_owned(),
        detail: chain(error),
    }
}

fn fault_code(error: &(dyn Error + 'static)) -> Code {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(e) = error.downcast_ref::<FileError>() {
            return code_of(e.fault());
        }
        next = error.source();
    }
    codes::STORE_IO
}

pub(super) fn content_code(error: &ExportError) -> Code {
    match error {
        ExportError::Write(e) => code_of(Fault::of(e)),
        ExportError::Get(GetError::File(e)) => code_of(e.fault()),
        ExportError::Get(GetError::Missing { .. }) => codes::CONTENT_NOT_FOUND,
        _ => codes::STORE_DAMAGED,
    }
}

fn code_of(fault: Fault) -> Code {
    match fault {
        Fault::DiskFull => codes::STORE_FULL,
        Fault::ReadOnly | Fault::Denied => codes::STORE_READ_ONLY,
        _ => codes::STORE_IO,
    }
}

/// An error with its causes on one line, as much as an outcome may carry.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text.truncate(text.floor_char_boundary(DETAIL_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long paths of a person's folders must not make a receipt that nobody would decode.
    #[test]
    fn a_detail_fits_an_attempt_record() {
        let error = FileError {
            path: "é".repeat(4096).into(),
            source: rustix::io::Errno::NOSPC.into(),
        };
        let Outcome::HostFailed { code, detail } = host_failed(&error) else {
            panic!("not the host's failure");
        };
        assert_eq!(code, codes::STORE_FULL.code);
        assert!(detail.len() <= DETAIL_BYTES_MAX && detail.starts_with('é'));
    }
}
