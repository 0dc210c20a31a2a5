//! Messages: a frame is a length (`u32`, big endian) and as many bytes. One stream carries one direction.
//!
//! What happens on both sides: each peer has one queue and one task that writes it, and one task that reads what
//! comes. Order is kept as long as the stream lives; what was under way when a connection breaks is lost.

use crate::rate::Rate;
use crate::streams::{Kind, OpenError};
use crate::swarm::{Command, Shared};
use crate::{Event, SendError, Violation};
use futures::io::BufWriter;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use mutual_protocol::ids::NodeId;
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Longest message in bytes. It carries signed objects and log frames; content goes over streams.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Messages that may wait for one peer: half a second of what a peer accepts in a row.
const QUEUE_MESSAGES_MAX: usize = 4096;

/// Bytes that may wait for one peer: sixteen of the longest messages.
const QUEUE_BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX;

/// Small messages are written together in pieces of this size: one substream frame of Yamux is 16 KiB.
const WRITE_BYTES: usize = 16 << 10;

/// Tries to open a stream: as many connections as there may be to one peer.
const OPENS_MAX: usize = 4;

/// The way to one peer. Clones lead to the same queue.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    room: Arc<Semaphore>,
}

/// A message in the queue, with its share of the room.
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl Outbox {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Outgoing>) {
        let (queue, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX));
        (Self { queue, room }, receiver)
    }

    pub(crate) fn push(&self, bytes: Vec<u8>) -> Result<(), SendError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(SendError::TooLarge { bytes: bytes.len() });
        }
        // An empty message takes room as well: its place in the queue.
        let share = u32::try_from(bytes.len()).unwrap_or(u32::MAX).max(1);
        let room = Arc::clone(&self.room).try_acquire_many_owned(share);
        let outgoing = Outgoing {
            bytes,
            _room: room.map_err(|_full| SendError::QueueFull)?,
        };
        self.queue.try_send(outgoing).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => SendError::NotConnected,
        })
    }
}

