//! `mc run`: one program, in the sandbox of this machine, through the same lease and store as anywhere.

mod console;
mod detach;
mod finish;
mod plan;

use crate::account::Account;
use crate::args::RunArgs;
use crate::explain;
use crate::failure::Failure;
use crate::output;
use crate::program::{self, Program, Talk};
use console::{Shown, Sink};
use mutual_engine::{ProgramError, inspect};
use mutual_node::attached::{self, Attached, RunCommand, RunEnd, RunEvent, Source};
use mutual_node::clock::SystemClock;
use mutual_node::prepare::{self, Prepared, RunKeys, RunRequest};
use mutual_protocol::codes;
use mutual_protocol::spec::{ProgramKind, ProgramRef, Stdin};
use mutual_runner::{CompileCache, Spawner};
use plan::Plan;
use std::path::Path;
use tokio::sync::mpsc;

/// Events and commands that wait for the other side.
const QUEUE: usize = 32;

pub(crate) fn run(args: &RunArgs) -> Result<u8, Failure> {
    if args.detach && !args.background {
        return detach::start();
    }
    let mut background = args.background.then(detach::Background::new);
    let ended = run_here(args, &mut background);
    match (background, ended) {
        // The terminal has been told the id already, or is told the failure now.
        (Some(background), Err(failure)) => Ok(background.fail(&failure)),
        (_, ended) => ended,
    }
}

fn run_here(args: &RunArgs, background: &mut Option<detach::Background>) -> Result<u8, Failure> {
    let plan = Plan::new(args)?;
    let spawner = Spawner::new("mc").map_err(|e| Failure::new(codes::RUN_SANDBOX).caused_by(&e))?;
    // The sandbox process starts up while this one reads, hashes and signs.
    let spare = if args.dry_run || plan.program.is_dir() {
        None
    } else {
        spawner.spare().ok()
    };
    let talk = if args.format.is_json() || args.background {
        Talk::Quiet
    } else {
        Talk::Normal
    };
    let program = program::load(&plan.program, talk)?;
    let kind = kind_of(&program, &plan.program)?;
    let program_ref = prepare::program_ref(&program.bytes, kind);
    let account = Account::open()?;
    let guard = account.blocks.guard().map_err(|e| explain::file(&e))?;
    let owner = super::id::load(&account.home.identity_file())?;
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
            .map_err(|e| super::check::explain(&e))?;
    }
    let request = request(args, &plan, &account, (program_ref, program))?;
    let keys = RunKeys {
        owner: &owner,
        witness: witness.public(),
    };
    let prepared = prepare::prepare(&account.blocks, &SystemClock, keys, request)
        .map_err(|e| explain::prepare(&e))?;
    if args.dry_run {
        return dry_run(args, &prepared);
    }
    let baselines = prepared.baselines.clone();
    let blocks = account.blocks.clone();
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
        owner,
        witness,
        command: words(args),
        name: args.name.clone(),
    };
    let (end, shown) = drive(args, node, prepared, background)?;
    let placed = finish::place(args, &plan, &blocks, &baselines, &end)?;
    drop(guard);
    Ok(conclude(args, &end, &shown, &placed))
}

/// Magic number, layer and version; the rest of the binary is looked at when it was never compiled here.
fn kind_of(program: &Program, path: &Path) -> Result<ProgramKind, Failure> {
    let refused =
        || super::check::explain(&ProgramError::NotWasm).because(path.display().to_string());
    ProgramKind::of(&program.bytes).ok_or_else(refused)
}

/// A machine whose cache folder cannot be used compiles each time, and says so once.
fn open_cache(account: &Account) -> Option<CompileCache> {
    match CompileCache::open(&account.home.compiled(), mutual_engine::build_id()) {
        Ok(cache) => Some(cache),
        Err(e) => {
            output::say(&format!("warning: compiled programs are not kept: {e}\n"));
            None
        }
    }
}

