//! The bytes of the gate, on the first substream of a connection that has just been authenticated.
//!
//! Hello: `u8 version, u32 length, bytes`. Answer: `u8 version, u8 status, u32 length, bytes`. Integers are big endian.

use super::{GATE_BYTES_MAX, Gate, Refusal, Verdict};
use crate::address::Address;
use crate::identity::node_of;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use mutual_protocol::ids::NodeId;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The whole exchange, from the authenticated connection to both sides' decision. It is one round trip; five
/// seconds are enough for a connection around the world on a busy machine, and short for somebody who holds it open.
const GATE_TIME_MAX: Duration = Duration::from_secs(5);

/// Version of the frames below.
const VERSION: u8 = 1;

const ADMITTED: u8 = 0;
const ANSWERED: u8 = 1;
const REFUSED: u8 = 2;

/// Why a connection did not pass the gate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    #[error("the exchange at the gate took longer than {} s", GATE_TIME_MAX.as_secs())]
    Timeout,
    #[error("the connection broke at the gate")]
    Broken(#[source] io::Error),
    #[error("the peer speaks version {theirs} of the gate, not {VERSION}")]
    Version { theirs: u8 },
    #[error("the peer's words at the gate are malformed")]
    Malformed,
    #[error("the peer opened another substream before it was let in")]
    Impatient,
    #[error("the peer's key is not an Ed25519 key")]
    Key,
    #[error("somebody else answers there: {found}")]
    WrongNode { found: NodeId },
    /// We let nobody in: `None` where only an answer was wanted.
    #[error("not let in")]
    Turned {
        node: NodeId,
        refusal: Option<Refusal>,
    },
    /// They have answered, and have not let us in.
    #[error("the peer answered without letting us in")]
    Answered { answer: Vec<u8> },
    #[error("the peer refused us")]
    Refused { answer: Vec<u8> },
    /// They would have let us in, but we did not want it.
    #[error("refused by us: {refusal}")]
    Distrusted { refusal: Refusal },
}

/// Lets a connection through, or not. On success nothing but the exchange has happened on it.
pub(crate) async fn exchange(
    gate: Arc<dyn Gate>,
    (peer, mut muxer): (PeerId, StreamMuxerBox),
    point: ConnectedPoint,
) -> Result<(PeerId, StreamMuxerBox), GateError> {
    let node = node_of(&peer).ok_or(GateError::Key)?;
    let talk = async {
        match &point {
            ConnectedPoint::Dialer { address, .. } => {
                let expected = Address::from_multiaddr(address).and_then(|a| a.node());
                if expected.is_some_and(|expected| expected != node) {
                    return Err(GateError::WrongNode { found: node });
                }
                call(&*gate, node, &mut muxer).await
            }
            ConnectedPoint::Listener { .. } => answer(&*gate, node, &mut muxer).await,
        }
    };
    match tokio::time::timeout(GATE_TIME_MAX, talk).await {
        Ok(done) => done.map(|()| (peer, muxer)),
        Err(_) => Err(GateError::Timeout),
    }
}

/// The dialer's side.
async fn call(gate: &dyn Gate, node: NodeId, muxer: &mut StreamMuxerBox) -> Result<(), GateError> {
    let mut stream = open(muxer).await?;
    let hello = frame(&[VERSION], &gate.hello(node));
    driven(muxer, send(&mut stream, &hello)).await?;
    let (status, answer) = driven(muxer, read_answer(&mut stream)).await?;
    // The listener waits for this before it ends a connection that it refuses. It counts for nothing that it fails.
    drop(driven(muxer, finish(&mut stream)).await);
    match status {
        ADMITTED => gate
            .confirm(node, &answer)
            .map_err(|refusal| GateError::Distrusted { refusal }),
        ANSWERED => Err(GateError::Answered { answer }),
        REFUSED => Err(GateError::Refused { answer }),
        _ => Err(GateError::Malformed),
    }
}

/// The listener's side.
async fn answer(
    gate: &dyn Gate,
    node: NodeId,
    muxer: &mut StreamMuxerBox,
) -> Result<(), GateError> {
    let mut stream = accept(muxer).await?;
    let hello = alone(muxer, read_hello(&mut stream)).await?;
    let (status, answer, refusal) = match gate.receive(node, &hello) {
        Verdict::Admit { answer } => (ADMITTED, answer, None),
        Verdict::Answer { answer } => (ANSWERED, answer, None),
        Verdict::Refuse { answer, refusal } => (REFUSED, answer, Some(refusal)),
    };
    let answer = frame(&[VERSION, status], &answer);
    driven(muxer, send(&mut stream, &answer)).await?;
    if status == ADMITTED {
        return driven(muxer, finish(&mut stream)).await;
    }
    // What was sent would be lost if the connection ended before the dialer has read it; the dialer closes then.
    // Whether it closes, breaks off or says more makes no difference any more.
    drop(alone(muxer, read_some(&mut stream)).await);
    drop(std::future::poll_fn(|cx| muxer.poll_close_unpin(cx)).await);
    Err(GateError::Turned { node, refusal })
}

