//! `--dir`: a folder that the program may change; what it changed comes back, and nothing else is touched.

use super::{files, names};
use crate::harness::Mc;
use mutual_testkit::guest;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub(super) fn folder() -> Mc {
    let mc = Mc::new();
    mc.write("data/same.txt", "same");
    mc.write("data/change.txt", "old");
    mc.write("data/remove.txt", "gone soon");
    mc.write("data/sub/deep.txt", "deep");
    mc
}

/// What tells whether a file was touched.
fn stamp(path: &Path) -> (u64, i64, i64) {
    let metadata = std::fs::metadata(path).unwrap();
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

#[test]
fn changed_new_and_removed_files_come_back_and_others_stay_untouched() {
    let mc = folder();
    let [same, deep] = ["data/same.txt", "data/sub/deep.txt"].map(|path| mc.work().join(path));
    let before = [stamp(&same), stamp(&deep)];
    let ran = files(
        &mc,
        &["--dir", "data"],
        &[
            "append",
            "data/change.txt",
            " and new",
            ",",
            "remove",
            "data/remove.txt",
            ",",
            "mkdir",
            "data/made/by",
            ",",
            "write",
            "data/made/by/guest",
            "hello",
            ",",
            "write",
            "data/same.txt",
            "same",
        ],
    );
    assert_eq!(ran.clean().stdout, "");
    assert_eq!(
        names(&mc, "data"),
        ["change.txt", "made", "same.txt", "sub"]
    );
    assert_eq!(mc.read("data/change.txt"), "old and new");
    assert_eq!(mc.read("data/made/by/guest"), "hello");
    assert_eq!([stamp(&same), stamp(&deep)], before);
}

#[test]
fn folders_come_and_go_with_their_files() {
    let mc = folder();
    std::fs::create_dir(mc.work().join("data/empty")).unwrap();
    let commands = [
        "remove",
        "data/sub",
        ",",
        "remove",
        "data/empty",
        ",",
        "mkdir",
        "data/new",
        ",",
        "remove",
        "data/same.txt",
        ",",
        "mkdir",
        "data/same.txt",
        ",",
        "write",
        "data/same.txt/inside",
        "x",
    ];
    files(&mc, &["--dir", "data"], &commands).clean();
    assert_eq!(
        names(&mc, "data"),
        ["change.txt", "new", "remove.txt", "same.txt"]
    );
    assert_eq!(mc.read("data/same.txt/inside"), "x");
    let commands = [
        "remove",
        "data/same.txt",
        ",",
        "write",
        "data/same.txt",
        "a file again",
        ",",
        "remove",
        "data/new",
    ];
    files(&mc, &["--dir", "data"], &commands).clean();
    assert_eq!(names(&mc, "data"), ["change.txt", "remove.txt", "same.txt"]);
    assert_eq!(mc.read("data/same.txt"), "a file again");
}

/// A folder that loses its last file stays a folder, here as there.
#[test]
fn a_folder_that_was_emptied_stays() {
    let mc = folder();
    files(&mc, &["--dir", "data"], &["remove", "data/sub/deep.txt"]).clean();
    assert_eq!(
        names(&mc, "data"),
        ["change.txt", "remove.txt", "same.txt", "sub"]
    );
    assert!(names(&mc, "data/sub").is_empty());
}

#[test]
fn a_read_only_folder_brings_nothing_back() {
    let mc = folder();
    let ran = files(
        &mc,
        &["--dir", "data:ro"],
        &[
            "read",
            "data/same.txt",
            ",",
            "write",
            "data/new.txt",
            "x",
            ",",
            "append",
            "data/change.txt",
            "x",
            ",",
            "remove",
            "data/remove.txt",
            ",",
            "rename",
            "data/same.txt",
            "data/other.txt",
        ],
    );
    assert_eq!(ran.code, Some(1));
    let refused = ran.stdout.strip_prefix("same").unwrap();
    assert!(
        refused.lines().count() == 4
            && refused
                .lines()
                .all(|line| line.ends_with(": PermissionDenied")),
        "{ran:#?}"
    );
    assert_eq!(
        names(&mc, "data"),
        ["change.txt", "remove.txt", "same.txt", "sub"]
    );
    assert_eq!(mc.read("data/change.txt"), "old");
}

#[test]
fn a_folder_can_have_another_name_in_there() {
    let mc = folder();
    for name in ["work", "/abs/olute", "../up"] {
        let option = format!("data::{name}");
        let path = format!("{name}/change.txt");
        files(&mc, &["--dir", &option], &["append", &path, "+"]).clean();
    }
    assert_eq!(mc.read("data/change.txt"), "old+++");
    mc.write("other/x", "y");
    files(
        &mc,
        &["--dir", "data::a", "--dir", "other::b:ro"],
        &["rename", "a/change.txt", "a/renamed", ",", "read", "b/x"],
    )
    .clean();
    assert_eq!(
        names(&mc, "data"),
        ["remove.txt", "renamed", "same.txt", "sub"]
    );
    files(
        &mc,
        &["--dir", "data::a", "--dir", "other::a"],
        &["list", "a"],
    )
    .fails(2, "mc::path::twice");
}

#[test]
fn an_absolute_folder_is_called_as_it_was_typed() {
    let mc = folder();
    let absolute = mc.work().join("data").display().to_string();
    let file = format!("{absolute}/change.txt");
    files(&mc, &["--dir", &absolute], &["write", &file, "new"]).clean();
    assert_eq!(mc.read("data/change.txt"), "new");
}

/// `.` is the root itself. What the guest finds there besides, `/out`, `/tmp` and `/.mc`, is not put into the folder.
#[test]
fn the_working_folder_can_be_the_root() {
    let mc = folder();
    let commands = [
        "read",
        "data/same.txt",
        ",",
        "write",
        "/data/change.txt",
        "x",
        ",",
        "write",
        "new.txt",
        "y",
        ",",
        "write",
        "/out/result",
        "z",
        ",",
        "write",
        "/tmp/scratch",
        "s",
    ];
    let ran = files(&mc, &["--dir", "."], &commands);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "same"));
    assert!(
        ran.stderr.starts_with("1 file in /out: mc get j-"),
        "{ran:#?}"
    );
    assert_eq!(names(&mc, "."), ["data", "new.txt"]);
    assert_eq!(
        (mc.read("data/change.txt"), mc.read("new.txt")),
        ("x".into(), "y".into())
    );
}

