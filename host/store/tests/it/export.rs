//! Content out of the store: whole or not at all, and into its place among a person's files.

use crate::{content, files, store};
use mutual_content::ReadFileError;
use mutual_protocol::manifest::{Entry, GuestPath, Manifest, Node};
use mutual_protocol::{Cid, ids::Codec, limits::BLOCK_BYTES_MAX};
use mutual_store::{BlockStore, ExportError, Fault, GetError, MaterialiseError, PlaceError};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn file(store: &BlockStore, path: &str, bytes: &[u8], executable: bool) -> Entry {
    let root = store.put_file(bytes).unwrap();
    let node = Node::File {
        cid: root.cid,
        size: root.size,
        executable,
    };
    Entry {
        path: GuestPath::parse(path).unwrap(),
        node,
    }
}

fn folder(path: &str) -> Entry {
    Entry {
        path: GuestPath::parse(path).unwrap(),
        node: Node::Directory,
    }
}

#[test]
fn files_are_written_whole_or_the_reason_is_told() {
    let (_folder, store) = store();
    let bytes = content(3_670_016);
    let root = store.put_file(&bytes).unwrap();
    let mut out = Vec::new();
    assert_eq!(
        store.export_file(root.cid, None, &mut out).unwrap(),
        root.size
    );
    assert!(out == bytes);
    let wrong = store.export_file(root.cid, Some(root.size + 1), &mut io::sink());
    assert!(matches!(
        wrong,
        Err(ExportError::Dag(ReadFileError::Size { .. }))
    ));
    assert!(matches!(
        store.read_file(root.cid, root.size - 1),
        Err(ExportError::TooLarge { .. })
    ));
    let directory = store
        .put_directory(&mutual_store::Tree::default())
        .unwrap()
        .cid;
    assert!(matches!(
        store.read_file(directory, 10),
        Err(ExportError::Dag(ReadFileError::NotAFile { .. }))
    ));

    let mut full = File::options().write(true).open("/dev/full").unwrap();
    let Err(ExportError::Write(error)) = store.export_file(root.cid, None, &mut full) else {
        panic!()
    };
    assert_eq!(Fault::of(&error), Fault::DiskFull);

    let leaf = Cid::of(Codec::Raw, &bytes[1 << 20..2 << 20]);
    store.remove(leaf).unwrap();
    let missing = store.export_file(root.cid, None, &mut io::sink());
    assert!(matches!(missing, Err(ExportError::Get(GetError::Missing { cid })) if cid == leaf));
}

#[test]
fn manifests_are_laid_out() {
    let (parent, store) = store();
    let root = parent.path().join("root");
    fs::create_dir(&root).unwrap();
    let entries = vec![
        file(&store, "a/b/c", b"1", false),
        file(&store, "a/b/tool", b"2", true),
        file(&store, "a-b", b"3", false),
        file(&store, "work/x", b"4", false),
        file(&store, "work/y/tool", b"5", true),
        file(&store, "workshop", b"6", false),
        folder("a/empty"),
    ];
    let manifest = Manifest::new(entries).unwrap();
    let work = GuestPath::parse("work").unwrap();
    store.materialise(&manifest, &root, &[work]).unwrap();
    assert_eq!(files(&root).len(), 6);
    for (path, bytes, want) in [
        ("a/b/c", b"1", 0o444),
        ("a/b/tool", b"2", 0o555),
        ("a-b", b"3", 0o444),
        ("work/x", b"4", 0o644),
        ("work/y/tool", b"5", 0o755),
        ("workshop", b"6", 0o444),
    ] {
        assert_eq!(
            (
                fs::read(root.join(path)).unwrap().as_slice(),
                mode(&root.join(path))
            ),
            (&bytes[..], want),
            "{path}"
        );
    }
    assert!(root.join("a/empty").is_dir());
    // A second manifest may share folders with the first, and no files.
    let more = Manifest::new(vec![file(&store, "a/b/d", b"7", false)]).unwrap();
    store.materialise(&more, &root, &[]).unwrap();
    assert!(matches!(
        store.materialise(&more, &root, &[]),
        Err(MaterialiseError::File(_))
    ));
}

