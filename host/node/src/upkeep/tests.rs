//! What killed processes leave, and what is past its time.

use super::*;
use crate::record::SCHEMA;
use mutual_protocol::ids::Codec;
use mutual_protocol::spec::ProgramKind;
use mutual_protocol::{Cid, JobId};
use std::os::unix::net::UnixListener;

const NOW_MS: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 24 * 3_600_000;

struct House {
    folder: tempfile::TempDir,
    blocks: BlockStore,
    runs: RunStore,
    staging: StagingArea,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| folder.path().join(name);
        std::fs::create_dir(open("sockets")).unwrap();
        Self {
            blocks: BlockStore::open(&open("store")).unwrap(),
            runs: RunStore::open(&open("runs")).unwrap(),
            staging: StagingArea::open(&open("staging"), &["out"]).unwrap(),
            folder,
        }
    }

    fn runtime(&self) -> PathBuf {
        self.folder.path().join("sockets")
    }

    fn upkeep<T>(&self, work: impl FnOnce(Upkeep<'_>) -> T) -> T {
        work(Upkeep {
            blocks: &self.blocks,
            runs: &self.runs,
            staging: &self.staging,
            runtime: &self.runtime(),
        })
    }

    fn socket(&self, job: u8) -> PathBuf {
        control::socket_path(&self.runtime(), &JobId::from_bytes([job; 32]))
    }

    /// A running run whose program is a block of its own.
    fn record(&self, job: u8, keep_until_ms: u64) -> Cid {
        let program = self.blocks.put_new(Codec::Raw, &[job]).unwrap();
        let job = JobId::from_bytes([job; 32]);
        let record = RunRecord {
            schema: SCHEMA.to_owned(),
            job: job.to_string(),
            name: None,
            state: RunState::Running,
            pid: 1,
            started_at_ms: NOW_MS,
            keep_until_ms,
            command: Vec::new(),
            program,
            kind: ProgramKind::Module,
            inputs: program,
            start_us: None,
            host: None,
            ending: None,
        };
        let started_ms = NOW_MS;
        self.runs
            .write(Run { started_ms, job }, &record.encode())
            .unwrap();
        program
    }

    fn states(&self) -> Vec<RunState> {
        let found = self.runs.records(parse).unwrap();
        found.runs.iter().map(|(_, record)| record.state).collect()
    }
}

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

#[test]
fn what_a_killed_process_left_goes_and_what_lives_stays() {
    let house = House::new();
    house.record(1, u64::MAX);
    house.record(2, u64::MAX);
    let dead = UnixListener::bind(house.socket(1)).unwrap();
    let _alive = UnixListener::bind(house.socket(2)).unwrap();
    drop(dead);
    let swept = house.upkeep(|upkeep| upkeep.sweep(at(NOW_MS), 10).unwrap());
    let want = Swept {
        lost: 1,
        sockets: 1,
        folders: 0,
    };
    assert_eq!(swept, want);
    assert!(!house.socket(1).exists() && house.socket(2).exists());
    let mut states = house.states();
    states.sort_by_key(|state| *state == RunState::Lost);
    assert_eq!(states, [RunState::Running, RunState::Lost]);
    let again = house.upkeep(|upkeep| upkeep.sweep(at(NOW_MS), 10).unwrap());
    assert_eq!(again, Swept::default());
}

#[test]
fn a_socket_that_is_just_being_made_stays() {
    let house = House::new();
    drop(UnixListener::bind(house.socket(1)).unwrap());
    let made = house.socket(1).metadata().unwrap().modified().unwrap();
    let sockets = |now| house.upkeep(|upkeep| upkeep.sweep(now, 10).unwrap().sockets);
    assert_eq!(sockets(made + Duration::from_secs(59)), 0);
    assert_eq!(sockets(made + Duration::from_secs(60)), 1);
    assert!(!house.socket(1).exists());
}

#[test]
fn what_is_past_its_time_goes_once_a_day() {
    let house = House::new();
    let old = house.record(1, NOW_MS - 1);
    let young = house.record(2, NOW_MS + 3 * DAY_MS);
    let marker = house.folder.path().join("marker");
    // Blocks are as old as the real clock says: later than all grace from here on.
    let now = house.folder.path().metadata().unwrap().modified().unwrap();
    let base = u64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let base = base.max(NOW_MS);
    let daily = |ms| house.upkeep(|upkeep| upkeep.collect_daily(&marker, ms).unwrap());
    assert_eq!(daily(base), None, "the first day begins");
    assert_eq!(daily(base + DAY_MS - 1), None);
    assert_eq!(house.states().len(), 2);
    let done = daily(base + DAY_MS).unwrap();
    assert_eq!((done.runs, done.content.unwrap().blocks), (1, 1));
    assert!(!house.blocks.has(old) && house.blocks.has(young));
    assert_eq!(daily(base + DAY_MS), None, "done for today");
    assert_eq!(house.states(), [RunState::Running]);
}

#[test]
fn a_store_in_use_keeps_its_content() {
    let house = House::new();
    let content = house.record(1, 0);
    let guard = house.blocks.guard().unwrap();
    let collect = || house.upkeep(|upkeep| upkeep.collect(u64::MAX / 2, Some(0)).unwrap());
    let done = collect();
    assert_eq!((done.runs, done.content), (1, None));
    assert!(house.blocks.has(content));
    drop(guard);
    assert_eq!(collect().content.unwrap().blocks, 1);
}

#[test]
fn a_running_run_is_not_collected_however_old() {
    let house = House::new();
    house.record(1, 0);
    let _alive = UnixListener::bind(house.socket(1)).unwrap();
    let done = house.upkeep(|upkeep| upkeep.collect(NOW_MS * 2, Some(0)).unwrap());
    assert_eq!(done.runs, 0);
    assert_eq!(house.states(), [RunState::Running]);
}
