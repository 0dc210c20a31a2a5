//! Every limit, crossed.

use crate::ends::{HELLO, SPIN};
use crate::harness::{block_on, tests};
use crate::lab::{compiled, job, play, root, run};
use mutual_protocol::outcome::Outcome;
use mutual_runner::{DiskUse, Metering};

tests! {
    refused_memory_is_seen_as_minus_one,
    a_trap_after_refused_memory_is_the_memory_limit,
    memory_that_a_program_begins_with_counts,
    a_spinning_guest_meets_its_time_limit,
    a_guest_asleep_in_a_host_call_meets_its_time_limit,
    fuel_is_counted_when_it_is_bounded,
    output_above_the_limit_is_cut,
    one_file_above_the_disk_limit_is_refused_to_the_guest,
    many_files_meet_the_disk_limit,
    what_was_staged_does_not_count,
    read_only_files_cannot_be_written,
    read_only_folders_cannot_be_written,
}

/// Grows by 1,000 pages and exits with the result's low byte.
const GROW: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $exit (i32.and (memory.grow (i32.const 1000)) (i32.const 127)))))"#;

fn refused_memory_is_seen_as_minus_one() {
    let ran = play(GROW, |job| job.limits.memory_bytes_max = 1 << 20);
    assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: 127 });
    assert_eq!(ran.report.claimed.memory_bytes_peak, 64 << 10);
    let ran = play(GROW, |job| job.limits.memory_bytes_max = 1001 << 16);
    assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: 1 });
    assert_eq!(ran.report.claimed.memory_bytes_peak, 1001 << 16);
}

fn a_trap_after_refused_memory_is_the_memory_limit() {
    let text = r#"(module (memory (export "memory") 1)
        (func (export "_start") (drop (memory.grow (i32.const 1000))) unreachable))"#;
    let ran = play(text, |job| job.limits.memory_bytes_max = 1 << 20);
    assert_eq!(ran.report.outcome, Outcome::MemoryLimit);
}

fn memory_that_a_program_begins_with_counts() {
    let text = r#"(module (memory (export "memory") 1000) (func (export "_start")))"#;
    let ran = play(text, |job| job.limits.memory_bytes_max = 1 << 20);
    assert_eq!(ran.report.outcome, Outcome::MemoryLimit);
}

fn a_spinning_guest_meets_its_time_limit() {
    let ran = play(SPIN, |job| job.limits.wall_ms_max = Some(20));
    assert_eq!(ran.report.outcome, Outcome::TimeLimit);
    assert!(ran.report.measured.wall.as_millis() >= 20);
}

fn a_guest_asleep_in_a_host_call_meets_its_time_limit() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i64.store (i32.const 24) (i64.const 3600000000000))
            (i32.store (i32.const 16) (i32.const 1))
            (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))"#;
    let ran = play(text, |job| job.limits.wall_ms_max = Some(20));
    assert_eq!(ran.report.outcome, Outcome::TimeLimit);
}

fn fuel_is_counted_when_it_is_bounded() {
    let with_fuel = |text: &str, fuel: u64| {
        block_on(async {
            let mut job = job(compiled(text, Metering::Fuel).await.unwrap());
            job.limits.fuel_max = Some(fuel);
            run(job, async |_, _| ()).await.report
        })
    };
    let hello = with_fuel(HELLO, 1_000_000);
    assert_eq!(hello.outcome, Outcome::Finished { exit_code: 0 });
    assert!(
        (1..1000).contains(&hello.claimed.fuel),
        "{}",
        hello.claimed.fuel
    );
    assert_eq!(with_fuel(HELLO, 1_000_000).claimed.fuel, hello.claimed.fuel);
    let spin = with_fuel(SPIN, 1_000_000);
    assert_eq!(spin.outcome, Outcome::OutOfFuel);
    assert_eq!(spin.claimed.fuel, 1_000_000);
}

