//! Blocks: kept once, checked on every way out, and written by many at once.

use crate::{child, content, files, store};
use mutual_protocol::{Cid, ids::Codec, limits::BLOCK_BYTES_MAX};
use mutual_store::{BlockStore, Cancel, Fault, GetError, OpenStoreError, PutError};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The file of a block, by looking for it.
fn block_file(store: &BlockStore, cid: Cid) -> PathBuf {
    let blocks = store.root().join("blocks");
    let found = files(&blocks)
        .into_iter()
        .find(|path| path.ends_with(cid.to_string()));
    blocks.join(found.unwrap())
}

#[test]
fn blocks_come_back_and_are_private() {
    let (_folder, store) = store();
    let cid = store.put_new(Codec::Raw, b"hello").unwrap();
    store.put(cid, b"hello").unwrap();
    assert!(store.has(cid));
    assert_eq!(store.get(cid, 5).unwrap(), b"hello");
    assert!(matches!(
        store.get(cid, 4),
        Err(GetError::TooLarge {
            size: 5,
            max: 4,
            ..
        })
    ));
    let path = block_file(&store, cid);
    assert_eq!(
        (
            mode(store.root()),
            mode(path.parent().unwrap()),
            mode(&path)
        ),
        (0o700, 0o700, 0o600)
    );
    assert!(matches!(
        store.put(cid, b"other"),
        Err(PutError::Wrong { .. })
    ));
    assert!(store.remove(cid).unwrap());
    assert!(!store.remove(cid).unwrap());
    assert!(matches!(store.get(cid, 5), Err(GetError::Missing { .. })));
}

#[test]
fn a_block_that_is_there_is_not_written_again() {
    let (_folder, store) = store();
    let cid = store.put_new(Codec::Raw, b"hello").unwrap();
    let path = block_file(&store, cid);
    let inode = fs::metadata(&path).unwrap().ino();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    store.put(cid, b"hello").unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.ino(), inode);
    assert_ne!(metadata.modified().unwrap(), SystemTime::UNIX_EPOCH);
    // One of another length was cut by a power cut.
    fs::write(&path, b"he").unwrap();
    store.put(cid, b"hello").unwrap();
    assert_eq!(store.get(cid, 5).unwrap(), b"hello");
}

#[test]
fn a_store_tidied_by_hand_still_works() {
    let (_folder, store) = store();
    let cid = store.put_new(Codec::Raw, b"hello").unwrap();
    fs::remove_dir_all(store.root().join("blocks")).unwrap();
    fs::remove_dir_all(store.root().join("temporary")).unwrap();
    assert!(matches!(store.get(cid, 5), Err(GetError::Missing { .. })));
    store.put(cid, b"hello").unwrap();
    assert_eq!(store.get(cid, 5).unwrap(), b"hello");
    // A folder in a block's place is nobody's doing but is not our end either.
    let path = block_file(&store, cid);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let Err(GetError::File(error)) = store.get(cid, 1 << 20) else {
        panic!()
    };
    assert_eq!((error.fault(), error.path), (Fault::IsFolder, path));
}

#[test]
fn foreign_ids_are_kept_under_names_that_every_disk_can_tell_apart() {
    let (_folder, store) = store();
    let node = b"\x0a\x02\x08\x01";
    let new = Cid::of(Codec::DagPb, node);
    let mut bare = vec![0x12, 0x20];
    bare.extend_from_slice(new.digest());
    let old = Cid::from_bytes(&bare).unwrap();
    assert!(old.to_string().starts_with("Qm"));
    store.put(old, node).unwrap();
    assert_eq!(store.get(new, 4).unwrap(), node);
    assert_eq!(store.get(old, 4).unwrap(), node);
    // blake3 of "x".
    let blake3: Cid = "bafkr4ib247mal5tytjsaflfxblkas2ufuvv7nacov4s4asj2y2lvjdjqwu"
        .parse()
        .unwrap();
    store.put(blake3, b"x").unwrap();
    assert_eq!(store.get(blake3, 4).unwrap(), b"x");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_found_and_removed(
        bytes in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        cut in any::<bool>(),
    ) {
        let (_folder, store) = store();
        let cid = store.put_new(Codec::Raw, &bytes).unwrap();
        let mut damaged = bytes.clone();
        if cut {
            damaged.truncate(at.index(bytes.len()));
        } else {
            damaged[at.index(bytes.len())] ^= flip;
        }
        fs::write(block_file(&store, cid), &damaged).unwrap();
        let found = store.get(cid, 200);
        prop_assert!(matches!(found, Err(GetError::Damaged { .. })), "{:?}", found);
        prop_assert!(!store.has(cid));
        store.put(cid, &bytes).unwrap();
        prop_assert_eq!(store.get(cid, 200).unwrap(), bytes);
    }
}

