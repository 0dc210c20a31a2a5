//! A stream of bytes between two nodes, as the rest of the program sees it.

use mutual_protocol::ids::NodeId;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _};

/// A stream of bytes to and from one node, ordered and encrypted.
///
/// Shutting it down says that no more bytes follow; the other direction goes on. Dropping it ends both. It counts
/// against the limit of streams of its peer until it is dropped.
pub struct NetStream {
    inner: Compat<libp2p::Stream>,
    node: NodeId,
    _permit: OwnedSemaphorePermit,
}

impl NetStream {
    pub(crate) fn new(stream: libp2p::Stream, node: NodeId, permit: OwnedSemaphorePermit) -> Self {
        Self {
            inner: stream.compat(),
            node,
            _permit: permit,
        }
    }

    /// Who is at the other end.
    pub const fn node(&self) -> NodeId {
        self.node
    }
}

impl fmt::Debug for NetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetStream({:?})", self.node)
    }
}

impl AsyncRead for NetStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for NetStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
