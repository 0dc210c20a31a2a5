//! `mc run -d`: an id at once, and everything else from any terminal.

use crate::harness::{Mc, Ran};
use mutual_testkit::guest;

/// Starts in the background and gives the id that was printed.
fn start(mc: &Mc, args: &[&str]) -> String {
    let ran = mc.run(["run", "-d"].iter().chain(args)).clean();
    let id = ran.stdout.trim_end().to_owned();
    assert!(
        id.starts_with("j-") && !id.contains(char::is_whitespace),
        "{ran:#?}"
    );
    assert_eq!(ran.stdout, format!("{id}\n"));
    id
}

#[test]
fn it_prints_its_id_and_goes_on() {
    let mc = Mc::new();
    let id = start(&mc, &[&guest("exit-code").display().to_string(), "7"]);
    let waited = mc.run(["wait", &id]);
    assert_eq!(
        (waited.code, waited.stdout.as_str(), waited.stderr.as_str()),
        (Some(7), "", "")
    );
    assert_eq!(mc.run(["logs", &id]).clean().stdout, "ending with 7");
    assert_eq!(
        mc.run(["ps", "-a", "-o", "id"]).clean().stdout,
        format!("{id}\n")
    );
}

#[test]
fn its_id_can_be_shortened_and_named() {
    let mc = Mc::new();
    let hello = guest("p1-hello.wat").display().to_string();
    let id = start(&mc, &["--name", "greeting", &hello]);
    for selector in [&id[..8], "last", "@greeting"] {
        assert_eq!(mc.run(["wait", selector]).clean().stdout, "");
        assert_eq!(mc.run(["logs", selector]).clean().stdout, "hello from p1\n");
    }
    mc.run(["wait", "@nobody"]).fails(5, "mc::job::not-found");
}

/// Standard input is empty, and what was asked for comes back although nobody is attached.
#[test]
fn files_come_back_without_a_terminal() {
    let mc = Mc::new();
    mc.write("in.txt", "given");
    let files = guest("files").display().to_string();
    let id = start(
        &mc,
        &[
            "-i",
            "in.txt",
            "-O",
            "/copy.txt",
            &files,
            "rename",
            "/in.txt",
            "/copy.txt",
        ],
    );
    assert_eq!(mc.run(["wait", &id]).code, Some(0));
    assert_eq!(mc.read("copy.txt"), "given");
    let ran = mc
        .pipe(
            ["run".into(), "-d".into(), guest("echo")],
            b"nobody reads this",
        )
        .clean();
    let id = ran.stdout.trim_end();
    assert_eq!(mc.run(["wait", id]).code, Some(0));
    assert_eq!(mc.run(["logs", id]).clean().stdout, "");
}

/// Who asks hears what the terminal of an attached run would have been told.
#[test]
fn outputs_that_are_not_in_their_places_are_told_to_who_asks() {
    let mc = Mc::new();
    mc.write("file", "mine");
    let files = guest("files").display().to_string();
    let cases = [
        ("/r:file/below", "mc::output::place"),
        ("/missing", "mc::run::no-output"),
    ];
    for (out, error) in cases {
        let args = ["-O", out, &files, "write", "/r", "1"];
        let attached = mc.run(["run"].iter().chain(&args)).fails(125, error);
        let id = start(&mc, &args);
        for selector in [&id, "last"] {
            let waited = mc.run(["wait", selector]);
            assert_eq!(
                (waited.code, &waited.stderr),
                (Some(125), &attached.stderr),
                "{waited:#?}"
            );
        }
        let rows = mc.run(["ps", "-a"]).clean().stdout;
        assert!(
            rows.lines().skip(1).all(|row| row.contains(" failed ")),
            "{rows}"
        );
        let record = mc.run(["inspect", &id, "--json"]).clean().json();
        assert_eq!(
            (&record["error"], &record["exit_code"]),
            (&error.into(), &125.into())
        );
        assert_eq!(
            (&record["outcome"], &record["proofs"]["decided"]),
            (&"finished".into(), &"ok".into())
        );
        let page = mc.run(["inspect", &id]).clean().stdout;
        assert!(page.contains(&format!("failed    {error}: ")), "{page}");
    }
    assert_eq!(mc.read("file"), "mine");
}

#[test]
fn what_cannot_start_says_so_at_once() {
    let mc = Mc::new();
    mc.run(["run", "-d", "nothing.wasm"])
        .fails(127, "mc::program::not-found");
    mc.write("text.wasm", "no program");
    mc.run(["run", "-d", "text.wasm"])
        .fails(126, "mc::program::not-wasm");
    assert_eq!(mc.run(["ps", "-a", "-o", "id"]).clean().stdout, "");
}

/// Ten at once share one store.
#[test]
fn many_run_side_by_side() {
    let mc = Mc::new();
    let line = format!(
        "for n in 0 1 2 3 4 5 6 7 8 9; do mc run --out-dir out-$n {} 3 1000 & done; wait",
        guest("write-out").display()
    );
    let ran: Ran = mc.bash(&line).clean();
    assert_eq!(ran.stdout, "3 of 3 files\n".repeat(10));
    for run in 0..10 {
        assert_eq!(mc.read(&format!("out-{run}/2")), "x".repeat(1000));
    }
    assert_eq!(
        mc.run(["ps", "-a", "-o", "id"])
            .clean()
            .stdout
            .lines()
            .count(),
        10
    );
}
