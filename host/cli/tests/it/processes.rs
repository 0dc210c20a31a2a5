//! Processes as events: a line of output, a child that appears, a socket that goes. Nothing here waits for time to
//! pass, only, with a bound, for something to be so.

use crate::harness::{Mc, Ran};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
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

/// A started `mc` whose output is read as it comes. Killed when it is dropped.
pub(crate) struct Running {
    child: Option<Child>,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    seen: (Vec<u8>, Vec<u8>),
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child: Some(child),
            seen: (Vec::new(), Vec::new()),
        }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Reads stdout until a line holds `text`, and gives that line.
    #[track_caller]
    pub(crate) fn line(&mut self, text: &str) -> String {
        let line = read_until(&mut self.stdout, &mut self.seen.0, text);
        line.unwrap_or_else(|| self.no_line(text))
    }

    /// As [`Running::line`], on stderr.
    #[track_caller]
    pub(crate) fn error_line(&mut self, text: &str) -> String {
        let line = read_until(&mut self.stderr, &mut self.seen.1, text);
        line.unwrap_or_else(|| self.no_line(text))
    }

    #[track_caller]
    fn no_line(&mut self, text: &str) -> ! {
        let mut rest = Vec::new();
        self.child().kill().unwrap();
        self.stdout.read_to_end(&mut rest).unwrap();
        self.stderr.read_to_end(&mut rest).unwrap();
        let (seen, rest) = (&self.seen, String::from_utf8_lossy(&rest));
        let seen = [&seen.0, &seen.1].map(|bytes| String::from_utf8_lossy(bytes));
        panic!("ended before a line with `{text}`: {seen:?} {rest}");
    }

    /// Reads `bytes` bytes of stdout.
    pub(crate) fn take(&mut self, bytes: u64) -> Vec<u8> {
        let mut taken = Vec::new();
        let stdout = &mut self.stdout;
        stdout.take(bytes).read_to_end(&mut taken).unwrap();
        taken
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for the end; what was read before counts too.
    pub(crate) fn end(mut self) -> Ran {
        let mut child = self.child.take().unwrap();
        let (mut stdout, mut stderr) = std::mem::take(&mut self.seen);
        let reader = &mut self.stderr;
        let rest = std::thread::scope(|scope| {
            let errors = scope.spawn(move || {
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest).unwrap();
                rest
            });
            self.stdout.read_to_end(&mut stdout).unwrap();
            errors.join().unwrap()
        });
        stderr.extend(rest);
        Ran::new(Output {
            status: child.wait().unwrap(),
            stdout,
            stderr,
        })
    }

    /// Closes our ends of its output and waits for the end; its exit code.
    pub(crate) fn leave(mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        drop(self);
        child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _is_gone = child.kill();
            let _was_reaped = child.wait();
        }
    }
}

fn read_until(reader: &mut impl BufRead, seen: &mut Vec<u8>, text: &str) -> Option<String> {
    loop {
        let start = seen.len();
        if reader.read_until(b'\n', seen).unwrap() == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&seen[start..]).into_owned();
        if line.contains(text) {
            return Some(line);
        }
    }
}

/// Sends a signal to one process.
pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// One letter of `/proc/PID/stat`, and the parent: R, S, T, Z and so on. None when the process is gone.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// Whether the process is stopped by a signal.
pub(crate) fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == 'T')
}

/// Whether the process is gone, or only waits to be reaped.
pub(crate) fn is_gone(pid: u32) -> bool {
    stat(pid).is_none_or(|(state, _)| state == 'Z')
}

/// Sandbox processes whose parents are gone. Each ends by itself at once.
fn orphans() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines
        .filter(|line| {
            let words: Vec<_> = line.trim_end_matches('\0').split('\0').collect();
            let ["mc", "runner" | "compiler", parent] = words[..] else {
                return false;
            };
            parent.parse().is_ok_and(is_gone)
        })
        .collect()
}

/// The living children of a process, with their command lines.
pub(crate) fn children(parent: u32) -> Vec<(u32, String)> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(state, above)| above == parent && state != 'Z'))
        .map(|pid: u32| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            (pid, words)
        })
        .collect()
}

/// The child that plays `role`, as soon as there is one.
#[track_caller]
pub(crate) fn child(parent: u32, role: &str) -> u32 {
    until(&format!("a child process `{role}`"), || {
        let found = children(parent);
        found.into_iter().find(|(_, words)| words.contains(role))
    })
    .0
}

/// Peak resident memory of a process in KiB.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// A program that takes seconds to compile: thousands of functions that are never called.
fn slow_to_compile() -> Vec<u8> {
    const FUNCTIONS: usize = 20_000;
    let body = {
        // One local; it is multiplied by itself and added to, again and again.
        let step = b"\x20\x00\x20\x00\x6c\x41\x07\x6a\x21\x00";
        let code = [&b"\x01\x01\x7f"[..], &step.repeat(50), b"\x0b"].concat();
        [number(code.len()), code].concat()
    };
    [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, 1, b"\x60\x00\x00"),
        &section(3, FUNCTIONS, &[0; FUNCTIONS]),
        &section(5, 1, b"\x00\x01"),
        &section(7, 2, b"\x06_start\x00\x00\x06memory\x02\x00"),
        &section(10, FUNCTIONS, &body.repeat(FUNCTIONS)),
    ]
    .concat()
}

/// A run of such a program, which is being compiled.
pub(crate) fn compiling(mc: &Mc) -> Running {
    mc.write("slow.wasm", slow_to_compile());
    let mut running = mc.start(["run", "--progress", "plain", "slow.wasm"]);
    running.error_line("compiling");
    running
}

/// A section of a WebAssembly module: so many items, and their bytes.
fn section(id: u8, items: usize, bytes: &[u8]) -> Vec<u8> {
    let content = [&number(items), bytes].concat();
    [vec![id], number(content.len()), content].concat()
}

/// LEB128.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

impl Mc {
    /// Starts `mc` and reads along.
    pub(crate) fn start<A: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Running {
        Running::start(&mut self.command(args))
    }

    /// Nothing of a run is left but records and content: no process, staging folder, socket, or half-written file.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        until("sandbox processes end with their parents", || {
            orphans().is_empty().then_some(())
        });
        let mut left = self.staged();
        left.extend(self.left_behind("data/store/temporary"));
        left.extend(self.left_behind("run"));
        left.extend(temporary(&self.home()));
        left.extend(temporary(&self.work()));
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    /// Files of guests' roots. Staging folders stay, with their locks.
    pub(crate) fn staged(&self) -> Vec<PathBuf> {
        let mut left = self.left_behind("data/store/staging");
        left.retain(|path| path.extension().is_none_or(|extension| extension != "lock"));
        left
    }

    /// The control sockets in the runtime folder.
    pub(crate) fn sockets(&self) -> Vec<PathBuf> {
        self.left_behind("run")
    }

    /// The id of the newest run.
    pub(crate) fn last(&self) -> String {
        let ids = self.run(["ps", "-a", "-o", "id"]).clean().stdout;
        ids.lines().next().unwrap().to_owned()
    }
}

/// Half-written files below a folder.
fn temporary(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    crate::harness::walk(folder, &mut found);
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        [".mc-", ".identity-", "partial-"]
            .iter()
            .any(|start| name.starts_with(start))
    });
    found
}
