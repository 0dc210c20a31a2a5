//! Programs of one account on the machines of others: `mc run` beside `mc-host`, each in a home of its own.
//!
//! `mc` is built beside `mc-host`: by `cargo xtask test`, or by `cargo build -p mutual-cli`.

use crate::harness::{House, Ran, until};
use mutual_testkit::guest;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An account that is a member of the pool, and lends nothing.
struct Member {
    house: House,
    work: tempfile::TempDir,
}

impl Member {
    /// Joins by the ticket.
    #[track_caller]
    fn of(ticket: &str) -> Self {
        let member = Self {
            house: House::new(),
            work: tempfile::tempdir().unwrap(),
        };
        let joined = member.mc(["pool", "join", ticket]);
        assert_eq!(joined.code, Some(0), "{joined:#?}");
        member
    }

    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(mc());
        command
            .args(args)
            .env("MC_HOME", self.house.home())
            .env_remove("MC_LOG")
            .current_dir(self.work.path())
            .stdin(Stdio::null());
        command
    }

    fn mc<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// Everything about the newest run.
    fn last(&self) -> serde_json::Value {
        self.mc(["inspect", "last", "-o", "json"]).json()
    }
}

fn mc() -> PathBuf {
    let mc = Path::new(env!("CARGO_BIN_EXE_mc-host")).with_file_name("mc");
    assert!(mc.is_file(), "build it first: cargo build -p mutual-cli");
    mc
}

/// The host's node id, as records have it.
fn id(house: &House) -> String {
    house.run(["id"]).clean().stdout.trim().to_owned()
}

#[test]
fn three_commands_end_in_a_remote_run() {
    let donor = House::new();
    let (host, ticket) = donor.found();
    let member = Member::of(&ticket);
    let ran = member
        .mc([OsStr::new("run"), guest("p1-hello.wat").as_os_str()])
        .clean();
    assert!(ran.stdout.contains("hello from p1"), "{ran:#?}");
    let record = member.last();
    assert_eq!(record["host"]["id"], id(&donor).as_str(), "{record:#}");
    until("the host's slot is free again", || {
        let status = donor.status();
        (status["slots_free"] == status["given"]["slots"]).then_some(())
    });
    host.terminate();
}

#[test]
fn files_exit_codes_and_input_travel() {
    let donor = House::new();
    let (host, ticket) = donor.found();
    let member = Member::of(&ticket);
    let run = |args: &[&OsStr]| {
        let words = [OsStr::new("run")].into_iter().chain(args.iter().copied());
        member.command(words)
    };
    let (write_out, exit_code, echo) = (guest("write-out"), guest("exit-code"), guest("echo"));

    let ran = Ran::new(
        run(&[exit_code.as_os_str(), OsStr::new("42")])
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, Some(42), "{ran:#?}");

    fs::write(member.work.path().join("words.txt"), "one two three\n").unwrap();
    let stdin = fs::File::open(member.work.path().join("words.txt")).unwrap();
    let ran = Ran::new(run(&[echo.as_os_str()]).stdin(stdin).output().unwrap()).clean();
    assert!(ran.stdout.contains("one two three"), "{ran:#?}");

    let args = ["--out-dir", "made", "3", "100000"].map(OsStr::new);
    let words = [args[0], args[1], write_out.as_os_str(), args[2], args[3]];
    let ran = Ran::new(run(&words).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?} {:#}", donor.status());
    let made = fs::read_dir(member.work.path().join("made")).unwrap();
    assert_eq!(made.count(), 3, "outputs came back");
    host.terminate();
}

/// The host dies in the middle: another one does the work, and nothing is shown twice.
#[test]
fn a_host_that_is_killed_costs_no_result() {
    let donor = House::new();
    let (first, ticket) = donor.found();
    let member = Member::of(&ticket);
    let mut running = member
        .command([
            OsStr::new("run"),
            guest("sleep").as_os_str(),
            OsStr::new("3"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(running.stdout.take().unwrap());
    let mut shown = String::new();
    stdout.read_line(&mut shown).unwrap();
    assert_eq!(shown, "sleeping\n");

    // A second host, which the owner hears of by the first one.
    let spare = House::new();
    fs::create_dir_all(spare.home()).unwrap();
    let invited = Command::new(mc())
        .args(["pool", "invite"])
        .env("MC_HOME", donor.home())
        .output()
        .unwrap();
    let invited = Ran::new(invited);
    assert_eq!(invited.code, Some(0), "{invited:#?}");
    let second = spare.serve(&["--name", "second", invited.stdout.trim()]);
    spare.meets(2);

    let pid = Pid::from_raw(i32::try_from(first.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    stdout.read_to_string(&mut shown).unwrap();
    let ended = running.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(
        (ended.status.code(), shown.as_str()),
        (Some(0), "sleeping\nawake\n"),
        "{stderr}"
    );
    let record = member.last();
    assert_eq!(record["host"]["id"], id(&spare).as_str(), "{record:#}");
    second.terminate();
}

#[test]
fn without_a_host_the_reasons_are_told() {
    let donor = House::new();
    let (host, ticket) = donor.found();
    let member = Member::of(&ticket);
    let hello = guest("p1-hello.wat");
    let run = |args: &[&str]| {
        let words = [OsStr::new("run")]
            .into_iter()
            .chain(args.iter().map(OsStr::new));
        member.mc(words.chain([hello.as_os_str()]))
    };
    let ran = run(&["--wait-for", "10s", "-m", "3.9GiB", "--disk", "100TiB"]);
    let ran = ran.fails(125, "mc::run::no-host", "--local");
    assert!(ran.stderr.contains("100.0 TiB are wanted"), "{ran:#?}");
    host.terminate();
    run(&["--wait-for", "1s"]).fails(125, "mc::run::no-host", "mc-host start");
    run(&["--local"]).clean();
    let ran = run(&["--wait-for", "1s", "--or-local"]);
    assert!(
        ran.code == Some(0) && ran.stdout.contains("hello from p1"),
        "{ran:#?}"
    );
}

/// Who lends a machine runs programs there as well, under the same limits.
#[test]
fn a_donor_runs_on_its_own_host() {
    let donor = House::new();
    let (host, _ticket) = donor.found();
    let ran = Command::new(mc())
        .args([OsStr::new("run"), guest("p1-hello.wat").as_os_str()])
        .env("MC_HOME", donor.home())
        .env_remove("MC_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let ran = Ran::new(ran).clean();
    assert!(ran.stdout.contains("hello from p1"), "{ran:#?}");
    until("the host has done it", || {
        let done = donor.run(["ps", "-a", "-o", "id"]).clean().stdout;
        (done.lines().count() == 1).then_some(())
    });
    host.terminate();
}
