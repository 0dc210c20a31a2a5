//! How runs end: the program's own code, and the codes that say what else happened.

use crate::harness::{Mc, Ran};
use mutual_testkit::guest;

/// Ends with as many as it has arguments.
const COUNTS_ARGUMENTS: &str = r#"(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (call $exit (i32.sub (i32.load (i32.const 0)) (i32.const 1)))))"#;

#[test]
fn a_module_ends_with_any_code() {
    let mc = Mc::new();
    mc.write("count.wat", COUNTS_ARGUMENTS);
    for code in 0..=255 {
        let arguments = std::iter::repeat_n("x", code);
        let ran = mc.run(["run", "count.wat"].into_iter().chain(arguments));
        assert_eq!(ran.code, i32::try_from(code).ok(), "{ran:#?}");
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("", ""),
            "code {code}"
        );
    }
}

fn exits(mc: &Mc, code: &str, way: &str) -> Ran {
    let ran = mc.run(["run".into(), guest("exit-code"), code.into(), way.into()]);
    assert_eq!(ran.stdout, format!("ending with {code}"), "{ran:#?}");
    ran
}

#[test]
fn a_component_ends_with_any_code_of_the_guest_library() {
    let mc = Mc::new();
    for code in [
        0, 1, 2, 3, 42, 123, 124, 125, 126, 127, 128, 130, 137, 143, 254, 255,
    ] {
        for way in ["return", "exit"] {
            let ran = exits(&mc, &code.to_string(), way);
            assert_eq!(
                (ran.code, ran.stderr.as_str()),
                (Some(code), ""),
                "{ran:#?}"
            );
        }
    }
}

/// docs/guest.md says so: WASI 0.2's older call, which Rust's standard library (1.95) uses, knows no numbers.
#[test]
fn the_standard_librarys_exit_arrives_as_one() {
    let mc = Mc::new();
    assert_eq!(exits(&mc, "42", "std").code, Some(1));
    assert_eq!(exits(&mc, "0", "std").code, Some(0));
}

#[test]
fn an_error_of_main_is_told_and_is_one() {
    let mc = Mc::new();
    let ran = exits(&mc, "0", "error");
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(1), "error: an error of its own\n")
    );
}

#[test]
fn a_time_limit_ends_with_124() {
    let mc = Mc::new();
    for program in ["spin", "sleep"] {
        let ran = mc.run([
            "run".into(),
            "--timeout".into(),
            "0.2".into(),
            guest(program),
            "1000".into(),
        ]);
        let ran = ran.fails(124, "mc::run::time-limit");
        assert!(
            ran.stdout == "spinning\n" || ran.stdout == "sleeping\n",
            "{ran:#?}"
        );
        assert!(ran.stderr.contains("--timeout"), "{ran:#?}");
    }
}

/// The program is told that there is no more, and goes on.
#[test]
fn refused_memory_is_the_programs_to_handle() {
    let mc = Mc::new();
    let ran = mc
        .run([
            "run".into(),
            "--memory".into(),
            "16MiB".into(),
            guest("alloc"),
            "100".into(),
        ])
        .clean();
    let (held, _) = ran.stdout.split_once(" of 100 MiB\n").unwrap();
    let held: u32 = held.parse().unwrap();
    assert!((8..16).contains(&held), "{held}");
    let ran = mc.run([
        "run".into(),
        "--memory".into(),
        "160MiB".into(),
        guest("alloc"),
        "100".into(),
    ]);
    assert_eq!(ran.clean().stdout, "100 of 100 MiB\n");
}

#[test]
fn a_program_that_dies_of_refused_memory_ends_with_137() {
    let mc = Mc::new();
    let program = guest("infinite-memory.wat");
    let ran = mc.run(["run".into(), "--memory".into(), "16MiB".into(), program]);
    assert!(
        ran.fails(137, "mc::run::memory-limit")
            .stderr
            .contains("--memory")
    );
    mc.run([
        "run".into(),
        "--memory".into(),
        "16MiB".into(),
        guest("too-much-memory.wat"),
    ])
    .fails(137, "mc::run::memory-limit");
}

#[test]
fn a_trap_ends_with_134_and_says_where() {
    let mc = Mc::new();
    // Rust keeps its stack at the start of the memory: one that is too deep runs out of its bounds.
    for (way, word) in [
        ("panic", "as asked"),
        ("unreachable", "unreachable"),
        ("stack", "!trap::descend\n"),
        ("bounds", "out of bounds memory access"),
    ] {
        let ran = mc
            .run(["run".into(), guest("trap"), way.into()])
            .fails(134, "mc::run::trap");
        assert_eq!(ran.stdout, "about to trap\n");
        assert!(ran.stderr.contains(word), "{ran:#?}");
    }
}

#[test]
fn too_much_on_disk_ends_with_137() {
    let mc = Mc::new();
    let ran = mc.run([
        "run".into(),
        "--disk".into(),
        "1MiB".into(),
        guest("big-file"),
        "/tmp/x".into(),
        "100000000".into(),
    ]);
    assert!(
        ran.fails(137, "mc::run::disk-limit")
            .stderr
            .contains("--disk")
    );
}

#[test]
fn the_network_is_refused_when_it_is_called() {
    let mc = Mc::new();
    let ran = mc.run(["run".into(), guest("connect")]).clean();
    assert_eq!(
        ran.stdout,
        "tcp connect: PermissionDenied\ntcp listen: PermissionDenied\nudp bind: PermissionDenied\nname: Uncategorized\n"
    );
}
