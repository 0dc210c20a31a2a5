//! Folders: the CIDs of IPFS, links that stay inside, and everything else refused by name.

use crate::{content, store};
use mutual_content::{Block, Directory, Link, ReadDirectoryError};
use mutual_protocol::limits::MANIFEST_ENTRIES_MAX;
use mutual_protocol::manifest::{Entry, GuestPath, Manifest, Node};
use mutual_protocol::{Cid, ids::Codec};
use mutual_store::{
    BlockStore, DirectoryTreeError, Hidden, ImportError, ImportTreeError, Symlinks, Tree,
    TreeOptions,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What job inputs are taken with.
const INPUT: TreeOptions = TreeOptions {
    hidden: Hidden::Include,
    symlinks: Symlinks::Follow,
    ignore_file: None,
    entries_max: MANIFEST_ENTRIES_MAX,
    bytes_max: u64::MAX,
};
/// What `mc add` takes folders with.
const ADD: TreeOptions = TreeOptions {
    hidden: Hidden::Skip,
    symlinks: Symlinks::Keep,
    ..INPUT
};

/// A store, and beside it a folder with the given files. A name that ends in a slash is a folder.
fn folder(names: &[(&str, &[u8])]) -> (TempDir, BlockStore, PathBuf) {
    let (parent, store) = store();
    let root = parent.path().join("folder");
    fs::create_dir(&root).unwrap();
    for (name, bytes) in names {
        let path = root.join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    (parent, store, root)
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.entries
        .iter()
        .map(|entry| entry.path.as_str())
        .collect()
}

/// `vectors/unixfs.txt` of `mutual-content`: what Helia prints for the same folders.
#[test]
fn folders_have_the_cids_of_helia() {
    let big = content(1_500_000);
    let (_parent, store, root) = folder(&[
        ("a/b/c.txt", &content(5)),
        ("a/d.bin", &big),
        ("a-b", b""),
        (".git/config", b"left out"),
    ]);
    let tree = store.import_tree(&root, &ADD).unwrap();
    let link = store.put_directory(&tree).unwrap();
    assert_eq!(
        link.cid.to_string(),
        "bafybeier4rlep4pefz4kuoztfkwlosmgkplj5rq3os34fgpbkngtzswtqq"
    );
    assert_eq!(link.tsize, 1_500_364);

    let (_parent, store, root) = folder(&[("empty/", b""), ("x", &content(3))]);
    let tree = store.import_tree(&root, &ADD).unwrap();
    let link = store.put_directory(&tree).unwrap();
    assert_eq!(
        link.cid.to_string(),
        "bafybeierqbdgt2u77hftncnqlrc5dcsowuu5mcwzyjmltqqhyvojfvccoi"
    );

    let (_parent, store, root) = folder(&[("x", &content(3))]);
    symlink("x", root.join("to-x")).unwrap();
    let tree = store.import_tree(&root, &ADD).unwrap();
    let link = store.put_directory(&tree).unwrap();
    assert_eq!(
        link.cid.to_string(),
        "bafybeig4s2qwiao3gl4awagcrubbyf7vqggnhrjckgo7trnw7ro7ks72um"
    );
    assert_eq!(store.list_tree(link.cid, 10).unwrap(), tree);
}

#[test]
fn directories_come_back_from_the_store() {
    // 900 names of 250 letters are more than a plain directory node holds.
    let names: Vec<String> = (0..900).map(|i| format!("many/{i:0250}")).collect();
    let mut all: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), name.as_bytes()))
        .collect();
    let big = content(1_500_000);
    all.extend([("a-b", &b"1"[..]), ("a/b/c", &big), ("a/empty/", b"")]);
    let (_parent, store, root) = folder(&all);
    let tree = store.import_tree(&root, &ADD).unwrap();
    let manifest = Manifest::new(tree.entries.clone()).unwrap();
    assert_eq!(manifest.entries(), tree.entries, "sorted like a manifest");
    let link = store.put_directory(&tree).unwrap();
    assert_eq!(store.list_tree(link.cid, 910).unwrap(), tree);
    let few = store.list_tree(link.cid, 800);
    assert!(matches!(
        few,
        Err(DirectoryTreeError::Directory(
            ReadDirectoryError::TooMany { .. }
        ))
    ));
    let empty = store.put_directory(&Tree::default()).unwrap();
    assert_eq!(store.list_tree(empty.cid, 0).unwrap(), Tree::default());
    assert_eq!(
        empty.cid.to_string(),
        "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
    );
}