/// Writes the queue of `node` until it is closed: when the last connection has ended, or the network is to end.
///
/// Two nodes that find each other by TCP and QUIC at once keep one connection of the two; a message may have gone the
/// other way. So a stream is opened wherever there is a connection, and its end is told.
pub(crate) async fn write(
    node: NodeId,
    mut queue: mpsc::Receiver<Outgoing>,
    commands: mpsc::WeakSender<Command>,
) {
    let mut stream: Option<BufWriter<Stream>> = None;
    loop {
        let next = match &mut stream {
            None => queue.recv().await,
            Some(writer) => tokio::select! {
                biased;
                next = queue.recv() => next,
                () = ended(writer) => {
                    stream = None;
                    lost(node, &commands).await;
                    continue;
                }
            },
        };
        let Some(first) = next else { break };
        if stream.is_none() {
            stream = open_anywhere(node, &commands).await;
        }
        let written = match &mut stream {
            Some(writer) => write_waiting(writer, first, &mut queue).await,
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = written {
            tracing::debug!(?node, %error, "messages are lost");
            stream = None;
            lost(node, &commands).await;
        }
    }
    if let Some(writer) = stream {
        end(writer).await;
    }
}

/// Waits until the other side has ended the stream, on which it never says anything. Dropping the future is safe.
async fn ended(writer: &mut BufWriter<Stream>) {
    let _nothing = writer.get_mut().read(&mut [0]).await;
}

/// Says that messages to `node` may be lost; whether that is still connected, the loop knows.
async fn lost(node: NodeId, commands: &mpsc::WeakSender<Command>) {
    if let Some(commands) = commands.upgrade() {
        // When the loop has ended, nobody is connected.
        drop(commands.send(Command::Lost(node)).await);
    }
}

/// A stream on any connection: one that is just ending costs a try.
async fn open_anywhere(
    node: NodeId,
    commands: &mpsc::WeakSender<Command>,
) -> Option<BufWriter<Stream>> {
    for _ in 0..OPENS_MAX {
        match open(node, commands).await {
            Ok(opened) => return Some(BufWriter::with_capacity(WRITE_BYTES, opened)),
            Err(error) => tracing::debug!(?node, %error, "no stream for messages"),
        }
    }
    None
}

/// Says that no more follows, and waits for the other side to end as well: it has read everything by then.
async fn end(mut writer: BufWriter<Stream>) {
    if writer.close().await.is_ok() {
        // Nothing is ever said in this direction; the end comes as an end or as an error.
        drop(writer.into_inner().read(&mut [0]).await);
    }
}

async fn open(node: NodeId, commands: &mpsc::WeakSender<Command>) -> Result<Stream, OpenError> {
    let (reply, answer) = oneshot::channel();
    let kind = Kind::Message;
    let open = Command::Open { node, kind, reply };
    let commands = commands.upgrade().ok_or(OpenError::Closed)?;
    commands
        .send(open)
        .await
        .map_err(|_ended| OpenError::Closed)?;
    drop(commands);
    answer.await.map_err(|_ended| OpenError::Closed)?
}

/// Writes `first` and all that waits behind it, then flushes.
async fn write_waiting(
    writer: &mut BufWriter<Stream>,
    first: Outgoing,
    queue: &mut mpsc::Receiver<Outgoing>,
) -> io::Result<()> {
    let mut next = Some(first);
    while let Some(Outgoing { bytes, _room }) = next {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        writer.write_all(&length.to_be_bytes()).await?;
        writer.write_all(&bytes).await?;
        next = queue.try_recv().ok();
    }
    writer.flush().await
}

/// Hands in what `node` says on `stream`, as fast as the events are taken, until the stream ends.
pub(crate) async fn read(node: NodeId, mut stream: Stream, shared: Arc<Shared>) {
    let limits = &shared.limits;
    let now = tokio::time::Instant::now();
    let mut rate = Rate::new(limits.messages_per_second, limits.messages_at_once, now);
    loop {
        let violation = match read_frame(&mut stream).await {
            Ok(Frame::Message(bytes)) if rate.take(tokio::time::Instant::now()) => {
                let message = Event::Message { from: node, bytes };
                if shared.events.send(message).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(Frame::Message(_)) => Violation::MessageFlood,
            Ok(Frame::Giant(bytes)) => Violation::GiantMessage { bytes },
            Ok(Frame::End) => return,
            Err(error) => {
                tracing::debug!(?node, %error, "the stream of messages broke");
                return;
            }
        };
        let command = Command::Violation { node, violation };
        if let Some(commands) = shared.commands.upgrade() {
            // When the loop has ended there is nobody left to punish anybody.
            drop(commands.send(command).await);
        }
        return;
    }
}

enum Frame {
    Message(Vec<u8>),
    Giant(u32),
    End,
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; 4];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(Frame::End);
    }
    stream.read_exact(&mut head[1..]).await?;
    let length = u32::from_be_bytes(head);
    if usize::try_from(length).map_or(true, |length| length > MESSAGE_BYTES_MAX) {
        return Ok(Frame::Giant(length));
    }
    let mut bytes = Vec::new();
    // The memory grows with what has come, not with what was announced.
    let read = stream
        .take(u64::from(length))
        .read_to_end(&mut bytes)
        .await?;
    if u32::try_from(read) != Ok(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Frame::Message(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    fn check(input: &[u8], expected: &str) {
        let mut rest = input;
        let seen = match block_on(read_frame(&mut rest)) {
            Ok(Frame::Message(bytes)) => format!("message {bytes:?}"),
            Ok(Frame::Giant(bytes)) => format!("giant {bytes}"),
            Ok(Frame::End) => "end".to_owned(),
            Err(error) => format!("{}", error.kind()),
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn frames_are_whole_or_refused() {
        check(&[], "end");
        check(&[0, 0, 0, 0], "message []");
        check(&[0, 0, 0, 2, 7, 8], "message [7, 8]");
        check(&[0, 0, 0, 2, 7], "unexpected end of file");
        check(&[0, 0], "unexpected end of file");
        check(&[0, 16, 0, 1], "giant 1048577");
        check(&[255, 255, 255, 255], "giant 4294967295");
    }

    #[test]
    fn a_queue_takes_so_many_bytes_and_so_many_messages() {
        let (outbox, receiver) = Outbox::new();
        let bytes = MESSAGE_BYTES_MAX + 1;
        let too_large = outbox.push(vec![0; bytes]).unwrap_err();
        assert_eq!(too_large, SendError::TooLarge { bytes });
        for _ in 0..16 {
            outbox.push(vec![0; MESSAGE_BYTES_MAX]).unwrap();
        }
        assert_eq!(outbox.push(vec![0]), Err(SendError::QueueFull));
        drop(receiver);
        let (outbox, receiver) = Outbox::new();
        for _ in 0..QUEUE_MESSAGES_MAX {
            outbox.push(Vec::new()).unwrap();
        }
        assert_eq!(outbox.push(Vec::new()), Err(SendError::QueueFull));
        drop(receiver);
        assert_eq!(outbox.push(Vec::new()), Err(SendError::NotConnected));
    }
}
