//! Looks whether the sandbox works, by running a program of a few instructions in it.

use super::{Finding, State, finding};
use crate::block_on;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::spec::SpecLimits;
use mutual_runner::{
    CompileLimits, CompileRequest, CompiledProgram, DiskUse, Job, Metering, RunnerEvent,
    SealedFile, Spawner, StdinMode, compile,
};
use std::error::Error;
use std::time::Duration;

/// The program, and the exit code that says that it did what it should.
const PROGRAM: &str = include_str!("probe.wat");
const EXIT_CODE: u8 = 7;

/// How long compiling it may take, and how long running: each takes milliseconds.
const STEP_MAX: Duration = Duration::from_secs(10);
const STEP_MS_MAX: u64 = 10_000;

const NEXT: &str =
    "compare `ulimit -a` with another shell, and try without the container that this runs in";

/// A compiler child and a runner child of the command `name`, from their start to their end.
pub fn sandbox(name: &str) -> Finding {
    let ended = block_on(run(name)).map_err(|failure| failure.causes());
    match ended.and_then(|ended| ended.map_err(|e| one_line(&*e))) {
        Ok(Outcome::Finished {
            exit_code: EXIT_CODE,
        }) => {
            let engine = mutual_engine::build().engine;
            let says = format!("{engine} in a process of its own, without capabilities");
            finding("sandbox", State::Good, says)
        }
        Ok(outcome) => {
            let detail = crate::show::detail(&outcome).unwrap_or_default();
            bad(&format!("{}: {detail}", crate::show::outcome(&outcome)))
        }
        Err(why) => bad(&why),
    }
}

fn bad(why: &str) -> Finding {
    let why = crate::show::printable(why);
    finding("sandbox", State::Bad, format!("{why}; {NEXT}"))
}

fn one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}

async fn run(name: &str) -> Result<Outcome, Box<dyn Error>> {
    let spawner = Spawner::new(name)?;
    let request = CompileRequest {
        program: SealedFile::from_bytes(&wat::parse_str(PROGRAM)?)?,
        metering: Metering::None,
        limits: CompileLimits {
            cpu: STEP_MAX,
            wall: STEP_MAX,
            ..CompileLimits::default()
        },
    };
    let program = match compile(&spawner, request).await {
        Ok(program) => program,
        Err(outcome) => return Ok(outcome),
    };
    let running = spawner.spare()?.start(job(program))?;
    let mut events = running.events;
    let last = async {
        while let Some(event) = events.next().await {
            if let RunnerEvent::Ended(report) = event {
                return Some(report);
            }
        }
        None
    };
    let ((), last) = tokio::join!(running.driver.run(), last);
    let report = last.ok_or("the sandbox process vanished")?;
    // What the engine says at last is the cause below all others.
    let cause = report
        .message
        .as_deref()
        .and_then(|text| text.lines().last());
    match cause {
        Some(cause) => Err(cause.trim().into()),
        None => Ok(report.outcome),
    }
}

fn job(program: CompiledProgram) -> Job {
    Job {
        program,
        arguments: vec!["probe".to_owned()],
        environment: Vec::new(),
        preopens: Vec::new(),
        stdin: StdinMode::Empty,
        limits: SpecLimits {
            memory_bytes_max: 1 << 20,
            disk_bytes_max: 0,
            files_max: 0,
            stdio_bytes_max: 0,
            wall_ms_max: Some(STEP_MS_MAX),
            fuel_max: None,
        },
        staged: DiskUse::default(),
    }
}