#[test]
fn what_is_no_directory_for_guests_is_refused() {
    let (_parent, store, _root) = folder(&[]);
    let file = store.put_file(b"1").unwrap();
    let directory = |name: &str, link: Link| {
        let mut directory = Directory::new();
        directory.insert(name, link).unwrap();
        let mut bytes = Vec::new();
        let mut keep = |block: Block<'_>| {
            bytes = block.bytes().to_vec();
            Ok::<(), std::convert::Infallible>(())
        };
        directory.finish(&mut keep).unwrap();
        store.put_new(Codec::DagPb, &bytes).unwrap()
    };
    let list = |cid: Cid| store.list_tree(cid, 10).unwrap_err();
    let object = store.put_new(Codec::DagCbor, b"\xa0").unwrap();
    let gone = Link {
        cid: Cid::of(Codec::DagPb, b"gone"),
        tsize: 4,
    };
    assert!(matches!(
        list(file.cid),
        DirectoryTreeError::Directory(ReadDirectoryError::NotADirectory { .. })
    ));
    assert!(matches!(
        list(directory("a\\b", file.link())),
        DirectoryTreeError::Path(_)
    ));
    assert!(matches!(
        list(directory("a", gone)),
        DirectoryTreeError::Get(_)
    ));
    assert!(matches!(
        list(directory(
            "a",
            Link {
                cid: object,
                tsize: 1
            }
        )),
        DirectoryTreeError::Node(_)
    ));
}

#[test]
fn trees_that_are_no_directories_are_refused() {
    let (_parent, store, _root) = folder(&[]);
    let file = store.put_file(b"1").unwrap();
    let gone = Cid::of(Codec::DagPb, b"gone");
    let entry = |path: &str, cid| {
        let node = Node::File {
            cid,
            size: 1,
            executable: false,
        };
        Entry {
            path: GuestPath::parse(path).unwrap(),
            node,
        }
    };
    let put = |entries: Vec<Entry>| {
        store
            .put_directory(&Tree {
                entries,
                ..Tree::default()
            })
            .unwrap_err()
    };
    assert!(matches!(
        put(vec![entry("a", gone)]),
        DirectoryTreeError::Get(_)
    ));
    let twice = vec![entry("a", file.cid), entry("a/b", file.cid)];
    assert!(matches!(put(twice), DirectoryTreeError::Name(_)));
    // The pair of names from the tests of `mutual-content`.
    let mut names = vec![
        "siifmqksogdtebrsunoqonvdjxsitwkd".to_owned(),
        "vmglvvnuxwpqqftphI5T.9=~EzE5%p<#".to_owned(),
    ];
    names.extend((0..900).map(|i| format!("{i:0250}")));
    let same = names.iter().map(|name| entry(name, file.cid)).collect();
    assert!(matches!(put(same), DirectoryTreeError::SameHash { .. }));
}

#[test]
fn entries_go_below_a_guest_path() {
    let (_parent, store, root) = folder(&[("x", b"1"), ("run.sh", b"")]);
    fs::set_permissions(root.join("run.sh"), Permissions::from_mode(0o755)).unwrap();
    let tree = store.import_tree(&root, &INPUT).unwrap();
    let base = GuestPath::parse("/in/put").unwrap();
    let found = tree.entries_below(&base).unwrap();
    assert_eq!(
        found
            .iter()
            .map(|entry| entry.path.as_str())
            .collect::<Vec<_>>(),
        ["in/put/run.sh", "in/put/x"]
    );
    let is_executable = |entry: &Entry| {
        matches!(
            entry.node,
            Node::File {
                executable: true,
                ..
            }
        )
    };
    assert_eq!(
        found.iter().map(is_executable).collect::<Vec<_>>(),
        [true, false]
    );
    let empty = Tree::default().entries_below(&base).unwrap();
    assert_eq!(
        empty,
        [Entry {
            path: base,
            node: Node::Directory
        }]
    );
}

