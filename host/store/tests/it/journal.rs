//! The journal: power cuts, damage, full and failing disks, many callers, two processes.

pub(crate) mod medium;
mod power;

use crate::child;
use medium::Medium;
use mutual_store::{
    CommitError, CompactError, GROUP_BYTES_MAX, JOURNAL_BYTES_MAX, Journal, JournalLimits,
    OpenJournalError, RECORD_BYTES_MAX, Recovered,
};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

const NO_RECORDS: &[&[u8]] = &[];
/// Bytes of the header, and of what stands before each record.
const HEADER: usize = 48;
const RECORD_HEADER: usize = 12;

fn open(medium: &Medium) -> (Journal, Recovered) {
    Journal::open_on(medium.disk(), JournalLimits::default()).unwrap()
}

/// Opens again, and gives what is wrong.
fn refused(medium: &Medium) -> OpenJournalError {
    medium.kill();
    Journal::open_on(medium.disk(), JournalLimits::default()).unwrap_err()
}

#[test]
fn records_come_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/journal");
    let (journal, recovered) = Journal::open(&path, JournalLimits::default()).unwrap();
    assert!(recovered.created && recovered.records.is_empty());
    let longest = vec![7; RECORD_BYTES_MAX];
    journal.commit(&[b"one".as_slice(), b"two"]).unwrap();
    let mark = journal.commit(&[&longest]).unwrap();
    journal.commit(&[b"four"]).unwrap();
    assert_eq!(journal.read().unwrap().len(), 4);
    drop(journal);

    let (journal, recovered) = Journal::open(&path, JournalLimits::default()).unwrap();
    assert!(!recovered.created && recovered.mark > mark);
    let want = [b"one".to_vec(), b"two".to_vec(), longest, b"four".to_vec()];
    assert_eq!(recovered.records, want);
    assert_eq!(recovered.torn_bytes, 0);
    journal.compact(recovered.mark, &[b"all four"]).unwrap();
    journal.commit(&[b"five"]).unwrap();
    drop(journal);

    let (_, recovered) = Journal::open(&path, JournalLimits::default()).unwrap();
    assert_eq!(recovered.records, [b"all four".as_slice(), b"five"]);
}

#[test]
fn a_compaction_keeps_what_came_after_its_mark() {
    let medium = Medium::default();
    let (journal, recovered) = open(&medium);
    let one = journal.commit(&[b"1"]).unwrap();
    let two = journal.commit(&[b"2"]).unwrap();
    journal.commit(&[b"3"]).unwrap();
    journal.compact(one, &[b"<1"]).unwrap();
    assert_eq!(
        journal.read().unwrap(),
        [b"<1".as_slice(), b"2".as_slice(), b"3".as_slice()]
    );
    // What is in the snapshot already cannot be kept.
    assert!(matches!(
        journal.compact(recovered.mark, NO_RECORDS),
        Err(CompactError::Mark)
    ));
    journal.compact(two, &[b"<2"]).unwrap();
    journal.commit(&[b"4"]).unwrap();
    medium.kill();
    assert_eq!(
        open(&medium).1.records,
        [b"<2".as_slice(), b"3".as_slice(), b"4".as_slice()]
    );
    let (other, _) = open(&Medium::default());
    assert!(matches!(
        other.compact(two, NO_RECORDS),
        Err(CompactError::Mark)
    ));
}

#[test]
fn callers_that_come_together_share_one_barrier() {
    // The first group holds the disk until all others wait: they are the second group.
    const CALLERS: usize = 16;
    let medium = Medium::default();
    let (journal, _) = open(&medium);
    let syncs = medium.syncs();
    let gate = medium.close_gate();
    thread::scope(|scope| {
        for caller in 0..=CALLERS {
            let journal = &journal;
            let gate = &gate;
            scope.spawn(move || journal.commit(&[caller.to_le_bytes()]).unwrap());
            if caller == 0 {
                gate.wait_for_one();
            }
        }
        while journal.waiting() < CALLERS {
            thread::yield_now();
        }
        gate.open();
    });
    assert_eq!(medium.syncs() - syncs, 2);
    let numbers: BTreeSet<Vec<u8>> = journal.read().unwrap().into_iter().collect();
    assert_eq!(numbers.len(), CALLERS + 1);
}

#[test]
fn many_callers_of_large_records_never_exceed_a_group() {
    let medium = Medium::default();
    let (journal, _) = open(&medium);
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for caller in 0..8_u8 {
            let (journal, start) = (&journal, &start);
            scope.spawn(move || {
                start.wait();
                let mut last = None;
                for _ in 0..6 {
                    let mark = journal.commit(&vec![vec![caller; 60_000]; 7]).unwrap();
                    assert!(last.is_none_or(|last| last < mark));
                    last = Some(mark);
                }
            });
        }
    });
    let longest = medium.longest_write();
    assert!(longest > 60_000 && longest as u64 <= GROUP_BYTES_MAX);
    let records = journal.read().unwrap();
    assert_eq!(records.len(), 8 * 6 * 7);
    // Records of one call are not parted.
    assert!(
        records
            .chunks(7)
            .all(|call| call.iter().all(|r| r[0] == call[0][0]))
    );
}

