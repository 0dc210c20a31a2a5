//! The log of a run: stdout and stderr in the order they came, with a cap that drops the middle and says so.
//!
//! Encoded: the line `mc-log 1`, then frames of `u8 stream, u32 length (little endian), bytes`. Stream 0 carries the
//! number of dropped bytes as decimal text; 3, without bytes, ends what is told on a socket.

use std::collections::VecDeque;

const HEADER: &[u8] = b"mc-log 1\n";
const FRAME_HEAD: usize = 5;

/// Which output of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Bytes that the guest wrote in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Output.
    Output {
        /// Where it went.
        stream: Stream,
        /// What was written.
        bytes: Vec<u8>,
    },
    /// Here the middle of a long log was dropped.
    Dropped {
        /// How many bytes.
        bytes: u64,
    },
    /// Nothing was lost behind this: ends what a run tells on its socket, and is in no stored log.
    End,
}

impl Frame {
    /// Bytes of output that it carries.
    pub fn output_bytes(&self) -> u64 {
        match self {
            Self::Output { bytes, .. } => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Dropped { .. } | Self::End => 0,
        }
    }

    /// Appends the encoded frame to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let text;
        let (kind, bytes) = match self {
            Self::Output {
                stream: Stream::Stdout,
                bytes,
            } => (1_u8, bytes.as_slice()),
            Self::Output {
                stream: Stream::Stderr,
                bytes,
            } => (2, bytes.as_slice()),
            Self::Dropped { bytes } => {
                text = bytes.to_string();
                (0, text.as_bytes())
            }
            Self::End => (3, &b""[..]),
        };
        out.push(kind);
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(bytes);
    }

    /// Takes one frame off the front of `bytes`; `None` when it is not complete or not a frame.
    pub fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_at_checked(FRAME_HEAD)?;
        let (kind, length) = head.split_first()?;
        let length = u32::from_le_bytes(length.try_into().ok()?);
        let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let frame = match kind {
            0 => Self::Dropped {
                bytes: std::str::from_utf8(body).ok()?.parse().ok()?,
            },
            1 => Self::Output {
                stream: Stream::Stdout,
                bytes: body.to_vec(),
            },
            2 => Self::Output {
                stream: Stream::Stderr,
                bytes: body.to_vec(),
            },
            3 if body.is_empty() => Self::End,
            _ => return None,
        };
        Some((frame, rest))
    }
}

/// Keeps the first and the last half of a long log.
#[derive(Debug)]
pub struct Log {
    half_bytes_max: usize,
    head: Vec<Frame>,
    head_bytes: usize,
    tail: VecDeque<Frame>,
    tail_bytes: usize,
    dropped: u64,
}

impl Log {
    /// A log that keeps at most `bytes_max` bytes of output.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            half_bytes_max: bytes_max / 2,
            head: Vec::new(),
            head_bytes: 0,
            tail: VecDeque::new(),
            tail_bytes: 0,
            dropped: 0,
        }
    }

    /// Adds output.
    pub fn push(&mut self, stream: Stream, bytes: &[u8]) {
        if self.tail.is_empty() && self.head_bytes + cost(bytes) <= self.half_bytes_max {
            self.head_bytes += join(self.head.last_mut(), stream, bytes).unwrap_or_else(|| {
                self.head.push(Frame::Output {
                    stream,
                    bytes: bytes.to_vec(),
                });
                cost(bytes)
            });
            return;
        }
        self.tail_bytes += join(self.tail.back_mut(), stream, bytes).unwrap_or_else(|| {
            self.tail.push_back(Frame::Output {
                stream,
                bytes: bytes.to_vec(),
            });
            cost(bytes)
        });
        while self.tail_bytes > self.half_bytes_max {
            let Some(Frame::Output { bytes, .. }) = self.tail.pop_front() else {
                break;
            };
            self.tail_bytes -= cost(&bytes);
            self.dropped += u64::try_from(bytes.len()).unwrap_or(0);
        }
    }

    /// All frames that are kept, in order.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        let gap = (self.dropped > 0).then_some(Frame::Dropped {
            bytes: self.dropped,
        });
        self.head
            .iter()
            .cloned()
            .chain(gap)
            .chain(self.tail.iter().cloned())
    }

    /// The encoded log.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        self.frames().for_each(|frame| frame.encode(&mut out));
        out
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }
}

