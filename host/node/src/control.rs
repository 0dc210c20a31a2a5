//! The control socket of an attached run: what other terminals of this account ask it.
//!
//! One request a connection: a line of JSON, answered by a line of JSON and, for logs, by frames (see [`crate::logs`])
//! until the run ends. The socket lies in a folder that only the account can enter.

use mutual_protocol::JobId;
use serde::{Deserialize, Serialize};
use std::io;
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
    /// Progress that the guest told: done, total, text.
    pub progress: Option<(u64, u64, String)>,
}

/// The socket of `job` in `runtime`. Unix limits such paths to about 100 bytes, so the id is cut to 80 bits.
pub fn socket_path(runtime: &Path, job: &JobId) -> PathBuf {
    let name: String = job.to_string().chars().take(18).collect();
    runtime.join(format!("{name}.sock"))
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
    UnixListener::bind(path)
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
    let mut stream = UnixStream::connect(path).await?;
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