#[test]
fn every_damaged_byte_is_told_or_was_in_the_last_group() {
    let medium = Medium::default();
    let (journal, _) = open(&medium);
    let first = journal.commit(&[b"snapshot"]).unwrap();
    journal.compact(first, &[b"snapshot"]).unwrap();
    journal.commit(&[b"alpha".as_slice(), b"beta"]).unwrap();
    let last = usize::try_from(journal.bytes()).unwrap();
    journal.commit(&[b"gamma".as_slice(), b"delta"]).unwrap();
    let whole = medium.content("journal");
    for place in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut damaged = whole.clone();
            damaged[place] ^= bit;
            medium.damage("journal", &damaged);
            if place < last {
                let error = refused(&medium);
                let OpenJournalError::Damaged { offset } = error else {
                    panic!("{error:?}")
                };
                assert!(offset <= place as u64);
                assert_eq!(medium.content("journal"), damaged, "it was changed");
            } else {
                medium.kill();
                let (_, read) = open(&medium);
                let want = if place < last + RECORD_HEADER + 5 {
                    3
                } else {
                    4
                };
                assert_eq!(read.records.len(), want, "byte {place}");
                assert!(read.torn_bytes > 0);
            }
        }
    }
    for length in 0..whole.len() {
        medium.damage("journal", &whole[..length]);
        medium.kill();
        let opened = Journal::open_on(medium.disk(), JournalLimits::default());
        // Header and snapshot were forced before the file had its name.
        let forced = HEADER + RECORD_HEADER + b"snapshot".len();
        assert_eq!(opened.is_ok(), length >= forced, "cut to {length}");
    }
}

#[test]
fn more_torn_bytes_than_a_group_has_are_damage() {
    let medium = Medium::default();
    let (journal, _) = open(&medium);
    journal.commit(&[b"one"]).unwrap();
    let whole = medium.content("journal");
    for (more, torn) in [(0, true), (1, false)] {
        let mut long = whole.clone();
        long.resize(
            whole.len() + usize::try_from(GROUP_BYTES_MAX).unwrap() + more,
            0,
        );
        medium.damage("journal", &long);
        medium.kill();
        let opened = Journal::open_on(medium.disk(), JournalLimits::default());
        assert_eq!(opened.is_ok(), torn);
    }
}

#[test]
fn a_record_inside_a_record_is_none() {
    // A peer writes the bytes of a whole group into its record; the crash tears what stands before them.
    let medium = Medium::default();
    let (journal, _) = open(&medium);
    journal.commit(&[b"inner"]).unwrap();
    let mut inner = medium.content("journal").split_off(HEADER);
    inner.extend(inner.clone());
    journal.commit(&[&inner]).unwrap();
    let mut torn = medium.content("journal");
    let record = torn.len() - inner.len() - 1;
    torn[record] ^= 1;
    medium.damage("journal", &torn);
    medium.kill();
    assert_eq!(open(&medium).1.records, [b"inner"]);
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let medium = Medium::default();
    let (journal, _) = open(&medium);
    drop(journal);
    let mut content = medium.content("journal");
    content[8] = 2;
    let sum = blake3::hash(&content[..HEADER - 8]);
    content[HEADER - 8..HEADER].copy_from_slice(&sum.as_bytes()[..8]);
    medium.damage("journal", &content);
    let error = refused(&medium);
    assert!(
        matches!(error, OpenJournalError::Version { found: 2 }),
        "{error:?}"
    );
}

#[test]
fn a_file_longer_than_any_journal_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    drop(Journal::open(folder.path(), JournalLimits::default()).unwrap());
    let file = OpenOptions::new()
        .write(true)
        .open(folder.path().join("journal"))
        .unwrap();
    file.set_len(JOURNAL_BYTES_MAX + 1).unwrap();
    let error = Journal::open(folder.path(), JournalLimits::default()).unwrap_err();
    assert!(
        matches!(error, OpenJournalError::TooLong { bytes_max } if bytes_max == JOURNAL_BYTES_MAX),
        "{error:?}"
    );
}

