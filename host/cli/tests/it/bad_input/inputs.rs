//! Inputs, outputs and their paths.

use super::{refused, text};
use crate::harness::Mc;
use crate::processes::until;
use mutual_testkit::guest;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

/// `mc run FLAGS… p1-hello.wat`, which must not get as far as that.
#[track_caller]
fn refused_flags(mc: &Mc, flags: &[&str], code: i32, error: &str) -> crate::harness::Ran {
    let hello = text(guest("p1-hello.wat"));
    refused(mc, &[&["run"], flags, &[&hello]].concat(), code, error)
}

#[test]
fn inputs_that_are_not_there() {
    let mc = Mc::new();
    mc.write("file", "x");
    for path in ["missing", "missing:/x", "file/below", "file:relative"] {
        let ran = refused_flags(&mc, &["-i", path], 125, "mc::input::not-found");
        assert!(
            ran.stderr.contains("No such file") || ran.stderr.contains("Not a directory"),
            "{ran:#?}"
        );
    }
    refused_flags(&mc, &["--dir", "missing"], 125, "mc::input::not-found");
    refused_flags(&mc, &["--stdin", "missing"], 125, "mc::input::not-found");
    refused_flags(&mc, &["--stdin", "file/below"], 125, "mc::input::not-found");
}

#[test]
fn a_folder_where_a_file_is_meant_and_the_other_way_round() {
    let mc = Mc::new();
    mc.write("folder/file", "x");
    refused_flags(&mc, &["--stdin", "folder"], 125, "mc::input::not-a-file");
    refused_flags(
        &mc,
        &["--dir", "folder/file"],
        125,
        "mc::input::not-a-folder",
    );
    refused_flags(&mc, &["-i", "/dev/null:/x"], 125, "mc::input::kind");
}

#[test]
fn a_pipe_is_no_input_and_is_not_waited_for() {
    let mc = Mc::new();
    let made = std::process::Command::new("mkfifo")
        .arg(mc.work().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let ran = refused_flags(&mc, &["-i", "pipe"], 125, "mc::input::kind");
    assert!(ran.stderr.contains("is a pipe"), "{ran:#?}");
}

#[test]
fn guest_paths_twice() {
    let mc = Mc::new();
    mc.write("a", "a");
    mc.write("b", "b");
    mc.write("folder/a", "c");
    for flags in [
        &["-i", "a:/x", "-i", "b:/x"][..],
        &["-i", "a", "-i", "folder/a"],
        &["-i", "a:/x", "-i", "b:/x/below"],
        &["-i", "folder:/x", "-i", "b:/x/a"],
    ] {
        refused_flags(&mc, flags, 2, "mc::path::twice");
    }
    let ran = refused_flags(
        &mc,
        &["--dir", "folder::/d", "--dir", ".::/d"],
        2,
        "mc::path::twice",
    );
    assert!(ran.stderr.contains("--dir HOST::NAME"), "{ran:#?}");
}

#[test]
fn guest_paths_that_lead_out_or_nowhere() {
    let mc = Mc::new();
    mc.write("a", "a");
    let long = format!("a:/{}", "n".repeat(256));
    let deep = format!("a:{}", "/d".repeat(65));
    for input in [
        "a:/../x",
        "a:/..",
        "a:/x/../../y",
        "a:/",
        "a:/x//../..",
        &long,
        &deep,
    ] {
        refused_flags(&mc, &["-i", input], 2, "mc::path::invalid");
    }
    for out in ["/..", "/../x", "/x/../../y", "..", "/", ""] {
        refused_flags(&mc, &["-O", out], 2, "mc::path::invalid");
    }
    for dir in ["", "::/x", ".::"] {
        refused_flags(&mc, &["--dir", dir], 2, "mc::path::invalid");
    }
    refused_flags(&mc, &["-i", ""], 2, "mc::path::invalid");
}

#[test]
fn an_input_without_a_name() {
    let mc = Mc::new();
    let ran = refused_flags(&mc, &["-i", "-"], 2, "mc::path::invalid");
    assert!(ran.stderr.contains("-i -:/NAME"), "{ran:#?}");
    refused_flags(&mc, &["-i", "cid:bafkqaaa"], 2, "mc::path::invalid");
    refused_flags(&mc, &["-d", "-i", "-:/x"], 2, "mc::argument::invalid");
}

#[test]
fn names_that_no_guest_can_have() {
    let mc = Mc::new();
    let folder = mc.work().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(OsStr::from_bytes(b"\xff")), "x").unwrap();
    refused_flags(&mc, &["-i", "folder"], 125, "mc::input::name");
    let hello = guest("p1-hello.wat").into_os_string();
    let mut bad = OsString::from("folder/");
    bad.push(OsStr::from_bytes(b"\xff"));
    for flag in ["-i", "-O", "--dir"] {
        let ran = mc.run([OsStr::new("run"), OsStr::new(flag), &bad, &hello]);
        ran.fails(2, "mc::argument::invalid");
    }
    std::fs::remove_file(folder.join(OsStr::from_bytes(b"\xff"))).unwrap();
    std::fs::write(folder.join("a\nb"), "x").unwrap();
    refused_flags(&mc, &["-i", "folder"], 125, "mc::input::name");
    mc.assert_clean();
}

