//! Staging folders: held by the living, swept after the dead.

use crate::child;
use mutual_store::{StagingArea, Swept};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::SystemTime;

/// Everything in `folder`, relative, sorted.
fn entries(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut found = Vec::new();
    for entry in names.map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = entries(&entry.path());
            found.extend(below.iter().map(|below| format!("{name}/{below}")));
        }
        found.push(name);
    }
    found.sort();
    found
}

fn area(folder: &Path) -> StagingArea {
    StagingArea::open(&folder.join("staging"), &["out", "tmp"]).unwrap()
}

#[test]
fn the_content_of_a_staging_folder_goes_with_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let area = area(folder.path());
    let one = area.create().unwrap();
    let two = area.create().unwrap();
    assert_ne!(one.path(), two.path());
    for staging in [&one, &two] {
        assert_eq!(entries(staging.path()), ["out", "tmp"]);
        let mode = fs::metadata(staging.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    fs::write(one.path().join("file"), b"1").unwrap();
    fs::write(two.path().join("out/file"), b"1").unwrap();
    assert_eq!(area.sweep(1000).unwrap(), Swept::default());
    let paths = [one.path().to_owned(), two.path().to_owned()];
    drop(one);
    two.remove().unwrap();
    for path in paths {
        assert_eq!(entries(&path), ["out", "tmp"]);
    }
    assert_eq!(area.sweep(1000).unwrap(), Swept::default(), "nothing to do");
}

/// Whatever a guest has made of the folder: the next one finds it as new.
#[test]
fn a_folder_that_is_taken_again_is_as_new() {
    let folder = tempfile::tempdir().unwrap();
    let area = area(folder.path());
    let first = area.create().unwrap();
    let path = first.path().to_owned();
    let long_ago = SystemTime::UNIX_EPOCH;
    let age = |path: &Path| File::open(path).unwrap().set_modified(long_ago).unwrap();
    fs::create_dir(path.join("tmp/deep")).unwrap();
    fs::write(path.join("tmp/deep/file"), b"1").unwrap();
    fs::remove_dir(path.join("out")).unwrap();
    symlink("tmp", path.join("out")).unwrap();
    age(&path.join("tmp"));
    drop(first);
    age(&path.join("tmp"));
    age(&path);
    // What a process that was killed leaves is found there by the next one, even if no sweep came between.
    fs::write(path.join("tmp/late"), b"1").unwrap();
    let second = area.create().unwrap();
    assert_eq!(second.path(), path);
    assert_eq!(entries(&path), ["out", "tmp"]);
    for name in ["", "out", "tmp"] {
        let found = fs::symlink_metadata(path.join(name)).unwrap();
        assert!(
            found.is_dir() && found.modified().unwrap() > long_ago,
            "{name}"
        );
    }
}

#[test]
fn few_folders_stay() {
    let folder = tempfile::tempdir().unwrap();
    let area = area(folder.path());
    let all: Vec<_> = (0..20).map(|_| area.create().unwrap()).collect();
    drop(all);
    let left = fs::read_dir(folder.path().join("staging")).unwrap().count();
    assert_eq!(left, 2 * 8, "eight folders with their locks");
}

#[test]
fn the_folder_of_a_killed_process_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(folder.path(), &["out"]).unwrap();
    let mine = area.create().unwrap();
    fs::write(mine.path().join("file"), b"1").unwrap();
    let mut child = child::start("stage", folder.path());
    let left = ["0", "0.lock", "0/file", "0/out", "1", "1.lock", "1/out"];
    let dead = ["1/file", "1/out/folder", "1/out/folder/file"];
    let mut all: Vec<&str> = left.iter().chain(&dead).copied().collect();
    all.sort_unstable();
    assert_eq!(entries(folder.path()), all);
    assert_eq!(area.sweep(1000).unwrap(), Swept::default());
    child.kill().unwrap();
    child.wait().unwrap();
    let swept = |removed, left| Swept { removed, left };
    assert_eq!(area.sweep(1).unwrap(), swept(0, 1));
    assert_eq!(area.sweep(1000).unwrap(), swept(1, 0));
    assert_eq!(entries(folder.path()), left);
    assert_eq!(area.sweep(1000).unwrap(), Swept::default());
}

/// A guest can nest folders until no path, no stack and no table of open files is large enough.
#[test]
fn any_depth_is_removed_and_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), b"1").unwrap();
    let area = area(folder.path());
    let staging = area.create().unwrap();
    let root = staging.path().to_owned();
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
    assert_eq!(entries(&root), ["out", "tmp"]);
    assert!(kept.join("file").exists());
}

#[test]
fn sweeps_never_take_a_living_folder() {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(folder.path(), &["out"]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let staging = area.create().unwrap();
                    assert_eq!(entries(staging.path()), ["out"]);
                    fs::write(staging.path().join("file"), b"1").unwrap();
                    area.sweep(1000).unwrap();
                    assert_eq!(fs::read(staging.path().join("file")).unwrap(), b"1");
                    staging.remove().unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2 * 8);
}

#[test]
fn foreign_files_in_the_area_stay() {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(folder.path(), &[]).unwrap();
    fs::create_dir(folder.path().join("notes")).unwrap();
    fs::write(folder.path().join("a.lock"), b"").unwrap();
    fs::write(folder.path().join("9999999"), b"").unwrap();
    assert_eq!(area.sweep(1000).unwrap(), Swept::default());
    assert_eq!(entries(folder.path()), ["9999999", "a.lock", "notes"]);
}