#[test]
fn what_is_no_store_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    drop(BlockStore::open(&root).unwrap());
    drop(BlockStore::open(&root).unwrap());
    fs::write(root.join("version"), "mutual-store 2\n").unwrap();
    let error = BlockStore::open(&root).unwrap_err();
    assert!(
        matches!(&error, OpenStoreError::Version { found, .. } if found == "mutual-store 2"),
        "{error:?}"
    );

    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letter.txt"), b"").unwrap();
    assert!(
        matches!(BlockStore::open(&other), Err(OpenStoreError::NotAStore { path }) if path == other)
    );
    assert_eq!(files(&other), [Path::new("letter.txt")]);

    let file = other.join("letter.txt");
    let Err(OpenStoreError::File(error)) = BlockStore::open(&file) else {
        panic!()
    };
    assert_eq!(error.fault(), Fault::NotAFolder);
    fs::remove_file(root.join("version")).unwrap();
    fs::create_dir(root.join("version")).unwrap();
    let Err(OpenStoreError::File(error)) = BlockStore::open(&root) else {
        panic!()
    };
    assert_eq!(
        (error.fault(), error.path),
        (Fault::IsFolder, root.join("version"))
    );
}

#[test]
fn ten_processes_write_the_same_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content((4 << 20) + 5);
    fs::write(folder.path().join("input"), &bytes).unwrap();
    let mut children: Vec<_> = (0..10)
        .map(|_| child::start("write", folder.path()))
        .collect();
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let store = BlockStore::open(&folder.path().join("store")).unwrap();
    let root = mutual_store::hash_file(&folder.path().join("input"))
        .unwrap()
        .root;
    assert!(store.read_file(root.cid, u64::MAX).unwrap() == bytes);
    // Four leaves that repeat after 251 MiB, the rest, and the root.
    assert_eq!(files(&store.root().join("blocks")).len(), 6);
    assert!(files(&store.root().join("temporary")).is_empty());
}

#[test]
fn a_killed_writer_leaves_only_whole_blocks() {
    let (folder, store) = store();
    let mut child = child::start("stream", folder.path());
    // A pipe holds 64 KiB: when 3 MiB are through, the child has taken two whole leaves at least.
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&content(3 << 20))
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let blocks = files(&store.root().join("blocks"));
    assert!(!blocks.is_empty());
    for path in blocks {
        let cid: Cid = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        store.get(cid, BLOCK_BYTES_MAX).unwrap();
    }
}

/// A limit on file sizes needs no privileges; it is one of the three ways to run out of space.
#[test]
fn a_full_disk_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let limited = [
        "sh",
        "-c",
        "trap '' XFSZ; ulimit -f 256; exec \"$0\" \"$@\"",
    ];
    let done = child::wrapped("full", folder.path(), &limited)
        .status()
        .unwrap();
    assert!(done.success());
}

/// A small disk of our own, full and then read-only. Where mounting is not allowed, the limit above has to do.
#[test]
fn a_small_disk_fills_and_a_read_only_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=1500k none \"$MUTUAL_STORE_TEST_FOLDER\" || exit 77
        \"$0\" \"$@\" || exit 1
        export MUTUAL_STORE_TEST_PART=read-only
        mount -o remount,ro \"$MUTUAL_STORE_TEST_FOLDER\" || exit 77
        exec \"$0\" \"$@\"";
    let mut command = child::wrapped(
        "full",
        folder.path(),
        &["unshare", "-r", "-m", "sh", "-c", script],
    );
    match command.stderr(Stdio::piped()).spawn() {
        Ok(child) => {
            let done = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            let not_allowed = done.status.code() == Some(77) || said.contains("unshare:");
            assert!(done.status.success() || not_allowed, "{said}");
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
    }
}

#[test]
fn a_cancelled_store_refuses_the_next_block_and_leaves_nothing() {
    let (_folder, store) = store();
    let cancel = Cancel::default();
    let cancelled = store.with_cancel(cancel.clone());
    let cid = cancelled.put_new(Codec::Raw, b"before").unwrap();
    cancel.cancel();
    let interrupted = |error: &std::io::Error| error.kind() == std::io::ErrorKind::Interrupted;
    let refused = cancelled.put_new(Codec::Raw, b"after").unwrap_err();
    assert!(interrupted(&refused.source));
    assert!(
        matches!(cancelled.get(cid, 100), Err(GetError::File(error)) if interrupted(&error.source))
    );
    assert!(cancelled.import_stream(&mut &b"input"[..], 100).is_err());
    assert!(files(&store.root().join("temporary")).is_empty());
    assert_eq!(store.get(cid, 100).unwrap(), b"before", "the others go on");
}
