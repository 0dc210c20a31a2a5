//! `mc-host start -d`: the same host in a background process of this account, which tells its ticket and goes on.

use crate::NAME;
use mutual_protocol::codes;
use mutual_terminal::failure::Failure;
use mutual_terminal::output;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

/// What the background half says last to the terminal that waits.
const STARTED: &str = "started ";

/// Starts this executable again with the same arguments, and passes on what it prints until it serves.
/// `--background` wins over `-d`.
pub(super) fn start() -> Result<u8, Failure> {
    let failed = |e: io::Error| Failure::new(codes::RUN_SANDBOX).caused_by(&e);
    let mut words = std::env::args_os().skip(1);
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(NAME)
        .args(words.next())
        .arg("--background")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(stdout) = child.stdout.take()
        && let Some(process) = pass_on(stdout)?
    {
        output::say(&format!(
            "serving in the background, process {process}: mc-host status\n"
        ));
        return Ok(0);
    }
    // It ended before it served: it has said why on stderr.
    let status = child.wait().map_err(failed)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(125))
}

/// Prints what comes; the process id when the host serves, none when it has ended instead.
fn pass_on(stdout: ChildStdout) -> Result<Option<String>, Failure> {
    for line in BufReader::new(stdout).lines() {
        let line = line.map_err(|e| Failure::new(codes::RUN_SANDBOX).caused_by(&e))?;
        if let Some(process) = line.strip_prefix(STARTED) {
            return Ok(Some(process.to_owned()));
        }
        output::line(&line)?;
    }
    Ok(None)
}

/// The background half's word to the terminal that started it.
pub(super) struct Background {
    told: bool,
}

impl Background {
    pub(super) fn new() -> Self {
        // A session of its own: closing the terminal does not end the host.
        let _ = rustix::process::setsid();
        Self { told: false }
    }

    /// The host serves: lets go of the terminal. What is said from now on goes to the file `log`.
    pub(super) fn started(&mut self, log: &Path) {
        self.told = true;
        let mut stdout = io::stdout().lock();
        let word = format!("{STARTED}{}\n", std::process::id());
        let _terminal_is_gone = stdout
            .write_all(word.as_bytes())
            .and_then(|()| stdout.flush());
        drop(stdout);
        let null = OpenOptions::new().read(true).write(true).open("/dev/null");
        if let Ok(null) = &null {
            let _ = rustix::stdio::dup2_stdout(null);
        }
        if let Ok(log) = open_log(log).or(null) {
            let _ = rustix::stdio::dup2_stderr(&log);
        }
    }

    /// The host could not start, or has ended: says why where somebody looks.
    pub(super) fn fail(&self, failure: &Failure) -> u8 {
        output::fail(failure, false);
        failure.exit_code()
    }
}

/// The log of the host before is kept beside it, and no other.
fn open_log(path: &Path) -> io::Result<File> {
    let _was_none = std::fs::rename(path, path.with_extension("log.old"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}
