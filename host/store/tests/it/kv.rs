//! The key-value store: against a model, opened twice, damaged, many callers.

use crate::child;
use crate::journal::medium::Dice;
use mutual_store::{
    BATCH_BYTES_MAX, Batch, BatchError, DurableKv, KEY_BYTES_MAX, KvRange, KvStore, Moved,
    OpenKvError, RANGE_BYTES_MAX, VALUE_BYTES_MAX,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

fn open(folder: &Path) -> KvStore {
    let (store, moved) = KvStore::open(folder).unwrap();
    assert!(moved.is_none(), "{moved:?}");
    store
}

fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Batch {
    let mut batch = Batch::default();
    batch.put(key, value).unwrap();
    batch
}

/// All parts of a range.
fn all(store: &dyn DurableKv, start: &[u8], end: Option<&[u8]>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let mut next = Some(start.to_vec());
    while let Some(start) = next {
        let part: KvRange = store.range(&start, end).unwrap();
        entries.extend(part.entries);
        next = part.next;
    }
    entries
}

#[test]
fn it_holds_what_a_map_holds_across_reopens() {
    // Seeded changes, reads and reopens against a map. Few keys, so that they meet.
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let mut dice = Dice(seed);
        let mut model = BTreeMap::new();
        let mut store = open(folder.path());
        for _ in 0..120 {
            match dice.below(20) {
                0 => {
                    drop(store);
                    store = open(folder.path());
                }
                1..4 => {
                    let [start, end] = [key(&mut dice), key(&mut dice)];
                    let want: Vec<_> = match start <= end {
                        true => model.range(start.clone()..end.clone()).map(owned).collect(),
                        false => Vec::new(),
                    };
                    assert_eq!(all(&store, &start, Some(&end)), want, "seed {seed}");
                }
                4..8 => {
                    let key = key(&mut dice);
                    let got = store.get(&key).unwrap();
                    assert_eq!(got.as_ref(), model.get(&key), "seed {seed}");
                }
                _ => store.commit(change(&mut dice, &mut model)).unwrap(),
            }
        }
        drop(store);
        let want: Vec<_> = model.iter().map(owned).collect();
        assert_eq!(all(&open(folder.path()), b"", None), want, "seed {seed}");
    }
}

fn owned((key, value): (&Vec<u8>, &Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    (key.clone(), value.clone())
}

fn key(dice: &mut Dice) -> Vec<u8> {
    let length = [1, 2, 2, 3, 40, KEY_BYTES_MAX][dice.size(6)];
    vec![b'a' + u8::try_from(dice.below(5)).unwrap(); length]
}

/// A batch of a few changes, done to the model as well.
fn change(dice: &mut Dice, model: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..dice.below(6) {
        let key = key(dice);
        if dice.below(3) == 0 {
            batch.remove(key.clone()).unwrap();
            model.remove(&key);
        } else {
            let longest = [10, 1_000, VALUE_BYTES_MAX + 1][dice.size(3)];
            let value = vec![u8::try_from(dice.below(256)).unwrap(); dice.size(longest)];
            batch.put(key.clone(), value.clone()).unwrap();
            model.insert(key, value);
        }
    }
    batch
}

#[test]
fn a_large_range_comes_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for number in 0..40_u8 {
        let value = vec![number; VALUE_BYTES_MAX];
        store.commit(put([number], value)).unwrap();
    }
    let part = store.range(&[], None).unwrap();
    let bytes: usize = part.entries.iter().map(|(k, v)| k.len() + v.len()).sum();
    assert!(bytes <= RANGE_BYTES_MAX && bytes > RANGE_BYTES_MAX - (64 << 10));
    assert_eq!(part.next, Some(vec![16]));
    assert_eq!(all(&store, &[], None).len(), 40);
    assert_eq!(all(&store, &[3], Some(&[30])).len(), 27);
    assert_eq!(all(&store, &[3], Some(&[3])), []);
    assert_eq!(all(&store, &[3], Some(&[2])), []);
}

#[test]
fn a_batch_has_limits() {
    let mut batch = Batch::default();
    assert!(batch.is_empty());
    let long_key = vec![1; KEY_BYTES_MAX + 1];
    for bytes in [0, KEY_BYTES_MAX + 1] {
        let refused = Err(BatchError::Key { bytes });
        assert_eq!(batch.put(&long_key[..bytes], b"x"), refused);
        assert_eq!(batch.remove(&long_key[..bytes]), refused);
    }
    let bytes = VALUE_BYTES_MAX + 1;
    let refused = Err(BatchError::Value { bytes });
    assert_eq!(batch.put(b"k", vec![0; bytes]), refused);
    assert!(batch.is_empty());
    let mut keys = 0_u16;
    while batch.put(keys.to_be_bytes(), vec![0; 60_000]).is_ok() {
        keys += 1;
    }
    assert_eq!(usize::from(keys), BATCH_BYTES_MAX / (60_000 + 64 + 2));
    assert_eq!(batch.put(b"kk", vec![0; 60_000]), Err(BatchError::Full));
    // A smaller value in the place of a larger one makes room.
    batch.put(0_u16.to_be_bytes(), b"").unwrap();
    batch.put(b"kk", vec![0; 60_000]).unwrap();
}

