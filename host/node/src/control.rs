//! The control socket of an attached run: what other terminals of this account ask it.
//!
//! One request a connection: a line of JSON, answered by a line of JSON and, for logs, by frames (see [`crate::logs`])
//! until the run ends. The socket lies in a folder that only the account can enter.

use crate::record::RanOn;
use mutual_protocol::JobId;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Longest request and longest answer line in bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// What another terminal asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "op")]
pub enum Request {
    /// Where the run stands.
    Status,
    /// End the run; `now` does not wait for its last output.
    Stop {
        /// Whether to kill at once.
        now: bool,
    },
    /// The log so far and, with `follow`, what comes.
    Logs {
        /// Whether to go on until the end.
        follow: bool,
    },
}

/// What the run answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Phase of the run, for people: `compiling`, `running` and so on.
    pub phase: String,
    /// Fencing epoch of the lease; none before there is one.
    pub epoch: Option<u32>,
    /// Renewals of the lease so far.
    pub renewals: u32,
    /// The other host that runs it; none before there is one, and for a run on this machine.
    #[serde(default)]
    pub host: Option<RanOn>,
    /// Progress that the guest told: done, total, text.
    pub progress: Option<(u64, u64, String)>,
}

/// How the name of a control socket ends.
pub(crate) const SOCKET: &str = ".sock";
/// Longest path that a Unix socket's address holds, bytes, without the NUL at its end.
const ADDRESS_BYTES_MAX: usize = 107;

/// The socket of `job` in `runtime`. 80 bits of the id tell it from every other one.
pub fn socket_path(runtime: &Path, job: &JobId) -> PathBuf {
    let name: String = job.to_string().chars().take(18).collect();
    runtime.join(format!("{name}{SOCKET}"))
}

/// Whether a process listens on the socket. Never waits: a stopped process with a full queue listens too.
pub fn is_answered(path: &Path) -> bool {
    let connected = Address::of(path).and_then(|address| {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok(rustix::net::connect(
            &socket,
            &SocketAddrUnix::new(&address.path)?,
        )?)
    });
    match connected {
        Ok(()) => true,
        Err(error) => Errno::from_io_error(&error) == Some(Errno::AGAIN),
    }
}

/// A path that fits a socket's address: through the open folder where the path itself is too long.
struct Address {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Address {
    fn of(path: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
            return Ok(Self {
                path: path.to_owned(),
                _folder: None,
            });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
        Ok(Self {
            path: path.join(name),
            _folder: Some(folder),
        })
    }
}

/// Keeps the socket of a run open. While it lives, who connects waits, and nobody takes the run's process for gone;
/// then the socket is removed.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    _listener: Option<OwnedFd>,
}

impl Door {
    /// The door of `listener`, which listens at `path`.
    pub(crate) fn of(listener: &UnixListener, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            _listener: listener.as_fd().try_clone_to_owned().ok(),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // What stays is found by the next sweep.
        let _swept_already = std::fs::remove_file(&self.path);
    }
}

/// Opens the socket of a run; an old one under this name can only be a dead one's, since job ids never repeat.
///
/// # Errors
/// When the folder or the socket cannot be made.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    UnixListener::bind(&Address::of(path)?.path)
}

/// Connects to the socket at `path`, however long that is.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(&Address::of(path)?.path).await
}

/// Reads the one request of a connection.
///
/// # Errors
/// When the other side says nothing valid.
pub async fn read_request(stream: &mut UnixStream) -> io::Result<Request> {
    let line = read_line(stream).await?;
    serde_json::from_str(&line).map_err(io::Error::other)
}

/// Sends `value` as a line.
///
/// # Errors
/// When the other side is gone.
pub async fn write_line<T: Serialize>(stream: &mut UnixStream, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// Asks the run behind `path`. The connection is given back for what follows the answer.
///
/// # Errors
/// When nobody listens, or the answer is not valid.
pub async fn ask(path: &Path, request: Request) -> io::Result<(Status, UnixStream)> {
    let mut stream = connect(path).await?;
    write_line(&mut stream, &request).await?;
    let line = read_line(&mut stream).await?;
    Ok((
        serde_json::from_str(&line).map_err(io::Error::other)?,
        stream,
    ))
}

/// Reads byte by byte on purpose: what follows the line belongs to the caller.
async fn read_line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut one = BufReader::with_capacity(1, stream.take(LINE_BYTES_MAX));
    one.read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    String::from_utf8(line).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener as Listener;

    #[test]
    fn a_socket_is_answered_as_long_as_somebody_listens() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("n".repeat(150));
        std::fs::create_dir(&long).unwrap();
        for path in [folder.path().join("short.sock"), long.join("long.sock")] {
            assert!(!is_answered(&path), "nothing there");
            let listener = Listener::bind(&Address::of(&path).unwrap().path).unwrap();
            assert!(path.exists() && is_answered(&path), "{}", path.display());
            drop(listener);
            assert!(path.exists() && !is_answered(&path), "{}", path.display());
        }
    }

    #[test]
    fn a_full_queue_is_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.sock");
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        assert!((0..10).all(|_| is_answered(&path)), "nobody accepts");
    }
}