/// A folder's own `out`, `tmp` and `.mc` survive a program that never looked at them, and the first two can be worked in.
#[test]
fn the_working_folders_own_out_and_tmp_are_kept() {
    let mc = Mc::new();
    for file in ["out/x", "tmp/y", ".mc/z", ".mc/progress"] {
        mc.write(file, "mine");
    }
    let ran = files(&mc, &["--dir", "."], &["list", "/", ",", "read", "/tmp/y"]).clean();
    assert_eq!(ran.stdout, ".mc/\nout/\ntmp/\nmine");
    files(
        &mc,
        &["--dir", "."],
        &[
            "write", "out/new", "guest's", ",", "remove", "tmp/y", ",", "write", "/.mc/z", "no",
        ],
    )
    .clean();
    assert_eq!(names(&mc, "."), [".mc", "out", "tmp"]);
    assert!(names(&mc, "tmp").is_empty());
    assert_eq!(names(&mc, "out"), ["new", "x"]);
    assert_eq!(
        (mc.read(".mc/z"), mc.read(".mc/progress")),
        ("mine".into(), "mine".into())
    );
}

#[test]
fn inputs_and_outputs_of_their_own_do_not_go_back() {
    let mc = folder();
    mc.write("elsewhere/extra.txt", "e");
    let options = [
        "--dir",
        "data::/",
        "-i",
        "elsewhere/extra.txt",
        "-O",
        "/result:result",
    ];
    files(
        &mc,
        &options,
        &["write", "/result", "r", ",", "append", "/change.txt", "!"],
    )
    .clean();
    assert_eq!(
        names(&mc, "data"),
        ["change.txt", "remove.txt", "same.txt", "sub"]
    );
    assert_eq!(
        (mc.read("data/change.txt"), mc.read("result")),
        ("old!".into(), "r".into())
    );
}

#[test]
fn ignored_files_are_neither_seen_nor_touched() {
    let mc = folder();
    mc.write("data/.mcignore", "target/\n*.log\n!keep.log\n");
    for file in [
        "data/target/big",
        "data/a.log",
        "data/keep.log",
        "data/sub/b.log",
    ] {
        mc.write(file, "here");
    }
    let ran = files(
        &mc,
        &["--dir", "data"],
        &[
            "list",
            "data",
            ",",
            "list",
            "data/sub",
            ",",
            "write",
            "data/a.log",
            "guest's",
        ],
    );
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.stdout,
        ".mcignore\nchange.txt\nkeep.log\nremove.txt\nsame.txt\nsub/\ndeep.txt\n"
    );
    assert!(
        ran.stderr
            .contains("data/a.log changed here meanwhile and was kept"),
        "{ran:#?}"
    );
    for file in ["data/target/big", "data/a.log", "data/sub/b.log"] {
        assert_eq!(mc.read(file), "here", "{file}");
    }
}

#[test]
fn a_program_that_fails_brings_its_changes_back_and_one_that_is_killed_does_not() {
    let mc = folder();
    let ran = files(
        &mc,
        &["--dir", "data"],
        &["write", "data/change.txt", "new", ",", "read", "nothing"],
    );
    assert_eq!(
        (ran.code, mc.read("data/change.txt").as_str()),
        (Some(1), "new")
    );
    let big = guest("big-file").display().to_string();
    mc.run([
        "run",
        "--dir",
        "data",
        "--disk",
        "1MiB",
        &big,
        "data/change.txt",
        "99999999",
    ])
    .fails(137, "mc::run::disk-limit");
    assert_eq!(mc.read("data/change.txt"), "new");
}

#[test]
fn a_folder_that_is_none_is_named() {
    let mc = folder();
    files(&mc, &["--dir", "nothing"], &["list", "."]).fails(125, "mc::input::not-found");
    let ran = files(&mc, &["--dir", "data/same.txt"], &["list", "."]);
    assert!(
        ran.fails(125, "mc::input::not-a-folder")
            .stderr
            .contains("data/same.txt")
    );
}
