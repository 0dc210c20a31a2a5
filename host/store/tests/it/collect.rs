//! Collection: what roots lead to stays, and so does what is in use or new.

use crate::{content, files, store};
use mutual_protocol::manifest::{Entry, GuestPath, Manifest, Node};
use mutual_protocol::{Cid, ids::Codec};
use mutual_store::{BlockStore, CollectError, Collected};
use std::fs;
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

/// Two hours after the store was made.
fn later(store: &BlockStore) -> SystemTime {
    fs::metadata(store.root()).unwrap().modified().unwrap() + 2 * HOUR
}

fn manifest(store: &BlockStore, cid: Cid, size: u64) -> Cid {
    let node = Node::File {
        cid,
        size,
        executable: false,
    };
    let entry = Entry {
        path: GuestPath::parse("x").unwrap(),
        node,
    };
    let bytes = mutual_protocol::codec::encode(&Manifest::new(vec![entry]).unwrap());
    store.put_new(Codec::DagCbor, &bytes).unwrap()
}

#[test]
fn only_what_a_root_leads_to_stays() {
    let (_folder, store) = store();
    let kept = store.put_file(&content(2_500_000)).unwrap();
    let manifest = manifest(&store, kept.cid, kept.size);
    let lost = store.put_file(b"lost").unwrap();
    fs::write(store.root().join("blocks/notes.txt"), b"").unwrap();
    fs::remove_file(store.root().join("blocks/notes.txt")).unwrap();
    fs::write(store.root().join("temporary/.mc-1-1"), b"half").unwrap();
    let gone = Cid::of(Codec::DagPb, b"never here");
    let roots = || Ok(vec![manifest, gone]);
    let young = store
        .collect(roots, later(&store) - 2 * HOUR, HOUR)
        .unwrap();
    assert_eq!(young, Collected::default());
    let done = store.collect(roots, later(&store), HOUR).unwrap();
    assert_eq!(
        done,
        Collected {
            blocks: 1,
            bytes: 4,
            kept: 5
        }
    );
    assert!(!store.has(lost.cid));
    assert!(store.read_file(kept.cid, u64::MAX).unwrap() == content(2_500_000));
    assert!(files(&store.root().join("temporary")).is_empty());
    let done = store
        .collect(|| Ok(Vec::new()), later(&store), HOUR)
        .unwrap();
    assert_eq!((done.blocks, done.kept), (5, 0));
    assert!(files(&store.root().join("blocks")).is_empty());
}

#[test]
fn a_store_in_use_is_left_alone() {
    let (_folder, store) = store();
    store.put_file(b"1").unwrap();
    let (one, two) = (store.guard().unwrap(), store.guard().unwrap());
    for guard in [one, two] {
        let busy = store.collect(|| Ok(Vec::new()), later(&store), HOUR);
        assert!(matches!(busy, Err(CollectError::Busy)));
        drop(guard);
    }
    assert_eq!(
        store
            .collect(|| Ok(Vec::new()), later(&store), HOUR)
            .unwrap()
            .blocks,
        1
    );
}

/// A run that puts an old block again between the search and the deletion, or names one, keeps it.
#[test]
fn what_happens_during_a_collection_counts() {
    let (_folder, store) = store();
    let [again, named, lost] =
        [b"again", b"named", b"lost!"].map(|bytes| store.put_file(bytes).unwrap().cid);
    let old = later(&store) - 2 * HOUR - HOUR;
    for path in files(&store.root().join("blocks")) {
        let file = fs::File::options()
            .write(true)
            .open(store.root().join("blocks").join(path))
            .unwrap();
        file.set_modified(old).unwrap();
    }
    let calls = std::cell::Cell::new(0);
    let roots = || {
        calls.set(calls.get() + 1);
        if calls.get() == 1 {
            return Ok(Vec::new());
        }
        store.put_file(b"again")?;
        Ok(vec![named])
    };
    let done = store
        .collect(roots, later(&store) - 2 * HOUR, HOUR / 2)
        .unwrap();
    assert_eq!(
        done,
        Collected {
            blocks: 1,
            bytes: 5,
            kept: 1
        }
    );
    assert_eq!(
        [again, named, lost].map(|cid| store.has(cid)),
        [true, true, false]
    );
}

#[test]
fn failing_roots_collect_nothing() {
    let (_folder, store) = store();
    let cid = store.put_file(b"1").unwrap().cid;
    let nothing = |path: &str| mutual_store::FileError {
        path: path.into(),
        source: std::io::Error::other("damaged"),
    };
    assert!(
        store
            .collect(|| Err(nothing("runs")), later(&store), HOUR)
            .is_err()
    );
    assert!(store.has(cid));
}