#[test]
fn hidden_and_ignored_names_are_left_out() {
    let (_parent, store, root) = folder(&[
        (".hidden", b""),
        (".mcignore", b"*.o\n/target/\n!keep.o\n"),
        ("a.o", b""),
        ("sub/b.o", b""),
        ("sub/keep.o", b""),
        ("sub/target/x", b""),
        ("target/deep/x", b""),
    ]);
    let found = |options: TreeOptions| {
        let tree = store.import_tree(&root, &options).unwrap();
        tree.entries
            .iter()
            .map(|entry| entry.path.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(INPUT).len(), 7);
    assert_eq!(found(ADD).len(), 5);
    let ignoring = TreeOptions {
        ignore_file: Some(".mcignore"),
        ..INPUT
    };
    assert_eq!(
        found(ignoring),
        [".hidden", ".mcignore", "sub/keep.o", "sub/target/x"]
    );
    assert_eq!(
        found(TreeOptions {
            ignore_file: Some(".none"),
            ..INPUT
        })
        .len(),
        7
    );
}

#[test]
fn links_inside_are_followed() {
    let (_parent, store, root) = folder(&[("a/file", b"1"), ("b/", b"")]);
    symlink("../a", root.join("b/to-a")).unwrap();
    symlink(root.join("a/file"), root.join("absolute")).unwrap();
    let tree = store.import_tree(&root, &INPUT).unwrap();
    assert_eq!(paths(&tree), ["a/file", "absolute", "b/to-a/file"]);
    // The folder itself may be given through a link.
    let alias = root.parent().unwrap().join("alias");
    symlink(&root, &alias).unwrap();
    assert_eq!(store.import_tree(&alias, &INPUT).unwrap(), tree);
}

#[test]
fn other_links_are_refused_by_name() {
    let check = |target: &str, at: &str, is_right: fn(&ImportTreeError) -> bool| {
        let (_parent, store, root) = folder(&[("a/b/", b"")]);
        let link = root.join(at);
        symlink(target, &link).unwrap();
        let error = store.import_tree(&root, &INPUT).unwrap_err();
        assert!(is_right(&error), "{target} {error:?}");
        assert!(
            error.to_string().contains(link.to_str().unwrap()),
            "{error}"
        );
        // `mc add` keeps them as they are.
        let kept = store.import_tree(&root, &ADD).unwrap();
        assert_eq!(kept.symlinks[0].target, target.as_bytes());
    };
    let out = |error: &ImportTreeError| matches!(error, ImportTreeError::LinkOut { .. });
    let circle = |error: &ImportTreeError| matches!(error, ImportTreeError::LinkCircle { .. });
    check("/etc/hostname", "link", out);
    check("../../store", "a/link", out);
    check("..", "link", out);
    check("none", "link", |error| {
        matches!(error, ImportTreeError::LinkDangling { .. })
    });
    check("link", "link", circle);
    check("..", "a/b/link", circle);
    check("../..", "a/b/link", circle);
}

/// Each folder links to the other: following one inside the other never ends by itself.
#[test]
fn crossed_links_end() {
    let (_parent, store, root) = folder(&[("a/", b""), ("b/", b"")]);
    symlink("../b", root.join("a/x")).unwrap();
    symlink("../a", root.join("b/y")).unwrap();
    assert!(matches!(
        store.import_tree(&root, &INPUT),
        Err(ImportTreeError::LinkCircle { .. })
    ));
}

#[test]
fn what_guests_cannot_have_is_refused_by_name() {
    let (_parent, store, root) = folder(&[("x", b"1")]);
    let refused = |name: &OsStr| {
        fs::write(root.join(name), b"").unwrap();
        let error = store.import_tree(&root, &INPUT).unwrap_err();
        fs::remove_file(root.join(name)).unwrap();
        error
    };
    let error = refused(OsStr::from_bytes(b"bad\xff"));
    assert!(
        matches!(&error, ImportTreeError::NotUtf8 { path } if path == &root.join(OsStr::from_bytes(b"bad\xff")))
    );
    assert!(matches!(
        refused(OsStr::new("a\\b")),
        ImportTreeError::Path { .. }
    ));
    assert!(matches!(
        refused(OsStr::new("a\nb")),
        ImportTreeError::Path { .. }
    ));

    mknodat(
        CWD,
        root.join("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let error = store.import_tree(&root, &INPUT).unwrap_err();
    assert!(
        matches!(
            error,
            ImportTreeError::File(ImportError::NotAFile { what: "a pipe", .. })
        ),
        "{error:?}"
    );
    let error = store.import_tree(&root.join("x"), &INPUT).unwrap_err();
    assert!(matches!(error, ImportTreeError::NotAFolder { .. }));
    assert!(matches!(
        store.import_tree(Path::new("/nowhere"), &INPUT),
        Err(ImportTreeError::Read(_))
    ));
}

#[test]
fn limits_hold_before_anything_is_read() {
    let (_parent, store, root) = folder(&[("a", b"12"), ("b/c", b"34"), ("d/", b"")]);
    let fits = TreeOptions {
        entries_max: 3,
        bytes_max: 4,
        ..INPUT
    };
    let few = store.import_tree(
        &root,
        &TreeOptions {
            entries_max: 2,
            ..fits
        },
    );
    assert!(matches!(few, Err(ImportTreeError::TooMany { max: 2 })));
    let small = store.import_tree(
        &root,
        &TreeOptions {
            bytes_max: 3,
            ..fits
        },
    );
    assert!(matches!(small, Err(ImportTreeError::TooLarge { max: 3 })));
    assert!(crate::files(&store.root().join("blocks")).is_empty());
    assert_eq!(
        paths(&store.import_tree(&root, &fits).unwrap()),
        ["a", "b/c", "d"]
    );
}
