//! Homes and real `mc-host` processes in them, each killed by its id at the end.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// Looks at most so often, a few milliseconds apart: half a minute on an idle machine.
const LOOKS_MAX: u32 = 6_000;

/// Waits until `is_so` gives something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut is_so: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = is_so() {
            return found;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("never happened: {what}");
}

/// The home of one machine, gone at the end of the test.
pub(crate) struct House {
    folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mc-host"));
        command
            .args(args)
            .env("MC_HOME", self.home())
            .env_remove("MC_LOG")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// A host that serves, on loopback.
    #[track_caller]
    pub(crate) fn serve(&self, args: &[&str]) -> Serving {
        let words = ["start", "--listen", "127.0.0.1"];
        let mut serving = Serving::new(&mut self.command(words.iter().chain(args)));
        serving.error_line("serving ");
        serving
    }

    /// A host of a new pool, and its ticket.
    #[track_caller]
    pub(crate) fn found(&self) -> (Serving, String) {
        let mut serving = self.serve(&["--name", "first"]);
        let line = serving.line("mc pool join ");
        let ticket = line.trim().strip_prefix("mc pool join ").unwrap();
        (serving, ticket.to_owned())
    }

    pub(crate) fn status(&self) -> Value {
        self.run(["status", "-o", "json"]).clean().json()
    }

    /// Waits until so many members are connected.
    #[track_caller]
    pub(crate) fn meets(&self, members: usize) -> Value {
        until("members are connected", || {
            let status = self.status();
            (status["peers"].as_array().unwrap().len() == members).then_some(status)
        })
    }
}

/// A host that serves. Killed when it is dropped.
pub(crate) struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Serving {
    fn new(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Reads stdout until a line holds `text`, and gives that line.
    #[track_caller]
    pub(crate) fn line(&mut self, text: &str) -> String {
        find_line(&mut self.stdout, text)
    }

    /// As [`Serving::line`], on stderr.
    #[track_caller]
    pub(crate) fn error_line(&mut self, text: &str) -> String {
        find_line(&mut self.stderr, text)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; what was not read yet comes with it.
    pub(crate) fn end(mut self) -> Ran {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.stdout.read_to_end(&mut stdout).unwrap();
        self.stderr.read_to_end(&mut stderr).unwrap();
        let status = self.child.wait().unwrap();
        Ran::new(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Ends it as a service manager does.
    #[track_caller]
    pub(crate) fn terminate(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.end().code, Some(0));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _is_gone = self.child.kill();
        let _was_reaped = self.child.wait();
    }
}

#[track_caller]
fn find_line(reader: &mut impl BufRead, text: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            panic!("ended before a line with `{text}`: {seen}");
        }
        if line.contains(text) {
            return line;
        }
        seen.push_str(&line);
    }
}

/// What a finished command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Ended with 0 and said nothing on stderr.
    #[track_caller]
    pub(crate) fn clean(self) -> Self {
        assert!(self.code == Some(0) && self.stderr.is_empty(), "{self:#?}");
        self
    }

    /// Ended with `code` and named the error `error`, with a next step that holds `next`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, error: &str, next: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let named = format!("error[{error}]: ");
        assert!(self.stderr.contains(&named), "{self:#?}");
        let help = self.stderr.split_once("\n  help:  ").map(|(_, help)| help);
        assert!(help.is_some_and(|help| help.contains(next)), "{self:#?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}

/// The names of a JSON object's fields, sorted.
pub(crate) fn fields(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

impl Serving {
    /// Starts `mc-host` with exactly these arguments.
    pub(crate) fn start(house: &House, args: &[&str]) -> Self {
        Self::new(&mut house.command(args))
    }
}
