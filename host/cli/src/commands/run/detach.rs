//! `mc run -d`: the same run in a background process of this account, which tells its id and goes on.

use crate::failure::Failure;
use crate::output;
use mutual_protocol::{JobId, codes};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Starts this executable again with the same arguments and waits for its first line. `--background` wins over `-d`.
pub(super) fn start() -> Result<u8, Failure> {
    let failed = |e: std::io::Error| Failure::new(codes::RUN_SANDBOX).caused_by(&e);
    let mut words = std::env::args_os().skip(1);
    let mut command = Command::new("/proc/self/exe");
    // `--background` stands right after `run`, where no word of the program's own can be.
    command
        .arg0("mc")
        .args(words.next())
        .arg("--background")
        .args(words);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(failed)?;
    let mut first = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut first)
            .map_err(failed)?;
    }
    match first.trim().strip_prefix("started ") {
        Some(job) => {
            output::line(job)?;
            Ok(0)
        }
        // It ended before it started: it has said why on stderr.
        None => {
            let status = child.wait().map_err(failed)?;
            Ok(status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(125))
        }
    }
}

/// The background half's word to the terminal that started it.
pub(super) struct Background {
    told: bool,
}

impl Background {
    pub(super) fn new() -> Self {
        // A session of its own: closing the terminal does not end the run.
        let _ = rustix::process::setsid();
        Self { told: false }
    }

    /// The run is on record: tell its id and let go of the terminal.
    pub(super) fn started(&mut self, job: &JobId) {
        self.told = true;
        let mut stdout = std::io::stdout().lock();
        let _terminal_is_gone = writeln!(stdout, "started {job}").and_then(|()| stdout.flush());
        drop(stdout);
        let_go();
    }

    /// The run could not start: say why on the terminal that waits.
    pub(super) fn fail(&self, failure: &Failure, json: bool) -> u8 {
        if !self.told {
            output::fail(failure, json);
        }
        failure.exit_code()
    }
}

/// Replaces stdout and stderr by nothing, so that pipes of the starting terminal see their end.
fn let_go() {
    if let Ok(null) = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
    {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}
