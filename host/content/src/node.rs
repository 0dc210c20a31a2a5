//! dag-pb nodes with UnixFS data: strict reading of foreign ones, writing of our own.
//!
//! Reading takes what Kubo and Helia have ever written: leaves with inline data, times and modes (which are ignored),
//! links without sizes. What no reader agrees on is refused: data twice, links on both sides of it, unknown fields.

use crate::protobuf::{Fields, Value, WireError, put_bytes, put_varint, varint};
use mutual_protocol::{
    Cid,
    ids::{CidError, Codec},
};

/// murmur3-x64-64 in the multihash table; shards with another hash are refused.
pub(crate) const MURMUR: u64 = 0x22;
/// Slots of a shard that we write.
pub(crate) const FANOUT: u64 = 256;
/// Slots of a shard that we read: Kubo refuses more.
const FANOUT_MAX: u64 = 1024;

/// A finished node: what a parent says about its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The child.
    pub cid: Cid,
    /// Bytes of the child's block and of all blocks below it, as dag-pb counts them (`Tsize`).
    pub tsize: u64,
}

/// What a UnixFS node is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A file, or a raw block.
    File {
        /// Length in bytes, as the node tells it.
        size: u64,
    },
    /// A directory, sharded or not.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it leads; any bytes.
        target: Vec<u8>,
    },
}

/// Why a block is not a UnixFS node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Neither raw nor dag-pb.
    #[error("{cid} is not a file or directory")]
    Codec {
        /// The block.
        cid: Cid,
    },
    /// Not a canonical dag-pb node with UnixFS data.
    #[error("{cid} is not a valid UnixFS node: {reason}")]
    Form {
        /// The block.
        cid: Cid,
        /// What is wrong.
        reason: &'static str,
    },
    /// A link of a kind that is not verified here.
    #[error("{cid} holds a link that cannot be followed")]
    Link {
        /// The block.
        cid: Cid,
        /// Why not.
        #[source]
        source: CidError,
    },
}

/// What the node `cid` with the content `block` is.
///
/// # Errors
/// When it is not a UnixFS node.
pub fn kind(cid: Cid, block: &[u8]) -> Result<Kind, NodeError> {
    let node = Node::decode(cid, block)?;
    Ok(match node.form {
        Form::File => Kind::File { size: node.size() },
        Form::Directory | Form::Shard => Kind::Directory,
        Form::Symlink => Kind::Symlink {
            target: node.data.to_vec(),
        },
    })
}

/// Bytes of the DAG below and with the root `block`: what a directory entry for it carries.
///
/// # Errors
/// When it is not a UnixFS node.
pub fn dag_size(cid: Cid, block: &[u8]) -> Result<u64, NodeError> {
    let node = Node::decode(cid, block)?;
    Ok(node
        .links
        .iter()
        .map(|link| link.tsize)
        .fold(block.len() as u64, u64::saturating_add))
}

/// UnixFS types that are in use. `Metadata` never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    File,
    Directory,
    Symlink,
    Shard,
}

/// A link as it stands in a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedLink<'a> {
    pub(crate) cid: Cid,
    pub(crate) name: &'a [u8],
    pub(crate) tsize: u64,
}

/// A decoded node. A raw block decodes as a file without links.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) form: Form,
    pub(crate) data: &'a [u8],
    pub(crate) links: Vec<NamedLink<'a>>,
    /// Bytes of the file below each link; as many as links in a file, none elsewhere.
    pub(crate) sizes: Vec<u64>,
    /// Slots, in a shard.
    pub(crate) fanout: u64,
}

impl<'a> Node<'a> {
    pub(crate) fn decode(cid: Cid, block: &'a [u8]) -> Result<Self, NodeError> {
        match cid.codec() {
            Codec::Raw => Ok(Self {
                form: Form::File,
                data: block,
                links: Vec::new(),
                sizes: Vec::new(),
                fanout: 0,
            }),
            Codec::DagPb => decode_dag_pb(cid, block),
            Codec::DagCbor => Err(NodeError::Codec { cid }),
        }
    }

    /// Length of the file. [`Node::decode`] has made sure that the sum does not overflow.
    pub(crate) fn size(&self) -> u64 {
        self.sizes.iter().fold(self.data.len() as u64, |sum, size| {
            sum.saturating_add(*size)
        })
    }
}

/// dag-pb's two fields.
pub(crate) struct Parts<'a> {
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) links: Vec<NamedLink<'a>>,
}

pub(crate) fn parts(cid: Cid, block: &[u8]) -> Result<Parts<'_>, NodeError> {
    let form = |reason| NodeError::Form { cid, reason };
    let mut parts = Parts {
        data: None,
        links: Vec::new(),
    };
    let mut links_closed = false;
    for field in Fields::new(block) {
        match field.map_err(|WireError| form("damaged protobuf"))? {
            (1, Value::Bytes(data)) if parts.data.is_none() => {
                parts.data = Some(data);
                links_closed = !parts.links.is_empty();
            }
            (2, Value::Bytes(bytes)) if !links_closed => parts.links.push(link(cid, bytes)?),
            _ => return Err(form("a field is out of place")),
        }
    }
    Ok(parts)
}

