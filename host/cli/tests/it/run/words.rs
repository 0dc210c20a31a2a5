//! Arguments, environment and the program's own name.

use crate::harness::{Mc, Ran};
use mutual_testkit::guest;
use std::ffi::OsStr;

/// Runs `echo` with options of `mc run` before it and words after it.
fn echo(mc: &Mc, options: &[&str], words: &[&str]) -> Ran {
    let echo = guest("echo");
    let words = words.iter().map(OsStr::new);
    let options = options.iter().map(OsStr::new);
    mc.run(
        [OsStr::new("run")]
            .into_iter()
            .chain(options)
            .chain([echo.as_os_str()])
            .chain(words),
    )
}

#[test]
fn arguments_arrive_as_they_were_typed() {
    let mc = Mc::new();
    let words = [
        "--args",
        "-x",
        "two words",
        "",
        "Grüße, 世界",
        "*",
        "$HOME",
        "a\nb",
        "-",
    ];
    let expected: String = ["echo"]
        .iter()
        .chain(&words)
        .enumerate()
        .map(|(number, word)| format!("arg {number}: {word}\n"))
        .collect();
    assert_eq!(echo(&mc, &[], &words).clean().stdout, expected);
}

/// After the program nothing is ours any more, not even `--`.
#[test]
fn flags_after_the_program_are_the_programs() {
    let mc = Mc::new();
    let words = [
        "--args",
        "-c",
        "--json",
        "-o",
        "id",
        "--",
        "-d",
        "--help",
        "--background",
    ];
    let ran = echo(&mc, &["--timeout", "60s"], &words).clean();
    let arrived: Vec<_> = ran
        .stdout
        .lines()
        .skip(1)
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    assert_eq!(arrived, words);
}

#[test]
fn two_dashes_before_the_program_end_our_own_options() {
    let mc = Mc::new();
    let ran = mc.run([
        "run".as_ref(),
        "--".as_ref(),
        guest("echo").as_os_str(),
        "--args".as_ref(),
    ]);
    assert_eq!(ran.clean().stdout, "arg 0: echo\narg 1: --args\n");
}

#[test]
fn the_programs_own_name_is_its_files_without_ending() {
    let mc = Mc::new();
    let first = |ran: Ran| ran.clean().stdout.lines().next().unwrap().to_owned();
    assert_eq!(first(echo(&mc, &[], &["--args"])), "arg 0: echo");
    let named = echo(&mc, &["--argv0", "busybox"], &["--args"]);
    assert_eq!(first(named), "arg 0: busybox");
}

/// Everything that is set here is kept away, but what is asked for.
#[test]
fn the_environment_is_what_was_given_and_who_the_program_is() {
    let mc = Mc::new();
    let mut command = mc.command([
        "run",
        "-e",
        "A=1",
        "-e",
        "B",
        "-e",
        "A=x=y",
        "-e",
        "EMPTY=",
        "-e",
        "MC_ATTEMPT=9",
    ]);
    command
        .arg(guest("echo"))
        .arg("--env")
        .env("B", "inherited")
        .env("SECRET", "not for guests");
    let ran = Ran::new(command.output().unwrap()).clean();
    let (own, given): (Vec<_>, Vec<_>) = ran
        .stdout
        .lines()
        .partition(|line| line.starts_with("env MC_"));
    assert_eq!(given, ["env A=x=y", "env B=inherited", "env EMPTY="]);
    let job = mc.run(["ps", "-a", "-o", "id"]).stdout;
    let job = format!("env MC_JOB_ID={}", job.trim());
    assert_eq!(
        own,
        [
            "env MC_ATTEMPT=1",
            &job,
            "env MC_TASK_COUNT=1",
            "env MC_TASK_INDEX=0"
        ]
    );
}

#[test]
fn a_variable_that_is_not_set_here_is_an_error() {
    let mc = Mc::new();
    let ran = echo(&mc, &["-e", "NOBODY_SETS_THIS"], &[]).fails(2, "mc::argument::invalid");
    assert!(ran.stderr.contains("-e NOBODY_SETS_THIS=VALUE"), "{ran:#?}");
    echo(&mc, &["-e", "=x"], &[]).fails(2, "mc::argument::invalid");
    assert!(mc.run(["ps", "-a", "-o", "id"]).clean().stdout.is_empty());
}
