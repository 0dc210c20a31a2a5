//! From checked arguments to a signed spec and a node that is ready to run it. Blocks: on files, and on cargo.

use super::place::{self, InPool};
use super::plan::Plan;
use crate::account::Account;
use crate::args::RunArgs;
use crate::commands::{check, id};
use crate::explain;
use crate::failure::Failure;
use crate::output;
use crate::program::{self, Cancel, Program, Talk};
use mutual_engine::{ProgramError, inspect};
use mutual_node::attached::{self, Attached, Place, Source};
use mutual_node::clock::SystemClock;
use mutual_node::prepare::{self, Prepared, RunKeys, RunRequest};
use mutual_protocol::codes;
use mutual_protocol::spec::{ProgramKind, ProgramRef, Stdin};
use mutual_runner::{CompileCache, Spare, Spawner};
use mutual_store::StoreGuard;
use std::path::Path;
use std::sync::Arc;

/// Scratch space and outputs together on a host of a pool when nothing else is asked for: a donor gives a tenth of the
/// free disk, and what is asked for is kept free for the job.
const POOL_DISK_BYTES_DEFAULT: u64 = 1 << 30;

/// Everything that a run needs.
pub(super) struct Ready {
    pub(super) node: Attached,
    pub(super) prepared: Prepared,
    pub(super) stdin: Source,
    /// Keeps the content of this run from being collected.
    pub(super) guard: StoreGuard,
    /// The network, when the run takes place in a pool.
    pub(super) in_pool: Option<InPool>,
}

/// Loads the program, takes the inputs, and signs the spec.
pub(super) fn ready(
    (args, local): (&RunArgs, bool),
    plan: &Plan,
    (spawner, spare): (Spawner, Option<Spare>),
    cancel: &Cancel,
) -> Result<Ready, Failure> {
    let stdin = open_stdin(args)?;
    let talk = if args.format.is_json() || args.background {
        Talk::Quiet
    } else {
        Talk::Normal
    };
    let program = program::load(&plan.program, talk, Some(cancel))?;
    let kind = kind_of(&program, &plan.program)?;
    let program_ref = prepare::program_ref(&program.bytes, kind);
    let account = Account::open()?;
    let guard = account.blocks.guard().map_err(|e| explain::file(&e))?;
    let owner = id::load(&account.home.identity_file())?;
    let pool = place::choose((args, local), &account.home)?;
    let in_pool = pool.map(|pool| InPool::start(args, (&account.home, &account.blocks), pool));
    let (in_pool, place) = match in_pool.transpose()? {
        Some((in_pool, place)) => (Some(in_pool), place),
        None => (None, Place::Here),
    };
    let witness =
        attached::witness_key().map_err(|e| Failure::new(codes::STORE_IO).caused_by(&e))?;
    let cache = open_cache(&account);
    let code = cache
        .as_ref()
        .and_then(|cache| attached::compiled(cache, program_ref));
    // What is in the cache was looked at when it was compiled.
    if code.is_none() {
        inspect(&program.bytes)
            .and_then(|info| info.check())
            .map_err(|e| check::explain(&e))?;
    }
    let blocks = account.blocks.with_cancel(cancel.store());
    let mut request = request(args, plan, &blocks, (program_ref, program))?;
    if in_pool.is_some() && args.disk.is_none() {
        request.limits.disk_bytes_max = request.limits.disk_bytes_max.min(POOL_DISK_BYTES_DEFAULT);
    }
    let keys = RunKeys {
        owner: &owner,
        witness: witness.public(),
        pool: in_pool.as_ref().map(|in_pool| &in_pool.for_pool),
    };
    let prepared =
        prepare::prepare(&blocks, &SystemClock, keys, request).map_err(|e| explain::prepare(&e))?;
    let node = Attached {
        blocks: account.blocks,
        runs: account.runs,
        staging: account.staging,
        runtime: account.home.runtime().to_owned(),
        cache,
        code,
        build: mutual_engine::build(),
        spawner,
        spare,
        place,
        clock: Arc::new(SystemClock),
        owner,
        witness,
        command: words(args),
        name: args.name.clone(),
    };
    Ok(Ready {
        node,
        prepared,
        stdin,
        guard,
        in_pool,
    })
}

/// Magic number, layer and version; the rest of the binary is looked at when it was never compiled here.
fn kind_of(program: &Program, path: &Path) -> Result<ProgramKind, Failure> {
    let refused = || {
        Failure::new(codes::PROGRAM_NOT_WASM)
            .because(path.display().to_string())
            .caused_by(&ProgramError::NotWasm)
    };
    ProgramKind::of(&program.bytes).ok_or_else(refused)
}

/// A machine whose cache folder cannot be used compiles each time, and says so once.
fn open_cache(account: &Account) -> Option<CompileCache> {
    match CompileCache::open(&account.home.compiled(), mutual_engine::build_id()) {
        Ok(cache) => Some(cache),
        Err(e) => {
            let causes = Failure::new(codes::STORE_IO).caused_by(&e).causes();
            output::say(&format!(
                "warning: compiled programs are not kept: {causes}\n"
            ));
            None
        }
    }
}

fn request(
    args: &RunArgs,
    plan: &Plan,
    blocks: &mutual_store::BlockStore,
    (program_ref, program): (ProgramRef, Program),
) -> Result<RunRequest, Failure> {
    let takes_stdin = plan
        .inputs
        .iter()
        .any(|input| input.source == crate::paths::Source::Stdin);
    let empty = args.files.stdin.is_none() && (takes_stdin || args.background);
    Ok(RunRequest {
        program: program_ref,
        argv0: args.argv0.clone().unwrap_or(program.name),
        bytes: program.bytes,
        arguments: plan.arguments.clone(),
        environment: plan.environment.clone(),
        stdin: if empty { Stdin::Empty } else { Stdin::Attached },
        inputs: plan.inputs(blocks)?,
        preopens: plan.preopens(),
        outputs: plan.outputs(),
        limits: plan.limits,
        keep_ms: plan.keep_ms,
        folder_bytes_max: plan.folder_bytes_max,
    })
}

fn words(args: &RunArgs) -> Vec<String> {
    args.program
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

fn open_stdin(args: &RunArgs) -> Result<Source, Failure> {
    let Some(path) = &args.files.stdin else {
        return Ok(Source::new(tokio::io::stdin()));
    };
    let unreadable = |e: std::io::Error| {
        Failure::new(explain::input_code(&e)).because(format!("{}: {e}", path.display()))
    };
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(Failure::new(codes::INPUT_NOT_A_FILE).because(path.display().to_string()));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    Ok(Source::new(tokio::fs::File::from_std(file)))
}