fn request(
    args: &RunArgs,
    plan: &Plan,
    account: &Account,
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
        inputs: plan.inputs(&account.blocks)?,
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

fn dry_run(args: &RunArgs, prepared: &Prepared) -> Result<u8, Failure> {
    let spec = prepared.spec.value();
    let (files, bytes) = (
        prepared.manifest.files().count(),
        prepared.manifest.total_bytes(),
    );
    if args.format.is_json() {
        output::json(&serde_json::json!({
            "schema": "mc.v1/dry-run", "program": spec.program.cid.to_string(), "place": "this machine",
            "input_files": files, "input_bytes": bytes, "inputs": spec.inputs.to_string(),
            "memory_bytes_max": spec.limits.memory_bytes_max, "disk_bytes_max": spec.limits.disk_bytes_max,
        }));
    } else {
        let (size, memory) = (
            bytesize::ByteSize(bytes),
            bytesize::ByteSize(spec.limits.memory_bytes_max),
        );
        output::line(&format!("would run {} on this machine", spec.program.cid));
        output::line(&format!(
            "  {files} input files, {size}; at most {memory} of memory"
        ));
    }
    Ok(0)
}

/// Runs the node's event loop on this thread, the console on another.
fn drive(
    args: &RunArgs,
    node: Attached,
    prepared: Prepared,
    background: &mut Option<detach::Background>,
) -> Result<(RunEnd, Shown), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| Failure::new(codes::RUN_SANDBOX).caused_by(&e))?;
    let (events, events_rx) = mpsc::channel::<RunEvent>(QUEUE);
    let (commands, commands_rx) = mpsc::channel::<RunCommand>(QUEUE);
    let sink = match (args.background, args.format.is_json()) {
        (true, _) => Sink::Drop,
        (_, true) => Sink::Capture,
        _ => Sink::Pass,
    };
    let console = console::start(events_rx, commands.clone(), sink, args.progress)
        .map_err(|e| Failure::new(codes::RUN_SANDBOX).caused_by(&e))?;
    let stdin = open_stdin(args)?;
    let ended = runtime.block_on(async {
        let signals = signals(commands);
        let run = attached::run(node, prepared, stdin, (events, commands_rx), |job| {
            if let Some(background) = background {
                background.started(job);
            }
        });
        tokio::select! {
            ended = run => ended,
            // Signal handlers never end by themselves.
            never = signals => match never {},
        }
    });
    // A thread that waits for a terminal's next line would hold up the end for ever.
    runtime.shutdown_background();
    let shown = console
        .join()
        .map_err(|_| Failure::new(codes::RUN_SANDBOX).because("the console thread failed"))?;
    Ok((ended.map_err(|e| explain::run(&e))?, shown))
}

fn open_stdin(args: &RunArgs) -> Result<Source, Failure> {
    let Some(path) = &args.files.stdin else {
        return Ok(Source::new(tokio::io::stdin()));
    };
    let unreadable = |e: std::io::Error| {
        let code = if e.kind() == std::io::ErrorKind::NotFound {
            codes::INPUT_NOT_FOUND
        } else {
            codes::INPUT_UNREADABLE
        };
        Failure::new(code).because(format!("{}: {e}", path.display()))
    };
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(Failure::new(codes::INPUT_NOT_A_FILE).because(path.display().to_string()));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    Ok(Source::new(tokio::fs::File::from_std(file)))
}

/// The first Ctrl-C asks, the second kills; a TERM is a stop like `mc stop`.
async fn signals(commands: mpsc::Sender<RunCommand>) -> std::convert::Infallible {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without handlers the signals keep their ordinary meaning, and the sandbox process dies with this one.
        return std::future::pending().await;
    };
    let mut asked = false;
    loop {
        let command = tokio::select! {
            _ = interrupt.recv() => {
                let now = std::mem::replace(&mut asked, true);
                output::say(if now { "killed\n" } else { "\nstopping; press Ctrl-C again to kill\n" });
                RunCommand::Interrupt { now }
            }
            _ = terminate.recv() => RunCommand::Stop { now: false },
        };
        let _ = commands.send(command).await;
    }
}

fn conclude(
    args: &RunArgs,
    end: &RunEnd,
    shown: &Shown,
    placed: &mutual_node::outputs::Placed,
) -> u8 {
    let failure = finish::failure(end);
    let missing = placed.missing.first().map(|path| {
        Failure::new(codes::RUN_NO_OUTPUT)
            .because(format!("the program did not write {path}"))
            .next("check the path")
            .exit(125)
    });
    if args.format.is_json() {
        output::json(&finish::document(
            end,
            shown,
            placed,
            failure.as_ref().or(missing.as_ref()),
        ));
    } else {
        finish::warn(args, end, placed);
    }
    // A pipeline whose reader left, and a person who pressed Ctrl-C, know what happened.
    if shown.reader_gone {
        return 141;
    }
    if end.interrupted {
        return codes::RUN_INTERRUPTED.exit;
    }
    match failure.or_else(|| missing.filter(|_| end.outcome.exit_code() == 0)) {
        Some(failure) => {
            if !args.format.is_json() && !args.background {
                output::fail(&failure, false);
            }
            failure.exit_code()
        }
        None => end.outcome.exit_code(),
    }
}