#[test]
fn links_that_lead_out_of_a_folder_or_in_a_circle() {
    let mc = Mc::new();
    mc.write("secret", "x");
    for (name, target) in [
        ("out", "../../secret"),
        ("dangling", "nothing"),
        ("circle", "circle"),
    ] {
        let folder = mc.work().join(name);
        std::fs::create_dir(&folder).unwrap();
        symlink(target, folder.join(name)).unwrap();
        for flag in ["-i", "--dir"] {
            let ran = refused_flags(&mc, &[flag, name], 125, "mc::input::link");
            assert!(ran.stderr.contains(&format!("{name}/{name}")), "{ran:#?}");
        }
    }
}

/// A thread appends to the file all the time. Where the file is small the writer may be late, so it is not.
#[test]
fn a_file_that_changes_while_it_is_read() {
    let mc = Mc::new();
    let path = mc.write("growing", "");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.set_len(64 << 20).unwrap();
    let is_read = AtomicBool::new(false);
    let (hello, wasm) = (text(guest("p1-hello.wat")), "growing");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_read.load(Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
            }
        });
        let ran = mc.run(["run", "-i", wasm, &hello]);
        let added = mc.run(["add", wasm]);
        let folder = mc.run(["run", "--dir", ".", &hello]);
        is_read.store(true, Ordering::Relaxed);
        let ran = ran.fails(125, "mc::input::changed");
        assert!(
            ran.stderr.contains("growing changed while it was read"),
            "{ran:#?}"
        );
        added.fails(1, "mc::input::changed");
        folder.fails(125, "mc::input::changed");
    });
    mc.assert_clean();
    until("it stays as it is", || Some(()));
    assert_eq!(
        mc.run(["run", "-i", wasm, &hello]).clean().stdout,
        "hello from p1\n"
    );
}

#[test]
fn an_output_that_was_not_written_or_has_no_place() {
    let mc = Mc::new();
    let hello = text(guest("p1-hello.wat"));
    let ran = mc
        .run(["run", "-O", "/result", &hello])
        .fails(125, "mc::run::no-output");
    assert_eq!(ran.stdout, "hello from p1\n");
    assert!(
        ran.stderr.contains("did not write") && ran.stderr.contains("result"),
        "{ran:#?}"
    );
    mc.write("file", "x");
    let files = text(guest("files"));
    for target in ["file/below", "/proc/nothing"] {
        let out = format!("/r:{target}");
        let ran = mc.run(["run", "-O", &out, &files, "write", "/r", "text"]);
        let ran = ran.fails(125, "mc::output::place");
        assert!(ran.stderr.contains(target), "{ran:#?}");
    }
    mc.run([
        "run",
        "--out-dir",
        "file",
        &files,
        "write",
        "/out/r",
        "text",
    ])
    .fails(125, "mc::output::place");
    assert_eq!(mc.read("file"), "x");
    mc.assert_clean();
    // The run itself went well and its outputs are kept, as the help line says.
    mc.run(["get", "last", "kept"]);
    assert_eq!(mc.read("kept/r"), "text");
}
