//! The child's end of the socket: blocking, descriptors included.

use crate::frame::{Decoder, FrameError, HEADER_BYTES, Kind, header};
use rustix::io::{Errno, IoSlice, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendFlags, recvmsg,
    sendmsg,
};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

/// Descriptors that the parent sends with one frame: program and output of a compile, with room.
const DESCRIPTORS_MAX: usize = 4;

/// Why the child cannot go on talking. It ends then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The parent closed the socket or is gone.
    #[error("the parent is gone")]
    Closed,
    /// The socket does not work.
    #[error("the socket to the parent")]
    Io(#[from] Errno),
    /// The parent broke the protocol.
    #[error("the parent's frame")]
    Frame(#[from] FrameError),
}

/// Reads the parent's frames, in one thread. Any thread may [`send`] on the same socket, one at a time.
#[derive(Debug)]
pub struct Link<Fd> {
    socket: Fd,
    decoder: Decoder,
    descriptors: VecDeque<OwnedFd>,
}

impl<Fd: AsFd> Link<Fd> {
    /// Wraps the socket: descriptor 0 of a child.
    pub fn new(socket: Fd) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            descriptors: VecDeque::new(),
        }
    }

    /// Waits for the next frame.
    ///
    /// # Errors
    /// When the parent is gone or broke the protocol.
    pub fn receive(&mut self) -> Result<(Kind, &[u8]), LinkError> {
        while !self.decoder.is_ready()? {
            self.fill(RecvFlags::empty())?;
        }
        self.decoder.take()?.ok_or(LinkError::Closed)
    }

    /// The next frame, if one is there or can be read without waiting.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn try_receive(&mut self) -> Result<Option<(Kind, &[u8])>, LinkError> {
        while !self.decoder.is_ready()? {
            match self.fill(RecvFlags::DONTWAIT) {
                Err(LinkError::Io(Errno::AGAIN)) => return Ok(None),
                filled => filled?,
            }
        }
        Ok(self.decoder.take()?)
    }

    /// The next descriptor that came with a frame.
    pub fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }

    fn fill(&mut self, flags: RecvFlags) -> Result<(), LinkError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [IoSliceMut::new(self.decoder.space())];
        let received = retry_on_intr(|| {
            recvmsg(
                &self.socket,
                &mut buffer,
                &mut control,
                flags | RecvFlags::CMSG_CLOEXEC,
            )
        })?;
        if received.bytes == 0 {
            return Err(LinkError::Closed);
        }
        self.decoder.advance(received.bytes);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        Ok(())
    }
}

/// Writes one frame whole, waiting while the socket is full.
///
/// # Errors
/// When the parent is gone. Nothing more can be said then.
pub fn send(socket: impl AsFd, kind: Kind, body: &[u8]) -> Result<(), Errno> {
    let header = header(kind, body.len());
    let mut sent = 0;
    while sent < HEADER_BYTES + body.len() {
        let head = header.get(sent..).unwrap_or_default();
        let rest = body
            .get(sent.saturating_sub(HEADER_BYTES)..)
            .unwrap_or_default();
        let parts = [IoSlice::new(head), IoSlice::new(rest)];
        let mut control = SendAncillaryBuffer::default();
        sent += retry_on_intr(|| sendmsg(&socket, &parts, &mut control, SendFlags::NOSIGNAL))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn frames_cross_a_socket_in_any_size() {
        let (mine, theirs) = UnixStream::pair().unwrap();
        let large = vec![9; 3 << 20];
        let sent = large.clone();
        let writer = std::thread::spawn(move || {
            send(&mine, Kind::Stdout, b"").unwrap();
            send(&mine, Kind::Stdout, &sent).unwrap();
            send(&mine, Kind::Ended, b"x").unwrap();
        });
        let mut link = Link::new(theirs);
        assert_eq!(link.receive().unwrap(), (Kind::Stdout, &b""[..]));
        assert_eq!(link.receive().unwrap(), (Kind::Stdout, &large[..]));
        assert_eq!(link.receive().unwrap(), (Kind::Ended, &b"x"[..]));
        writer.join().unwrap();
        assert!(matches!(link.receive(), Err(LinkError::Closed)));
    }

    #[test]
    fn trying_does_not_wait() {
        let (mine, theirs) = UnixStream::pair().unwrap();
        let mut link = Link::new(theirs);
        assert!(link.try_receive().unwrap().is_none());
        send(&mine, Kind::Credit, b"12345678").unwrap();
        send(&mine, Kind::Stop, b"").unwrap();
        assert_eq!(
            link.try_receive().unwrap(),
            Some((Kind::Credit, &b"12345678"[..]))
        );
        assert_eq!(link.try_receive().unwrap(), Some((Kind::Stop, &b""[..])));
        assert!(link.try_receive().unwrap().is_none());
        drop(mine);
        assert!(matches!(link.try_receive(), Err(LinkError::Closed)));
    }
}
