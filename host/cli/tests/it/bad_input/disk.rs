//! Output over its quota, memory, and limits that make no sense.

use super::{refused, text};
use crate::harness::Mc;
use mutual_testkit::guest;

#[test]
fn more_than_the_disk_limit() {
    let mc = Mc::new();
    let (files, file) = (text(guest("write-out")), text(guest("big-file")));
    for args in [
        // Many files that fit one by one, one file that does not, and one outside of what comes back.
        &["run", "--disk", "1MiB", &files, "30", "100000"][..],
        &["run", "--disk", "1MiB", &file, "/out/x", "100000000"],
        &["run", "--disk", "1MiB", &file, "/tmp/x", "100000000"],
    ] {
        let ran = mc.run(args).fails(137, "mc::run::disk-limit");
        assert!(
            ran.stderr.contains("at most 1.0 MiB") && ran.stderr.contains("--disk"),
            "{ran:#?}"
        );
        let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
        assert_eq!(record["outcome"], "disk-limit");
        assert_eq!(
            (&record["exit_code"], &record["outputs"]),
            (&137.into(), &serde_json::Value::Null)
        );
        mc.assert_clean();
    }
    mc.run(["get", "last"]).fails(5, "mc::run::no-output");
}

#[test]
fn the_disk_limit_itself_is_allowed() {
    let mc = Mc::new();
    let ran = mc.run([
        "run",
        "--disk",
        "1MiB",
        "--out-dir",
        "o",
        &text(guest("big-file")),
        "/out/x",
        "1048576",
    ]);
    assert_eq!(ran.clean().stdout, "1048576 of 1048576 bytes\n");
    assert_eq!(mc.work().join("o/x").metadata().unwrap().len(), 1 << 20);
}

/// Makes `/out/a` and `/out/b` as long as its two arguments' decimal digits say, and ends with the error of the first
/// that is refused.
fn sparse(first: u64, second: u64) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $resize (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "out/aout/b")
  (func $make (param $name i32) (param $size i64) (local $error i32)
    (local.set $error (call $open (i32.const 3) (i32.const 0) (local.get $name) (i32.const 5) (i32.const 1)
      (i64.const 0x400040) (i64.const 0) (i32.const 0) (i32.const 0)))
    (if (local.get $error) (then (call $exit (i32.const 99))))
    (local.set $error (call $resize (i32.load (i32.const 0)) (local.get $size)))
    (if (local.get $error) (then (call $exit (local.get $error)))))
  (func (export "_start")
    (call $make (i32.const 100) (i64.const {first}))
    (call $make (i32.const 105) (i64.const {second}))))"#
    )
}

/// A sparse file counts by its length: as many bytes would come back.
#[test]
fn a_huge_sparse_file() {
    let mc = Mc::new();
    mc.write("small.wat", sparse(1000, 1000));
    mc.run(["run", "--disk", "1MiB", "--out-dir", "o", "small.wat"])
        .clean();
    assert_eq!(mc.work().join("o/a").metadata().unwrap().len(), 1000);
    mc.write("two.wat", sparse(700_000, 700_000));
    mc.run(["run", "--disk", "1MiB", "two.wat"])
        .fails(137, "mc::run::disk-limit");
    // More than the limit at once is refused to the program itself: EFBIG is 22 in WASI 0.1.
    mc.write("huge.wat", sparse(1 << 40, 0));
    let ran = mc.run(["run", "--disk", "1MiB", "huge.wat"]);
    assert_eq!(ran.code, Some(22), "{ran:#?}");
    mc.assert_clean();
}

#[test]
fn too_many_files() {
    let mc = Mc::new();
    // 100,000 files and folders are allowed; `/out` is one of them.
    let ran = mc.run(["run", &text(guest("write-out")), "100000", "0"]);
    let ran = ran.fails(137, "mc::run::disk-limit");
    assert!(ran.stderr.contains("100000 files"), "{ran:#?}");
    mc.assert_clean();
}

/// A path of at most 64 names can be named in a manifest.
#[test]
fn outputs_that_are_nested_too_deeply() {
    let mc = Mc::new();
    let program = text(guest("files"));
    let folder = |names: usize| format!("/out{}", "/n".repeat(names - 1));
    let run = |folder: &str| {
        let file = format!("{folder}/file");
        mc.run(["run", &program, "mkdir", folder, ",", "write", &file, "x"])
    };
    assert_eq!(run(&folder(63)).code, Some(0));
    let ran = run(&folder(64)).fails(137, "mc::output::limits");
    assert!(ran.stderr.contains("nested too deeply at "), "{ran:#?}");
    let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
    assert_eq!(record["exit_code"], 137);
    mc.assert_clean();
}

#[test]
fn more_than_the_memory_limit() {
    let mc = Mc::new();
    let program = text(guest("infinite-memory.wat"));
    let ran = mc
        .run(["run", "--memory", "1MiB", &program])
        .fails(137, "mc::run::memory-limit");
    assert!(ran.stderr.contains("--memory"), "{ran:#?}");
    mc.assert_clean();
}

#[test]
fn limits_that_make_no_sense() {
    let mc = Mc::new();
    let hello = text(guest("p1-hello.wat"));
    for (flag, value) in [
        ("--timeout", "0"),
        ("--timeout", "0s"),
        ("--timeout", "0.0001"),
        ("--memory", "0"),
        ("--memory", "1KiB"),
        ("--memory", "4097MiB"),
        ("--memory", "1EiB"),
    ] {
        let ran = refused(
            &mc,
            &["run", flag, value, &hello],
            2,
            "mc::argument::invalid",
        );
        assert!(
            ran.stderr.contains(&format!("for example {flag}")),
            "{ran:#?}"
        );
    }
    for (flag, value) in [
        ("--timeout", "-1"),
        ("--timeout", "soon"),
        ("--timeout", "1e300"),
        ("--timeout", "NaN"),
        ("--timeout", "99999999999999999999y"),
        ("--memory", "-5"),
        ("--memory", "much"),
        ("--disk", "1e999"),
        ("--disk", "-1"),
        ("--keep", "-1"),
    ] {
        let ran = mc.run(["run", &format!("{flag}={value}"), &hello]);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{flag} {value}: {ran:#?}"
        );
        assert!(
            ran.stderr.contains(flag) && ran.stderr.contains("--help"),
            "{ran:#?}"
        );
    }
    assert!(!mc.home().exists(), "nothing was made");
    // Large is not absurd.
    for (flag, value) in [
        ("--timeout", "1000000y"),
        ("--disk", "1EiB"),
        ("--memory", "4GiB"),
        ("--keep", "1000y"),
    ] {
        let ran = mc.run(["run", flag, value, &hello]);
        assert_eq!(ran.clean().stdout, "hello from p1\n", "{flag} {value}");
    }
}
