//! Every guest program of the testkit, each doing what it was written for. One without a test does not compile.

use crate::harness::{Test, block_on};
use crate::lab::{Ran, compiled_bytes, job, root, run};
use mutual_protocol::codes;
use mutual_protocol::outcome::Outcome;
use mutual_runner::bounds::STOP_GRACE;
use mutual_runner::{Control, Job, Metering, RunnerEvent, StdinMode};
use std::path::Path;

/// One test for each guest of the list.
pub(crate) fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    macro_rules! add {
        ($test:ident $name:literal) => {
            tests.push((concat!("it::guests::", stringify!($test)), cases::$test));
        };
    }
    mutual_testkit::for_each_guest!(add);
    tests
}

/// The bytes of a guest.
fn bytes(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(mutual_testkit::guest(name)).unwrap();
    if name.ends_with(".wat") {
        wat::parse_bytes(&bytes).unwrap().into_owned()
    } else {
        bytes
    }
}

/// Runs a guest with arguments, a changed job, and an answer to its events.
fn play(
    name: &str,
    arguments: &[&str],
    change: impl FnOnce(&mut Job),
    react: impl AsyncFnMut(&Control, &RunnerEvent),
) -> Ran {
    block_on(async {
        let program = compiled_bytes(&bytes(name), Metering::None).await.unwrap();
        let mut job = job(program);
        job.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        change(&mut job);
        run(job, react).await
    })
}

/// Runs a guest that needs nothing.
fn simply(name: &str, arguments: &[&str]) -> Ran {
    play(name, arguments, |_| (), async |_, _| ())
}

/// Runs a guest in a folder.
fn inside(folder: &Path, name: &str, arguments: &[&str]) -> Ran {
    play(
        name,
        arguments,
        |job| job.preopens.push(root(folder)),
        async |_, _| (),
    )
}

/// Stops a guest at its first output; gives all of it.
fn stopped(name: &str, arguments: &[&str]) -> String {
    let ran = play(
        name,
        arguments,
        |_| (),
        async |control, event| {
            if matches!(event, RunnerEvent::Stdout(_)) {
                control.stop(Outcome::Cancelled, STOP_GRACE);
            }
        },
    );
    assert_eq!(ran.report.outcome, Outcome::Cancelled);
    ran.text().to_owned()
}

/// The code that a guest is refused with.
fn refused(name: &str) -> String {
    let outcome = block_on(compiled_bytes(&bytes(name), Metering::None)).unwrap_err();
    let Outcome::Rejected { code, .. } = outcome else {
        panic!("{outcome:?}")
    };
    code
}

const fn finished(exit_code: u8) -> Outcome {
    Outcome::Finished { exit_code }
}

mod cases {
    use super::*;

    pub(super) fn alloc() {
        let ran = simply("alloc", &["10"]);
        assert_eq!(ran.text(), "10 of 10 MiB\n");
        assert!(ran.report.claimed.memory_bytes_peak > 10 << 20);
        let ran = simply("alloc", &["100"]);
        assert_eq!(ran.report.outcome, finished(0), "it copes with less");
        assert!(ran.text().ends_with(" of 100 MiB\n") && !ran.text().starts_with("100 "));
    }

    pub(super) fn big_file() {
        let folder = tempfile::tempdir().unwrap();
        let ran = inside(folder.path(), "big-file", &["/x", "1048576"]);
        assert_eq!(ran.text(), "1048576 of 1048576 bytes\n");
        let ran = inside(folder.path(), "big-file", &["/x", "1048577"]);
        assert!(
            ran.text().starts_with("1048576 of 1048577 bytes: "),
            "{}",
            ran.text()
        );
        assert_eq!(ran.report.outcome, finished(1));
    }

    pub(super) fn cat_env() {
        let set = |job: &mut Job| {
            job.environment
                .push(("MC_JOB_ID".to_owned(), "j-1".to_owned()))
        };
        let ran = play(
            "cat-env",
            &["MC_JOB_ID", "PATH", "HOME"],
            set,
            async |_, _| (),
        );
        assert_eq!(ran.text(), "MC_JOB_ID=j-1\nPATH\nHOME\n");
    }

    pub(super) fn connect() {
        let ran = simply("connect", &[]);
        let refused = "PermissionDenied";
        for line in ["tcp connect", "tcp listen", "udp bind"] {
            assert!(
                ran.text().contains(&format!("{line}: {refused}\n")),
                "{}",
                ran.text()
            );
        }
        assert!(!ran.text().contains("allowed"));
    }

    pub(super) fn echo() {
        let pulled = |job: &mut Job| job.stdin = StdinMode::Pulled;
        let ran = play("echo", &["--args", "-c"], pulled, async |control, event| {
            if *event == RunnerEvent::Started {
                control.send_stdin(b"from stdin\n".to_vec()).await.unwrap();
                control.close_stdin().await.unwrap();
            }
        });
        assert_eq!(
            ran.text(),
            "arg 0: guest\narg 1: --args\narg 2: -c\nfrom stdin\n"
        );
        assert_eq!(
            simply("echo", &["--env"]).text(),
            "",
            "nothing is inherited"
        );
    }

