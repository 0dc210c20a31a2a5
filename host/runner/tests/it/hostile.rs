//! Garbage, silence, lies and deaths.

use crate::lab::{Lab, job, sealed};
use mutual_protocol::codes;
use mutual_protocol::outcome::Outcome;
use mutual_runner::bounds::START_WAIT_MAX;
use mutual_runner::{
    CompileLimits, CompileRequest, Metering, RunnerEvent, SpawnError, Spawner, compile,
};
use std::time::Duration;

/// Frames as a shell can print them: STARTED, output `ab`, and so on.
const STARTED: &str = r"printf '\001\000\000\000\100' >&3";
const OUTPUT: &str = r"printf '\003\000\000\000\101ab' >&3";
const INPUT_WANTED: &str = r"printf '\005\000\000\000\103\001\000\000\000' >&3";

#[tokio::test]
async fn a_child_that_only_exits_failed() {
    assert_eq!(
        Lab::new("exit 3").failure().await,
        "ended without a report: exit status 3"
    );
}

#[tokio::test]
async fn a_child_that_dies_of_a_signal_failed() {
    assert_eq!(
        Lab::new("kill -11 $$").failure().await,
        "ended without a report: signal 11"
    );
}

#[tokio::test]
async fn a_child_that_speaks_garbage_is_killed() {
    let detail = Lab::new("echo 'GET / HTTP/1.1' >&3; exec sleep 1000")
        .failure()
        .await;
    assert!(
        detail.starts_with("broke its protocol: a frame of 542393671 bytes"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_frame_longer_than_any_is_not_waited_for() {
    let detail = Lab::new(r"printf '\001\000\200\000\101' >&3; exec sleep 1000")
        .failure()
        .await;
    assert_eq!(detail, "broke its protocol: a frame of 8388609 bytes");
}

#[tokio::test]
async fn an_unknown_kind_is_not_listened_to() {
    let detail = Lab::new(r"printf '\001\000\000\000\372' >&3; exec sleep 1000")
        .failure()
        .await;
    assert_eq!(detail, "broke its protocol: a frame of unknown kind 250");
}

#[tokio::test]
async fn frames_out_of_turn_are_a_breach() {
    for script in [
        OUTPUT.to_owned(),
        format!("{STARTED}; {STARTED}"),
        format!("{STARTED}; {INPUT_WANTED}; {INPUT_WANTED}"),
        // What only parents say.
        r"printf '\001\000\000\000\005' >&3".to_owned(),
        // The end of a compile, from a runner.
        r"printf '\001\000\000\000\105' >&3".to_owned(),
    ] {
        let detail = Lab::new(&format!("{script}; exec sleep 1000"))
            .failure()
            .await;
        assert!(
            detail.starts_with("broke its protocol: a frame out of turn"),
            "{script}: {detail}"
        );
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_a_breach() {
    let script = format!(r"{STARTED}; printf '\003\000\000\000\104\377\377' >&3; exec sleep 1000");
    assert!(
        Lab::new(&script)
            .failure()
            .await
            .starts_with("broke its protocol")
    );
}

#[tokio::test]
async fn output_without_credit_is_a_breach_and_memory_stays_bounded() {
    // 64 KiB frames, for ever.
    let frame = r"printf '\001\000\001\000\101'; head -c 65536 /dev/zero";
    let lab = Lab::new(&format!(
        "echo $$ > $0.pid; {STARTED}; while :; do {frame}; done >&3"
    ));
    let running = lab.spawner.spare().unwrap().start(job()).unwrap();
    let (_control, mut events) = (running.control, running.events);
    let watch = async {
        // Nobody takes events until the parent has had enough and has killed the child.
        lab.until_dead().await;
        let mut bytes = 0;
        loop {
            match events.next().await.unwrap() {
                RunnerEvent::Stdout(chunk) => bytes += chunk.len(),
                RunnerEvent::Ended(report) => return (bytes, report),
                _ => {}
            }
        }
    };
    let ((), (bytes, report)) = tokio::join!(running.driver.run(), watch);
    let Outcome::RunnerFailed { detail } = report.outcome else {
        panic!("{report:?}")
    };
    assert_eq!(detail, "broke its protocol: output without credit");
    assert!(bytes < 1 << 20, "{bytes}");
}

#[tokio::test]
async fn a_child_that_ignores_stop_is_killed_after_the_grace() {
    let lab = Lab::new(&format!("{STARTED}; {OUTPUT}; exec sleep 1000"));
    let (output, report) = lab
        .run(job(), |control, event| {
            if matches!(event, RunnerEvent::Stdout(_)) {
                control.stop(Outcome::Cancelled, Duration::from_millis(10));
            }
        })
        .await;
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert_eq!(output, b"ab");
}

#[tokio::test]
async fn a_child_that_hangs_before_the_guest_starts_is_stopped_too() {
    let lab = Lab::new("exec sleep 1000");
    let running = lab.spawner.spare().unwrap().start(job()).unwrap();
    running
        .control
        .stop(Outcome::Cancelled, Duration::from_millis(10));
    let mut events = running.events;
    let ((), event) = tokio::join!(running.driver.run(), events.next());
    let Some(RunnerEvent::Ended(report)) = event else {
        panic!("{event:?}")
    };
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert_eq!(report.measured.wall, Duration::ZERO);
}

#[tokio::test]
async fn a_child_that_never_starts_the_guest_is_given_up() {
    let lab = Lab::new("echo $$ > $0.pid; exec sleep 1000");
    let running = lab.spawner.spare().unwrap().start(job()).unwrap();
    let (_control, mut events) = (running.control, running.events);
    let watch = async {
        lab.pid().await;
        tokio::time::pause();
        tokio::time::advance(START_WAIT_MAX).await;
        tokio::time::resume();
        events.next().await.unwrap()
    };
    let ((), event) = tokio::join!(running.driver.run(), watch);
    let RunnerEvent::Ended(report) = event else {
        panic!("{event:?}")
    };
    let detail = "the sandbox process did not start the program".to_owned();
    assert_eq!(report.outcome, Outcome::RunnerFailed { detail });
}

#[tokio::test]
async fn a_child_that_closes_its_end_and_lives_on_is_killed() {
    let detail = Lab::new("exec 0<&- 3>&-; exec sleep 1000").failure().await;
    assert_eq!(
        detail,
        "ended without a report: it lived on, and was killed"
    );
}

#[tokio::test]
async fn the_time_limit_does_not_depend_on_the_child() {
    let lab = Lab::new(&format!("{STARTED}; exec sleep 1000"));
    let mut job = job();
    job.limits.wall_ms_max = Some(10);
    let (_, report) = lab.run(job, |_, _| ()).await;
    assert_eq!(report.outcome, Outcome::TimeLimit);
}

#[tokio::test]
async fn a_claim_of_another_part_is_not_believed() {
    // {"ending":"interrupted","fuel":0,"message":null,"memory_bytes_peak":0}, which nobody had asked for.
    let body = r"\244dfuel\000fending\153interruptedgmessage\366qmemory_bytes_peak\000";
    let script = format!(r"{STARTED}; printf '\067\000\000\000\104{body}' >&3");
    let detail = Lab::new(&script).failure().await;
    assert!(detail.contains("interrupted"), "{detail}");
}

#[tokio::test]
async fn nothing_lives_on_when_the_driver_is_dropped() {
    let lab = Lab::new(&format!("echo $$ > $0.pid; {STARTED}; exec sleep 1000"));
    let running = lab.spawner.spare().unwrap().start(job()).unwrap();
    let mut events = running.events;
    {
        let drive = running.driver.run();
        tokio::pin!(drive);
        tokio::select! {
            () = &mut drive => panic!("it runs"),
            event = events.next() => assert_eq!(event, Some(RunnerEvent::Started)),
        }
    }
    assert_eq!(events.next().await, None);
    lab.until_dead().await;
}

#[tokio::test]
async fn an_executable_that_is_not_there_is_an_outcome() {
    let spawner = Spawner::with_executable("/no/such/file".into(), "x".into()).unwrap();
    let running = spawner.spare().unwrap().start(job()).unwrap();
    let mut events = running.events;
    let ((), event) = tokio::join!(running.driver.run(), events.next());
    let Some(RunnerEvent::Ended(report)) = event else {
        panic!("{event:?}")
    };
    let Outcome::RunnerFailed { detail } = report.outcome else {
        panic!("{report:?}")
    };
    let error = SpawnError::Io(std::io::ErrorKind::NotFound.into());
    assert!(detail.starts_with(&error.to_string()), "{detail}");
}

#[tokio::test]
async fn children_get_no_environment_and_no_descriptors() {
    let lab = Lab::new("env > $0.env; ls -l /proc/self/fd > $0.fds; exit 1");
    lab.failure().await;
    let environment = std::fs::read_to_string(lab.folder.path().join("child.env")).unwrap();
    // What the shell itself sets.
    assert!(
        environment
            .lines()
            .all(|line| ["PWD=", "_=", "SHLVL=", "OLDPWD="]
                .iter()
                .any(|name| line.starts_with(name))),
        "{environment}"
    );
    let descriptors = std::fs::read_to_string(lab.folder.path().join("child.fds")).unwrap();
    assert_eq!(
        descriptors.matches("socket:").count(),
        2,
        "0 and its copy 3: {descriptors}"
    );
}

fn request() -> CompileRequest {
    let limits = CompileLimits {
        wall: Duration::from_secs(20),
        ..CompileLimits::default()
    };
    CompileRequest {
        program: sealed(b"\0asm"),
        metering: Metering::None,
        limits,
    }
}

async fn compiled(script: &str) -> Outcome {
    compile(&Lab::new(script).spawner, request())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_compiler_that_fails_is_told_apart_from_a_program_that_cannot_be_compiled() {
    let failed = |detail: &str| Outcome::RunnerFailed {
        detail: detail.to_owned(),
    };
    assert_eq!(
        compiled("exit 1").await,
        failed("the compiler ended without a report: exit status 1")
    );
    assert_eq!(
        compiled("kill -9 $$").await,
        failed("the compiler ended without a report: signal 9")
    );
    assert_eq!(
        compiled("echo garbage >&3").await,
        failed("a frame of 1651663207 bytes")
    );
    assert_eq!(
        compiled(&format!("{STARTED}; exec sleep 1000")).await,
        failed("a frame out of turn: Started")
    );
    for signal in ["XCPU", "ABRT", "SEGV"] {
        let outcome = compiled(&format!("kill -{signal} $$")).await;
        let Outcome::Rejected { code, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(code, codes::PROGRAM_COMPILE.code);
    }
}
