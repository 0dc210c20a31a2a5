//! README.md does what it prints: each console block is run, in order, as in the repository's root.

use crate::console::{self, Step};
use crate::harness::Mc;
use mutual_testkit::repository_root;

fn readme() -> Vec<Vec<Step>> {
    let page = std::fs::read_to_string(repository_root().join("README.md")).unwrap();
    console::blocks(&page)
}

/// Two commands are not run as they are printed: the release build of `mc` itself (its programs are run, by this `mc`),
/// and a new package, which gets the repository's toolchain so that no other one is downloaded.
fn rewrite(command: &str) -> String {
    let command = command.replace("cargo run --release --bin mc -- run", "mc run");
    match command.as_str() {
        "mc new hello" => format!("{command} && cp rust-toolchain.toml hello"),
        _ => command,
    }
}

#[test]
fn every_block_prints_what_it_says() {
    let mc = Mc::new();
    console::stand_in_repository(&mc);
    let before = names(&mc);
    console::check(&mc, "README.md", &readme(), rewrite);
    // Its last block removes what the others made.
    assert_eq!(names(&mc), before);
}

fn names(mc: &Mc) -> std::collections::BTreeSet<std::ffi::OsString> {
    let entries = std::fs::read_dir(mc.work()).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// One of each kind: the list is the project's promise of what works.
#[test]
fn the_twelve_ways_to_run_are_there() {
    let blocks = readme();
    let runs: Vec<&Step> = blocks
        .iter()
        .flatten()
        .filter(|step| {
            step.command
                .split(" | ")
                .any(|part| part.starts_with("mc run "))
        })
        .collect();
    let kinds: [(&str, &[&str]); 12] = [
        ("text", &["examples/hello.wat"]),
        ("WASI 0.1", &["mc run hello.wasm"]),
        ("WASI 0.2", &["/wasm32-wasip2/release/hello.wasm"]),
        ("folder", &[" hello"]),
        ("pipe", &["echo ", " | mc run "]),
        (
            "input file",
            &["-i examples/word-count/texts/sonnet-18.txt"],
        ),
        ("folder written back", &["--dir "]),
        ("output", &["-O "]),
        ("a flag that looks like ours", &["examples/word-count -c"]),
        ("exit code", &["examples/answer.wat"]),
        ("time limit", &["--timeout "]),
        ("document", &["-o json"]),
    ];
    let mut left: Vec<&str> = runs.iter().map(|step| step.command.as_str()).collect();
    for (kind, marks) in kinds {
        let found = left.iter().position(|command| {
            marks.iter().all(|mark| command.contains(mark))
                && (kind != "folder" || command.ends_with(" hello"))
        });
        let found = found.unwrap_or_else(|| panic!("no line for {kind} among {left:#?}"));
        left.remove(found);
    }
    assert!(left.is_empty(), "more than twelve: {left:#?}");
}

/// The two that end with a code of their own show it.
#[test]
fn exit_codes_are_shown() {
    let steps: Vec<Step> = readme().into_iter().flatten().collect();
    for (mark, code) in [("examples/answer.wat", "42\n"), ("--timeout 1s", "124\n")] {
        let at = steps
            .iter()
            .position(|step| step.command.contains(mark))
            .unwrap();
        let next = &steps[at + 1];
        assert_eq!(
            (next.command.as_str(), next.prints.as_str()),
            ("echo $?", code)
        );
    }
}
