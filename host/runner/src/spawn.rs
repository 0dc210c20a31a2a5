//! The thread that makes every child process, and never ends before the process does.
//!
//! A child dies with the *thread* that made it (PDEATHSIG), so all of them are made by one that lives as long as
//! any [`Spawner`] does. std's `Command` without `pre_exec` is a `posix_spawn`, whose cost does not grow with the
//! parent's memory.

use crate::process::Process;
use crate::role::Role;
use crate::runner::Spare;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, WaitOptions, waitpid};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// Requests that wait for the spawning thread; a caller beyond them waits the millisecond that one spawn takes.
const REQUESTS_MAX: usize = 64;
/// The spawning thread calls `posix_spawn` and `wait4`, nothing deep.
const STACK_BYTES: usize = 256 << 10;

/// Why a child could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// No thread, no descriptor, no memory, or the executable cannot be started.
    #[error("a sandbox process could not be started")]
    Io(#[from] std::io::Error),
    /// The spawning thread is gone.
    #[error("the spawning thread has ended")]
    Gone,
}

/// Makes child processes. Clones share one thread.
#[derive(Clone, Debug)]
pub struct Spawner {
    requests: SyncSender<Request>,
}

#[derive(Debug)]
enum Request {
    Spawn {
        role: Role,
        stdin: OwnedFd,
        spawner: Spawner,
        reply: Reply,
    },
    Reap(Pid),
}

type Reply = oneshot::Sender<Result<Process, SpawnError>>;

/// A child that is being made: its socket works already, and keeps what is written until the child reads.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) socket: UnixStream,
    pub(crate) process: oneshot::Receiver<Result<Process, SpawnError>>,
}

impl Spawner {
    /// Starts the spawning thread for children that run this process's own executable, whatever became of its
    /// file. `name` is the command's name as `ps` shows it: `mc` gives `mc runner 1234`.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn new(name: &str) -> Result<Self, SpawnError> {
        Self::with_executable("/proc/self/exe".into(), name.into())
    }

    /// As [`Self::new`], with another executable: for tests, and for embedders whose own file has no roles.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn with_executable(path: PathBuf, name: OsString) -> Result<Self, SpawnError> {
        let (requests, inbox) = sync_channel(REQUESTS_MAX);
        let thread = std::thread::Builder::new()
            .name("spawner".to_owned())
            .stack_size(STACK_BYTES);
        thread.spawn(move || serve(&path, &name, &inbox))?;
        Ok(Self { requests })
    }

    /// Orders a generic runner and returns at once: the process starts, and makes its engine, while the caller
    /// does something else. Works outside a tokio runtime.
    ///
    /// # Errors
    /// When no socket can be made.
    pub fn spare(&self) -> Result<Spare, SpawnError> {
        self.spawn(Role::Runner).map(Spare::new)
    }

    pub(crate) fn spawn(&self, role: Role) -> Result<Pending, SpawnError> {
        let (socket, stdin) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(std::io::Error::from)?;
        let socket = UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        let (reply, process) = oneshot::channel();
        let request = Request::Spawn {
            role,
            stdin,
            spawner: self.clone(),
            reply,
        };
        self.requests
            .send(request)
            .map_err(|_disconnected| SpawnError::Gone)?;
        Ok(Pending { socket, process })
    }

    /// Reaps a killed child when it has died, at the latest with the next spawn after that.
    pub(crate) fn reap(&self, pid: Pid) {
        let _reaped_by_init_at_exit = self.requests.try_send(Request::Reap(pid));
    }
}

fn serve(path: &std::path::Path, name: &std::ffi::OsStr, inbox: &Receiver<Request>) {
    let mut killed: Vec<Pid> = Vec::new();
    // Every process holds a spawner, so the loop ends with the last of both.
    while let Ok(request) = inbox.recv() {
        // Never waits for a child: one that is stuck in the kernel would stop all spawning.
        killed.retain(|pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None)));
        match request {
            Request::Spawn {
                role,
                stdin,
                spawner,
                reply,
            } => {
                let mut command = Command::new(path);
                command
                    .arg0(name)
                    .arg(role.argument())
                    .arg(std::process::id().to_string())
                    .env_clear()
                    .stdin(Stdio::from(stdin))
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    // Ctrl-C in the terminal goes to the command alone, which decides what becomes of the child.
                    .process_group(0);
                let _receiver_gone_kills_it = reply.send(spawn(&mut command, spawner));
            }
            Request::Reap(pid) => killed.push(pid),
        }
    }
}

fn spawn(command: &mut Command, spawner: Spawner) -> Result<Process, SpawnError> {
    let child = command.spawn()?;
    Ok(Process::new(child.id(), spawner)?)
}
