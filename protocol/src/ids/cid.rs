//! Content identifiers: the same CIDs as IPFS, limited to the codecs and hashes that this project verifies.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// Multicodec table: sha2-256, blake3.
const SHA2_256: u64 = 0x12;
const BLAKE3: u64 = 0x1e;

/// What the bytes under a CID are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Plain bytes.
    Raw,
    /// A UnixFS node.
    DagPb,
    /// A canonical DAG-CBOR object.
    DagCbor,
}

impl Codec {
    const fn code(self) -> u64 {
        match self {
            Self::Raw => 0x55,
            Self::DagPb => 0x70,
            Self::DagCbor => 0x71,
        }
    }

    fn from_code(code: u64) -> Result<Self, CidError> {
        match code {
            0x55 => Ok(Self::Raw),
            0x70 => Ok(Self::DagPb),
            0x71 => Ok(Self::DagCbor),
            code => Err(CidError::Codec { code }),
        }
    }
}

/// Why a CID was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CidError {
    /// Not a CID at all.
    #[error("not a content identifier")]
    Malformed(#[source] cid::Error),
    /// A codec that is not verified here.
    #[error("content of codec 0x{code:x} is not supported (raw, dag-pb and dag-cbor are)")]
    Codec {
        /// Multicodec number.
        code: u64,
    },
    /// A hash that is not verified here.
    #[error(
        "hash 0x{code:x} with {len} bytes is not supported (sha2-256 and blake3 with 32 bytes are)"
    )]
    Hash {
        /// Multihash number.
        code: u64,
        /// Digest length in bytes.
        len: usize,
    },
}

/// Content identifier: version, codec and a multihash that [`Cid::verifies`] can check.
///
/// New ones are always CIDv1 with sha2-256; foreign ones may be CIDv0 or carry blake3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid(cid::Cid);

impl Cid {
    /// The CID of `bytes` under `codec`, CIDv1, sha2-256.
    pub fn of(codec: Codec, bytes: &[u8]) -> Self {
        Self::from_sha256(codec, Sha256::digest(bytes).into())
    }

    /// The CID for a SHA-256 digest that was computed elsewhere, CIDv1.
    pub fn from_sha256(codec: Codec, digest: [u8; 32]) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "a digest of 32 bytes always fits a multihash of 64"
        )]
        let hash = multihash::Multihash::wrap(SHA2_256, &digest).expect("32 <= 64");
        Self(cid::Cid::new_v1(codec.code(), hash))
    }

    /// Takes the binary form.
    ///
    /// # Errors
    /// When it is malformed, or of a codec or hash that is not verified here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        cid::Cid::try_from(bytes)
            .map_err(CidError::Malformed)
            .and_then(Self::checked)
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// What the content is.
    pub fn codec(&self) -> Codec {
        Codec::from_code(self.0.codec()).unwrap_or(Codec::Raw)
    }

    /// The 32 bytes of the hash.
    pub fn digest(&self) -> &[u8] {
        self.0.hash().digest()
    }

    /// Whether `bytes` are the content.
    pub fn verifies(&self, bytes: &[u8]) -> bool {
        match self.0.hash().code() {
            SHA2_256 => Sha256::digest(bytes).as_slice() == self.digest(),
            BLAKE3 => blake3::hash(bytes).as_bytes().as_slice() == self.digest(),
            _ => false,
        }
    }

    fn checked(cid: cid::Cid) -> Result<Self, CidError> {
        Codec::from_code(cid.codec())?;
        let (code, len) = (cid.hash().code(), cid.hash().digest().len());
        if !matches!(code, SHA2_256 | BLAKE3) || len != 32 {
            return Err(CidError::Hash { code, len });
        }
        Ok(Self(cid))
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Cid {
    type Err = CidError;

    fn from_str(s: &str) -> Result<Self, CidError> {
        cid::Cid::try_from(s)
            .map_err(CidError::Malformed)
            .and_then(Self::checked)
    }
}

impl serde::Serialize for Cid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Cid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cid = cid::Cid::deserialize(deserializer)?;
        Self::checked(cid).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Kubo prints for a file that holds `hello world` with raw leaves and CIDv1.
    const HELLO: &str = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

    #[test]
    fn known_cid_of_a_raw_block() {
        let cid = Cid::of(Codec::Raw, b"hello world");
        assert_eq!(cid.to_string(), HELLO);
        assert!(cid.verifies(b"hello world"));
        assert!(!cid.verifies(b"hello world!"));
        assert_eq!(Cid::from_bytes(&cid.to_bytes()).unwrap(), cid);
    }

    #[test]
    fn foreign_codecs_and_hashes_are_refused_by_name() {
        let hash = multihash::Multihash::<64>::wrap(0x13, &[0; 64]).unwrap();
        let sha512 = cid::Cid::new_v1(0x55, hash).to_string();
        assert!(matches!(
            sha512.parse::<Cid>(),
            Err(CidError::Hash {
                code: 0x13,
                len: 64
            })
        ));
        let hash = multihash::Multihash::<64>::wrap(SHA2_256, &[0; 32]).unwrap();
        let json = cid::Cid::new_v1(0x0129, hash).to_string();
        assert!(matches!(
            json.parse::<Cid>(),
            Err(CidError::Codec { code: 0x0129 })
        ));
        assert!(matches!(
            "nonsense".parse::<Cid>(),
            Err(CidError::Malformed(_))
        ));
    }

    #[test]
    fn blake3_content_is_verified() {
        let hash = multihash::Multihash::wrap(BLAKE3, blake3::hash(b"x").as_bytes()).unwrap();
        let cid: Cid = cid::Cid::new_v1(0x55, hash).to_string().parse().unwrap();
        assert!(cid.verifies(b"x"));
        assert!(!cid.verifies(b"y"));
    }
}