/// What a frame takes in memory beside its bytes: a program that writes single bytes to both streams in turn must not
/// cost more than the log may.
const FRAME_COST: usize = 64;
/// A frame grows by further writes to the same stream up to this length.
const JOINED_BYTES_MAX: usize = 4096;

fn cost(bytes: &[u8]) -> usize {
    bytes.len() + FRAME_COST
}

/// Appends to the last frame when it is of the same stream and small; gives the bytes that this took.
fn join(last: Option<&mut Frame>, wanted: Stream, bytes: &[u8]) -> Option<usize> {
    match last {
        Some(Frame::Output {
            stream,
            bytes: kept,
        }) if *stream == wanted && kept.len() + bytes.len() <= JOINED_BYTES_MAX => {
            kept.extend_from_slice(bytes);
            Some(bytes.len())
        }
        _ => None,
    }
}

/// Decodes a log as far as it is well formed; `None` when it is none.
pub fn decode(bytes: &[u8]) -> Option<Vec<Frame>> {
    let mut rest = bytes.strip_prefix(HEADER)?;
    let mut frames = Vec::new();
    while let Some((frame, tail)) = Frame::decode(rest) {
        frames.push(frame);
        rest = tail;
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frames: &[Frame], wanted: Stream) -> String {
        let chosen = frames.iter().filter_map(|frame| match frame {
            Frame::Output { stream, bytes } if *stream == wanted => {
                Some(String::from_utf8_lossy(bytes))
            }
            _ => None,
        });
        chosen.collect()
    }

    #[test]
    fn order_and_streams_survive_encoding() {
        let mut log = Log::new(1000);
        log.push(Stream::Stdout, b"a");
        log.push(Stream::Stderr, b"b");
        log.push(Stream::Stdout, b"c");
        let frames = decode(&log.encode()).unwrap();
        assert_eq!(frames, log.frames().collect::<Vec<_>>());
        assert_eq!(
            (text(&frames, Stream::Stdout), text(&frames, Stream::Stderr)),
            ("ac".into(), "b".into())
        );
        let mut end = Vec::new();
        Frame::End.encode(&mut end);
        assert_eq!(Frame::decode(&end), Some((Frame::End, &b""[..])));
    }

    #[test]
    fn the_middle_of_a_long_log_is_dropped_and_counted() {
        let mut log = Log::new(20_000);
        for byte in b'a'..=b'z' {
            log.push(Stream::Stdout, &[byte; 3000]);
        }
        let frames: Vec<_> = log.frames().collect();
        let kept: String = text(&frames, Stream::Stdout)
            .chars()
            .step_by(3000)
            .collect();
        assert_eq!(kept, "abcxyz");
        assert!(frames.contains(&Frame::Dropped { bytes: 20 * 3000 }));
    }

    /// The smallest writes, to both streams in turn: no two of them join.
    #[test]
    fn single_bytes_cost_no_more_than_the_log_may() {
        let mut log = Log::new(64_000);
        for _ in 0..50_000 {
            log.push(Stream::Stdout, b"x");
            log.push(Stream::Stderr, b"y");
        }
        let frames = log.frames().count();
        assert!(
            frames * FRAME_COST <= 64_000 + FRAME_COST,
            "{frames} frames"
        );
        assert!(log.encode().len() <= 64_000);
        let mut log = Log::new(64_000);
        (0..50_000).for_each(|_| log.push(Stream::Stdout, b"x"));
        assert!(
            text(&log.frames().collect::<Vec<_>>(), Stream::Stdout).len() > 30_000,
            "one stream joins"
        );
    }

    #[test]
    fn a_cut_or_foreign_log_is_no_crash() {
        let mut log = Log::new(1000);
        log.push(Stream::Stdout, b"hello");
        let bytes = log.encode();
        for end in 0..bytes.len() {
            assert!(
                decode(&bytes[..end]).is_none_or(|frames| frames.is_empty()),
                "cut at {end}"
            );
        }
        assert_eq!(decode(b"something else"), None);
    }
}
