//! Standard streams, arguments and environment: live, in order, bounded.

use crate::harness::{block_on, tests};
use crate::lab::{compiled, job, play, run};
use mutual_protocol::outcome::Outcome;
use mutual_runner::bounds::STOP_GRACE;
use mutual_runner::{Metering, RunnerEvent, StdinMode};

tests! {
    stdin_is_pulled_and_comes_back,
    stdin_may_be_sent_before_it_is_wanted,
    empty_stdin_is_an_end_at_once,
    a_program_that_reads_nothing_asks_for_nothing,
    output_comes_while_the_guest_runs,
    a_flood_of_output_arrives_whole,
    a_flood_that_nobody_takes_waits_and_can_be_stopped,
    arguments_and_environment_are_what_was_given,
    ten_guests_side_by_side,
}

/// Copies standard input to standard output.
const CAT: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "_start")
        (loop
            (i32.store (i32.const 0) (i32.const 1024))
            (i32.store (i32.const 4) (i32.const 100000))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (if (i32.load (i32.const 8)) (then
                (i32.store (i32.const 4) (i32.load (i32.const 8)))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
                (br 1))))))"#;

/// Writes so many times 100,000 bytes.
fn flood(times: u32) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "_start") (local $n i32)
            (i32.store (i32.const 0) (i32.const 16))
            (i32.store (i32.const 4) (i32.const 100000))
            (loop
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {times}))))))"#
    )
}

fn stdin_is_pulled_and_comes_back() {
    let input: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (ran, asked) = block_on(async {
        let mut job = job(compiled(CAT, Metering::None).await.unwrap());
        job.stdin = StdinMode::Pulled;
        let (mut rest, mut asked) = (&input[..], 0);
        let ran = run(job, async |control, event| {
            if let RunnerEvent::StdinWanted { bytes_max } = event {
                asked += 1;
                let (now, later) = rest.split_at(rest.len().min(*bytes_max));
                rest = later;
                if now.is_empty() {
                    control.close_stdin().await.unwrap();
                } else {
                    control.send_stdin(now.to_vec()).await.unwrap();
                }
            }
        })
        .await;
        (ran, asked)
    });
    assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: 0 });
    assert!(
        ran.stdout == input,
        "{} bytes of {}",
        ran.stdout.len(),
        input.len()
    );
    assert_eq!(asked, input.len().div_ceil(64 << 10) + 1);
}

fn stdin_may_be_sent_before_it_is_wanted() {
    let ran = block_on(async {
        let mut job = job(compiled(CAT, Metering::None).await.unwrap());
        job.stdin = StdinMode::Pulled;
        run(job, async |control, event| {
            if *event == RunnerEvent::Started {
                control.send_stdin(b"a".to_vec()).await.unwrap();
                control.send_stdin(b"b".to_vec()).await.unwrap();
                control.close_stdin().await.unwrap();
            }
        })
        .await
    });
    assert_eq!(ran.text(), "ab");
}

fn empty_stdin_is_an_end_at_once() {
    let ran = play(CAT, |_| ());
    assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: 0 });
    assert!(ran.stdout.is_empty());
}

fn a_program_that_reads_nothing_asks_for_nothing() {
    block_on(async {
        let mut job = job(compiled(crate::ends::HELLO, Metering::None).await.unwrap());
        job.stdin = StdinMode::Pulled;
        run(job, async |_, event| {
            assert!(!matches!(event, RunnerEvent::StdinWanted { .. }))
        })
        .await;
    });
}

fn output_comes_while_the_guest_runs() {
    let text = crate::ends::HELLO.replace("(i32.const 20)))", "(i32.const 20)))(loop (br 0))");
    let ran = block_on(async {
        let job = job(compiled(&text, Metering::None).await.unwrap());
        run(job, async |control, event| {
            if let RunnerEvent::Stdout(bytes) = event {
                assert_eq!(bytes, b"hello\n");
                control.stop(Outcome::Cancelled, STOP_GRACE);
            }
        })
        .await
    });
    assert_eq!(ran.report.outcome, Outcome::Cancelled);
}

fn a_flood_of_output_arrives_whole() {
    let ran = play(&flood(200), |_| ());
    assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: 0 });
    assert_eq!(ran.stdout.len(), 20_000_000);
    assert_eq!(ran.report.stdio.stdout, 20_000_000);
}

fn a_flood_that_nobody_takes_waits_and_can_be_stopped() {
    let report = block_on(async {
        let job = job(compiled(&flood(1000), Metering::None).await.unwrap());
        let running = crate::lab::spawner().spare().unwrap().start(job).unwrap();
        let (control, mut events) = (running.control, running.events);
        let watch = async {
            assert_eq!(events.next().await, Some(RunnerEvent::Started));
            control.stop(Outcome::Cancelled, STOP_GRACE);
            control.send_stdin(Vec::new()).await.ok();
            let mut taken = 0;
            while let Some(event) = events.next().await {
                match event {
                    RunnerEvent::Stdout(bytes) => taken += bytes.len(),
                    RunnerEvent::Ended(report) => return (taken, report),
                    _ => {}
                }
            }
            panic!("no report");
        };
        let ((), (taken, report)) = tokio::join!(running.driver.run(), watch);
        assert_eq!(taken as u64, report.stdio.stdout);
        report
    });
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(report.stdio.stdout < 100_000_000);
}

fn arguments_and_environment_are_what_was_given() {
    let list = |sizes: &str, get: &str| {
        format!(
            r#"(module
            (import "wasi_snapshot_preview1" "{sizes}" (func $sizes (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "{get}" (func $get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start")
                (drop (call $sizes (i32.const 0) (i32.const 12)))
                (drop (call $get (i32.const 1024) (i32.const 4096)))
                (i32.store (i32.const 8) (i32.const 4096))
                (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 20)))))"#
        )
    };
    let given = |job: &mut mutual_runner::Job| {
        job.arguments = vec!["prog".to_owned(), "-c".to_owned(), "ä b".to_owned()];
        job.environment = vec![
            ("A".to_owned(), "1".to_owned()),
            ("B".to_owned(), String::new()),
        ];
    };
    assert_eq!(
        play(&list("args_sizes_get", "args_get"), given).text(),
        "prog\0-c\0ä b\0"
    );
    assert_eq!(
        play(&list("environ_sizes_get", "environ_get"), given).text(),
        "A=1\0B=\0"
    );
}

fn ten_guests_side_by_side() {
    block_on(async {
        let program = compiled(crate::ends::HELLO, Metering::None).await.unwrap();
        let start = |program: &mutual_runner::CompiledProgram| {
            Box::pin(run(job(program.try_clone().unwrap()), async |_, _| ()))
        };
        let mut runs: Vec<_> = (0..10).map(|_| start(&program)).collect();
        let mut done = 0;
        std::future::poll_fn(|ctx| {
            runs.retain_mut(|run| match run.as_mut().poll(ctx) {
                std::task::Poll::Ready(ran) => {
                    assert_eq!(ran.text(), "hello\n");
                    done += 1;
                    false
                }
                std::task::Poll::Pending => true,
            });
            if runs.is_empty() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        assert_eq!(done, 10);
    });
}
