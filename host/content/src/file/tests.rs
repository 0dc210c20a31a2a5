//! Files against Helia's CIDs, round trips of any size, and DAGs that lie.

use super::*;
use crate::block::Block;
use crate::node::{Link, encode, file_data};
use mutual_protocol::{Cid, ids::Codec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;

type Blocks = BTreeMap<Cid, Vec<u8>>;

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn build(mut builder: FileBuilder, pieces: &[&[u8]]) -> (FileRoot, Blocks) {
    let mut blocks = Blocks::new();
    let mut emit = |block: Block<'_>| -> Result<(), Infallible> {
        blocks.insert(block.cid(), block.bytes().to_vec());
        Ok(())
    };
    for piece in pieces {
        builder.push(piece, &mut emit).unwrap();
    }
    let root = builder.finish(&mut emit).unwrap();
    (root, blocks)
}

fn read(mut reader: FileReader, blocks: &Blocks) -> Result<Vec<u8>, ReadFileError> {
    let mut out = Vec::new();
    while let Some(want) = reader.want() {
        out.extend_from_slice(reader.handle_block(&blocks[&want.cid])?);
    }
    Ok(out)
}

#[test]
fn cids_are_those_of_helia() {
    let mut seen = 0;
    for line in include_str!("../../vectors/unixfs.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let ["file", size, chunk, links, cid, tsize] = words[..] else {
            continue;
        };
        let bytes = content(size.parse().unwrap());
        let builder = FileBuilder::with_shape(chunk.parse().unwrap(), links.parse().unwrap());
        let (root, blocks) = build(builder, &[&bytes]);
        assert_eq!(
            (
                root.cid.to_string().as_str(),
                root.tsize.to_string().as_str()
            ),
            (cid, tsize),
            "{line}"
        );
        assert_eq!(root.size, bytes.len() as u64);
        assert!(
            read(FileReader::with_size(root.cid, root.size), &blocks).unwrap() == bytes,
            "{line}"
        );
        seen += 1;
    }
    assert_eq!(seen, 16);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_make_the_same_file(sizes in prop::collection::vec(0_usize..40, 0..60)) {
        let bytes = content(sizes.iter().sum());
        let mut rest = bytes.as_slice();
        let pieces: Vec<&[u8]> = sizes.iter().map(|size| rest.split_off(..*size).unwrap()).collect();
        let (root, blocks) = build(FileBuilder::with_shape(7, 3), &pieces);
        let (whole, _) = build(FileBuilder::with_shape(7, 3), &[&bytes]);
        prop_assert_eq!(root, whole);
        prop_assert_eq!(read(FileReader::new(root.cid), &blocks).unwrap(), bytes);
    }

    #[test]
    fn any_bytes_as_a_node_are_an_error_or_a_file(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let cid = Cid::of(Codec::DagPb, &bytes);
        let mut reader = FileReader::new(cid);
        let _outcome = reader.handle_block(&bytes).map(<[u8]>::len);
    }
}

#[test]
fn an_error_of_the_sink_ends_the_file() {
    let mut builder = FileBuilder::with_shape(4, 4);
    let mut full = |_: Block<'_>| Err("full");
    assert_eq!(builder.push(b"abc", &mut full), Ok(()));
    assert_eq!(builder.push(b"d", &mut full), Err("full"));
}

/// A file node over `children` (CID, size as told) with inline data.
fn node(children: &[(Cid, u64)], blocks: &mut Blocks) -> Cid {
    let links = children.iter().map(|(cid, size)| {
        (
            "",
            Link {
                cid: *cid,
                tsize: *size,
            },
        )
    });
    put(
        encode(links, &file_data(children.iter().map(|(_, size)| *size))),
        blocks,
    )
}

fn put(bytes: Vec<u8>, blocks: &mut Blocks) -> Cid {
    let cid = Cid::of(Codec::DagPb, &bytes);
    blocks.insert(cid, bytes);
    cid
}

fn leaf(bytes: &[u8], blocks: &mut Blocks) -> Cid {
    let cid = Cid::of(Codec::Raw, bytes);
    blocks.insert(cid, bytes.to_vec());
    cid
}

