//! `mc run`: one program, in the sandbox of this machine, through the same lease and store as anywhere.

mod console;
mod detach;
mod finish;
mod place;
mod plan;
mod ready;
mod signals;

use crate::account::Account;
use crate::args::RunArgs;
use crate::explain;
use crate::failure::Failure;
use crate::program::Cancel;
use crate::{output, show};
use console::{Shown, Target};
use finish::Brought;
use mutual_node::attached::{self, RunCommand, RunEnd, RunEvent};
use mutual_node::prepare::Prepared;
use mutual_protocol::codes;
use mutual_runner::Spawner;
use plan::Plan;
use ready::Ready;
use signals::Signals;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Events and commands that wait for the other side.
const QUEUE: usize = 32;
/// How long a reader of stdout may take for the rest when the run was stopped.
const LAST_OUTPUT_MAX: Duration = Duration::from_secs(1);

pub(crate) fn run(args: RunArgs) -> Result<u8, Failure> {
    if args.detach && !args.background {
        return detach::start();
    }
    let json = args.format.is_json();
    let mut background = args.background.then(detach::Background::new);
    let args = Arc::new(args);
    let mut ended = attempt(&args, args.place.local, &mut background);
    let is_unplaced = |failure: &Failure| failure.code() == codes::RUN_NO_HOST.code;
    if args.place.or_local && ended.as_ref().is_err_and(is_unplaced) {
        ended = attempt(&args, true, &mut background);
    }
    match (background, ended) {
        // The terminal has been told the id already, or is told the failure now.
        (Some(background), Err(failure)) => Ok(background.fail(&failure, json)),
        (_, ended) => ended,
    }
}

/// One try, in the pool or, with `local`, on this machine.
fn attempt(
    args: &Arc<RunArgs>,
    local: bool,
    background: &mut Option<detach::Background>,
) -> Result<u8, Failure> {
    let failed =
        |e: &(dyn std::error::Error + 'static)| Failure::new(codes::RUN_SANDBOX).caused_by(e);
    let plan = Plan::new(args)?;
    let spawner = Spawner::new("mc").map_err(|e| failed(&e))?;
    // The sandbox process starts up while this one reads, hashes and signs.
    let spare = if args.dry_run || plan.program.is_dir() {
        None
    } else {
        spawner.spare().ok()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| failed(&e))?;
    let ended = runtime.block_on(attend((args, local), plan, (spawner, spare), background));
    // A thread that waits for a terminal's next line would hold up the end for ever.
    runtime.shutdown_background();
    match Account::open_existing() {
        Ok(account) => account.iter().for_each(Account::upkeep),
        Err(e) => tracing::debug!("no upkeep: {}", e.code()),
    }
    ended
}

/// The whole of a run, with somebody who listens to signals in each of its parts.
async fn attend(
    (args, local): (&Arc<RunArgs>, bool),
    plan: Plan,
    processes: (Spawner, Option<mutual_runner::Spare>),
    background: &mut Option<detach::Background>,
) -> Result<u8, Failure> {
    let mut signals = Signals::listen();
    let cancel = Cancel::default();
    let plan = Arc::new(plan);
    let work = {
        let (args, plan, cancel) = (args.clone(), plan.clone(), cancel.clone());
        move || ready::ready((&args, local), &plan, processes, &cancel)
    };
    let ready = signals.guard(&cancel, work).await?;
    if args.dry_run {
        return dry_run(args, &ready.prepared);
    }
    let baselines = ready.prepared.baselines.clone();
    let blocks = ready.node.blocks.with_cancel(cancel.store());
    let (mut end, shown, guard) = Box::pin(drive(args, ready, background, &mut signals)).await?;
    // It stays here: the thread that puts outputs in place may never come back.
    let door = end.door.take();
    end.interrupted |= signals.interrupted();
    let mut record = end.record.clone();
    let work = {
        let args = args.clone();
        move || {
            let brought = finish::place(&args, &plan, &blocks, &baselines, &end)?;
            Ok((end, brought))
        }
    };
    let placed = signals.guard(&cancel, work).await;
    let failure = match &placed {
        Err(failure) => Some(failure.clone()),
        Ok((end, brought)) => finish::missing(brought).filter(|_| ended_well(end)),
    };
    if let Some(failure) = &failure {
        finish::keep(&mut record, failure);
    }
    drop((guard, door));
    let (mut end, brought) = placed?;
    end.record = record;
    conclude(args, &end, &shown, &brought)
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
        }))?;
    } else {
        let (size, memory) = (
            bytesize::ByteSize(bytes),
            bytesize::ByteSize(spec.limits.memory_bytes_max),
        );
        output::line(&format!("would run {} on this machine", spec.program.cid))?;
        output::line(&format!(
            "  {files} input files, {size}; at most {memory} of memory"
        ))?;
    }
    Ok(0)
}