fn link(cid: Cid, bytes: &[u8]) -> Result<NamedLink<'_>, NodeError> {
    let form = |reason| NodeError::Form { cid, reason };
    let (mut hash, mut name, mut tsize) = (None, None, None);
    for field in Fields::new(bytes) {
        match field.map_err(|WireError| form("damaged link"))? {
            (1, Value::Bytes(bytes)) if hash.is_none() => hash = Some(bytes),
            (2, Value::Bytes(bytes)) if name.is_none() => name = Some(bytes),
            (3, Value::Varint(size)) if tsize.is_none() => tsize = Some(size),
            _ => return Err(form("a link's field is out of place")),
        }
    }
    let hash = hash.ok_or_else(|| form("a link without a target"))?;
    let target = Cid::from_bytes(hash).map_err(|source| NodeError::Link { cid, source })?;
    Ok(NamedLink {
        cid: target,
        name: name.unwrap_or_default(),
        tsize: tsize.unwrap_or_default(),
    })
}

fn decode_dag_pb(cid: Cid, block: &[u8]) -> Result<Node<'_>, NodeError> {
    let form = |reason| NodeError::Form { cid, reason };
    let Parts { data, links } = parts(cid, block)?;
    let unixfs = UnixFs::decode(data.ok_or_else(|| form("no UnixFS data"))?).map_err(form)?;
    let node_form = match unixfs.kind {
        Some(0 | 2) => Form::File,
        Some(1) => Form::Directory,
        Some(4) => Form::Symlink,
        Some(5) => Form::Shard,
        _ => return Err(form("unknown type")),
    };
    let node = Node {
        form: node_form,
        data: unixfs.data,
        links,
        sizes: unixfs.sizes,
        fanout: unixfs.fanout.unwrap_or(0),
    };
    match node_form {
        Form::File => check_file(&node, unixfs.file_size).map_err(form)?,
        Form::Shard => {
            let valid = node.fanout.is_power_of_two() && (8..=FANOUT_MAX).contains(&node.fanout);
            if !valid || unixfs.hash != Some(MURMUR) {
                return Err(form("a shard with an unknown hash or fan-out"));
            }
        }
        Form::Directory | Form::Symlink => {}
    }
    Ok(node)
}

/// A file's sizes must agree with one another: readers trust them to find their way.
fn check_file(node: &Node<'_>, told: Option<u64>) -> Result<(), &'static str> {
    if node.sizes.len() != node.links.len() {
        return Err("as many sizes as links are needed");
    }
    // A child without content would let a small DAG make a reader visit it for ever.
    if node.sizes.contains(&0) {
        return Err("a link to nothing");
    }
    let sum = node
        .sizes
        .iter()
        .try_fold(node.data.len() as u64, |sum, size| sum.checked_add(*size));
    let sum = sum.ok_or("sizes beyond 64 bits")?;
    if told.is_some_and(|told| told != sum) {
        return Err("the file's size is not the sum of its parts");
    }
    Ok(())
}

#[derive(Default)]
struct UnixFs<'a> {
    kind: Option<u64>,
    data: &'a [u8],
    file_size: Option<u64>,
    sizes: Vec<u64>,
    hash: Option<u64>,
    fanout: Option<u64>,
}

impl<'a> UnixFs<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut out = Self::default();
        for field in Fields::new(bytes) {
            match field.map_err(|WireError| "damaged UnixFS data")? {
                (1, Value::Varint(kind)) => out.kind = Some(kind),
                (2, Value::Bytes(data)) => out.data = data,
                (3, Value::Varint(size)) => out.file_size = Some(size),
                (4, Value::Varint(size)) => out.sizes.push(size),
                (4, Value::Bytes(packed)) => unpack(packed, &mut out.sizes)?,
                (5, Value::Varint(hash)) => out.hash = Some(hash),
                (6, Value::Varint(fanout)) => out.fanout = Some(fanout),
                // Mode and time: not ours to keep.
                (7, Value::Varint(_)) | (8, Value::Bytes(_)) => {}
                _ => return Err("an unknown UnixFS field"),
            }
        }
        Ok(out)
    }
}

fn unpack(mut packed: &[u8], sizes: &mut Vec<u64>) -> Result<(), &'static str> {
    while !packed.is_empty() {
        let (size, rest) = varint(packed).ok_or("damaged UnixFS data")?;
        sizes.push(size);
        packed = rest;
    }
    Ok(())
}

/// Writes a dag-pb node: links first, then data, as the canonical form wants.
pub(crate) fn encode<'a>(links: impl Iterator<Item = (&'a str, Link)>, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut body = Vec::new();
    for (name, link) in links {
        body.clear();
        put_bytes(&mut body, 1, &link.cid.to_bytes());
        put_bytes(&mut body, 2, name.as_bytes());
        put_varint(&mut body, 3, link.tsize);
        put_bytes(&mut out, 2, &body);
    }
    put_bytes(&mut out, 1, data);
    out
}

/// UnixFS data of an inner node of a file.
pub(crate) fn file_data(sizes: impl Iterator<Item = u64> + Clone) -> Vec<u8> {
    let mut data = Vec::new();
    put_varint(&mut data, 1, 2);
    put_varint(&mut data, 3, sizes.clone().sum());
    for size in sizes {
        put_varint(&mut data, 4, size);
    }
    data
}

/// UnixFS data of a directory.
pub(crate) fn directory_data() -> Vec<u8> {
    let mut data = Vec::new();
    put_varint(&mut data, 1, 1);
    data
}

/// UnixFS data of a symbolic link.
pub(crate) fn symlink_data(target: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    put_varint(&mut data, 1, 4);
    put_bytes(&mut data, 2, target);
    data
}

/// UnixFS data of a shard; `bitmap` is big-endian without leading zeros.
pub(crate) fn shard_data(bitmap: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    put_varint(&mut data, 1, 5);
    put_bytes(&mut data, 2, bitmap);
    put_varint(&mut data, 5, MURMUR);
    put_varint(&mut data, 6, FANOUT);
    data
}
