//! Why a fetch ends without everything.

use crate::blob::wire::block_bytes_max;
use mutual_content::LinksError;
use mutual_protocol::Cid;
use std::io;

/// Boxed on its way up: CIDs are long.
pub(super) type Outcome<T> = Result<T, Box<FetchError>>;

/// Why not everything could be fetched. Where several providers failed, it is what one of them did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is nobody to ask.
    #[error("nobody is known who could have {cid}")]
    NoProvider {
        /// The first block that is not here.
        cid: Cid,
    },
    /// No provider has it.
    #[error("none of the providers has {cid}")]
    Missing {
        /// The block.
        cid: Cid,
    },
    /// A provider does not give it away, and no other one has it.
    #[error("{provider} does not give {cid} away")]
    Refused {
        /// Who.
        provider: String,
        /// The block.
        cid: Cid,
    },
    /// A provider gives nothing more for now.
    #[error("{provider} gives nothing more for now; {cid} is missing")]
    Busy {
        /// Who.
        provider: String,
        /// The block that was asked for.
        cid: Cid,
    },
    /// A provider gave other bytes than those asked for.
    #[error("{provider} gave wrong bytes for {cid}")]
    Wrong {
        /// Who.
        provider: String,
        /// The block that was asked for.
        cid: Cid,
    },
    /// A provider announced a block that is larger than any may be.
    #[error("{provider} has {bytes} bytes for {cid}, and {} are allowed", block_bytes_max(cid.codec()))]
    BlockTooLarge {
        /// Who.
        provider: String,
        /// The block that was asked for.
        cid: Cid,
        /// What was announced.
        bytes: usize,
    },
    /// The block would pass the limit of bytes.
    #[error("{cid} from {provider} would pass the limit of {bytes_max} bytes")]
    TooLarge {
        /// Who.
        provider: String,
        /// The block.
        cid: Cid,
        /// [`super::FetchLimits::bytes_max`].
        bytes_max: u64,
    },
    /// A provider does not answer, or too slowly.
    #[error("{provider} does not answer in time; {cid} is missing")]
    Timeout {
        /// Who.
        provider: String,
        /// The block.
        cid: Cid,
    },
    /// The stream to a provider could not be opened, or has ended.
    #[error("the stream to {provider} has ended; {cid} is missing")]
    Closed {
        /// Who.
        provider: String,
        /// The block.
        cid: Cid,
        /// Why.
        source: io::Error,
    },
    /// A provider does not keep to the protocol.
    #[error("{provider} does not keep to the protocol, asked for {cid}")]
    Protocol {
        /// Who.
        provider: String,
        /// The block.
        cid: Cid,
    },
    /// A block could not be kept, or not be read again.
    #[error("a block cannot be kept")]
    Sink {
        /// Which, where that is known.
        cid: Option<Cid>,
        /// Why.
        source: io::Error,
    },
    /// A block is what was asked for, and no valid node or object.
    #[error("the content is damaged at its source")]
    Malformed {
        /// What is wrong.
        source: LinksError,
    },
    /// More nodes above each other than any writer makes.
    #[error("{cid} is nested too deeply")]
    TooDeep {
        /// The block.
        cid: Cid,
    },
    /// More links than may be followed.
    #[error("more than {max} links lead to content")]
    TooManyLinks {
        /// [`super::FetchLimits::links_max`].
        max: u64,
    },
}

/// Why a provider is asked no more.
#[derive(Debug)]
pub(super) enum Fault {
    Busy,
    Wrong,
    BlockTooLarge { bytes: usize },
    TooLarge { bytes_max: u64 },
    Timeout,
    Closed(io::Error),
    Protocol,
}

impl Fault {
    pub(super) fn error(self, provider: String, cid: Cid) -> FetchError {
        match self {
            Self::Busy => FetchError::Busy { provider, cid },
            Self::Wrong => FetchError::Wrong { provider, cid },
            Self::BlockTooLarge { bytes } => FetchError::BlockTooLarge {
                provider,
                cid,
                bytes,
            },
            Self::TooLarge { bytes_max } => FetchError::TooLarge {
                provider,
                cid,
                bytes_max,
            },
            Self::Timeout => FetchError::Timeout { provider, cid },
            Self::Closed(source) => FetchError::Closed {
                provider,
                cid,
                source,
            },
            Self::Protocol => FetchError::Protocol { provider, cid },
        }
    }
}
