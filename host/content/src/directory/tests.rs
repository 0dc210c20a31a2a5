//! Directories against Helia's CIDs, reading them back, and shards that lie.

use super::*;
use crate::file::FileBuilder;
use crate::node::{Kind, kind, shard_data};
use mutual_protocol::Cid;
use std::collections::BTreeMap;
use std::convert::Infallible;

type Blocks = BTreeMap<Cid, Vec<u8>>;

fn keep(blocks: &mut Blocks) -> impl FnMut(Block<'_>) -> Result<(), Infallible> {
    |block| {
        blocks.insert(block.cid(), block.bytes().to_vec());
        Ok(())
    }
}

fn file(bytes: &[u8], blocks: &mut Blocks) -> Link {
    let mut builder = FileBuilder::new();
    builder.push(bytes, &mut keep(blocks)).unwrap();
    builder.finish(&mut keep(blocks)).unwrap().link()
}

fn directory(entries: &[(&str, Link)], blocks: &mut Blocks) -> Link {
    let mut directory = Directory::new();
    for (name, link) in entries {
        directory.insert(name, *link).unwrap();
    }
    directory.finish(&mut keep(blocks)).unwrap()
}

/// Files that hold their own names.
fn files<S: AsRef<str>>(names: &[S], blocks: &mut Blocks) -> Link {
    let entries: Vec<_> = names
        .iter()
        .map(AsRef::as_ref)
        .map(|name| (name, file(name.as_bytes(), blocks)))
        .collect();
    directory(&entries, blocks)
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// The recipes of `vectors/unixfs.mjs`.
fn recipe(name: &str, blocks: &mut Blocks) -> Link {
    let x = file(&content(3), blocks);
    match name {
        "one" => files(&["a.txt"], blocks),
        "names" => files(
            &["b", "a", "ä", "Z", "a b", ".hidden", &"long-".repeat(40)],
            blocks,
        ),
        "nested" => {
            let c = file(&content(5), blocks);
            let b = directory(&[("c.txt", c)], blocks);
            let d = file(&content(1_500_000), blocks);
            let a = directory(&[("b", b), ("d.bin", d)], blocks);
            let empty = file(b"", blocks);
            directory(&[("a", a), ("a-b", empty)], blocks)
        }
        "empty-inside" => {
            let empty = directory(&[], blocks);
            directory(&[("empty", empty), ("x", x)], blocks)
        }
        "link-inside" => {
            let link = symlink(b"x", &mut keep(blocks)).unwrap();
            directory(&[("to-x", link), ("x", x)], blocks)
        }
        name => files(
            &names(name.strip_prefix("files-").unwrap().parse().unwrap()),
            blocks,
        ),
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("file-{i:05}")).collect()
}

#[test]
fn cids_are_those_of_helia() {
    let mut seen = 0;
    for line in include_str!("../../vectors/unixfs.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let ["directory", name, cid, tsize] = words[..] else {
            continue;
        };
        let root = recipe(name, &mut Blocks::new());
        assert_eq!(
            (
                root.cid.to_string().as_str(),
                root.tsize.to_string().as_str()
            ),
            (cid, tsize),
            "{line}"
        );
        seen += 1;
    }
    assert_eq!(seen, 9);
}

fn list(
    root: Cid,
    entries_max: usize,
    blocks: &Blocks,
) -> Result<Vec<DirectoryEntry>, ReadDirectoryError> {
    let mut reader = DirectoryReader::new(root, entries_max);
    let mut entries = Vec::new();
    while let Some(cid) = reader.want() {
        entries.extend(reader.handle_block(&blocks[&cid])?);
    }
    Ok(entries)
}

#[test]
fn directories_are_read_back_up_to_a_limit() {
    for count in [0, 10, 10_000] {
        let mut blocks = Blocks::new();
        let root = files(&names(count), &mut blocks).cid;
        let mut found: Vec<_> = list(root, count, &blocks)
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        found.sort();
        assert_eq!(found, names(count));
        let few = list(root, count.saturating_sub(1), &blocks);
        assert_eq!(few.is_err(), count > 0, "{few:?}");
    }
}

#[test]
fn kinds_are_told_apart() {
    let mut blocks = Blocks::new();
    let link = symlink(b"../x\xff", &mut keep(&mut blocks)).unwrap().cid;
    assert_eq!(
        kind(link, &blocks[&link]).unwrap(),
        Kind::Symlink {
            target: b"../x\xff".to_vec()
        }
    );
    for count in [1, 5000] {
        let root = files(&names(count), &mut blocks).cid;
        assert_eq!(kind(root, &blocks[&root]).unwrap(), Kind::Directory);
    }
    let big = file(&content(1_500_000), &mut blocks).cid;
    assert_eq!(
        kind(big, &blocks[&big]).unwrap(),
        Kind::File { size: 1_500_000 }
    );
    assert!(matches!(
        list(big, 10, &blocks),
        Err(ReadDirectoryError::NotADirectory { .. })
    ));
}

