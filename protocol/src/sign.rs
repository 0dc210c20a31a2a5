//! Signatures: Ed25519 (RFC 8032) over domain tag ‖ version ‖ canonical bytes.
//!
//! The signed bytes travel verbatim inside [`Signed`], so that no re-encoding can change what was signed.
//! [`Verified`] is the only way to the value for code that acts on it.

use crate::codec::{self, DecodeError};
use crate::ids::{PublicKey, Signature};
use ed25519_dalek::Signer as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;
use std::marker::PhantomData;

/// Bytes that the envelope (keys, signature, CBOR heads) adds to a body, at most.
pub const ENVELOPE_BYTES_MAX: usize = 160;

/// A kind of signed object.
pub trait Message: Serialize + DeserializeOwned + Clone + fmt::Debug {
    /// Domain tag: no signature for one kind is ever valid for another.
    const TAG: &'static str;
    /// Version of the kind's fields; another version is another domain.
    const VERSION: u16 = 1;
    /// Longest canonical body in bytes.
    const SIZE_MAX: usize;
}

/// Checks signatures. The ordinary one is [`Ed25519`]; models use symbolic ones.
pub trait Verifier {
    /// Whether `signature` is `key`'s over `message`.
    fn verifies(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool;
}

/// Ed25519 with the strict rules: no small-order keys, no malleable signatures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ed25519;

impl Verifier for Ed25519 {
    fn verifies(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        ed25519_dalek::VerifyingKey::from_bytes(key.as_bytes())
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// A private key. Wiped from memory when dropped; never printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes the key from 32 secret random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// Signs `value`. Who signs keeps to the rules of the kind: a body above [`Message::SIZE_MAX`] is a bug of this
    /// process, which debug builds tell at once, and nobody decodes it.
    pub fn sign<T: Message>(&self, value: T) -> Verified<T> {
        let body = codec::encode(&value);
        debug_assert!(
            body.len() <= T::SIZE_MAX,
            "{} of {} bytes: nobody would decode it",
            T::TAG,
            body.len()
        );
        let signature = Signature::from_bytes(self.0.sign(&preimage::<T>(&body)).to_bytes());
        let signed = Signed {
            body,
            signer: self.public(),
            signature,
            kind: PhantomData,
        };
        Verified { value, signed }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public())
    }
}

/// Why a signed object was refused. The sender is at fault, whoever that is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The body is not a canonical value of its kind.
    #[error("body is not valid")]
    Body(#[source] DecodeError),
    /// The signature does not fit key and body.
    #[error("signature of {signer} does not verify")]
    Signature {
        /// Claimed signer.
        signer: PublicKey,
    },
}

/// A signed object as it travels: not yet believed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Signed<T> {
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
    signer: PublicKey,
    signature: Signature,
    #[serde(skip)]
    kind: PhantomData<T>,
}

impl<T: Message> Signed<T> {
    /// Decodes the envelope.
    ///
    /// # Errors
    /// When it is longer than the kind allows, or malformed. The body is looked at by [`Signed::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, T::SIZE_MAX + ENVELOPE_BYTES_MAX)
    }

    /// The canonical bytes of the envelope.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Who claims to have signed.
    pub const fn signer(&self) -> PublicKey {
        self.signer
    }

    /// The canonical bytes that were signed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Checks the signature, then decodes the body.
    ///
    /// # Errors
    /// When the signature or the body is not valid.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<Verified<T>, VerifyError> {
        if !verifier.verifies(&self.signer, &preimage::<T>(&self.body), &self.signature) {
            return Err(VerifyError::Signature {
                signer: self.signer,
            });
        }
        let value = codec::decode(&self.body, T::SIZE_MAX).map_err(VerifyError::Body)?;
        Ok(Verified {
            value,
            signed: self.clone(),
        })
    }
}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} bytes by {:?})", self.body.len(), self.signer)
    }
}

/// A value whose signature was checked, with the envelope to pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    signed: Signed<T>,
}

impl<T> Verified<T> {
    /// The value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Who signed.
    pub const fn signer(&self) -> PublicKey {
        self.signed.signer
    }

    /// The envelope, for sending or keeping.
    pub const fn signed(&self) -> &Signed<T> {
        &self.signed
    }

    /// Digest of the signed bytes: the object's identity.
    pub fn digest(&self) -> crate::Digest {
        crate::Digest::of(&self.signed.body)
    }
}

/// `"mutual-cloud/" tag "/" version NUL body`: the NUL ends the domain, so no tag is a prefix of another's input.
fn preimage<T: Message>(body: &[u8]) -> Vec<u8> {
    let mut message = format!("mutual-cloud/{}/{}\0", T::TAG, T::VERSION).into_bytes();
    message.extend_from_slice(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Ping(u64);
    impl Message for Ping {
        const TAG: &'static str = "ping";
        const SIZE_MAX: usize = 16;
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Pong(u64);
    impl Message for Pong {
        const TAG: &'static str = "pong";
        const SIZE_MAX: usize = 16;
    }

    #[test]
    fn signed_value_survives_the_wire() {
        let key = SigningKey::from_seed(&[1; 32]);
        let bytes = key.sign(Ping(7)).signed().encode();
        let back = Signed::<Ping>::decode(&bytes)
            .unwrap()
            .verify(&Ed25519)
            .unwrap();
        assert_eq!((back.value(), back.signer()), (&Ping(7), key.public()));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = SigningKey::from_seed(&[1; 32])
            .sign(Ping(7))
            .signed()
            .encode();
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            let verdict = Signed::<Ping>::decode(&bad).map(|s| s.verify(&Ed25519).is_ok());
            assert!(!verdict.unwrap_or(false), "bit {at}");
        }
    }

    #[test]
    fn a_signature_is_for_one_kind_only() {
        let ping = SigningKey::from_seed(&[1; 32])
            .sign(Ping(7))
            .signed()
            .encode();
        let pong = Signed::<Pong>::decode(&ping).unwrap();
        assert!(matches!(
            pong.verify(&Ed25519),
            Err(VerifyError::Signature { .. })
        ));
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Long(String);
    impl Message for Long {
        const TAG: &'static str = "long";
        const SIZE_MAX: usize = 16;
    }

    #[test]
    fn a_body_of_just_the_cap_is_signed() {
        let key = SigningKey::from_seed(&[1; 32]);
        let signed = key.sign(Long("x".repeat(15))).signed().clone();
        assert_eq!(signed.body().len(), Long::SIZE_MAX);
        assert!(Signed::<Long>::decode(&signed.encode()).is_ok());
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "long of 17 bytes")]
    fn a_body_above_the_cap_is_a_bug_of_the_signer() {
        let _signed = SigningKey::from_seed(&[1; 32]).sign(Long("x".repeat(16)));
    }

    #[test]
    fn a_private_key_is_not_printed() {
        let text = format!("{:?}", SigningKey::from_seed(&[0xab; 32]));
        assert!(
            text.starts_with("SigningKey(k-") && !text.contains("abab"),
            "{text}"
        );
    }
}
