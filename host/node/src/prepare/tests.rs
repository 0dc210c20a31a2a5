//! What a job is before it is signed: inputs, paths, limits, the clock.

use super::*;
use crate::rig::request;
use mutual_lease::BootNanos;

/// A clock whose wall time is given.
#[derive(Debug)]
struct Wall(u64);

impl Clock for Wall {
    fn boot(&self) -> BootNanos {
        BootNanos(1)
    }

    fn wall_ms(&self) -> u64 {
        self.0
    }
}

fn prepare_at(wall_ms: u64) -> (Result<Prepared, PrepareError>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let store = BlockStore::open(folder.path()).unwrap();
    let owner = SigningKey::from_seed(&mutual_testkit::seeds::OWNER);
    let witness = SigningKey::from_seed(&mutual_testkit::seeds::WITNESSES[0]).public();
    let keys = RunKeys {
        owner: &owner,
        witness,
        pool: None,
    };
    let prepared = prepare(&store, &Wall(wall_ms), keys, request());
    let blocks = std::fs::read_dir(folder.path().join("blocks")).unwrap();
    (prepared, blocks.count())
}

#[test]
fn a_clock_before_2020_is_refused_before_anything_is_written() {
    let (refused, blocks) = prepare_at(WALL_MS_MIN - 1);
    assert!(
        matches!(refused, Err(PrepareError::Clock { wall_ms }) if wall_ms == WALL_MS_MIN - 1),
        "{refused:?}"
    );
    assert_eq!(blocks, 0);
    assert!(matches!(
        prepare_at(0).0,
        Err(PrepareError::Clock { wall_ms: 0 })
    ));
}

#[test]
fn the_first_moment_of_2020_is_a_time() {
    let (prepared, blocks) = prepare_at(WALL_MS_MIN);
    assert_eq!(prepared.unwrap().spec.value().not_before_ms, WALL_MS_MIN);
    assert!(blocks > 0);
}