#[test]
fn wrong_names_are_refused_both_ways() {
    let mut directory = Directory::new();
    let link = Link {
        cid: Cid::of(Codec::Raw, b""),
        tsize: 0,
    };
    for name in ["", ".", "..", "a/b", "a\0b"] {
        assert!(
            matches!(directory.insert(name, link), Err(NameError::Form { .. })),
            "{name:?}"
        );
        let bytes = encode([(name, link)].into_iter(), &directory_data());
        let cid = Cid::of(Codec::DagPb, &bytes);
        let found = DirectoryReader::new(cid, 10).handle_block(&bytes);
        assert!(
            matches!(found, Err(ReadDirectoryError::Name { .. })),
            "{name:?}"
        );
    }
    directory.insert("a", link).unwrap();
    assert_eq!(
        directory.insert("a", link),
        Err(NameError::Twice {
            name: "a".to_owned()
        })
    );
    assert!(matches!(
        directory.insert(&"x".repeat(256), link),
        Err(NameError::TooLong { .. })
    ));
    let mut bytes = encode([("ab", link)].into_iter(), &directory_data());
    let at = bytes.windows(2).position(|pair| pair == b"ab").unwrap();
    bytes[at] = 0xff;
    let found = DirectoryReader::new(Cid::of(Codec::DagPb, &bytes), 10).handle_block(&bytes);
    assert!(matches!(found, Err(ReadDirectoryError::NotUtf8 { .. })));
}

#[test]
fn lying_shards_are_refused() {
    let link = Link {
        cid: Cid::of(Codec::Raw, b""),
        tsize: 0,
    };
    let check = |label: &str, data: &[u8]| {
        let bytes = encode([(label, link)].into_iter(), data);
        DirectoryReader::new(Cid::of(Codec::DagPb, &bytes), 10).handle_block(&bytes)
    };
    // The hash of "a" starts with 0x85.
    assert_eq!(check("85a", &shard_data(&[1])).unwrap().len(), 1);
    for label in ["84a", "8", "G5a", "8ä"] {
        assert!(
            matches!(
                check(label, &shard_data(&[1])),
                Err(ReadDirectoryError::Shard { .. })
            ),
            "{label}"
        );
    }
    let other_hash = b"\x08\x05\x12\x01\x01\x28\x12\x30\x80\x02";
    assert!(matches!(
        check("85a", other_hash),
        Err(ReadDirectoryError::Node(_))
    ));
}

/// Two names made to collide: the hash has no key, so anybody can make such names in a moment.
#[test]
fn names_with_one_hash_are_refused_in_shards() {
    let names = [
        "siifmqksogdtebrsunoqonvdjxsitwkd",
        "vmglvvnuxwpqqftphI5T.9=~EzE5%p<#",
    ];
    let link = Link {
        cid: Cid::of(Codec::Raw, b""),
        tsize: 0,
    };
    let mut directory = Directory::new();
    for name in names {
        directory.insert(name, link).unwrap();
    }
    let mut emit = |_: Block<'_>| Ok::<(), Infallible>(());
    directory.clone().finish(&mut emit).unwrap();
    for i in 0..5000 {
        directory.insert(&format!("file-{i:05}"), link).unwrap();
    }
    let found = directory.finish(&mut emit);
    let Err(FinishDirectoryError::SameHash { first, second }) = found else {
        panic!("{found:?}")
    };
    assert_eq!([first.as_str(), second.as_str()], names);
}

/// A shard that holds only another shard, again and again: nine levels use up more than 64 bits.
#[test]
fn endless_tries_end() {
    let mut blocks = Blocks::new();
    let mut link = directory(&[], &mut blocks);
    for _ in 0..9 {
        let bytes = encode([("00", link)].into_iter(), &shard_data(&[1]));
        link = emit_node(&bytes, [].iter(), &mut keep(&mut blocks)).unwrap();
    }
    assert!(matches!(
        list(link.cid, 100, &blocks),
        Err(ReadDirectoryError::Shard { .. })
    ));
    assert!(matches!(
        list(link.cid, 3, &blocks),
        Err(ReadDirectoryError::TooMany { max: 3 })
    ));
}

#[test]
fn links_of_every_codec() {
    let mut blocks = Blocks::new();
    let root = recipe("nested", &mut blocks);
    let found = crate::links(root.cid, &blocks[&root.cid]).unwrap();
    assert_eq!(found.len(), 2);
    let big = file(&content(1_500_000), &mut blocks).cid;
    assert_eq!(crate::links(big, &blocks[&big]).unwrap().len(), 2);
    let leaf = Cid::of(Codec::Raw, b"x");
    assert_eq!(crate::links(leaf, b"x").unwrap(), []);
    let object = mutual_protocol::codec::encode(&BTreeMap::from([
        ("a", vec![leaf, big]),
        ("b", vec![root.cid]),
    ]));
    let cid = Cid::of(Codec::DagCbor, &object);
    assert_eq!(crate::links(cid, &object).unwrap(), [leaf, big, root.cid]);
    for bad in [
        &object[..object.len() - 1],
        &[0x81; 100],
        &[0xbb, 255, 255, 255, 255, 255, 255, 255, 255],
        b"\xa0\x00",
    ] {
        assert!(
            matches!(
                crate::links(cid, bad),
                Err(crate::LinksError::Object { .. })
            ),
            "{bad:?}"
        );
    }
    let node = Cid::of(Codec::DagPb, b"\x00");
    assert!(matches!(
        crate::links(node, b"\x00"),
        Err(crate::LinksError::Node(_))
    ));
}

#[test]
fn links_of_unknown_kinds_are_named() {
    // CIDv1, dag-pb, identity hash of nothing.
    let bytes = b"\x12\x06\x0a\x04\x01\x70\x00\x00\x0a\x02\x08\x01";
    let found = kind(Cid::of(Codec::DagPb, bytes), bytes);
    assert!(
        matches!(found, Err(crate::NodeError::Link { .. })),
        "{found:?}"
    );
}
