//! `-O`, `--out-dir` and `mc get`: files that the program made come back.

use super::{files, names};
use crate::harness::Mc;
use mutual_testkit::guest;

#[test]
fn a_file_comes_back_under_its_name_or_another() {
    let mc = Mc::new();
    files(
        &mc,
        &["-O", "/deep/r.txt"],
        &["mkdir", "/deep", ",", "write", "/deep/r.txt", "1"],
    )
    .clean();
    assert_eq!(mc.read("r.txt"), "1");
    files(
        &mc,
        &["-O", "r.txt:new/folder/name"],
        &["write", "/r.txt", "2"],
    )
    .clean();
    assert_eq!(mc.read("new/folder/name"), "2");
    std::fs::create_dir(mc.work().join("there")).unwrap();
    files(&mc, &["-O", "/r.txt:there"], &["write", "/r.txt", "3"]).clean();
    files(&mc, &["-O", "/r.txt:made/"], &["write", "/r.txt", "4"]).clean();
    assert_eq!(
        (mc.read("there/r.txt"), mc.read("made/r.txt")),
        ("3".into(), "4".into())
    );
    files(&mc, &["-O", "/r.txt"], &["write", "/r.txt", "replaced"]).clean();
    assert_eq!(mc.read("r.txt"), "replaced");
}

#[test]
fn a_folder_comes_back_whole() {
    let mc = Mc::new();
    let commands = [
        "mkdir",
        "/res/empty",
        ",",
        "mkdir",
        "/res/sub",
        ",",
        "write",
        "/res/a",
        "1",
        ",",
        "write",
        "/res/sub/b",
        "2",
    ];
    files(&mc, &["-O", "/res"], &commands).clean();
    assert_eq!(names(&mc, "res"), ["a", "empty", "sub"]);
    assert_eq!(mc.read("res/sub/b"), "2");
    // What is there already stays.
    mc.write("there/mine", "m");
    files(&mc, &["-O", "/res:there"], &commands).clean();
    assert_eq!(names(&mc, "there"), ["a", "empty", "mine", "sub"]);
}

#[test]
fn a_missing_output_is_an_error_unless_the_program_failed() {
    let mc = Mc::new();
    let ran =
        files(&mc, &["-O", "/result.csv"], &["list", "/out"]).fails(125, "mc::run::no-output");
    assert!(
        ran.stderr.contains("the program did not write /result.csv"),
        "{ran:#?}"
    );
    let ran = files(&mc, &["-O", "/result.csv"], &["read", "/nothing"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(1), "error: a command failed\n")
    );
    assert!(names(&mc, ".").is_empty());
}

#[test]
fn one_missing_output_does_not_lose_the_others() {
    let mc = Mc::new();
    let ran = files(
        &mc,
        &["-O", "/a", "-O", "/missing", "-O", "/b"],
        &["write", "/a", "1", ",", "write", "/b", "2"],
    );
    ran.fails(125, "mc::run::no-output");
    assert_eq!((mc.read("a"), mc.read("b")), ("1".into(), "2".into()));
}

#[test]
fn what_is_below_out_goes_into_a_folder() {
    let mc = Mc::new();
    let program = guest("write-out").display().to_string();
    let ran = mc
        .run(["run", "--out-dir", "results/today", &program, "3", "5"])
        .clean();
    assert_eq!(ran.stdout, "3 of 3 files\n");
    assert_eq!(names(&mc, "results/today"), ["0", "1", "2"]);
    assert_eq!(mc.read("results/today/1"), "xxxxx");
    // Nothing to bring is no error: the folder is there.
    let ran = mc.run([
        "run".into(),
        "--out-dir".into(),
        "none".into(),
        guest("p1-hello.wat"),
    ]);
    assert_eq!(ran.clean().stdout, "hello from p1\n");
    assert!(names(&mc, "none").is_empty());
}

#[test]
fn outputs_are_kept_until_they_are_fetched() {
    let mc = Mc::new();
    let program = guest("write-out").display().to_string();
    let ran = mc.run(["run", &program, "2", "5"]);
    let id = ran
        .stderr
        .strip_prefix("2 files in /out: mc get ")
        .unwrap()
        .trim_end()
        .to_owned();
    assert!(names(&mc, ".").is_empty());
    let got = mc.run(["get", "last", "a/results"]);
    assert_eq!(
        (got.code, got.stderr.as_str()),
        (Some(0), "2 files in a/results\n")
    );
    assert_eq!(names(&mc, "a/results"), ["0", "1"]);
    assert_eq!(mc.read("a/results/0"), "xxxxx");
    let got = mc.run(["get", &id]);
    assert_eq!(got.stderr, format!("2 files in {id}\n"));
    assert_eq!(names(&mc, &id), ["0", "1"]);
}

/// Paths outside `/out` keep their names, and folders of `--dir` the names that the program knew them by.
#[test]
fn other_outputs_are_fetched_under_their_guest_paths() {
    let mc = Mc::new();
    mc.write("data/old", "o");
    let commands = [
        "write", "/r.txt", "1", ",", "write", "/out/x", "2", ",", "write", "data/new", "3",
    ];
    let ran = files(&mc, &["-O", "/r.txt:r", "--dir", "data"], &commands);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(mc.run(["get", "last", "got"]).code, Some(0));
    assert_eq!(names(&mc, "got"), ["data", "r.txt", "x"]);
    assert_eq!(names(&mc, "got/data"), ["new", "old"]);
}

#[test]
fn a_run_without_outputs_has_none() {
    let mc = Mc::new();
    mc.run(["run".into(), guest("p1-hello.wat")]).clean();
    let got = mc.run(["get", "last", "got"]);
    assert!(!mc.work().join("got").exists(), "{got:#?}");
    got.fails(5, "mc::run::no-output");
    mc.run(["run".into(), guest("trap")]);
    mc.run(["get", "last", "got"])
        .fails(5, "mc::run::no-output");
}

/// Links are no outputs: nobody knows what they would lead to here.
#[test]
fn a_link_is_left_out_and_told() {
    let mc = Mc::new();
    let script = r#"(module
  (import "wasi_snapshot_preview1" "path_symlink" (func $link (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "targetout/link")
  (func (export "_start")
    (if (call $link (i32.const 0) (i32.const 6) (i32.const 3) (i32.const 6) (i32.const 8)) (then (unreachable)))))"#;
    mc.write("link.wat", script);
    let ran = mc.run(["run", "--out-dir", "o", "link.wat"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        ran.stderr,
        "warning: out/link is a symbolic link and was not brought back\n"
    );
    assert!(names(&mc, "o").is_empty());
}

#[test]
fn an_output_that_has_no_place_here_is_told_and_kept() {
    let mc = Mc::new();
    mc.write("file", "mine");
    let ran =
        files(&mc, &["-O", "/r:file/below"], &["write", "/r", "1"]).fails(125, "mc::output::place");
    assert!(
        ran.stderr.contains("file/below") && ran.stderr.contains("mc get"),
        "{ran:#?}"
    );
    assert_eq!(mc.read("file"), "mine");
    assert_eq!(mc.run(["get", "last", "got"]).code, Some(0));
    assert_eq!(mc.read("got/r"), "1");
}
