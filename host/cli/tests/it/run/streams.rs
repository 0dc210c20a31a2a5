//! Standard input, output and error: byte for byte, in order, and as they come.

use crate::harness::{Mc, Ran};
use mutual_testkit::guest;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

/// A mebibyte in which every byte value comes up.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(1 << 20).collect()
}

/// `text` WRITES: a module that writes each piece to its stream, one call each.
fn writer(pieces: &[(u8, &str)]) -> String {
    let mut code = String::new();
    let mut data = String::new();
    let mut at = 64;
    for (stream, piece) in pieces {
        data += &format!("(data (i32.const {at}) {piece:?})\n");
        code += &format!(
            "(i32.store (i32.const 0) (i32.const {at})) (i32.store (i32.const 4) (i32.const {}))
             (drop (call $write (i32.const {stream}) (i32.const 0) (i32.const 1) (i32.const 8)))\n",
            piece.len()
        );
        at += piece.len();
    }
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  {data} (func (export "_start") {code}))"#
    )
}

#[test]
fn a_mebibyte_of_any_bytes_passes_through_unchanged() {
    let mc = Mc::new();
    let noise = noise();
    let out = mc.pipe_bytes(["run".into(), guest("echo")], &noise);
    assert!(out.status.success() && out.stdout == noise && out.stderr.is_empty());
    let err = mc.pipe_bytes(["run".into(), guest("echo"), "--stderr".into()], &noise);
    assert!(err.status.success() && err.stderr == noise && err.stdout.is_empty());
}

#[test]
fn an_empty_input_is_empty() {
    let mc = Mc::new();
    assert_eq!(mc.run(["run".into(), guest("echo")]).clean().stdout, "");
    assert_eq!(
        mc.pipe(["run".into(), guest("echo")], b"").clean().stdout,
        ""
    );
}

#[test]
fn a_closed_input_is_an_empty_one() {
    let mc = Mc::new();
    let ran = mc.bash(&format!("mc run {} <&-", guest("echo").display()));
    assert_eq!(ran.clean().stdout, "");
}

#[test]
fn a_program_that_reads_nothing_leaves_the_input_to_the_next() {
    let mc = Mc::new();
    let line = format!(
        "printf 'one\\ntwo\\n' | {{ mc run {}; cat; }}",
        guest("p1-hello.wat").display()
    );
    assert_eq!(mc.bash(&line).clean().stdout, "hello from p1\none\ntwo\n");
}

#[test]
fn a_file_can_stand_for_standard_input() {
    let mc = Mc::new();
    let noise = noise();
    mc.write("noise", &noise);
    let echo = guest("echo").display().to_string();
    let out = mc.pipe_bytes(["run", "--stdin", "noise", &echo], b"not this");
    assert!(out.status.success() && out.stdout == noise);
    mc.run(["run", "--stdin", "nothing", &echo])
        .fails(125, "mc::input::not-found");
    mc.run(["run", "--stdin", ".", &echo])
        .fails(125, "mc::input::not-a-file");
}

#[test]
fn both_streams_keep_their_order() {
    let mc = Mc::new();
    let pieces = [
        (1, "out 1, "),
        (2, "err 1, "),
        (1, "out 2, "),
        (2, "err 2\n"),
    ];
    mc.write("writer.wat", writer(&pieces));
    let both = mc.bash("mc run writer.wat 2>&1").clean();
    assert_eq!(both.stdout, "out 1, err 1, out 2, err 2\n");
    let apart = mc.run(["run", "writer.wat"]);
    assert_eq!(
        (apart.stdout.as_str(), apart.stderr.as_str()),
        ("out 1, out 2, ", "err 1, err 2\n")
    );
}

/// The guest prints a line and waits for input, which comes only when the line is here: it still runs then.
#[test]
fn output_appears_while_the_program_runs() {
    let mc = Mc::new();
    let mut command = mc.command(["run".into(), guest("progress"), "3".into()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "3 steps\n");
    assert_eq!(child.try_wait().unwrap(), None, "the guest waits for input");
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(
        Ran::new(child.wait_with_output().unwrap()).clean().stdout,
        ""
    );
}

/// One line is answered before the next is typed, as in a conversation.
#[test]
fn input_arrives_while_the_program_runs() {
    let mc = Mc::new();
    let mut command = mc.command(["run".into(), guest("echo")]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for typed in ["one\n", "two\n"] {
        stdin.write_all(typed.as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, typed);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_log_holds_what_was_printed() {
    let mc = Mc::new();
    mc.write(
        "writer.wat",
        writer(&[(1, "to stdout\n"), (2, "to stderr\n")]),
    );
    mc.run(["run", "writer.wat"]);
    let log = mc.run(["logs", "last"]);
    assert_eq!(
        (log.stdout.as_str(), log.stderr.as_str()),
        ("to stdout\n", "to stderr\n")
    );
}
