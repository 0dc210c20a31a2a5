//! A file of a writable folder that changes here while the program works on its copy.

use super::dirs::folder;
use crate::harness::Ran;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

/// Says that it is ready, and writes what it reads over `change.txt`.
const OVERWRITES: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\06\00\00\00")
  (data (i32.const 16) "ready\n")
  (data (i32.const 32) "change.txt")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))
    ;; Descriptor 4 is the folder: 3 is the root. Truncated (8), with the right to write (64).
    (drop (call $open (i32.const 4) (i32.const 0) (i32.const 32) (i32.const 10) (i32.const 8) (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 68)))
    (drop (call $write (i32.load (i32.const 68)) (i32.const 0) (i32.const 1) (i32.const 64)))))"#;

/// The program says that it has begun, the file changes here, and only then does the program write it.
#[test]
fn a_file_that_changed_meanwhile_is_kept() {
    let mc = folder();
    mc.write("slow.wat", OVERWRITES);
    let mut child = mc
        .command(["run", "--dir", "data", "slow.wat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    mc.write("data/change.txt", "changed here");
    child.stdin.take().unwrap().write_all(b"guest\n").unwrap();
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(mc.read("data/change.txt"), "changed here");
    let job = mc.run(["ps", "-a", "-o", "id"]).stdout;
    let saved = format!("data/change.txt.mc-{}", &job[..10]);
    assert_eq!(mc.read(&saved), "guest\n");
    let warning = format!(
        "warning: data/change.txt changed here meanwhile and was kept; the program's is {saved}\n"
    );
    assert_eq!(ran.stderr, warning);
}
