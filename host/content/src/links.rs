//! The CIDs that a block names, whatever its codec: what collection follows.

use crate::node::{NodeError, parts};
use mutual_protocol::codec::{DEPTH_MAX, head};
use mutual_protocol::{Cid, ids::Codec};

/// Why the links of a block cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinksError {
    /// Not valid dag-pb.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Not valid DAG-CBOR, or nested too deeply.
    #[error("{cid} is not a valid object")]
    Object {
        /// The block.
        cid: Cid,
    },
}

/// Every CID in `block`, in order, repeated where it is repeated. Links of kinds that are not verified here are
/// left out of DAG-CBOR and are an error in dag-pb.
///
/// # Errors
/// When the block is not what its codec says.
pub fn links(cid: Cid, block: &[u8]) -> Result<Vec<Cid>, LinksError> {
    match cid.codec() {
        Codec::Raw => Ok(Vec::new()),
        Codec::DagPb => Ok(parts(cid, block)?
            .links
            .iter()
            .map(|link| link.cid)
            .collect()),
        Codec::DagCbor => {
            let mut found = Vec::new();
            match item(block, DEPTH_MAX, &mut found) {
                Some([]) => Ok(found),
                _ => Err(LinksError::Object { cid }),
            }
        }
    }
}

/// Tag 42 marks a CID in DAG-CBOR.
const TAG_CID: u64 = 42;

/// Reads one CBOR item and gives what follows it; `None` when it is damaged or deeper than `depth`.
fn item<'a>(bytes: &'a [u8], depth: usize, found: &mut Vec<Cid>) -> Option<&'a [u8]> {
    let depth = depth.checked_sub(1)?;
    let (major, argument, mut rest) = head(bytes)?;
    let children = match major {
        2 | 3 => return rest.get(usize::try_from(argument).ok()?..),
        4 => argument,
        5 => argument.checked_mul(2)?,
        6 if argument == TAG_CID => return link(rest, found),
        6 => 1,
        _ => return Some(rest),
    };
    for _ in 0..children {
        rest = item(rest, depth, found)?;
    }
    Some(rest)
}

fn link<'a>(bytes: &'a [u8], found: &mut Vec<Cid>) -> Option<&'a [u8]> {
    let (2, len, rest) = head(bytes)? else {
        return None;
    };
    let (content, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let (&0, binary) = content.split_first()? else {
        return None;
    };
    found.extend(Cid::from_bytes(binary).ok());
    Some(rest)
}
