//! The frames of `/mutual/blob/1`, read and written within limits of size and time.

use mutual_protocol::Cid;
use mutual_protocol::codec;
use mutual_protocol::ids::Codec;
use mutual_protocol::limits::{BLOCK_BYTES_MAX, MANIFEST_BYTES_MAX};
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

/// Wants in one request, and wants that a client leaves open on one stream: 64 blocks of 1 MiB keep 10 Gb/s busy over
/// 50 ms.
pub const WANTS_MAX: usize = 64;
/// Each 64 KiB have to move within this time: slower than any link in use, so the other side stands still.
pub const STALL_TIME_MAX: Duration = Duration::from_secs(10);
/// What has to move within [`STALL_TIME_MAX`]. One byte now and then would hold a stream for ever.
const CHUNK_BYTES: usize = 64 << 10;
/// A binary CID has 36 bytes, its tag, head and prefix 5; the list's head has 2.
const REQUEST_BYTES_MAX: usize = WANTS_MAX * 41 + 2;

/// How large a block of this codec may be in transfer.
///
/// A leaf or a node of a file has at most [`BLOCK_BYTES_MAX`]. A DAG-CBOR object is one block at any size, and the
/// manifest of a job's inputs is the largest of them.
pub const fn block_bytes_max(codec: Codec) -> usize {
    match codec {
        Codec::Raw | Codec::DagPb => BLOCK_BYTES_MAX,
        Codec::DagCbor => MANIFEST_BYTES_MAX,
    }
}

/// What became of one want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The block follows.
    Have,
    /// Not here.
    Missing,
    /// Here or not, it is not given to this client.
    Refused,
    /// Nothing more is given to this client for now.
    Busy,
}

impl Status {
    const fn byte(self) -> u8 {
        match self {
            Self::Have => 0,
            Self::Missing => 1,
            Self::Refused => 2,
            Self::Busy => 3,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Have,
            1 => Self::Missing,
            2 => Self::Refused,
            3 => Self::Busy,
            _ => return None,
        })
    }
}

/// Why a frame could not be read or written.
#[derive(Debug)]
pub(super) enum WireError {
    /// The stream is gone.
    Closed(io::Error),
    /// The other side stands still.
    Stalled,
    /// Not a frame of this protocol.
    Malformed,
}

/// The frame that asks for `wants`, which are at most [`WANTS_MAX`].
pub(super) fn request(wants: &[Cid]) -> Vec<u8> {
    let body = codec::encode(&wants);
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut frame = len.to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    frame
}

/// Reads what follows the `first` byte of a request.
pub(super) async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    first: u8,
) -> Result<Vec<Cid>, WireError> {
    let mut len = [first, 0, 0, 0];
    let [_, rest @ ..] = &mut len;
    in_time(stream.read_exact(rest)).await?;
    let len = length(len)?;
    if len > REQUEST_BYTES_MAX {
        return Err(WireError::Malformed);
    }
    let mut body = vec![0; len];
    in_time(stream.read_exact(&mut body)).await?;
    let wants: Vec<Cid> =
        codec::decode(&body, REQUEST_BYTES_MAX).map_err(|_wrong| WireError::Malformed)?;
    if wants.is_empty() || wants.len() > WANTS_MAX {
        return Err(WireError::Malformed);
    }
    Ok(wants)
}

/// Writes one answer; `block` is empty unless the status is [`Status::Have`]. `ready` says when each further chunk
/// may leave.
pub(super) async fn write_answer(
    stream: &mut (impl AsyncWrite + Unpin),
    status: Status,
    block: &[u8],
    mut ready: impl FnMut(usize) -> Instant,
) -> Result<(), WireError> {
    let len = u32::try_from(block.len()).map_err(|_long| WireError::Malformed)?;
    let [a, b, c, d] = len.to_be_bytes();
    in_time(stream.write_all(&[status.byte(), a, b, c, d])).await?;
    for chunk in block.chunks(CHUNK_BYTES) {
        wait_until(ready(chunk.len())).await;
        in_time(stream.write_all(chunk)).await?;
    }
    Ok(())
}

/// Reads the head of an answer: what became of the want, and how long the block is that follows.
pub(super) async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<(Status, usize), WireError> {
    let mut head = [0; 5];
    in_time(stream.read_exact(&mut head)).await?;
    let [status, len @ ..] = head;
    let (Some(status), len) = (Status::from_byte(status), length(len)?) else {
        return Err(WireError::Malformed);
    };
    if status != Status::Have && len != 0 {
        return Err(WireError::Malformed);
    }
    Ok((status, len))
}

/// Reads the block that follows a head. The caller has checked `len`.
pub(super) async fn read_block(
    stream: &mut (impl AsyncRead + Unpin),
    len: usize,
) -> Result<Vec<u8>, WireError> {
    let mut block = Vec::with_capacity(len);
    let (mut deadline, mut mark) = (Instant::now() + STALL_TIME_MAX, CHUNK_BYTES);
    while block.len() < len {
        let left = u64::try_from(len - block.len()).unwrap_or(0);
        let mut rest = (&mut *stream).take(left);
        match timeout_at(deadline, rest.read_buf(&mut block)).await {
            Err(_elapsed) => return Err(WireError::Stalled),
            Ok(Err(error)) => return Err(WireError::Closed(error)),
            Ok(Ok(0)) => return Err(WireError::Closed(io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(_)) => {}
        }
        if block.len() >= mark {
            (deadline, mark) = (Instant::now() + STALL_TIME_MAX, block.len() + CHUNK_BYTES);
        }
    }
    Ok(block)
}

/// Does one small piece of input or output, within [`STALL_TIME_MAX`].
pub(super) async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, WireError> {
    match tokio::time::timeout(STALL_TIME_MAX, work).await {
        Ok(done) => done.map_err(WireError::Closed),
        Err(_elapsed) => Err(WireError::Stalled),
    }
}

/// Waits, unless the time is over: then it costs no timer.
pub(super) async fn wait_until(time: Instant) {
    if time > Instant::now() {
        tokio::time::sleep_until(time).await;
    }
}

fn length(bytes: [u8; 4]) -> Result<usize, WireError> {
    usize::try_from(u32::from_be_bytes(bytes)).map_err(|_long| WireError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_length_and_a_list_of_cids() {
        let cid = Cid::of(Codec::Raw, b"x");
        let mut expected = b"\0\0\0\x2a\x81\xd8\x2a\x58\x25\0".to_vec();
        expected.extend_from_slice(&cid.to_bytes());
        assert_eq!(request(&[cid]), expected);
        assert_eq!(request(&[cid; WANTS_MAX]).len(), 4 + REQUEST_BYTES_MAX);
    }

    #[tokio::test]
    async fn an_answer_is_status_length_and_bytes() {
        let mut bytes = Vec::new();
        let now = Instant::now();
        for (status, block) in [(Status::Have, b"xy".as_slice()), (Status::Busy, b"")] {
            write_answer(&mut bytes, status, block, |_| now)
                .await
                .unwrap();
        }
        assert_eq!(bytes, b"\0\0\0\0\x02xy\x03\0\0\0\0");
        let mut rest = bytes.as_slice();
        assert_eq!(read_head(&mut rest).await.unwrap(), (Status::Have, 2));
        assert_eq!(read_block(&mut rest, 2).await.unwrap(), b"xy");
        assert_eq!(read_head(&mut rest).await.unwrap(), (Status::Busy, 0));
        assert!(matches!(
            read_head(&mut rest).await,
            Err(WireError::Closed(_))
        ));
    }
}