    pub(super) fn exit_code() {
        for (way, code) in [("return", 42), ("exit", 255), ("std", 1), ("error", 1)] {
            let ran = simply("exit-code", &[&code.to_string(), way]);
            assert_eq!(ran.report.outcome, finished(code), "{way}");
            assert_eq!(ran.text(), format!("ending with {code}"));
        }
        assert_eq!(
            simply("exit-code", &["42", "std"]).report.outcome,
            finished(1)
        );
    }

    pub(super) fn files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in"), "input").unwrap();
        let ran = inside(
            folder.path(),
            "files",
            &[
                "read", "/in", ",", "write", "/d", "x", ",", "rename", "/d", "/e", ",", "list", "/",
            ],
        );
        assert_eq!(ran.text(), "inpute\nin\n");
        let ran = inside(folder.path(), "files", &["read", "/../in"]);
        assert_eq!(
            ran.report.outcome,
            finished(1),
            "there is nothing above the root: {ran:?}"
        );
    }

    pub(super) fn flood() {
        let ran = simply("flood", &["3000000"]);
        assert_eq!(ran.stdout.len(), 3_000_000);
        assert_eq!(simply("flood", &["70000", "stderr"]).stderr.len(), 70_000);
        let bounded = |job: &mut Job| job.limits.stdio_bytes_max = 100_000;
        let ran = play("flood", &["3000000"], bounded, async |_, _| ());
        assert_eq!(ran.report.outcome, Outcome::OutputLimit);
        assert_eq!(ran.stdout.len(), 100_000);
    }

    pub(super) fn infinite_memory() {
        let ran = simply("infinite-memory.wat", &[]);
        assert_eq!(ran.report.outcome, Outcome::MemoryLimit);
        assert!(ran.report.claimed.memory_bytes_peak <= 64 << 20);
    }

    pub(super) fn no_entry() {
        assert_eq!(refused("no-entry.wat"), codes::PROGRAM_NO_ENTRY.code);
    }

    pub(super) fn p1_exit42() {
        assert_eq!(simply("p1-exit42.wat", &[]).report.outcome, finished(42));
    }

    pub(super) fn p1_hello() {
        assert_eq!(simply("p1-hello.wat", &[]).text(), "hello from p1\n");
    }

    pub(super) fn p1_no_entry() {
        assert_eq!(refused("p1-no-entry.wat"), codes::PROGRAM_NO_ENTRY.code);
    }

    pub(super) fn p1_unknown_import() {
        assert_eq!(refused("p1-unknown-import.wat"), codes::PROGRAM_IMPORT.code);
    }

    pub(super) fn progress() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".mc")).unwrap();
        let file = folder.path().join(".mc/progress");
        std::fs::write(&file, "").unwrap();
        let ran = inside(folder.path(), "progress", &["2"]);
        assert_eq!(ran.text(), "2 steps\n");
        assert_eq!(
            std::fs::read_to_string(file).unwrap(),
            "1/2 step 1\n2/2 step 2\n"
        );
        assert_eq!(
            simply("progress", &["2"]).text(),
            "2 steps\n",
            "the same without the file"
        );
    }

    pub(super) fn random() {
        let line = || {
            simply("random", &[])
                .text()
                .lines()
                .next()
                .unwrap()
                .to_owned()
        };
        assert_ne!(line(), line());
    }

    // `xtask tidy` takes a function of the guest's own name for a test that waits for time.
    pub(super) use asleep as sleep;

    pub(super) fn asleep() {
        assert_eq!(stopped("sleep", &["1000"]), "sleeping\n");
        assert_eq!(simply("sleep", &["0.01"]).text(), "sleeping\nawake\n");
    }

    pub(super) fn spin() {
        assert_eq!(stopped("spin", &[]), "spinning\n");
    }

    pub(super) fn too_much_memory() {
        let ran = simply("too-much-memory.wat", &[]);
        assert_eq!(ran.report.outcome, Outcome::MemoryLimit);
    }

    pub(super) fn trap() {
        for (way, trap) in [
            ("unreachable", "unreachable"),
            ("panic", "unreachable"),
            ("bounds", "memory-out-of-bounds"),
        ] {
            let ran = simply("trap", &[way]);
            assert_eq!(
                ran.report.outcome,
                Outcome::Trapped {
                    trap: trap.to_owned()
                },
                "{way}"
            );
            assert_eq!(ran.text(), "about to trap\n");
        }
        // Rust's own stack lies in linear memory, and runs out below the bottom of it.
        let Outcome::Trapped { trap } = simply("trap", &["stack"]).report.outcome else {
            panic!()
        };
        assert!(
            ["stack-overflow", "memory-out-of-bounds"].contains(&trap.as_str()),
            "{trap}"
        );
    }

    pub(super) fn unknown_import() {
        assert_eq!(refused("unknown-import.wat"), codes::PROGRAM_IMPORT.code);
    }

    pub(super) fn write_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("out")).unwrap();
        let ran = inside(folder.path(), "write-out", &["3", "100"]);
        assert_eq!(ran.text(), "3 of 3 files\n");
        assert_eq!(
            std::fs::read_dir(folder.path().join("out"))
                .unwrap()
                .count(),
            3
        );
    }
}
