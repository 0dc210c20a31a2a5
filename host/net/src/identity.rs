//! A node's key pair, and node ids as libp2p's peer ids and back: both are the same Ed25519 public key.

use libp2p::PeerId;
use libp2p::identity::{Keypair, ed25519};
use mutual_protocol::ids::NodeId;
use std::fmt;

/// How the protobuf form of an Ed25519 public key begins: field 1 (kind) is 1, field 2 (key) has 32 bytes.
const KEY_HEAD: [u8; 4] = [0x08, 0x01, 0x12, 0x20];

/// Code of the multihash that holds its input unhashed. The peer id of an Ed25519 key is one of these.
const IDENTITY_MULTIHASH: u8 = 0;

/// The key pair that a node proves in each connection. It is wiped from memory when dropped, and never printed.
#[derive(Clone)]
pub struct Identity(Keypair);

impl Identity {
    /// Makes the key pair from 32 secret random bytes, as `SigningKey::from_seed` does: the public half is the same.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut bytes = *seed;
        // The only refusal is a wrong length, and the type of `seed` leaves none.
        match ed25519::SecretKey::try_from_bytes(&mut bytes) {
            Ok(secret) => Self(ed25519::Keypair::from(secret).into()),
            Err(_) => unreachable!("32 bytes are a secret key"),
        }
    }

    /// Who this is.
    pub fn node(&self) -> NodeId {
        match node_of(&self.peer()) {
            Some(node) => node,
            None => unreachable!("an Ed25519 key has a node id"),
        }
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(crate) const fn keypair(&self) -> &Keypair {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.node())
    }
}

/// The peer id of `node`. Nobody can prove to be it when the bytes of `node` are no point of the curve.
pub(crate) fn peer_of(node: NodeId) -> PeerId {
    let mut bytes = vec![IDENTITY_MULTIHASH, 36];
    bytes.extend(KEY_HEAD);
    bytes.extend(node.as_bytes());
    match PeerId::from_bytes(&bytes) {
        Ok(peer) => peer,
        Err(_) => unreachable!("36 bytes under the identity hash are a peer id"),
    }
}

/// The node id of `peer`, unless its key is of another kind than Ed25519.
pub(crate) fn node_of(peer: &PeerId) -> Option<NodeId> {
    let hash = peer.as_ref();
    if hash.code() != u64::from(IDENTITY_MULTIHASH) {
        return None;
    }
    let key = hash.digest().strip_prefix(&KEY_HEAD)?;
    Some(NodeId::from_bytes(key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mutual_protocol::sign::SigningKey;

    #[test]
    fn the_same_seed_gives_the_node_id_of_the_signing_key() {
        let seed = [7; 32];
        let expected = NodeId::from(SigningKey::from_seed(&seed).public());
        assert_eq!(Identity::from_seed(&seed).node(), expected);
    }

    #[test]
    fn node_and_peer_ids_lead_to_each_other() {
        let node = Identity::from_seed(&[8; 32]).node();
        assert_eq!(node_of(&peer_of(node)), Some(node));
    }

    #[test]
    fn peer_ids_are_the_ones_that_libp2p_makes() {
        let identity = Identity::from_seed(&[9; 32]);
        assert_eq!(peer_of(identity.node()), identity.peer());
        let hashed = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        assert_eq!(node_of(&hashed.parse().unwrap()), None);
    }
}
