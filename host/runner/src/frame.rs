//! Frames between the sandbox process and its parent: `u32` little-endian length of what follows, `u8` kind, body.
//!
//! Pure: bytes in, frames out. A length above the limit or an unknown kind is final: the peer is killed, never
//! trusted again.

use mutual_protocol::limits::FRAME_BYTES_MAX;
use std::ops::Range;

/// Length field and kind.
pub const HEADER_BYTES: usize = 5;
/// First size of a decoder's buffer: what an order or a report takes. It grows with the frames that come, and each
/// page of it is paid for by a page fault at the start of every run.
const BUFFER_BYTES: usize = 8 << 10;
/// A buffer that reads fill whole doubles up to this, so that floods take few system calls.
const BUFFER_BYTES_FLOOD: usize = 64 << 10;

/// What a frame says. Bodies: `message` for the structured ones, raw bytes for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Parent: run this ([`crate::message::Load`], with the compiled program's descriptor).
    Load = 1,
    /// Parent: bytes of standard input, at most as many as were asked for.
    Input = 2,
    /// Parent: standard input has ended. No body.
    InputEnd = 3,
    /// Parent: so many more bytes of output may come (`u64` little-endian).
    Credit = 4,
    /// Parent: end the guest. No body.
    Stop = 5,
    /// Parent: compile this ([`crate::message::Compile`], with the descriptors of program and output).
    Compile = 6,
    /// Child: the guest's first instruction comes next. No body.
    Started = 64,
    /// Child: bytes of standard output.
    Stdout = 65,
    /// Child: bytes of standard error.
    Stderr = 66,
    /// Child: the guest waits for input (`u32` little-endian: so many bytes at most).
    InputWanted = 67,
    /// Child: how it ended ([`crate::message::Ended`]). The last frame.
    Ended = 68,
    /// Child: how compiling ended ([`crate::message::Compiled`]). The last frame.
    Compiled = 69,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Load,
        Self::Input,
        Self::InputEnd,
        Self::Credit,
        Self::Stop,
        Self::Compile,
        Self::Started,
        Self::Stdout,
        Self::Stderr,
        Self::InputWanted,
        Self::Ended,
        Self::Compiled,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Why a peer is not listened to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length is zero or above `FRAME_BYTES_MAX`.
    #[error("a frame of {bytes} bytes")]
    Length {
        /// The length given.
        bytes: u32,
    },
    /// A kind that is not in the table.
    #[error("a frame of unknown kind {kind}")]
    Kind {
        /// The byte given.
        kind: u8,
    },
}

/// Appends one frame to `out`.
///
/// # Panics
/// When `body` is longer than a frame can be: callers cut data into chunks and bound what they encode.
pub fn append(out: &mut Vec<u8>, kind: Kind, body: &[u8]) {
    out.extend_from_slice(&header(kind, body.len()));
    out.extend_from_slice(body);
}

/// The five bytes in front of a body of `body_bytes`.
///
/// # Panics
/// As [`append`].
pub fn header(kind: Kind, body_bytes: usize) -> [u8; HEADER_BYTES] {
    assert!(
        body_bytes < FRAME_BYTES_MAX,
        "a frame of {body_bytes} bytes"
    );
    #[expect(
        clippy::cast_possible_truncation,
        reason = "asserted above to be below 8 MiB"
    )]
    let [a, b, c, d] = (body_bytes as u32 + 1).to_le_bytes();
    [a, b, c, d, kind as u8]
}

/// Cuts a byte stream into frames. Holds at most one frame and one read.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// The bytes that were read and not yet handed out.
    filled: Range<usize>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES],
            filled: 0..0,
        }
    }
}

impl Decoder {
    /// Where the next read goes. Never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
        let wanted = self.wanted();
        let room = self.buffer.len() - self.filled.start;
        if room < wanted || self.filled.end == self.buffer.len() {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        self.buffer.get_mut(self.filled.end..).unwrap_or_default()
    }

    /// Says that `bytes` were read into [`Self::space`].
    pub fn advance(&mut self, bytes: usize) {
        self.filled.end = self.buffer.len().min(self.filled.end + bytes);
        if self.filled.end == self.buffer.len() && self.buffer.len() < BUFFER_BYTES_FLOOD {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    /// Whether a whole frame is there.
    ///
    /// # Errors
    /// When the peer broke the protocol; every later call gives the same error.
    pub fn is_ready(&self) -> Result<bool, FrameError> {
        let Some((length, kind)) = self.head() else {
            return Ok(false);
        };
        if length == 0 || usize::try_from(length).is_ok_and(|bytes| bytes > FRAME_BYTES_MAX) {
            return Err(FrameError::Length { bytes: length });
        }
        Kind::of(kind).ok_or(FrameError::Kind { kind })?;
        Ok(self.filled.len() >= self.wanted())
    }

    /// Takes the next whole frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// As [`Self::is_ready`].
    pub fn take(&mut self) -> Result<Option<(Kind, &[u8])>, FrameError> {
        if !self.is_ready()? {
            return Ok(None);
        }
        let frame = self.filled.start..self.filled.start + self.wanted();
        self.filled.start = frame.end;
        let Some([_, _, _, _, kind, body @ ..]) = self.buffer.get(frame) else {
            return Ok(None);
        };
        Ok(Kind::of(*kind).map(|kind| (kind, body)))
    }

    fn head(&self) -> Option<(u32, u8)> {
        let head = self
            .buffer
            .get(self.filled.clone())?
            .first_chunk::<HEADER_BYTES>()?;
        let [a, b, c, d, kind] = *head;
        Some((u32::from_le_bytes([a, b, c, d]), kind))
    }

    /// Bytes that the buffer must hold for the frame that has begun. A refused length wants no memory.
    fn wanted(&self) -> usize {
        let length = self
            .head()
            .and_then(|(length, _)| usize::try_from(length).ok());
        match length {
            Some(length) if length <= FRAME_BYTES_MAX => HEADER_BYTES - 1 + length,
            _ => HEADER_BYTES,
        }
    }
}

#[cfg(test)]
mod tests;