#[test]
fn lying_sizes_are_refused() {
    let mut blocks = Blocks::new();
    let four = leaf(b"four", &mut blocks);
    let root = node(&[(four, 5)], &mut blocks);
    let found = read(FileReader::new(root), &blocks);
    assert!(
        matches!(
            found,
            Err(ReadFileError::Size {
                want: 5,
                found: 4,
                ..
            })
        ),
        "{found:?}"
    );
    let found = read(FileReader::with_size(four, 3), &blocks);
    assert!(
        matches!(
            found,
            Err(ReadFileError::Size {
                want: 3,
                found: 4,
                ..
            })
        ),
        "{found:?}"
    );
    let nothing = node(&[(four, 4), (four, 0)], &mut blocks);
    assert!(matches!(
        read(FileReader::new(nothing), &blocks),
        Err(ReadFileError::Node(_))
    ));
    let mut bytes = b"\x08\x02".to_vec();
    bytes.extend_from_slice(b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x20\x04");
    let links = [(
        "",
        Link {
            cid: four,
            tsize: 1,
        },
    ); 2];
    let overflow = put(encode(links.into_iter(), &bytes), &mut blocks);
    assert!(matches!(
        read(FileReader::new(overflow), &blocks),
        Err(ReadFileError::Node(_))
    ));
}

#[test]
fn deep_chains_are_refused() {
    let mut blocks = Blocks::new();
    let mut cid = leaf(b"x", &mut blocks);
    for _ in 0..16 {
        cid = node(&[(cid, 1)], &mut blocks);
    }
    assert_eq!(read(FileReader::new(cid), &blocks).unwrap(), b"x");
    let deeper = node(&[(cid, 1)], &mut blocks);
    assert!(matches!(
        read(FileReader::new(deeper), &blocks),
        Err(ReadFileError::TooDeep { .. })
    ));
}

#[test]
fn foreign_files_are_read() {
    // What `ipfs add` makes without options: leaves wrapped in dag-pb, packed or single sizes, a mode and a time.
    let mut blocks = Blocks::new();
    let wrapped = put(b"\x0a\x09\x08\x02\x12\x03abc\x18\x03".to_vec(), &mut blocks);
    let raw_type = put(b"\x0a\x07\x08\x00\x12\x03def".to_vec(), &mut blocks);
    let mut unixfs = b"\x08\x02\x18\x06\x22\x02\x03\x03\x38\xa4\x03\x42\x02\x08\x01".to_vec();
    let links = [
        (
            "",
            Link {
                cid: wrapped,
                tsize: 11,
            },
        ),
        (
            "",
            Link {
                cid: raw_type,
                tsize: 9,
            },
        ),
    ];
    let root = put(encode(links.into_iter(), &unixfs), &mut blocks);
    assert_eq!(read(FileReader::new(root), &blocks).unwrap(), b"abcdef");
    // Data of its own comes before that of its links.
    unixfs = b"\x08\x02\x12\x01>\x18\x04\x20\x03".to_vec();
    let inline = put(
        encode(
            [(
                "",
                Link {
                    cid: wrapped,
                    tsize: 11,
                },
            )]
            .into_iter(),
            &unixfs,
        ),
        &mut blocks,
    );
    assert_eq!(read(FileReader::new(inline), &blocks).unwrap(), b">abc");
}

#[test]
fn what_is_no_file_is_named() {
    let mut blocks = Blocks::new();
    let directory = put(b"\x0a\x02\x08\x01".to_vec(), &mut blocks);
    assert!(matches!(
        read(FileReader::new(directory), &blocks),
        Err(ReadFileError::NotAFile { .. })
    ));
    let object = Cid::of(Codec::DagCbor, b"\xa0");
    blocks.insert(object, b"\xa0".to_vec());
    assert!(matches!(
        read(FileReader::new(object), &blocks),
        Err(ReadFileError::Node(_))
    ));
    for bad in [
        &b"\x0a\x02\x08\x01\x0a\x02\x08\x01"[..],
        b"",
        b"\x0a\x02\x08\x03",
        b"\x1a\x00",
        b"\x12\x02\x12\x00",
    ] {
        let cid = put(bad.to_vec(), &mut blocks);
        assert!(
            matches!(
                read(FileReader::new(cid), &blocks),
                Err(ReadFileError::Node(_))
            ),
            "{bad:?}"
        );
    }
}
