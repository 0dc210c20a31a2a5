//! Signatures that this process made itself need no arithmetic to be believed again.
//!
//! In an attached run every message is signed and verified here, and certificates carry the same signatures again and
//! again. A check of bytes that were signed a moment ago is answered from memory; anything else is computed.

use mutual_protocol::ids::Signature;
use mutual_protocol::sign::{Ed25519, Message};
use mutual_protocol::{Digest, PublicKey, Verified, Verifier};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Signatures in memory. An attached run makes a dozen, and two for each renewal: ten days of renewals.
const SIGNATURES_MAX: usize = 1 << 19;

/// A verifier that knows what it was taught. Clones share the memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    known: Rc<RefCell<BTreeSet<Digest>>>,
}

impl Memory {
    /// Remembers the signature of something that a key of this process has just signed.
    pub(super) fn learn<T: Message>(&self, own: &Verified<T>) {
        let _teaching_never_refuses = own.signed().verify(&Teacher(self));
    }
}

impl Verifier for Memory {
    fn verifies(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let is_known = self.known.borrow().contains(&name(key, message, signature));
        is_known || Ed25519.verifies(key, message, signature)
    }
}

/// Takes the bytes of a signature down without checking it: only for what was signed here.
struct Teacher<'a>(&'a Memory);

impl Verifier for Teacher<'_> {
    fn verifies(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let mut known = self.0.known.borrow_mut();
        if known.len() < SIGNATURES_MAX {
            known.insert(name(key, message, signature));
        }
        true
    }
}

/// Key and signature have fixed lengths, so their concatenation with the message is one-to-one.
fn name(key: &PublicKey, message: &[u8], signature: &Signature) -> Digest {
    Digest::of(&[key.as_bytes().as_slice(), signature.as_bytes(), message].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mutual_protocol::lease::Cancel;
    use mutual_protocol::{
        JobId, RegisterId, ReplicaIndex, ShardIndex, ShardRange, SigningKey, Slot,
    };

    fn cancel(job: u8) -> Cancel {
        let slot = Slot::Replica(ReplicaIndex(0));
        let register = RegisterId {
            job: JobId::from_bytes([job; 32]),
            generation: mutual_protocol::Generation(0),
            shards: ShardRange::one(ShardIndex(0)),
            slot,
        };
        Cancel { register }
    }

    #[test]
    fn only_the_very_bytes_that_were_signed_are_known() {
        let memory = Memory::default();
        let (own, other) = (
            SigningKey::from_seed(&[1; 32]),
            SigningKey::from_seed(&[2; 32]),
        );
        let signed = own.sign(cancel(1));
        memory.learn(&signed);
        assert!(signed.signed().verify(&memory).is_ok());
        let mut forged = other.sign(cancel(1)).signed().encode();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        let forged = mutual_protocol::Signed::<Cancel>::decode(&forged).unwrap();
        assert!(
            forged.verify(&memory).is_err(),
            "what is not known is computed"
        );
        assert!(
            own.sign(cancel(2)).signed().verify(&memory).is_ok(),
            "and believed when it is right"
        );
    }
}
