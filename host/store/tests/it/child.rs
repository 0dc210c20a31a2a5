//! Parts that run in a process of their own: the test binary starts itself, with the part's name in the environment.

use mutual_store::{BlockStore, Fault, ImportError, StagingArea};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PART: &str = "MUTUAL_STORE_TEST_PART";
const FOLDER: &str = "MUTUAL_STORE_TEST_FOLDER";

/// A command that runs `part` on `folder`, with pipes for input and output.
pub(crate) fn command(part: &str, folder: &Path) -> Command {
    wrapped(part, folder, &[])
}

/// As [`command`], started through another program that gets this one's command line as its last arguments.
pub(crate) fn wrapped(part: &str, folder: &Path, wrapper: &[&str]) -> Command {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let mut words = wrapper.to_vec();
    words.extend([this, "--exact", "child::part", "--nocapture", "--quiet"]);
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env(PART, part)
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Starts `part` and waits until it says that it is ready.
pub(crate) fn start(part: &str, folder: &Path) -> Child {
    let mut child = command(part, folder).spawn().unwrap();
    let mut seen = Vec::new();
    let output = child.stdout.as_mut().unwrap();
    while !seen.ends_with(b"READY\n") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    child
}

/// Does nothing in an ordinary test run.
#[test]
fn part() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the parent's only way to name the part to the test harness"
    )]
    let (Some(part), Some(folder)) = (std::env::var_os(PART), std::env::var_os(FOLDER)) else {
        return;
    };
    let folder = PathBuf::from(folder);
    match part.to_str().unwrap() {
        "write" => write(&folder),
        "stream" => stream(&folder),
        "stage" => stage(&folder),
        "journal" => crate::journal::part(&folder, ready),
        "kv" => crate::kv::part(&folder, ready),
        "full" => full(&folder),
        "read-only" => read_only(&folder),
        other => panic!("no part {other}"),
    }
}

fn ready() {
    let mut out = io::stdout();
    out.write_all(b"READY\n").unwrap();
    out.flush().unwrap();
}

/// Imports `input` when the parent says so, as nine others do.
fn write(folder: &Path) {
    ready();
    io::stdin().read_exact(&mut [0]).unwrap();
    let store = BlockStore::open(&folder.join("store")).unwrap();
    let _guard = store.guard().unwrap();
    store.import_file(&folder.join("input")).unwrap();
}

/// Imports what the parent sends, until it is killed.
fn stream(folder: &Path) {
    let store = BlockStore::open(&folder.join("store")).unwrap();
    ready();
    store.import_stream(&mut io::stdin(), u64::MAX).unwrap();
}

/// Holds a staging folder until it is killed.
fn stage(folder: &Path) {
    let area = StagingArea::open(folder, &["out"]).unwrap();
    let staging = area.create().unwrap();
    std::fs::create_dir(staging.path().join("out/folder")).unwrap();
    std::fs::write(staging.path().join("out/folder/file"), b"x").unwrap();
    std::fs::write(staging.path().join("file"), b"x").unwrap();
    ready();
    io::stdin().read_exact(&mut [0]).unwrap_err();
}

/// Imports more than fits.
fn full(folder: &Path) {
    let store = BlockStore::open(&folder.join("store")).unwrap();
    store.put_file(b"small").unwrap();
    let error = store
        .import_stream(&mut crate::content(3 << 20).as_slice(), u64::MAX)
        .unwrap_err();
    let ImportError::Write(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.fault(), Fault::DiskFull, "{error:?}");
    let left = crate::files(&folder.join("store/temporary"));
    assert!(left.is_empty(), "{left:?}");
    store.put_file(b"small too").unwrap();
}

/// Opens and writes on a read-only disk.
fn read_only(folder: &Path) {
    let store = BlockStore::open(&folder.join("store")).unwrap();
    let _guard = store.guard().unwrap();
    let there = store.put_file(b"small").unwrap();
    assert_eq!(store.read_file(there.cid, 100).unwrap(), b"small");
    assert_eq!(store.put_file(b"new").unwrap_err().fault(), Fault::ReadOnly);
    let Err(mutual_store::OpenStoreError::File(error)) = BlockStore::open(&folder.join("other"))
    else {
        panic!()
    };
    assert_eq!(
        (error.fault(), error.path.as_path()),
        (Fault::ReadOnly, folder.join("other").as_path())
    );
}