#[test]
fn a_failed_barrier_stops_the_journal_for_good() {
    let medium = Medium::default();
    let (journal, recovered) = open(&medium);
    journal.commit(&[b"one"]).unwrap();
    medium.fail_sync(true);
    let failed = |result: Result<_, CommitError>| matches!(result, Err(CommitError::Failed(_)));
    assert!(failed(journal.commit(&[b"two"]).map(drop)));
    medium.fail_sync(false);
    assert!(failed(journal.commit(&[b"three"]).map(drop)));
    assert!(failed(journal.commit(NO_RECORDS).map(drop)));
    assert!(failed(journal.read().map(drop)));
    assert!(matches!(
        journal.compact(recovered.mark, NO_RECORDS),
        Err(CompactError::Commit(CommitError::Failed(_)))
    ));
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let medium = Medium::default();
    let (journal, _) = open(&medium);
    let one = journal.commit(&[b"one"]).unwrap();
    for room in [0, 5, 30, 44] {
        // Of three records, two would be whole.
        medium.room(Some(room));
        let error = journal.commit(&[b"two", b"2.5", b"2.7"]).unwrap_err();
        assert!(matches!(error, CommitError::DiskFull(_)), "{error:?}");
        assert_eq!(journal.read().unwrap(), [b"one"]);
        let error = journal.compact(one, &[b"ONE"]).unwrap_err();
        assert!(
            matches!(error, CompactError::Commit(CommitError::DiskFull(_))),
            "{error:?}"
        );
        assert_eq!(journal.read().unwrap(), [b"one"]);
    }
    medium.room(None);
    journal.commit(&[b"3"]).unwrap();
    medium.kill();
    let (_, read) = open(&medium);
    assert_eq!(read.records, [b"one".as_slice(), b"3"]);
    assert_eq!(read.torn_bytes, 0);
}

#[test]
fn a_full_journal_takes_records_again_when_it_is_compacted() {
    let limits = JournalLimits { bytes_max: 1_000 };
    let medium = Medium::default();
    let (journal, _) = Journal::open_on(medium.disk(), limits).unwrap();
    let mut committed = 0;
    let error = loop {
        match journal.commit(&[[1; 100]]) {
            Ok(_) => committed += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(committed, (1_000 - HEADER) / (100 + RECORD_HEADER));
    assert!(
        matches!(error, CommitError::Full { bytes_max: 1_000 }),
        "{error:?}"
    );
    let mark = journal.commit(NO_RECORDS).unwrap();
    assert!(matches!(
        journal.compact(mark, &[[1; 950]]),
        Err(CompactError::Commit(CommitError::Full { .. }))
    ));
    journal.compact(mark, &[b"all"]).unwrap();
    journal.commit(&[[1; 100]]).unwrap();
}

#[test]
fn records_of_no_allowed_size_are_refused() {
    let (journal, _) = open(&Medium::default());
    for bytes in [0, RECORD_BYTES_MAX + 1] {
        let error = journal.commit(&[vec![0; bytes]]).unwrap_err();
        assert!(matches!(error, CommitError::RecordSize { bytes: b } if b == bytes));
    }
    let error = journal.commit(&vec![vec![0; 60_000]; 18]).unwrap_err();
    assert!(matches!(error, CommitError::GroupSize { bytes } if bytes > GROUP_BYTES_MAX));
    assert!(journal.read().unwrap().is_empty());
}

#[test]
fn a_second_process_is_told_that_it_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = child::start("journal", folder.path());
    for _ in 0..2 {
        let error = Journal::open(folder.path(), JournalLimits::default()).unwrap_err();
        let OpenJournalError::InUse { folder: there } = error else {
            panic!("{error:?}")
        };
        assert_eq!(there, folder.path());
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    Journal::open(folder.path(), JournalLimits::default()).unwrap();
}

#[test]
fn a_killed_process_loses_nothing_that_it_committed() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = 0;
    for round in 1..=5_usize {
        let mut writer = child::start("journal", folder.path());
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        for _ in 0..round * 7 {
            told = lines.next().unwrap().unwrap().parse().unwrap();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let (_, read) = Journal::open(folder.path(), JournalLimits::default()).unwrap();
        let numbers: Vec<u64> = read
            .records
            .iter()
            .map(|r| u64::from_le_bytes(r[..8].try_into().unwrap()))
            .collect();
        let want: Vec<u64> = (0..numbers.len() as u64).collect();
        assert_eq!(numbers, want);
        assert!(numbers.len() as u64 > told);
    }
}

/// Commits numbers and tells each, until it is killed.
pub(crate) fn part(folder: &Path, ready: fn()) {
    let (journal, recovered) = Journal::open(folder, JournalLimits::default()).unwrap();
    ready();
    for number in recovered.records.len() as u64.. {
        let mut record = number.to_le_bytes().to_vec();
        record.resize(2_000, 1);
        journal.commit(&[record]).unwrap();
        if writeln!(io::stdout(), "{number}").is_err() {
            return;
        }
    }
}
