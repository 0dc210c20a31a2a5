//! Answers other terminals on the control socket, a task for each connection; the event loop never waits for them.

use super::event_loop::Followed;
use crate::control::{self, Request, Status};
use crate::logs::Frame;
use crate::tasks::TaskGroup;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio::time::{Duration, timeout};

/// Connections that are served at once; more wait in the kernel's queue. Followers stay, so a stop must still fit.
const CONNECTIONS_MAX: usize = 256;
/// A client that says nothing for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request with the way back to who asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What the event loop answers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: Status,
    /// The log so far, encoded, when it was asked for.
    pub(super) log: Vec<u8>,
    /// Bytes that the guest has written so far.
    pub(super) written: u64,
    /// What comes; ends with the run. The log stream of a stopped run is its end signal.
    pub(super) follow: Option<broadcast::Receiver<Arc<Followed>>>,
}

/// Serves until the task is dropped.
pub(super) async fn serve(listener: UnixListener, asked: mpsc::Sender<Asked>, tasks: TaskGroup) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        // An error here is a client that left, or no free descriptor: the next turn shows.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let asked = asked.clone();
        tasks.spawn("control connection", async move {
            if let Err(e) = answer(stream, asked).await {
                tracing::debug!("control connection: {e}");
            }
            drop(slot);
        });
    }
}

async fn answer(mut stream: UnixStream, asked: mpsc::Sender<Asked>) -> io::Result<()> {
    let request = timeout(PATIENCE, control::read_request(&mut stream)).await??;
    let (reply, answer) = oneshot::channel();
    asked
        .send(Asked { request, reply })
        .await
        .map_err(io::Error::other)?;
    let answer = answer.await.map_err(io::Error::other)?;
    timeout(PATIENCE, control::write_line(&mut stream, &answer.status)).await??;
    stream.write_all(&answer.log).await?;
    if let Some(follow) = answer.follow {
        pass_on(&mut stream, follow, answer.written).await?;
    }
    let mut end = Vec::new();
    Frame::End.encode(&mut end);
    stream.write_all(&end).await?;
    stream.shutdown().await
}

/// Passes on what comes until the run ends. A reader that is too slow misses some, and is told how much; one that
/// stands still costs no more than its place.
async fn pass_on(
    stream: &mut UnixStream,
    mut follow: broadcast::Receiver<Arc<Followed>>,
    mut position: u64,
) -> io::Result<()> {
    loop {
        let followed = match follow.recv().await {
            Ok(followed) => followed,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Ok(()),
        };
        let mut bytes = Vec::new();
        let missed = followed.before.saturating_sub(position);
        if missed > 0 {
            Frame::Dropped { bytes: missed }.encode(&mut bytes);
        }
        followed.frame.encode(&mut bytes);
        position = followed
            .before
            .saturating_add(followed.frame.output_bytes());
        stream.write_all(&bytes).await?;
    }
}
