//! Closed and slow ends of stdin, stdout and stderr.

use super::text;
use crate::harness::Mc;
use crate::processes::{child, is_gone, peak_kib, until};
use mutual_testkit::guest;

#[test]
fn a_reader_that_has_enough() {
    let mc = Mc::new();
    let flood = text(guest("flood"));
    let ran = mc.bash(&format!(
        "mc run {flood} 100000000000 | head -c 10; echo \" ${{PIPESTATUS[0]}}\""
    ));
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("0000000000 141\n", ""),
        "{ran:#?}"
    );
    mc.assert_clean();
    // Everything that prints a lot ends as quietly.
    for command in [
        "logs last",
        "ps -a -o json",
        "inspect last",
        "completions bash",
    ] {
        let ran = mc.bash(&format!(
            "mc {command} | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
        ));
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("0\n", ""),
            "{command}: {ran:#?}"
        );
    }
    let cid = mc
        .bash("head -c 10000000 /dev/zero > zeros; mc add -o id zeros")
        .clean()
        .stdout;
    let ran = mc.bash(&format!(
        "mc cat {} | head -c 1 | wc -c; echo ${{PIPESTATUS[0]}}",
        cid.trim()
    ));
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("1\n0\n", ""),
        "{ran:#?}"
    );
}

#[test]
fn a_reader_of_stderr_that_leaves_disturbs_nobody() {
    let mc = Mc::new();
    let flood = text(guest("flood"));
    let ran = mc.bash(&format!(
        "mc run {flood} 10000000 stderr 2> >(head -c 10 >/dev/null); echo $?"
    ));
    assert_eq!(ran.stdout, "0\n", "{ran:#?}");
}

#[test]
fn closed_streams() {
    let mc = Mc::new();
    let (echo, hello) = (text(guest("echo")), text(guest("p1-hello.wat")));
    let ran = mc.bash(&format!("mc run {echo} <&-; echo $?"));
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("0\n", ""),
        "{ran:#?}"
    );
    let ran = mc.bash(&format!("mc run {hello} >&-; echo $?"));
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("0\n", ""),
        "{ran:#?}"
    );
    let ran = mc.bash(&format!("echo text | mc run {echo} --stderr 2>&-; echo $?"));
    assert_eq!(ran.stdout, "0\n", "{ran:#?}");
    let ran = mc.bash(&format!(
        "mc run missing.wasm 2>&-; echo $?; mc run {hello} <&- >&- 2>&-; echo $?"
    ));
    assert_eq!(ran.stdout, "127\n0\n", "{ran:#?}");
    mc.assert_clean();
}

/// What cannot be written is no reader that left: nothing is lost in silence.
#[test]
fn a_full_disk_behind_stdout() {
    let mc = Mc::new();
    let hello = text(guest("p1-hello.wat"));
    let ran = mc
        .bash(&format!("mc run {hello} >/dev/full"))
        .fails(125, "mc::output::place");
    assert!(
        ran.stderr.contains("No space left") && ran.stderr.contains("mc logs j-"),
        "{ran:#?}"
    );
    assert_eq!(mc.run(["logs", "last"]).clean().stdout, "hello from p1\n");
    for command in ["version", "ps -a", "logs last", "id", "completions bash"] {
        mc.bash(&format!("mc {command} >/dev/full"))
            .fails(125, "mc::output::place");
    }
    mc.assert_clean();
}

/// A reader that takes a little and then nothing holds up the program, not the memory of `mc`.
#[test]
fn a_slow_reader_costs_no_memory() {
    let mc = Mc::new();
    let flood = text(guest("flood"));
    let mut running = mc.start(["run", &flood, "1000000000"]);
    let first = running.take(64);
    assert_eq!(first.last(), Some(&b'\n'));
    let runner = child(running.pid(), " runner ");
    let before = peak_kib(running.pid());
    let taken = running.take(300 << 20);
    assert_eq!(taken.len(), 300 << 20);
    let after = peak_kib(running.pid());
    // The log keeps 16 MiB, and copies of it are made when it is stored.
    assert!(after - before < 64 << 10, "{before} KiB, then {after} KiB");
    assert_eq!(running.leave(), Some(141));
    until("the sandbox ends", || is_gone(runner).then_some(()));
    mc.assert_clean();
}
