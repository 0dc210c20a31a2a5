//! Run records: newest first, found by prefix, and never lost behind a damaged one.

use crate::files;
use mutual_protocol::JobId;
use mutual_store::{FindRunError, ReadRunError, Run, RunStore};
use std::fs;
use std::io::Write as _;

fn run(started_ms: u64, byte: u8) -> Run {
    Run {
        started_ms,
        job: JobId::from_bytes([byte; 32]),
    }
}

#[test]
fn records_are_replaced_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = RunStore::open(&folder.path().join("runs")).unwrap();
    let (old, new) = (run(1_700_000_000_000, 1), run(1_800_000_000_000, 2));
    // A clock that was never set.
    let ancient = run(5, 3);
    for run in [old, new, ancient] {
        runs.write(run, b"1").unwrap();
    }
    runs.write(old, b"22").unwrap();
    assert_eq!(runs.list().unwrap(), [new, old, ancient]);
    assert_eq!(runs.read(old.job).unwrap(), b"22");
    assert!(runs.remove(old).unwrap());
    assert!(!runs.remove(old).unwrap());
    assert!(matches!(runs.read(old.job), Err(ReadRunError::Unknown { job }) if job == old.job));
    assert_eq!(files(&folder.path().join("runs")).len(), 2);
}

#[test]
fn prefixes_name_runs() {
    let folder = tempfile::tempdir().unwrap();
    let runs = RunStore::open(folder.path()).unwrap();
    let mut twin = [7; 32];
    twin[31] = 8;
    let twin = Run {
        started_ms: 2,
        job: JobId::from_bytes(twin),
    };
    for run in [run(1, 7), twin, run(3, 9)] {
        runs.write(run, b"{}").unwrap();
    }
    let nine = run(3, 9);
    let text = nine.job.to_string();
    for prefix in [
        text.as_str(),
        &text[..5],
        &text[2..6],
        &text.to_uppercase(),
        &nine.job.short(),
    ] {
        assert_eq!(runs.find(prefix).unwrap(), nine, "{prefix}");
    }
    let seven = run(1, 7).job;
    assert_eq!(runs.find(&seven.to_string()).unwrap().job, seven);
    let error = runs.find(&seven.short()).unwrap_err();
    let FindRunError::Ambiguous { count: 2, some, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(some, [twin.job, seven]);
    for prefix in ["", "j-", "j-zzzz", "../", "7k2m\0"] {
        assert!(
            matches!(runs.find(prefix), Err(FindRunError::Unknown { .. })),
            "{prefix:?}"
        );
    }
}

#[test]
fn damaged_records_hide_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let runs = RunStore::open(folder.path()).unwrap();
    runs.write(run(1, 1), b"good").unwrap();
    runs.write(run(2, 2), b"").unwrap();
    runs.write(run(3, 3), b"good").unwrap();
    fs::create_dir(
        folder
            .path()
            .join(format!("0000000000004-{}.jsonl", run(4, 4).job)),
    )
    .unwrap();
    fs::write(folder.path().join("notes.txt"), b"").unwrap();
    let all = runs
        .records(|bytes| {
            if bytes == b"good" {
                Ok(())
            } else {
                Err("cut short")
            }
        })
        .unwrap();
    assert_eq!(all.runs, [(run(3, 3), ()), (run(1, 1), ())]);
    let reasons: Vec<_> = all
        .damaged
        .iter()
        .map(|damaged| damaged.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[1], "cut short");
}

#[test]
fn the_last_whole_line_counts() {
    let folder = tempfile::tempdir().unwrap();
    let runs = RunStore::open(folder.path()).unwrap();
    let run = run(1, 1);
    runs.write(run, b"first").unwrap();
    let path = folder.path().join(files(folder.path()).pop().unwrap());
    let tear = |torn: &[u8]| {
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(torn).unwrap();
    };
    tear(b"sec");
    assert_eq!(runs.read(run.job).unwrap(), b"first");
    runs.write(run, b"third").unwrap();
    tear(b"four");
    assert_eq!(runs.read(run.job).unwrap(), b"third");
    let error = runs.write(run, b"two\nlines").unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(runs.read(run.job).unwrap(), b"third");
    // The first line of all was torn: that is for the caller to find out.
    fs::write(&path, b"fir").unwrap();
    assert_eq!(runs.read(run.job).unwrap(), b"fir");
}
