//! CBOR by hand, so that tests can write what the codec never would.

use mutual_protocol::PublicKey;
use mutual_protocol::sign::Message;

/// Where an item's head begins and ends, and what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) start: usize,
    pub(crate) end: usize,
    major: u8,
    argument: u64,
}

impl Head {
    fn at(bytes: &[u8], start: usize) -> Self {
        let (major, info) = (bytes[start] >> 5, bytes[start] & 31);
        let width = match info {
            0..24 => 0,
            24..28 => 1 << (info - 24),
            _ => panic!("no canonical head at {start}"),
        };
        let end = start + 1 + width;
        let argument = match width {
            0 => u64::from(info),
            _ => bytes[start + 1..end]
                .iter()
                .fold(0, |value, byte| (value << 8) | u64::from(*byte)),
        };
        Self {
            start,
            end,
            major,
            argument,
        }
    }

    /// The same head in the next wider spelling; none for simple values, and for the widest.
    pub(crate) fn widened(&self) -> Option<Vec<u8>> {
        let (info, width) = match self.end - self.start - 1 {
            0 => (24, 1),
            1 => (25, 2),
            2 => (26, 4),
            4 => (27, 8),
            _ => return None,
        };
        let mut head = vec![(self.major << 5) | info];
        head.extend_from_slice(&self.argument.to_be_bytes()[8 - width..]);
        (self.major != 7).then_some(head)
    }
}

/// The heads of an item and of everything in it; the end of the item.
pub(crate) fn heads(bytes: &[u8], start: usize, out: &mut Vec<Head>) -> usize {
    let head = Head::at(bytes, start);
    out.push(head);
    let argument = usize::try_from(head.argument);
    match head.major {
        2 | 3 => head.end + argument.unwrap(),
        4 => (0..argument.unwrap()).fold(head.end, |at, _| heads(bytes, at, out)),
        5 => (0..argument.unwrap() * 2).fold(head.end, |at, _| heads(bytes, at, out)),
        6 => heads(bytes, head.end, out),
        _ => head.end,
    }
}

/// The pairs of a map, encoded.
pub(crate) fn pairs(map: &[u8]) -> Vec<Vec<u8>> {
    let head = Head::at(map, 0);
    assert_eq!(head.major, 5, "a map");
    let mut at = head.end;
    let mut next = || {
        let start = at;
        let key_end = heads(map, start, &mut Vec::new());
        at = heads(map, key_end, &mut Vec::new());
        map[start..at].to_vec()
    };
    (0..head.argument).map(|_| next()).collect()
}

/// The key of a pair, which is text.
pub(crate) fn key(pair: &[u8]) -> &str {
    let head = Head::at(pair, 0);
    assert_eq!(head.major, 3, "text");
    let end = head.end + usize::try_from(head.argument).unwrap();
    std::str::from_utf8(&pair[head.end..end]).unwrap()
}

/// A map of these pairs, in this order.
pub(crate) fn map(pairs: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = head(5, pairs.len());
    bytes.extend(pairs.concat());
    bytes
}

/// The shortest head.
pub(crate) fn head(major: u8, argument: usize) -> Vec<u8> {
    let argument = u64::try_from(argument).unwrap();
    let mut widest = vec![(major << 5) | 27];
    widest.extend_from_slice(&argument.to_be_bytes());
    let (info, width) = match argument {
        0..24 => return vec![(major << 5) | u8::try_from(argument).unwrap()],
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => return widest,
    };
    let mut head = vec![(major << 5) | info];
    head.extend_from_slice(&argument.to_be_bytes()[8 - width..]);
    head
}

/// An envelope around any bytes, signed as a `T`: docs/protocol.md, "Envelope", written a second time.
pub(crate) fn forge<T: Message>(seed: &[u8; 32], body: &[u8]) -> Vec<u8> {
    use ed25519_dalek::Signer as _;
    let mut message = format!("mutual-cloud/{}/{}\0", T::TAG, T::VERSION).into_bytes();
    message.extend_from_slice(body);
    let key = ed25519_dalek::SigningKey::from_bytes(seed);
    let signer = PublicKey::from_bytes(key.verifying_key().to_bytes());
    envelope(body, &signer, &key.sign(&message).to_bytes())
}

/// An envelope with any signature.
pub(crate) fn envelope(body: &[u8], signer: &PublicKey, signature: &[u8; 64]) -> Vec<u8> {
    let pair = |key: &[u8], value: &[u8]| {
        [&head(3, key.len()), key, &head(2, value.len()), value].concat()
    };
    map(&[
        pair(b"body", body),
        pair(b"signer", signer.as_bytes()),
        pair(b"signature", signature),
    ])
}
