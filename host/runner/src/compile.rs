//! Compiling a program in a child of its own, which dies after it.

use crate::bounds::{COMPILED_BYTES_MAX, EXIT_WAIT_MAX};
use crate::conversation::{Conversation, Progress};
use crate::drive::claim;
use crate::frame::Kind;
use crate::job::{CompiledProgram, Metering};
use crate::message::{self, Compile, Compiled};
use crate::process::{Exit, Process};
use crate::role::Role;
use crate::runner::not_spawned;
use crate::sealed::{self, SealedFile};
use crate::spawn::{SpawnError, Spawner};
use mutual_protocol::codes;
use mutual_protocol::outcome::Outcome;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Bounds of one compilation. A program that needs more is at fault itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// CPU time of all threads together.
    pub cpu: Duration,
    /// From the request to the code.
    pub wall: Duration,
    /// Memory of the child in bytes.
    pub memory_bytes_max: u64,
}

impl Default for CompileLimits {
    /// CPython takes 13 s of CPU; an 88 kB bomb took 15.6 s and 1.3 GiB, and worse ones never end.
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(120),
            wall: Duration::from_secs(120),
            memory_bytes_max: 4 << 30,
        }
    }
}

/// What to compile.
#[derive(Debug)]
pub struct CompileRequest {
    /// The program's bytes; that they are the right ones was checked before they were sealed.
    pub program: SealedFile,
    /// How to compile.
    pub metering: Metering,
    /// Bounds.
    pub limits: CompileLimits,
}

/// Checks and compiles a program in a compiler child. Needs a tokio runtime with I/O and time.
///
/// Dropping the future kills the child.
///
/// # Errors
/// How the attempt ends because of it: `Rejected` when the program is at fault (malformed, an unknown import, no
/// entry, over the limits), `RunnerFailed` when the child failed.
pub async fn compile(
    spawner: &Spawner,
    request: CompileRequest,
) -> Result<CompiledProgram, Outcome> {
    let output = sealed::unsealed().map_err(|error| claim::failed(&error.to_string()))?;
    let (told, exit) = converse(spawner, &request, &output).await?;
    let kind = match told {
        Told::Report(Compiled::Done { kind }) => kind,
        Told::Report(Compiled::Rejected { code, detail }) => {
            return Err(claim::rejected(&code, &detail));
        }
        Told::Report(Compiled::Failed { detail }) => return Err(claim::failed(&detail)),
        Told::Nonsense(detail) => return Err(claim::failed(&detail)),
        Told::Nothing => return Err(died(&exit)),
        Told::Overdue => {
            return Err(over(&format!(
                "more than {} s",
                request.limits.wall.as_secs()
            )));
        }
    };
    // The child is gone, so nobody has the file open for writing any more.
    let code = SealedFile::seal(output).map_err(|error| claim::failed(&error.to_string()))?;
    if code.bytes() > COMPILED_BYTES_MAX {
        return Err(over("too much compiled code"));
    }
    Ok(CompiledProgram {
        code,
        kind,
        metering: request.metering,
    })
}

enum Told {
    Report(Compiled),
    Nothing,
    Nonsense(String),
    Overdue,
}

async fn converse(
    spawner: &Spawner,
    request: &CompileRequest,
    output: &File,
) -> Result<(Told, Exit), Outcome> {
    let pending = spawner
        .spawn(Role::Compiler)
        .map_err(|error| not_spawned(&error))?;
    let order = message::encode(&Compile {
        metering: request.metering,
        cpu_s_max: request.limits.cpu.as_secs(),
        memory_bytes_max: request.limits.memory_bytes_max,
    });
    let files = [request.program.as_fd(), output.as_fd()];
    let conversation = Conversation::open(pending.socket, (Kind::Compile, &order), &files)
        .map_err(|error| claim::failed(&error.to_string()))?;
    let deadline = Instant::now() + request.limits.wall;
    let process = pending.process.await.unwrap_or(Err(SpawnError::Gone));
    let process = process.map_err(|error| not_spawned(&error))?;
    let told = timeout_at(deadline, listen(conversation))
        .await
        .unwrap_or(Told::Overdue);
    Ok((told, end(process).await?))
}

async fn listen(mut conversation: Conversation) -> Told {
    loop {
        match conversation.take() {
            Ok(Some((Kind::Compiled, body))) => {
                let report = message::decode_report(body);
                return report.map_or_else(|error| Told::Nonsense(error.to_string()), Told::Report);
            }
            Ok(Some((kind, _))) => return Told::Nonsense(format!("a frame out of turn: {kind:?}")),
            Ok(None) => {}
            Err(error) => return Told::Nonsense(error.to_string()),
        }
        match conversation.progress(true).await {
            Ok(Progress::Moved) => {}
            Ok(Progress::Closed) => return Told::Nothing,
            Err(error) => return Told::Nonsense(error.to_string()),
        }
    }
}

/// Nothing that the child could still do matters: its report is there, or will not be believed.
async fn end(process: Process) -> Result<Exit, Outcome> {
    process.kill();
    let killed = timeout(EXIT_WAIT_MAX, process.ended()).await;
    killed
        .map_err(|_elapsed| claim::failed("the compiler cannot be killed"))?
        .ok();
    Ok(process.reap())
}

/// A compiler that ends without a report: over its CPU or memory limit, or brought down by the program.
fn died(exit: &Exit) -> Outcome {
    const PROGRAMS_FAULT: [i32; 4] = [libc::SIGXCPU, libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS];
    match exit.signal() {
        Some(signal) if PROGRAMS_FAULT.contains(&signal) => {
            over(&format!("the compiler ended with signal {signal}"))
        }
        _ => claim::failed(&format!("the compiler ended without a report: {exit}")),
    }
}

fn over(detail: &str) -> Outcome {
    claim::rejected(codes::PROGRAM_COMPILE.code, detail)
}
