//! What scripts read: the documents of `-o json` and `--dry-run`, and lines of progress.

use crate::harness::{Mc, Ran};
use crate::masks::{mask, mask_cids};
use mutual_testkit::guest;
use std::process::Stdio;

#[test]
fn the_document_of_a_run() {
    let mc = Mc::new();
    let ran = mc
        .run([
            "run".into(),
            "-o".into(),
            "json".into(),
            guest("p1-hello.wat"),
        ])
        .clean();
    insta::assert_snapshot!("run_document", mask_cids(&mask(&ran.stdout)));
    let short = mc
        .run(["run".into(), "--json".into(), guest("p1-hello.wat")])
        .clean();
    assert_eq!(
        mask_cids(&mask(&short.stdout)),
        mask_cids(&mask(&ran.stdout))
    );
}

#[test]
fn the_document_of_a_failed_run() {
    let mc = Mc::new();
    let ran = mc.run([
        "run".into(),
        "--json".into(),
        guest("trap"),
        "unreachable".into(),
    ]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(134), ""));
    insta::assert_snapshot!("run_document_of_a_trap", mask_cids(&mask(&ran.stdout)));
}

#[test]
fn the_document_says_what_came_back() {
    let mc = Mc::new();
    mc.write("data/old.txt", "old");
    let files = guest("files").display().to_string();
    let ran = mc
        .run([
            "run",
            "--json",
            "--dir",
            "data",
            "-O",
            "/new.txt",
            &files,
            "remove",
            "data/old.txt",
            ",",
            "write",
            "/new.txt",
            "x",
        ])
        .clean();
    let document = ran.json();
    assert_eq!(document["written"], serde_json::json!(["new.txt"]));
    assert_eq!(document["removed"], serde_json::json!(["data/old.txt"]));
}

#[test]
fn a_run_that_cannot_start_is_told_as_json_too() {
    let mc = Mc::new();
    let ran = mc.run(["run", "--json", "nothing.wasm"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(127), ""));
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["code"], "mc::program::not-found");
    for field in ["message", "help"] {
        assert!(
            !error["error"][field].as_str().unwrap().is_empty(),
            "{field}"
        );
    }
}

#[test]
fn a_long_output_is_cut_in_the_document_and_whole_in_the_log() {
    let mc = Mc::new();
    let ran = mc
        .run([
            "run".into(),
            "--json".into(),
            guest("flood"),
            "200000".into(),
        ])
        .clean();
    let document = ran.json();
    assert_eq!(document["truncated"], true);
    assert_eq!(document["stdout"].as_str().unwrap().len(), 64 << 10);
    assert_eq!(mc.run(["logs", "last"]).clean().stdout.len(), 200_000);
}

#[test]
fn a_dry_run_runs_nothing() {
    let mc = Mc::new();
    mc.write("in.txt", "12345");
    let files = guest("files").display().to_string();
    let args = [
        "run",
        "--dry-run",
        "-i",
        "in.txt",
        "-O",
        "/x",
        &files,
        "write",
        "/x",
        "y",
    ];
    let ran = mc.run(args).clean();
    insta::assert_snapshot!("dry_run", mask_cids(&ran.stdout));
    let json = mc
        .run([&["run", "--json"], args.get(1..).unwrap()].concat())
        .clean();
    insta::assert_snapshot!("dry_run_document", mask_cids(&mask(&json.stdout)));
    assert!(!mc.work().join("x").exists());
    assert_eq!(mc.run(["ps", "-a", "-o", "id"]).clean().stdout, "");
    mc.run(["run", "--dry-run", "-i", "missing", &files])
        .fails(125, "mc::input::not-found");
}

/// The guest tells three steps and waits for input until a line of the last one is here.
fn progress(mc: &Mc, mode: &str, last: &str) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut command = mc.command([
        "run".into(),
        "--progress".into(),
        mode.into(),
        guest("progress"),
        "3".into(),
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !seen.contains(last) {
        assert_ne!(
            stderr.read_line(&mut seen).unwrap(),
            0,
            "ended before {last}: {seen}"
        );
    }
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    std::io::Read::read_to_string(&mut stderr, &mut seen).unwrap();
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "3 steps\n"));
    seen
}

#[test]
fn progress_is_told_in_lines() {
    let mc = Mc::new();
    let plain = progress(&mc, "plain", "3/3 step 3\n");
    let lines: Vec<_> = plain.lines().collect();
    assert!(
        lines.contains(&"compiling") && lines.contains(&"running"),
        "{plain}"
    );
    assert_eq!(lines.last(), Some(&"deciding"), "{plain}");
}

#[test]
fn progress_is_told_in_json() {
    let mc = Mc::new();
    let lines = progress(&mc, "json", "step 3");
    let documents: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        documents
            .iter()
            .all(|document| document["schema"] == "mc.v1/progress")
    );
    let last = serde_json::json!({"schema": "mc.v1/progress", "phase": "running", "done": 3, "total": 3, "text": "step 3"});
    assert!(documents.contains(&last), "{lines}");
}

#[test]
fn progress_is_silent_in_a_pipe_unless_asked_for() {
    let mc = Mc::new();
    for mode in ["auto", "none"] {
        let ran = mc.run([
            "run".into(),
            "--progress".into(),
            mode.into(),
            guest("progress"),
            "3".into(),
        ]);
        assert_eq!(ran.clean().stdout, "3 steps\n");
    }
}