#[test]
fn laying_out_follows_no_link_and_names_what_is_missing() {
    let (parent, store) = store();
    let root = parent.path().join("root");
    let outside = parent.path().join("outside");
    fs::create_dir(&root).unwrap();
    fs::create_dir(&outside).unwrap();
    symlink(&outside, root.join("a")).unwrap();
    symlink(outside.join("target"), root.join("b")).unwrap();
    for path in ["a/x", "b"] {
        let manifest = Manifest::new(vec![file(&store, path, b"1", false)]).unwrap();
        assert!(
            matches!(
                store.materialise(&manifest, &root, &[]),
                Err(MaterialiseError::File(_))
            ),
            "{path}"
        );
    }
    assert!(files(&outside).is_empty());
    let entry = file(&store, "x", b"gone", false);
    store.remove(Cid::of(Codec::Raw, b"gone")).unwrap();
    let manifest = Manifest::new(vec![entry]).unwrap();
    let error = store.materialise(&manifest, &root, &[]).unwrap_err();
    assert!(
        matches!(&error, MaterialiseError::Content { path, .. } if path.as_str() == "x"),
        "{error:?}"
    );
}

#[test]
fn outputs_go_to_their_place() {
    let (parent, store) = store();
    let place = |path: &Path, bytes: &[u8], executable| {
        let root = store.put_file(bytes).unwrap();
        store.place_file(root.cid, root.size, path, executable)
    };
    let target = parent.path().join("new/folder/out");
    place(&target, b"1", true).unwrap();
    assert_eq!(
        (fs::read(&target).unwrap(), mode(&target) & 0o100),
        (b"1".to_vec(), 0o100)
    );
    // What was there leaves its mode; an executable adds its bits where there are those for reading.
    fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
    place(&target, b"2", false).unwrap();
    assert_eq!(
        (fs::read(&target).unwrap(), mode(&target)),
        (b"2".to_vec(), 0o640)
    );
    place(&target, b"3", true).unwrap();
    assert_eq!(
        (fs::read(&target).unwrap(), mode(&target)),
        (b"3".to_vec(), 0o750)
    );
    // A link stays one.
    let link = parent.path().join("link");
    symlink("new/folder/out", &link).unwrap();
    place(&link, b"4", false).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"4");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    place(Path::new("/dev/null"), b"5", false).unwrap();
    assert_eq!(files(&parent.path().join("new")), [Path::new("folder/out")]);
}

#[test]
fn a_pipe_is_written_to() {
    let (parent, store) = store();
    let pipe = parent.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    let root = store.put_file(b"through").unwrap();
    store.place_file(root.cid, root.size, &pipe, false).unwrap();
    assert_eq!(reader.join().unwrap(), b"through");
}

#[test]
fn a_failed_output_changes_nothing() {
    let (parent, store) = store();
    let folder = parent.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let target = folder.join("out");
    fs::write(&target, b"old").unwrap();
    let root = store.put_file(&content(3 << 20)).unwrap();
    store
        .remove(Cid::of(Codec::Raw, &content(3 << 20)[2 << 20..]))
        .unwrap();
    let missing = store.place_file(root.cid, root.size, &target, false);
    assert!(matches!(
        missing,
        Err(PlaceError::Content(ExportError::Get(
            GetError::Missing { .. }
        )))
    ));
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(files(&folder), [Path::new("out")]);

    let small = store.put_file(b"1").unwrap();
    let place = |path: &Path| store.place_file(small.cid, small.size, path, false);
    assert!(matches!(place(&folder), Err(PlaceError::IsFolder { .. })));
    symlink("nowhere", folder.join("dangling")).unwrap();
    assert!(matches!(
        place(&folder.join("dangling")),
        Err(PlaceError::LinkDangling { .. })
    ));
    let Err(PlaceError::File(error)) = place(&target.join("below")) else {
        panic!()
    };
    assert_eq!(error.fault(), Fault::NotAFolder);
    assert!(store.get(small.cid, BLOCK_BYTES_MAX).is_ok());
}