/// Head, length and bytes.
///
/// # Panics
/// When our own gate says more than the bound: the peer would refuse it, and nobody would know why.
fn frame(head: &[u8], bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() <= GATE_BYTES_MAX, "the gate says too much");
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [head, &length.to_be_bytes(), bytes].concat()
}

async fn read_hello(stream: &mut SubstreamBox) -> Result<Vec<u8>, GateError> {
    let [version] = read_array(stream).await?;
    check_version(version)?;
    read_bytes(stream).await
}

async fn read_answer(stream: &mut SubstreamBox) -> Result<(u8, Vec<u8>), GateError> {
    let [version] = read_array(stream).await?;
    check_version(version)?;
    let [status] = read_array(stream).await?;
    Ok((status, read_bytes(stream).await?))
}

const fn check_version(theirs: u8) -> Result<(), GateError> {
    if theirs != VERSION {
        return Err(GateError::Version { theirs });
    }
    Ok(())
}

async fn read_bytes(stream: &mut SubstreamBox) -> Result<Vec<u8>, GateError> {
    let length = u32::from_be_bytes(read_array(stream).await?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > GATE_BYTES_MAX {
        return Err(GateError::Malformed);
    }
    let mut bytes = vec![0; length];
    stream
        .read_exact(&mut bytes)
        .await
        .map_err(GateError::Broken)?;
    Ok(bytes)
}

async fn read_array<const N: usize>(stream: &mut SubstreamBox) -> Result<[u8; N], GateError> {
    let mut bytes = [0; N];
    stream
        .read_exact(&mut bytes)
        .await
        .map_err(GateError::Broken)?;
    Ok(bytes)
}

async fn read_some(stream: &mut SubstreamBox) -> Result<usize, GateError> {
    stream.read(&mut [0]).await.map_err(GateError::Broken)
}

async fn send(stream: &mut SubstreamBox, bytes: &[u8]) -> Result<(), GateError> {
    stream.write_all(bytes).await.map_err(GateError::Broken)?;
    stream.flush().await.map_err(GateError::Broken)
}

async fn finish(stream: &mut SubstreamBox) -> Result<(), GateError> {
    stream.close().await.map_err(GateError::Broken)
}

async fn open(muxer: &mut StreamMuxerBox) -> Result<SubstreamBox, GateError> {
    std::future::poll_fn(|cx| match muxer.poll_outbound_unpin(cx) {
        Poll::Ready(done) => Poll::Ready(done.map_err(GateError::Broken)),
        Poll::Pending => drive(muxer, cx),
    })
    .await
}

async fn accept(muxer: &mut StreamMuxerBox) -> Result<SubstreamBox, GateError> {
    std::future::poll_fn(|cx| match muxer.poll_inbound_unpin(cx) {
        Poll::Ready(done) => Poll::Ready(done.map_err(GateError::Broken)),
        Poll::Pending => drive(muxer, cx),
    })
    .await
}

/// Runs `work`, and ends with an error when the peer opens another substream meanwhile: what a stranger sends there
/// would wait in our memory, a quarter of a megabyte for each substream.
async fn alone<T>(
    muxer: &mut StreamMuxerBox,
    work: impl Future<Output = Result<T, GateError>>,
) -> Result<T, GateError> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        match muxer.poll_inbound_unpin(cx) {
            Poll::Ready(Ok(_stream)) => Poll::Ready(Err(GateError::Impatient)),
            // A muxer must not be asked again after an error.
            Poll::Ready(Err(error)) => match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(done),
                Poll::Pending => Poll::Ready(Err(GateError::Broken(error))),
            },
            Poll::Pending => step(muxer, work.as_mut(), cx),
        }
    })
    .await
}

/// Runs `work` while the muxer is polled: without that, no byte of a substream moves.
async fn driven<T>(
    muxer: &mut StreamMuxerBox,
    work: impl Future<Output = Result<T, GateError>>,
) -> Result<T, GateError> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| step(muxer, work.as_mut(), cx)).await
}

fn step<T>(
    muxer: &mut StreamMuxerBox,
    mut work: Pin<&mut impl Future<Output = Result<T, GateError>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, GateError>> {
    if let Poll::Ready(done) = work.as_mut().poll(cx) {
        return Poll::Ready(done);
    }
    match drive::<T>(muxer, cx) {
        // What came before the end of the connection may be all that `work` waited for.
        Poll::Ready(end) => match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => Poll::Ready(end),
        },
        Poll::Pending => Poll::Pending,
    }
}

/// Polls the muxer until it waits. `Ready` only for an error.
fn drive<T>(muxer: &mut StreamMuxerBox, cx: &mut Context<'_>) -> Poll<Result<T, GateError>> {
    loop {
        match muxer.poll_unpin(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(GateError::Broken(error))),
            // A new address of the peer (QUIC) is of no interest yet.
            Poll::Ready(Ok(_)) => {}
        }
    }
}
