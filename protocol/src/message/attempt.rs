//! What owner and host say to each other about one attempt. Each message carries the attempt's token.

use crate::bounded::{Line, Text};
use crate::limits::{CHUNK_BYTES_MAX, ENDING_BYTES_MAX, LINE_BYTES_MAX};
use crate::receipt::{AttemptRecord, Receipt};
use crate::sign::Signed;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Host → owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one comes once for each attempt, and one message is in hand at a time"
)]
pub enum AttemptEvent {
    /// The attempt entered a phase.
    Phase(Phase),
    /// The guest's first instruction.
    Started,
    /// The guest wrote.
    Output {
        /// Where to.
        stream: Stream,
        /// Bytes of this stream before these.
        offset: u64,
        /// The bytes.
        bytes: Chunk,
    },
    /// How far the guest says it is.
    Progress {
        /// Steps done.
        done: u64,
        /// Of how many; none when it does not know.
        total: Option<u64>,
        /// In words.
        text: Line<LINE_BYTES_MAX>,
    },
    /// The guest reads its standard input.
    InputWanted {
        /// Most bytes that may be on their way, beyond those that came.
        bytes_max: u32,
    },
    /// The attempt came to its end.
    Ended {
        /// What it used.
        receipt: Signed<Receipt>,
        /// How it ended.
        attempt: Signed<AttemptRecord>,
        /// What a person is told besides: a trap's backtrace.
        message: Option<Text<ENDING_BYTES_MAX>>,
    },
}

/// Owner → host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AttemptOrder {
    /// The host may send this many more bytes of output.
    Credit {
        /// Further bytes, both streams together.
        bytes: u32,
    },
    /// Standard input.
    Input {
        /// Bytes before these.
        offset: u64,
        /// The bytes.
        bytes: Chunk,
    },
    /// Standard input ends here.
    InputEnd,
    /// End the attempt.
    Stop {
        /// Without asking the guest first.
        now: bool,
    },
    /// The owner has all outputs; the host may forget them.
    Taken,
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Program and inputs are on their way.
    Fetching,
    /// Machine code is made of the program.
    Compiling,
    /// Inputs are laid out.
    Staging,
    /// The guest runs.
    Running,
    /// Outputs are taken.
    Collecting,
    /// The result waits for the witnesses.
    Deciding,
}

/// A guest's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A part of a byte stream, never longer than one message carries.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Chunk(Vec<u8>);

impl Chunk {
    /// Takes the bytes; none when they are more than [`CHUNK_BYTES_MAX`].
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= CHUNK_BYTES_MAX).then_some(Self(bytes))
    }

    /// As many chunks as it takes, in order.
    pub fn split(bytes: &[u8]) -> impl Iterator<Item = Self> {
        bytes.chunks(CHUNK_BYTES_MAX).map(|part| Self(part.into()))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to keep.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.0.len())
    }
}

impl Serialize for Chunk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Chunk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec();
        let size = bytes.len();
        Self::new(bytes).ok_or_else(|| {
            D::Error::custom(format_args!(
                "a chunk has {size} of {CHUNK_BYTES_MAX} bytes"
            ))
        })
    }
}
