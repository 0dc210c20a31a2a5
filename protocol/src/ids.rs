//! Identifiers: opaque newtypes with one text form each. Nothing here can be forged from a wrong length.

mod cid;
pub(crate) mod text;
mod token;

pub use cid::{Cid, CidError, Codec};
pub use text::ParseIdError;
pub use token::{
    Epoch, FencingToken, Generation, RegisterId, ReplicaIndex, ShardIndex, ShardRange, Slot,
};

use sha2::{Digest as _, Sha256};

/// Defines a newtype over `[u8; N]` that is a byte string in CBOR and `PREFIX-base32` in text.
macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps raw bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first characters of the text form, for people: enough to tell ids apart in a list.
            pub fn short(&self) -> String {
                text::short($prefix, &self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&text::encode($prefix, &self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.short())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseIdError;

            fn from_str(s: &str) -> Result<Self, ParseIdError> {
                text::decode::<$len>($prefix, s).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::deserialize_bytes::<$len, D>(deserializer).map(Self)
            }
        }
    };
}

bytes_id!(
    /// An Ed25519 public key (RFC 8032), as given by a peer: not yet known to be a valid point.
    PublicKey, 32, "k"
);
bytes_id!(
    /// A SHA-256 digest.
    Digest, 32, "h"
);
bytes_id!(
    /// The job: digest of the generation-0 spec's canonical bytes. The same for all generations.
    JobId, 32, "j"
);
bytes_id!(
    /// Digest of one generation's spec.
    SpecHash, 32, "s"
);
bytes_id!(
    /// A process with a network identity.
    NodeId, 32, "n"
);
bytes_id!(
    /// Who signed the job.
    OwnerId, 32, "o"
);
bytes_id!(
    /// A trust and policy group.
    PoolId, 32, "p"
);
bytes_id!(
    /// An Ed25519 signature (RFC 8032).
    Signature, 64, "g"
);
bytes_id!(
    /// 32 random bytes that make two otherwise equal specs differ, and tie encrypted objects to their spec.
    SealId, 32, "e"
);
bytes_id!(
    /// 16 random bytes against replay.
    Nonce, 16, "r"
);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

macro_rules! key_id {
    ($name:ident) => {
        impl From<PublicKey> for $name {
            fn from(key: PublicKey) -> Self {
                Self(key.0)
            }
        }

        impl $name {
            /// The key behind the id.
            pub const fn key(&self) -> PublicKey {
                PublicKey(self.0)
            }
        }
    };
}

key_id!(NodeId);
key_id!(OwnerId);
key_id!(PoolId);

impl SpecHash {
    /// The job id that this hash stands for when the spec is of generation 0.
    pub const fn job(self) -> JobId {
        JobId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_has_a_prefix() {
        let id = JobId::from_bytes([7; 32]);
        let text = id.to_string();
        assert!(text.starts_with("j-"), "{text}");
        assert_eq!(text.parse::<JobId>(), Ok(id));
        assert_eq!(id.short().len(), 10);
        assert!(text.starts_with(&id.short()));
    }

    #[test]
    fn wrong_prefix_length_and_alphabet_are_refused() {
        let node = NodeId::from_bytes([7; 32]).to_string();
        assert_eq!(
            node.parse::<JobId>(),
            Err(ParseIdError::Prefix { want: "j" })
        );
        assert_eq!(
            "j-00".parse::<JobId>(),
            Err(ParseIdError::Length { want: 52, got: 2 })
        );
        let bad = format!("j-{}", "u".repeat(52));
        assert_eq!(
            bad.parse::<JobId>(),
            Err(ParseIdError::Character { found: 'u' })
        );
        // 52 characters carry 260 bits: the last four must be zero, so that a value has one spelling only.
        let loose = format!("j-{}", "z".repeat(52));
        assert_eq!(loose.parse::<JobId>(), Err(ParseIdError::Padding));
    }

    #[test]
    fn digest_is_sha2_256() {
        let empty = Digest::of(b"");
        assert_eq!(empty.as_bytes()[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    }
}
