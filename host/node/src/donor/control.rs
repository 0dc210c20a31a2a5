//! The host's control socket: any terminal of the account asks and tells the host that serves.
//!
//! A line of JSON in, a line of JSON out, then the connection ends; after [`Ask::Stop`] it ends with the host. The
//! socket lies in a folder that only the account can enter.

use super::report::{About, Report};
use crate::control;
use crate::hosting::{Asked, Request};
use crate::tasks::TaskGroup;
use serde::{Deserialize, Serialize};
use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

/// Longest request, bytes: a word and the id of a job.
const ASK_BYTES_MAX: u64 = 1 << 10;
/// Longest answer, bytes: 512 members, 64 ended jobs with what went wrong, and as many running ones.
const REPORT_BYTES_MAX: u64 = 1 << 20;
/// Connections that are served at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// Who says nothing for so long, or does not take its answer, is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// What another terminal asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "op", deny_unknown_fields)]
pub enum Ask {
    /// How the host stands.
    Status,
    /// Take nothing new, and release what runs.
    Pause,
    /// Take work again.
    Resume,
    /// Finish what runs, and take nothing new.
    Drain,
    /// Release the lease of a job.
    Kill {
        /// Its id.
        job: String,
    },
    /// Release all leases and end.
    Stop,
}

impl From<Ask> for Request {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Status => Self::Status,
            Ask::Pause => Self::Pause,
            Ask::Resume => Self::Resume,
            Ask::Drain => Self::Drain,
            Ask::Kill { job } => Self::Kill(job),
            Ask::Stop => Self::Stop,
        }
    }
}

/// The way to the host's loop, for whoever asks.
#[derive(Clone, Debug)]
pub struct Desk {
    /// What is known beside the loop.
    pub about: watch::Receiver<About>,
    /// The loop.
    pub asked: mpsc::Sender<Asked>,
    /// Whether somebody has asked the host to stop: it does not end by itself then.
    pub stopping: Arc<AtomicBool>,
}

impl Desk {
    /// Asks the loop; none when it has ended.
    pub async fn ask(&self, request: Request) -> Option<Report> {
        if request == Request::Stop {
            self.stopping.store(true, Ordering::Relaxed);
        }
        let (reply, answer) = oneshot::channel();
        self.asked.send(Asked { request, reply }).await.ok()?;
        let status = answer.await.ok()?;
        Some(Report::new(self.about.borrow().clone(), status))
    }
}

/// Opens the socket. What lies there under this name is a dead host's: the caller is the one host of this account.
///
/// # Errors
/// When the folder or the socket cannot be made.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    control::listen(path)
}

/// Answers until the task is dropped.
pub async fn serve(listener: UnixListener, desk: Desk, tasks: TaskGroup) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        // An error here is a client that left, or no free descriptor: the next turn shows.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let desk = desk.clone();
        tasks.spawn("control connection", async move {
            if let Err(e) = answer(stream, &desk).await {
                tracing::debug!("control connection: {e}");
            }
            drop(slot);
        });
    }
}

async fn answer(mut stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let line = timeout(PATIENCE, read_line(&mut stream, ASK_BYTES_MAX)).await??;
    let ask: Ask = serde_json::from_str(&line).map_err(io::Error::other)?;
    let is_stop = ask == Ask::Stop;
    let report = desk.ask(ask.into()).await;
    let report = report.ok_or_else(|| io::Error::other("the host has ended"))?;
    timeout(PATIENCE, control::write_line(&mut stream, &report)).await??;
    if is_stop {
        // Who asked sees the end of the host by the end of this connection.
        pending::<()>().await;
    }
    Ok(())
}

/// Asks the host behind `path`. The connection is given back: after [`Ask::Stop`] it ends with the host.
///
/// # Errors
/// When nobody listens, nobody answers in time, or the answer is not valid.
pub async fn ask(path: &Path, ask: &Ask) -> io::Result<(Report, UnixStream)> {
    timeout(PATIENCE, async {
        let mut stream = control::connect(path).await?;
        control::write_line(&mut stream, ask).await?;
        let line = read_line(&mut stream, REPORT_BYTES_MAX).await?;
        let report = serde_json::from_str(&line).map_err(io::Error::other)?;
        Ok((report, stream))
    })
    .await?
}

async fn read_line(stream: &mut UnixStream, bytes_max: u64) -> io::Result<String> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(bytes_max));
    reader.read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    String::from_utf8(line).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