#[test]
fn many_callers_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for caller in 0..8_u8 {
            let (store, start) = (&store, &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..20_u8 {
                    store.commit(put([caller, number], [number])).unwrap();
                    assert_eq!(store.get(&[caller, number]).unwrap(), Some(vec![number]));
                }
            });
        }
    });
    assert_eq!(store.waiting(), 0);
    drop(store);
    assert_eq!(all(&open(folder.path()), &[], None).len(), 160);
}

#[test]
fn a_second_process_is_told_that_it_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = child::start("kv", folder.path());
    for _ in 0..2 {
        let error = KvStore::open(folder.path()).unwrap_err();
        let OpenKvError::InUse { folder: there } = error else {
            panic!("{error:?}")
        };
        assert_eq!(there, folder.path());
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    open(folder.path());
}

#[test]
fn a_killed_process_loses_nothing_that_it_committed() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=4_usize {
        let mut writer = child::start("kv", folder.path());
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let told: Vec<String> = lines.by_ref().take(round * 5).map(Result::unwrap).collect();
        writer.kill().unwrap();
        writer.wait().unwrap();
        let told: usize = told.last().unwrap().parse().unwrap();
        assert!(all(&open(folder.path()), b"n", None).len() > told);
    }
}

#[test]
fn a_damaged_engine_is_moved_aside_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..2_u8 {
        let store = open(folder.path());
        store.commit(put(b"key", [round])).unwrap();
        drop(store);
        let cookie = folder.path().join("engine/durability_cookie");
        let mut content = fs::read(&cookie).unwrap();
        content[3] ^= 1;
        fs::write(&cookie, content).unwrap();
        let (store, moved) = KvStore::open(folder.path()).unwrap();
        let Moved { to, reason } = moved.unwrap();
        assert!(reason.to_string().contains("CRC"), "{reason}");
        assert!(to.join("durability_cookie").exists());
        assert_eq!(all(&store, &[], None), []);
        store.commit(put(b"key", b"new")).unwrap();
    }
    // The second one took the first one's place.
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["damaged", "engine", "lock"]);
}

#[test]
fn damage_that_is_found_late_is_told_and_moved_aside_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.commit(put(b"key", vec![7; 5_000])).unwrap();
    drop(store);
    for file in fs::read_dir(folder.path().join("engine/slabs")).unwrap() {
        let path = file.unwrap().path();
        let mut content = fs::read(&path).unwrap();
        content.iter_mut().for_each(|byte| *byte ^= 1);
        fs::write(&path, content).unwrap();
    }
    let (store, _) = KvStore::open(folder.path()).unwrap();
    store.get(b"key").unwrap_err();
    store.commit(put(b"other", b"x")).unwrap_err();
    store.commit(put(b"other", b"x")).unwrap_err();
    drop(store);
    let (store, moved) = KvStore::open(folder.path()).unwrap();
    assert!(moved.is_some());
    assert_eq!(store.get(b"key").unwrap(), None);
    store.commit(put(b"key", b"new")).unwrap();
    drop(store);
    assert_eq!(
        open(folder.path()).get(b"key").unwrap(),
        Some(b"new".to_vec())
    );
}

#[test]
fn a_refusal_of_the_system_moves_nothing() {
    // A file where the store's folder is meant.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("engine"), b"mine").unwrap();
    let error = KvStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenKvError::File(_)), "{error:?}");
    assert_eq!(fs::read(folder.path().join("engine")).unwrap(), b"mine");
}

/// Commits numbers and tells each, until it is killed. Those of before are whole: each with its value, without a gap,
/// and the batch of the last one complete.
pub(crate) fn part(folder: &Path, ready: fn()) {
    let (store, moved) = KvStore::open(folder).unwrap();
    let there = all(&store, b"n", None);
    for (number, (key, value)) in (0_u64..).zip(&there) {
        assert_eq!(key[1..], number.to_be_bytes());
        assert_eq!(*value, number_value(number));
    }
    let first = there.len() as u64;
    let last = store.get(b"last").unwrap();
    assert_eq!(
        last,
        first.checked_sub(1).map(|last| last.to_be_bytes().to_vec())
    );
    if let Some(moved) = moved {
        println!("moved {}", moved.reason);
    }
    ready();
    for number in first.. {
        let mut batch = put(
            [b"n".as_slice(), &number.to_be_bytes()].concat(),
            number_value(number),
        );
        batch.put(b"last", number.to_be_bytes()).unwrap();
        store.commit(batch).unwrap();
        if writeln!(io::stdout(), "{number}").is_err() {
            return;
        }
    }
}

/// From nothing to some kilobytes.
fn number_value(number: u64) -> Vec<u8> {
    let times = usize::try_from(number * 37 % 400).unwrap();
    number.to_be_bytes().repeat(times)
}
