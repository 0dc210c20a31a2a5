//! A block: bytes that are known to be the content of their CID.

use mutual_protocol::{Cid, ids::Codec};

/// The bytes are not the content of the CID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not the content of {cid}")]
pub struct WrongBlockError {
    /// What was asked for.
    pub cid: Cid,
}

/// Bytes with the CID that was computed from them, or checked against them.
///
/// It cannot be made from a CID and bytes that do not belong together; whoever takes a block need not hash it again.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    cid: Cid,
    bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// Hashes `bytes`: CIDv1, sha2-256.
    pub fn new(codec: Codec, bytes: &'a [u8]) -> Self {
        Self {
            cid: Cid::of(codec, bytes),
            bytes,
        }
    }

    /// Checks bytes that came from elsewhere.
    ///
    /// # Errors
    /// When the bytes are not the content of `cid`.
    pub fn verify(cid: Cid, bytes: &'a [u8]) -> Result<Self, WrongBlockError> {
        if cid.verifies(bytes) {
            Ok(Self { cid, bytes })
        } else {
            Err(WrongBlockError { cid })
        }
    }

    /// The content identifier.
    pub const fn cid(&self) -> Cid {
        self.cid
    }

    /// The content.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_matching_bytes_make_a_block() {
        let cid = Block::new(Codec::Raw, b"a").cid();
        assert_eq!(Block::verify(cid, b"a").unwrap().bytes(), b"a");
        assert_eq!(
            Block::verify(cid, b"b").unwrap_err(),
            WrongBlockError { cid }
        );
    }
}
