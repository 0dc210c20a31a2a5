//! A guest from text to report.

use crate::harness::block_on;
use mutual_protocol::limits;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::spec::SpecLimits;
use mutual_runner::{
    Access, CompileLimits, CompileRequest, CompiledProgram, Control, DiskUse, Job, Metering,
    Preopen, Report, RunnerEvent, SealedFile, Spawner, StdinMode, compile,
};
use std::path::Path;
use std::sync::OnceLock;

/// Everything that a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) report: Report,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// The spawning thread of this process, which must outlive every child.
pub(crate) fn spawner() -> &'static Spawner {
    static SPAWNER: OnceLock<Spawner> = OnceLock::new();
    SPAWNER.get_or_init(|| Spawner::new("it").unwrap())
}

pub(crate) async fn compiled(text: &str, metering: Metering) -> Result<CompiledProgram, Outcome> {
    compiled_bytes(&wat::parse_str(text).unwrap(), metering).await
}

pub(crate) async fn compiled_bytes(
    bytes: &[u8],
    metering: Metering,
) -> Result<CompiledProgram, Outcome> {
    let program = SealedFile::from_bytes(bytes).unwrap();
    compile(
        spawner(),
        CompileRequest {
            program,
            metering,
            limits: CompileLimits::default(),
        },
    )
    .await
}

/// A job with default limits, no input, and no folder.
pub(crate) fn job(program: CompiledProgram) -> Job {
    Job {
        program,
        arguments: vec!["guest".to_owned()],
        environment: Vec::new(),
        preopens: Vec::new(),
        stdin: StdinMode::Empty,
        limits: SpecLimits {
            memory_bytes_max: 64 << 20,
            disk_bytes_max: 1 << 20,
            files_max: 100,
            stdio_bytes_max: limits::STDIO_BYTES_MAX,
            wall_ms_max: Some(60_000),
            fuel_max: None,
        },
        staged: DiskUse::default(),
    }
}

/// A writable root.
pub(crate) fn root(folder: &Path) -> Preopen {
    Preopen {
        host: folder.to_owned(),
        guest: "/".to_owned(),
        access: Access::Write,
    }
}

/// Runs a job to its end, showing every event to `react`.
pub(crate) async fn run(job: Job, mut react: impl AsyncFnMut(&Control, &RunnerEvent)) -> Ran {
    let running = spawner().spare().unwrap().start(job).unwrap();
    let (control, mut events) = (running.control, running.events);
    let watch = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut started = false;
        while let Some(event) = events.next().await {
            react(&control, &event).await;
            match event {
                RunnerEvent::Started => started = true,
                RunnerEvent::Stdout(bytes) => stdout.extend(bytes),
                RunnerEvent::Stderr(bytes) => stderr.extend(bytes),
                RunnerEvent::Ended(report) => {
                    assert!(started || !report.outcome.is_finished());
                    return Ran {
                        stdout,
                        stderr,
                        report,
                    };
                }
                _ => {}
            }
        }
        panic!("no report");
    };
    tokio::join!(running.driver.run(), watch).1
}

/// Compiles a text and runs it with a changed job.
pub(crate) fn play(text: &str, change: impl FnOnce(&mut Job)) -> Ran {
    block_on(async {
        let mut job = job(compiled(text, Metering::None).await.unwrap());
        change(&mut job);
        run(job, async |_, _| ()).await
    })
}
