//! Help and usage errors: every command explains itself with examples, and the examples work.

use crate::harness::{Mc, Ran};
use mutual_testkit::{guest, repository_root};
use std::fmt::Write as _;

/// Commands in the order of the help. One that is built and not here, or here and not built, fails a test.
const COMMANDS: &[&str] = &[
    "run",
    "ps",
    "logs",
    "wait",
    "stop",
    "inspect",
    "get",
    "add",
    "cat",
    "gc",
    "new",
    "check",
    "id",
    "pool",
    "doctor",
    "completions",
    "version",
];

/// Writes `/result.csv`.
const SUM: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "result.csv")
  (func (export "_start")
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 10) (i32.const 1)
          (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 32))
      (then (unreachable)))))"#;

fn help(mc: &Mc, command: &str) -> String {
    mc.run([command, "--help"]).clean().stdout
}

/// The lines below `Examples:`, without the remarks behind them.
fn examples(help: &str) -> Vec<String> {
    let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_default();
    let lines = examples.lines().take_while(|line| line.starts_with("  "));
    lines
        .map(|line| {
            line.trim()
                .split("  ")
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[test]
fn every_command_is_listed_once() {
    let listed = Mc::new().run(["--help"]).clean().stdout;
    let (_, commands) = listed.split_once("\nCommands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let names: Vec<_> = commands
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, COMMANDS);
}

#[test]
fn the_whole_help_is_as_it_was_reviewed() {
    let mc = Mc::new();
    let mut pages = format!("$ mc --help\n{}", mc.run(["--help"]).clean().stdout);
    for command in COMMANDS {
        let _ = write!(pages, "\n$ mc {command} --help\n{}", help(&mc, command));
    }
    insta::assert_snapshot!("help", pages);
}

#[test]
fn help_fits_on_a_terminal() {
    let mc = Mc::new();
    for command in COMMANDS {
        for line in help(&mc, command).lines() {
            assert!(line.chars().count() <= 100, "mc {command}: {line}");
        }
    }
}

#[test]
fn every_command_has_examples_of_its_own() {
    let mc = Mc::new();
    for command in COMMANDS {
        let examples = examples(&help(&mc, command));
        let own = format!("mc {command}");
        assert!(
            examples.iter().any(|line| line.contains(&own)),
            "{own}: {examples:?}"
        );
    }
}

/// All examples, in the order of the help, in a folder that holds what they name.
#[test]
fn every_example_works() {
    let mc = Mc::new();
    for program in ["hello", "rg", "count", "thumbnails", "sim"] {
        std::fs::copy(guest("echo"), mc.work().join(format!("{program}.wasm"))).unwrap();
    }
    mc.write("sum.wasm", wat::parse_str(SUM).unwrap());
    let below_out = SUM.replace("result.csv", "out/result");
    mc.write("long.wasm", wat::parse_str(below_out).unwrap());
    for file in ["notes.txt", "data.csv", "photos/a.png"] {
        mc.write(file, "content");
    }
    let repository = repository_root();
    let completions = ".local/share/bash-completion/completions";
    std::fs::create_dir_all(mc.work().join(completions)).unwrap();
    for command in COMMANDS {
        for line in examples(&help(&mc, command)) {
            let mut shell = mc.bash_command(&line);
            if line.contains(" examples/") {
                shell.current_dir(&repository);
            }
            // cargo and rustup keep their own folders there.
            if line.contains('~') {
                shell.env("HOME", mc.work());
            }
            let ran = Ran::new(shell.output().unwrap());
            assert!(!ran.stderr.contains("Usage:"), "{line}: {ran:#?}");
            let names_nothing_real = [
                "j-7k2m",
                "bafkrei…",
                "@sim",
                "mc stop",
                "TICKET",
                "mc pool invite",
            ]
            .iter()
            .any(|name| line.contains(name));
            assert!(
                names_nothing_real || ran.code == Some(0),
                "{line}: {ran:#?}"
            );
        }
    }
    assert!(
        mc.work()
            .join(completions)
            .join("mc")
            .metadata()
            .unwrap()
            .len()
            > 1000
    );
}

#[track_caller]
fn usage_error(args: &[&str], says: &str) {
    let ran = Mc::new().run(args);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
    assert!(ran.stderr.contains(says), "{ran:#?}");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    usage_error(&[], "Usage: mc <COMMAND>");
    usage_error(&["help"], "unrecognized subcommand 'help'");
    usage_error(&["run"], "<PROGRAM>");
    usage_error(
        &["run", "--nonsense", "x.wasm"],
        "unexpected argument '--nonsense'",
    );
    usage_error(&["run", "--memory", "lots", "x.wasm"], "for example 512MiB");
    usage_error(
        &["run", "--timeout", "soon", "x.wasm"],
        "for example 90s, 5m or 2h",
    );
    usage_error(
        &["run", "--progress", "loud", "x.wasm"],
        "[possible values: auto, plain, json, none]",
    );
    usage_error(&["run", "-d", "--dry-run", "x.wasm"], "cannot be used with");
    usage_error(&["logs"], "<JOB>");
    usage_error(&["completions", "cmd"], "[possible values: bash,");
}

#[test]
fn a_slip_of_the_fingers_gets_a_proposal() {
    usage_error(&["runn", "x.wasm"], "'run'");
    usage_error(&["inspct"], "'inspect'");
    usage_error(&["run", "--timout", "1s", "x.wasm"], "'--timeout'");
}

#[test]
fn the_version_is_told_in_both_ways() {
    let mc = Mc::new();
    let version = env!("CARGO_PKG_VERSION");
    let line = mc.run(["version"]).clean().stdout;
    assert!(
        line.starts_with(&format!("mc {version} (wasmtime ")),
        "{line}"
    );
    for flag in ["--version", "-V"] {
        assert_eq!(mc.run([flag]).clean().stdout, format!("mc {version}\n"));
    }
    let document = mc.run(["version", "-o", "json"]).clean().json();
    assert_eq!(
        (&document["schema"], &document["version"]),
        (&"mc.v1/version".into(), &version.into())
    );
}

/// Asking for help must not make folders, keys or anything else.
#[test]
fn asking_leaves_nothing_behind() {
    let mc = Mc::new();
    for command in COMMANDS {
        help(&mc, command);
    }
    mc.run(["version"]).clean();
    assert!(!mc.home().exists());
}