fn output_above_the_limit_is_cut() {
    let ran = play(HELLO, |job| job.limits.stdio_bytes_max = 4);
    assert_eq!(ran.report.outcome, Outcome::OutputLimit);
    assert_eq!(ran.text(), "hell");
    let ran = play(HELLO, |job| job.limits.stdio_bytes_max = 6);
    assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: 0 });
}

/// Creates files `a`, `b`, … in folder 3 and writes so many bytes to each; exits with the first error's number.
fn writer(files: u32, bytes: u32) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 64)
        (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
        (func (export "_start") (local $n i32)
            (loop
                (i32.store8 (i32.const 0) (i32.add (i32.const 97) (local.get $n)))
                (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1)
                    (i32.const 9) (i64.const 66) (i64.const 66) (i32.const 0) (i32.const 8)))
                (i32.store (i32.const 16) (i32.const 1024))
                (i32.store (i32.const 20) (i32.const {bytes}))
                (call $check (call $write (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))
                (call $check (i32.mul (i32.const 99) (i32.ne (i32.load (i32.const 24)) (i32.const {bytes}))))
                (call $check (call $close (i32.load (i32.const 8))))
                (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {files}))))
            {end}))"#,
        end = if files > 4 { "(loop (br 0))" } else { "" },
    )
}

const FBIG: u8 = 22;
const SHORT_WRITE: u8 = 99;
const ACCES: u8 = 2;
const PERM: u8 = 63;
const ROFS: u8 = 69;

fn one_file_above_the_disk_limit_is_refused_to_the_guest() {
    let folder = tempfile::tempdir().unwrap();
    let ran = play(&writer(1, 1 << 20), |job| {
        job.preopens.push(root(folder.path()))
    });
    assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: 0 });
    let ran = play(&writer(1, (1 << 20) + 1), |job| {
        job.preopens.push(root(folder.path()))
    });
    let Outcome::Finished { exit_code } = ran.report.outcome else {
        panic!("{ran:?}")
    };
    assert!([FBIG, SHORT_WRITE].contains(&exit_code), "{exit_code}");
    assert_eq!(folder.path().join("a").metadata().unwrap().len(), 1 << 20);
}

fn many_files_meet_the_disk_limit() {
    let folder = tempfile::tempdir().unwrap();
    let ran = play(&writer(5, 1 << 18), |job| {
        job.preopens.push(root(folder.path()))
    });
    assert_eq!(ran.report.outcome, Outcome::DiskLimit);
    let folder = tempfile::tempdir().unwrap();
    let ran = play(&writer(5, 1), |job| {
        job.preopens.push(root(folder.path()));
        job.limits.files_max = 4;
    });
    assert_eq!(ran.report.outcome, Outcome::DiskLimit);
}

fn what_was_staged_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let ran = play(&writer(5, 1 << 18), |job| {
        job.preopens.push(root(folder.path()));
        job.staged = DiskUse {
            bytes: 1 << 18,
            files: 0,
        };
        job.limits.wall_ms_max = Some(1000);
    });
    assert_eq!(
        ran.report.outcome,
        Outcome::TimeLimit,
        "it writes 1.25 of 1.25 MiB, and then spins"
    );
}

fn read_only_files_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a");
    std::fs::write(&file, b"input").unwrap();
    let mut permissions = file.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&file, permissions).unwrap();
    let ran = play(&writer(1, 10), |job| job.preopens.push(root(folder.path())));
    assert_eq!(
        ran.report.outcome,
        Outcome::Finished { exit_code: ACCES },
        "also when root runs this test"
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"input");
}

fn read_only_folders_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let ran = play(&writer(1, 10), |job| {
        let mut preopen = root(folder.path());
        preopen.access = mutual_runner::Access::Read;
        job.preopens.push(preopen);
    });
    let Outcome::Finished { exit_code } = ran.report.outcome else {
        panic!("{ran:?}")
    };
    assert!([ACCES, PERM, ROFS].contains(&exit_code), "{exit_code}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
