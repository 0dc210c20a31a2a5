//! Staging folders: held by the living, swept after the dead.

use crate::child;
use mutual_store::{StagingArea, Swept};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_staging_folder_goes_with_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(&folder.path().join("staging")).unwrap();
    let one = area.create().unwrap();
    let two = area.create().unwrap();
    assert_ne!(one.path(), two.path());
    assert_eq!(
        fs::metadata(one.path()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    fs::write(one.path().join("file"), b"1").unwrap();
    assert_eq!(area.sweep(1000).unwrap(), Swept::default());
    drop(one);
    two.remove().unwrap();
    assert_eq!(entries(&folder.path().join("staging")), 0);
}

#[test]
fn the_folder_of_a_killed_process_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(folder.path()).unwrap();
    let mine = area.create().unwrap();
    let mut child = child::start("stage", folder.path());
    assert_eq!(entries(folder.path()), 4);
    assert_eq!(area.sweep(1000).unwrap(), Swept::default());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        area.sweep(1).unwrap(),
        Swept {
            removed: 0,
            left: 1
        }
    );
    assert_eq!(
        area.sweep(1000).unwrap(),
        Swept {
            removed: 1,
            left: 0
        }
    );
    assert!(mine.path().is_dir());
    assert_eq!(entries(folder.path()), 2);
}

/// A guest can nest folders until no path, no stack and no table of open files is large enough.
#[test]
fn any_depth_is_removed_and_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), b"1").unwrap();
    let area = StagingArea::open(&folder.path().join("staging")).unwrap();
    let staging = area.create().unwrap();
    let mut deep = openat(CWD, staging.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for depth in 0..5000 {
        mkdirat(&deep, "d", Mode::from_raw_mode(0o755)).unwrap();
        if depth % 100 == 0 {
            mkdirat(&deep, "moved-0", Mode::from_raw_mode(0o755)).unwrap();
            drop(
                openat(
                    &deep,
                    "moved-1",
                    OFlags::CREATE | OFlags::WRONLY,
                    Mode::from_raw_mode(0o644),
                )
                .unwrap(),
            );
        }
        deep = openat(&deep, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    symlink(&kept, staging.path().join("link")).unwrap();
    staging.remove().unwrap();
    assert_eq!(entries(&folder.path().join("staging")), 0);
    assert!(kept.join("file").exists());
}

#[test]
fn sweeps_never_take_a_living_folder() {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let staging = area.create().unwrap();
                    fs::write(staging.path().join("file"), b"1").unwrap();
                    area.sweep(1000).unwrap();
                    assert_eq!(fs::read(staging.path().join("file")).unwrap(), b"1");
                    staging.remove().unwrap();
                }
            });
        }
    });
    area.sweep(1000).unwrap();
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn foreign_files_in_the_area_stay() {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(folder.path()).unwrap();
    fs::create_dir(folder.path().join("notes")).unwrap();
    fs::write(folder.path().join("a.lock"), b"").unwrap();
    assert_eq!(area.sweep(1000).unwrap(), Swept::default());
    assert_eq!(entries(folder.path()), 2);
}
