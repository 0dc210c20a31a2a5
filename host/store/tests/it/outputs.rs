//! Outputs: a hostile guest's folder gives its regular files and nothing else.

use crate::store;
use mutual_protocol::manifest::{GuestPath, Manifest, Node};
use mutual_store::{BlockStore, CollectTreeError, ImportError, OutputLimits, Outputs, SkippedKind};
use rustix::fs::{CWD, FileType, Mode, mkdirat, mknodat, openat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const LIMITS: OutputLimits = OutputLimits {
    bytes_max: 1 << 20,
    entries_max: 100,
};

fn setup() -> (TempDir, BlockStore, PathBuf) {
    let (parent, store) = store();
    let root = parent.path().join("root");
    fs::create_dir_all(root.join("out")).unwrap();
    fs::write(parent.path().join("secret"), b"secret").unwrap();
    (parent, store, root)
}

fn collect(
    store: &BlockStore,
    root: &Path,
    wanted: &[&str],
    limits: OutputLimits,
) -> Result<Outputs, CollectTreeError> {
    let wanted: Vec<GuestPath> = wanted
        .iter()
        .map(|path| GuestPath::parse(path).unwrap())
        .collect();
    store.collect_tree(root, &wanted, limits)
}

fn paths(outputs: &Outputs) -> Vec<&str> {
    outputs
        .entries
        .iter()
        .map(|entry| entry.path.as_str())
        .collect()
}

#[test]
fn wanted_paths_become_a_manifest() {
    let (_parent, store, root) = setup();
    fs::write(root.join("out/a"), b"1").unwrap();
    fs::create_dir_all(root.join("out/deep/empty")).unwrap();
    fs::write(root.join("report"), b"22").unwrap();
    fs::write(root.join("other"), b"not wanted").unwrap();
    let wanted = [
        "/out",
        "/report",
        "/out/a",
        "/none",
        "/report/below",
        "/out/none",
        "/out",
    ];
    let outputs = collect(&store, &root, &wanted, LIMITS).unwrap();
    let manifest = Manifest::new(outputs.entries.clone()).unwrap();
    let found: Vec<_> = manifest
        .entries()
        .iter()
        .map(|entry| (entry.path.as_str(), &entry.node))
        .collect();
    assert_eq!(
        found.iter().map(|(path, _)| *path).collect::<Vec<_>>(),
        ["out/a", "out/deep/empty", "report"]
    );
    assert!(matches!(found[1].1, Node::Directory));
    let Node::File {
        cid,
        size: 2,
        executable: false,
    } = *found[2].1
    else {
        panic!()
    };
    assert_eq!(store.read_file(cid, 10).unwrap(), b"22");
    assert_eq!(
        outputs
            .missing
            .iter()
            .map(GuestPath::as_str)
            .collect::<Vec<_>>(),
        ["none", "out/none", "report/below"]
    );
    assert!(outputs.skipped.is_empty());
}

#[test]
fn an_empty_folder_is_an_output() {
    let (_parent, store, root) = setup();
    let outputs = collect(&store, &root, &["out"], LIMITS).unwrap();
    assert_eq!(
        (paths(&outputs), outputs.entries[0].node),
        (vec!["out"], Node::Directory)
    );
}

#[test]
fn links_and_devices_are_skipped_by_name() {
    let (parent, store, root) = setup();
    let out = root.join("out");
    symlink(parent.path().join("secret"), out.join("to-file")).unwrap();
    symlink(parent.path(), out.join("to-folder")).unwrap();
    symlink("inside", out.join("to-inside")).unwrap();
    fs::write(out.join("inside"), b"1").unwrap();
    mknodat(
        CWD,
        out.join("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    fs::write(out.join(OsStr::from_bytes(b"bad\xff")), b"").unwrap();
    fs::create_dir(out.join("back\\slash")).unwrap();
    fs::write(out.join("back\\slash/below"), b"").unwrap();
    let outputs = collect(&store, &root, &["out"], LIMITS).unwrap();
    assert_eq!(paths(&outputs), ["out/inside"]);
    let skipped: Vec<_> = outputs
        .skipped
        .iter()
        .map(|skipped| (skipped.path.as_os_str(), skipped.kind))
        .collect();
    assert_eq!(
        skipped,
        [
            (OsStr::new("out/back\\slash"), SkippedKind::Name),
            (OsStr::from_bytes(b"out/bad\xff"), SkippedKind::Name),
            (OsStr::new("out/pipe"), SkippedKind::Special),
            (OsStr::new("out/to-file"), SkippedKind::Symlink),
            (OsStr::new("out/to-folder"), SkippedKind::Symlink),
            (OsStr::new("out/to-inside"), SkippedKind::Symlink),
        ]
    );
}

#[test]
fn a_link_on_the_way_leads_nowhere() {
    let (parent, store, root) = setup();
    symlink(parent.path(), root.join("up")).unwrap();
    symlink(parent.path().join("secret"), root.join("result")).unwrap();
    let outputs = collect(&store, &root, &["up/secret", "up", "result"], LIMITS).unwrap();
    assert!(outputs.entries.is_empty(), "{outputs:?}");
    let outputs = collect(&store, &root, &["up/secret", "result"], LIMITS).unwrap();
    assert_eq!(outputs.missing, [GuestPath::parse("up/secret").unwrap()]);
    assert_eq!(outputs.skipped[0].kind, SkippedKind::Symlink);
}

#[test]
fn everything_is_counted_before_anything_is_read() {
    let (_parent, store, root) = setup();
    fs::write(root.join("out/a"), b"1").unwrap();
    File::create(root.join("out/sparse"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let found = collect(&store, &root, &["out"], LIMITS);
    assert!(matches!(found, Err(CollectTreeError::TooLarge { .. })));
    fs::remove_file(root.join("out/sparse")).unwrap();
    for i in 0..99 {
        symlink("x", root.join(format!("out/link-{i}"))).unwrap();
    }
    let found = collect(&store, &root, &["out"], LIMITS);
    assert!(matches!(found, Err(CollectTreeError::TooMany { max: 100 })));
    assert!(crate::files(&store.root().join("blocks")).is_empty());
    fs::remove_file(root.join("out/link-0")).unwrap();
    collect(&store, &root, &["out"], LIMITS).unwrap();
}

#[test]
fn unreadable_outputs_and_full_stores_are_told_apart() {
    let (_parent, store, root) = setup();
    let found = collect(&store, &root.join("none"), &["out"], LIMITS);
    assert!(matches!(found, Err(CollectTreeError::Read(_))));
    fs::write(root.join("out/a"), b"1").unwrap();
    fs::remove_dir_all(store.root()).unwrap();
    fs::write(store.root(), b"").unwrap();
    let found = collect(&store, &root, &["out"], LIMITS);
    assert!(
        matches!(found, Err(CollectTreeError::File(ImportError::Write(_)))),
        "{found:?}"
    );
}

#[test]
fn deep_folders_are_refused() {
    let (_parent, store, root) = setup();
    let mut folder = openat(
        CWD,
        root.join("out"),
        rustix::fs::OFlags::DIRECTORY,
        Mode::empty(),
    )
    .unwrap();
    for _ in 0..100 {
        mkdirat(&folder, "d", Mode::from_raw_mode(0o755)).unwrap();
        folder = openat(&folder, "d", rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let limits = OutputLimits {
        entries_max: 1000,
        ..LIMITS
    };
    let found = collect(&store, &root, &["out"], limits);
    assert!(
        matches!(found, Err(CollectTreeError::TooDeep { .. })),
        "{found:?}"
    );
}
