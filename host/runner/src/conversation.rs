//! The parent's end of a child's socket: non-blocking, bounded both ways.

use crate::frame::{Decoder, FrameError, Kind, append};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Frames to and from one child. No task of its own: it moves when [`Self::progress`] is polled.
#[derive(Debug)]
pub(crate) struct Conversation {
    socket: UnixStream,
    decoder: Decoder,
    outbox: Vec<u8>,
}

/// What happened on the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Bytes came in or went out.
    Moved,
    /// The child has closed its end.
    Closed,
}

impl Conversation {
    /// Begins with a frame and the descriptors that go with it. As much as the socket takes is sent at once, whether
    /// or not the child is up.
    pub(crate) fn open(
        socket: std::os::unix::net::UnixStream,
        (kind, body): (Kind, &[u8]),
        descriptors: &[BorrowedFd<'_>],
    ) -> std::io::Result<Self> {
        let socket = UnixStream::from_std(socket)?;
        let mut outbox = Vec::new();
        append(&mut outbox, kind, body);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let parts = [IoSlice::new(&outbox)];
        match sendmsg(&socket, &parts, &mut control, SendFlags::NOSIGNAL) {
            Ok(sent) => drop(outbox.drain(..sent)),
            // The child could not be made, or is dead already: the first read will tell.
            Err(Errno::PIPE | Errno::CONNRESET) => outbox.clear(),
            Err(error) => return Err(error.into()),
        }
        Ok(Self {
            socket,
            decoder: Decoder::default(),
            outbox,
        })
    }

    /// Queues a frame. Callers bound what they queue: control frames, and input that was asked for.
    pub(crate) fn queue(&mut self, kind: Kind, body: &[u8]) {
        append(&mut self.outbox, kind, body);
    }

    /// Takes the next frame that has come in.
    pub(crate) fn take(&mut self) -> Result<Option<(Kind, &[u8])>, FrameError> {
        self.decoder.take()
    }

    /// Waits until the socket can move, and moves it once; reads only when `reading`. Dropping the future is safe.
    pub(crate) async fn progress(&mut self, reading: bool) -> std::io::Result<Progress> {
        let interest = match (reading, self.outbox.is_empty()) {
            (true, true) => Interest::READABLE,
            (true, false) => Interest::READABLE | Interest::WRITABLE,
            (false, false) => Interest::WRITABLE,
            (false, true) => return std::future::pending().await,
        };
        let ready = self.socket.ready(interest).await?;
        if ready.is_writable() && !self.outbox.is_empty() {
            self.write()?;
        }
        if reading && ready.is_readable() {
            return self.read();
        }
        Ok(Progress::Moved)
    }

    fn read(&mut self) -> std::io::Result<Progress> {
        match self.socket.try_read(self.decoder.space()) {
            Ok(0) => Ok(Progress::Closed),
            Ok(bytes) => {
                self.decoder.advance(bytes);
                Ok(Progress::Moved)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Progress::Moved),
            // The child closed with our frames unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Progress::Closed),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self) -> std::io::Result<()> {
        let outbox = &self.outbox;
        let written = self.socket.try_io(Interest::WRITABLE, || {
            Ok(rustix::net::send(
                &self.socket,
                outbox,
                SendFlags::NOSIGNAL,
            )?)
        });
        match written {
            Ok(bytes) => {
                self.outbox.drain(..bytes);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The child listens no more; what it has said is still worth reading.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                self.outbox.clear();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
