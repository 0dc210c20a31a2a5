//! The control socket itself: nonsense, crowds, and who may come near it.

use super::{let_end, text, waiting};
use crate::harness::Mc;
use crate::processes::peak_kib;
use mutual_testkit::guest;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

fn connect(mc: &Mc) -> UnixStream {
    UnixStream::connect(&mc.sockets()[0]).unwrap()
}

#[test]
fn only_the_account_can_enter() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let folder = mc.sockets()[0].parent().unwrap().to_owned();
    assert_eq!(
        folder.metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );
    let_end(running);
}

#[test]
fn nonsense_is_dropped_and_disturbs_nobody() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let endless = vec![b'x'; 1 << 20];
    for nonsense in [
        &b""[..],
        b"\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"{}\n",
        b"{\"op\":\"explode\"}\n",
        b"{\"op\":\"stop\"}\n",
        b"{\"op\":\"stop\",\"now\":\"yes\"}\n",
        b"\xff\xfe\x00\n",
        b"[[[[[[[[[[[[[[[[[[[[\n",
        &endless,
    ] {
        let mut stream = connect(&mc);
        // The other side may have enough before all is written.
        let _refused = stream.write_all(nonsense);
        let _refused = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{nonsense:?}: {answer:?}");
    }
    assert_eq!(
        mc.run(["inspect", "last", "-o", "json"]).clean().json()["live"]["phase"],
        "running"
    );
    let_end(running);
}

#[test]
fn a_hundred_that_say_nothing_and_a_hundred_that_follow() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let silent: Vec<_> = (0..100).map(|_| connect(&mc)).collect();
    let followers: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = connect(&mc);
            stream
                .write_all(b"{\"op\":\"logs\",\"follow\":true}\n")
                .unwrap();
            stream
        })
        .collect();
    assert_eq!(
        mc.run(["inspect", "last", "-o", "json"]).clean().json()["live"]["phase"],
        "running"
    );
    let_end(running);
    for mut stream in followers {
        let mut followed = Vec::new();
        stream.read_to_end(&mut followed).unwrap();
        let followed = String::from_utf8_lossy(&followed);
        assert!(
            followed.starts_with("{\"phase\":\"running\"") && followed.contains("3 steps\n"),
            "{followed}"
        );
    }
    drop(silent);
    mc.assert_clean();
}

#[test]
fn more_than_are_served_at_once_cost_little_and_the_run_ends() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let pid = running.pid();
    let crowd: Vec<_> = (0..400).map(|_| connect(&mc)).collect();
    assert!(peak_kib(pid) < 200 << 10, "{} KiB", peak_kib(pid));
    let_end(running);
    drop(crowd);
    mc.assert_clean();
}

/// A path that is longer than a socket's address can be.
#[test]
fn a_home_with_a_long_name() {
    let mc = Mc::new();
    let home = mc.work().join("n".repeat(120));
    let mut command = mc.command(["run", &text(guest("sleep")), "1000"]);
    let mut running = crate::processes::Running::start(command.env("MC_HOME", &home));
    running.line("sleeping");
    let other = |args: &[&str]| {
        let mut command = mc.command(args);
        crate::harness::Ran::new(command.env("MC_HOME", &home).output().unwrap())
    };
    assert!(other(&["ps"]).clean().stdout.contains(" running "));
    assert_eq!(other(&["logs", "last"]).clean().stdout, "sleeping\n");
    assert_eq!(other(&["stop", "last"]).code, Some(0));
    running.end().fails(143, "mc::run::stopped");
}

/// Where no socket can be made the run goes on, and others see that they cannot reach it.
#[test]
fn a_runtime_folder_that_cannot_be_used() {
    let mc = Mc::new();
    mc.run(["ps"]).clean();
    std::fs::write(mc.home().join("run"), "a file").unwrap();
    let ran = mc.run(["run", &text(guest("p1-hello.wat"))]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "hello from p1\n"),
        "{ran:#?}"
    );
    assert!(mc.run(["ps", "-a"]).clean().stdout.contains(" ok "));
}