/// Runs the node's event loop on this thread, the console on another.
async fn drive(
    args: &RunArgs,
    ready: Ready,
    background: &mut Option<detach::Background>,
    signals: &mut Signals,
) -> Result<(RunEnd, Shown, mutual_store::StoreGuard), Failure> {
    let (events, events_rx) = mpsc::channel::<RunEvent>(QUEUE);
    let (commands, commands_rx) = mpsc::channel::<RunCommand>(QUEUE);
    let target = match (args.background, args.format.is_json()) {
        (true, _) => Target::Nowhere,
        (_, true) => Target::Document,
        _ => Target::Streams,
    };
    let console = console::start(events_rx, commands.clone(), target, args.progress)
        .map_err(|e| Failure::new(codes::RUN_SANDBOX).caused_by(&e))?;
    let started = |job: &mutual_protocol::JobId| {
        if let Some(background) = background {
            background.started(job);
        }
    };
    let Ready {
        node,
        prepared,
        stdin,
        guard,
        in_pool,
    } = ready;
    let run = async {
        let run = attached::run(node, prepared, stdin, (events, commands_rx), started);
        let end = run.await.map_err(|e| explain::run(&e))?;
        // Who stopped the run does not wait for a reader that takes nothing.
        let shown = if end.was_stopped {
            timeout(LAST_OUTPUT_MAX, console).await.map(Result::ok)
        } else {
            Ok(console.await.ok())
        };
        Ok((end, shown.ok().flatten().unwrap_or_default()))
    };
    let ended = Box::pin(signals.attend(run, commands)).await;
    if let Some(in_pool) = in_pool {
        in_pool.close().await;
    }
    let (end, shown) = ended?;
    Ok((end, shown, guard))
}

/// A program that failed, and a person who pressed Ctrl-C, are told that and not what is missing.
fn ended_well(end: &RunEnd) -> bool {
    end.outcome.exit_code() == 0 && !end.interrupted
}

fn conclude(args: &RunArgs, end: &RunEnd, shown: &Shown, brought: &Brought) -> Result<u8, Failure> {
    let failure = finish::failure(args, end);
    let missing = finish::missing(brought);
    if args.format.is_json() {
        let first = failure.as_ref().or(missing.as_ref());
        output::json(&finish::document(end, shown, brought, first))?;
    } else {
        finish::warn(args, end, brought);
    }
    if let Some(why) = &shown.refused {
        let job = show::short(&end.record.job);
        return Err(output::refused(why).next(format!("what was printed is kept: mc logs {job}")));
    }
    if let Some(what) = &shown.diverged {
        return Err(Failure::new(codes::RUN_DIVERGED).because(what));
    }
    // A pipeline whose reader left, and a person who pressed Ctrl-C, know what happened.
    if shown.reader_gone {
        return Ok(141);
    }
    if end.interrupted {
        return Ok(codes::RUN_INTERRUPTED.exit);
    }
    match failure.or_else(|| missing.filter(|_| ended_well(end))) {
        Some(failure) => {
            if !args.format.is_json() && !args.background {
                output::fail(&failure, false);
            }
            Ok(failure.exit_code())
        }
        None => Ok(end.outcome.exit_code()),
    }
}
