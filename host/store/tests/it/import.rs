//! Files: what is taken, what is refused, and that nothing is missed.

use crate::{content, store};
use mutual_protocol::{Cid, ids::Codec};
use mutual_store::{Fault, ImportError, Imported, hash_file};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

#[test]
fn files_of_any_size_come_back() {
    let (folder, store) = store();
    for size in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_670_016] {
        let path = folder.path().join("input");
        let bytes = content(size);
        fs::write(&path, &bytes).unwrap();
        let imported = store.import_file(&path).unwrap();
        assert_eq!(imported, hash_file(&path).unwrap());
        assert_eq!(imported.root, store.put_file(&bytes).unwrap());
        assert_eq!(
            imported.root,
            store
                .import_stream(&mut bytes.as_slice(), size as u64)
                .unwrap()
        );
        assert_eq!(
            (imported.root.size, imported.executable),
            (size as u64, false)
        );
        assert!(
            store.read_file(imported.root.cid, u64::MAX).unwrap() == bytes,
            "{size}"
        );
        if size > 0 {
            let few = store.import_stream(&mut bytes.as_slice(), size as u64 - 1);
            assert!(matches!(few, Err(ImportError::TooLarge { .. })), "{size}");
        }
    }
    // What Helia prints for the last of them: `vectors/unixfs.txt` of `mutual-content`.
    let cid = hash_file(&folder.path().join("input")).unwrap().root.cid;
    assert_eq!(
        cid.to_string(),
        "bafybeihmvj2swqh4unooszr4ysj53eqw3lt4h43qfb3wh66biduxwzsutq"
    );
}

#[test]
fn hashing_keeps_nothing() {
    let (folder, store) = store();
    let path = folder.path().join("input");
    fs::write(&path, b"x").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let Imported { root, executable } = hash_file(&path).unwrap();
    assert!(executable);
    assert_eq!(root.cid, Cid::of(Codec::Raw, b"x"));
    assert!(!store.has(root.cid));
}

#[test]
fn only_files_are_taken() {
    let (folder, store) = store();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("pipe", &link).unwrap();
    for (path, want) in [
        (folder.path(), "a folder"),
        (&pipe, "a pipe"),
        (&socket, "a socket"),
        (&link, "a pipe"),
        (Path::new("/dev/null"), "a device"),
    ] {
        let found = store.import_file(path);
        assert!(
            matches!(&found, Err(ImportError::NotAFile { what, .. }) if *what == want),
            "{found:?}"
        );
    }
    let Err(ImportError::Read(error)) = store.import_file(&folder.path().join("none")) else {
        panic!()
    };
    assert_eq!(
        (error.fault(), error.path),
        (Fault::Missing, folder.path().join("none"))
    );
}

#[test]
fn links_to_files_are_followed() {
    let (folder, store) = store();
    fs::write(folder.path().join("file"), b"x").unwrap();
    std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
    assert_eq!(
        store
            .import_file(&folder.path().join("link"))
            .unwrap()
            .root
            .cid,
        Cid::of(Codec::Raw, b"x")
    );
}

/// Files under `/proc` say that they are empty.
#[test]
#[cfg(target_os = "linux")]
fn files_without_a_size_are_taken() {
    let (_folder, store) = store();
    let imported = store.import_file(Path::new("/proc/version")).unwrap();
    let bytes = store.read_file(imported.root.cid, 1 << 20).unwrap();
    assert!(bytes.starts_with(b"Linux version"), "{bytes:?}");
}
