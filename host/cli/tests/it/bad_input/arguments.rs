//! The command line itself.

use super::{last_json, refused, text};
use crate::harness::Mc;
use mutual_testkit::guest;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// Ended with 2, said `word` and where help is, and made nothing.
#[track_caller]
fn misspelt(args: &[&str], word: &str) {
    let mc = Mc::new();
    let ran = mc.run(args);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(2), ""),
        "{args:?} {ran:#?}"
    );
    assert!(
        ran.stderr.contains(word) && ran.stderr.contains("--help"),
        "{args:?} {ran:#?}"
    );
    assert!(!mc.home().exists(), "nothing was made");
}

#[test]
fn what_is_misspelt_is_named_with_what_may_be_meant() {
    misspelt(&["run"], "<PROGRAM>");
    misspelt(&["run", "--memmory", "1GiB", "x.wasm"], "'--memory'");
    misspelt(&["run", "--bogus", "x.wasm"], "'--bogus'");
    misspelt(&["run", "-Z", "x.wasm"], "'-Z'");
    misspelt(&["rum", "x.wasm"], "'run'");
    misspelt(&["run", "-o", "yaml", "x.wasm"], "json");
    misspelt(&["run", "--json", "-o", "id", "x.wasm"], "--output");
    misspelt(&["run", "-d", "--dry-run", "x.wasm"], "--dry-run");
    misspelt(&["stop"], "<JOB>");
    misspelt(&["ps", "extra"], "'extra'");
    misspelt(&["gc", "--older-than", "yesterday"], "--older-than");
}

#[test]
fn a_command_alone_shows_what_there_is() {
    let mc = Mc::new();
    let ran = mc.run::<&str>([]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("mc run hello.wasm"), "{ran:#?}");
}

#[test]
fn misspelt_command_lines_are_json_where_that_was_asked_for() {
    let mc = Mc::new();
    for args in [
        &["run", "--json", "--bogus", "x"][..],
        &["run", "-o", "json", "--timeout", "never", "x"],
        &["ps", "--output=json", "extra"],
        &["ps", "-ojsonl", "extra"],
    ] {
        let ran = mc.run(args);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert_eq!(
            last_json(&ran)["error"]["code"],
            "mc::argument::usage",
            "{ran:#?}"
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    }
}

#[test]
fn text_that_is_not_utf8() {
    let mc = Mc::new();
    let hello = guest("p1-hello.wat").into_os_string();
    let bad = OsStr::from_bytes(b"a\xffb");
    let run = OsStr::new("run");
    mc.run([run, &hello, bad]).fails(2, "mc::argument::invalid");
    mc.run([run, bad]).fails(127, "mc::program::not-found");
    for flag in ["-e", "--name", "--argv0", "--memory"] {
        let ran = mc.run([run, OsStr::new(flag), bad, &hello]);
        assert_eq!(ran.code, Some(2), "{flag}: {ran:#?}");
    }
    for command in ["get", "cat", "logs", "inspect", "new"] {
        let ran = mc.run([OsStr::new(command), bad]);
        assert_eq!(ran.code, Some(2), "{command}: {ran:#?}");
    }
    mc.assert_clean();
}

#[test]
fn ten_thousand_arguments() {
    let mc = Mc::new();
    let mut args = vec!["run".to_owned(), text(guest("echo")), "--args".to_owned()];
    args.extend((0..10_000).map(|number| format!("argument {number}")));
    let ran = mc.run(&args).clean();
    assert_eq!(ran.stdout.lines().count(), 10_002);
    assert!(ran.stdout.ends_with("arg 10001: argument 9999\n"));
}

#[test]
fn more_arguments_than_allowed() {
    let mc = Mc::new();
    let hello = text(guest("p1-hello.wat"));
    let long = "x".repeat(100_000);
    let many: Vec<&str> = std::iter::repeat_n(long.as_str(), 6).collect();
    let ran = refused(
        &mc,
        &[&["run", &hello], many.as_slice()].concat(),
        2,
        "mc::argument::invalid",
    );
    assert!(
        ran.stderr.len() < 1000,
        "the argument itself is not shown: {}",
        ran.stderr.len()
    );
    let many: Vec<&str> = std::iter::repeat_n("x", 16_385).collect();
    refused(
        &mc,
        &[&["run", &hello], many.as_slice()].concat(),
        2,
        "mc::argument::invalid",
    );
}

#[test]
fn environments_that_cannot_be() {
    let mc = Mc::new();
    let hello = text(guest("p1-hello.wat"));
    refused(
        &mc,
        &["run", "-e", "=x", &hello],
        2,
        "mc::argument::invalid",
    );
    refused(&mc, &["run", "-e", "", &hello], 2, "mc::argument::invalid");
    let ran = refused(
        &mc,
        &["run", "-e", "NOBODY_SET_THIS", &hello],
        2,
        "mc::argument::invalid",
    );
    assert!(ran.stderr.contains("-e NOBODY_SET_THIS=VALUE"), "{ran:#?}");
    let mut command = mc.command([
        OsString::from("run"),
        "-e".into(),
        "BAD".into(),
        hello.clone().into(),
    ]);
    command.env("BAD", OsStr::from_bytes(b"\xff"));
    let ran = crate::harness::Ran::new(command.output().unwrap());
    ran.fails(2, "mc::argument::invalid");
    // What is only unusual is given as it is.
    let ran = mc.run([
        "run",
        "-e",
        "A=B=C",
        "-e",
        "a b=1",
        &text(guest("cat-env")),
        "A",
        "a b",
    ]);
    assert_eq!(ran.clean().stdout, "A=B=C\na b=1\n");
}

#[test]
fn cids_that_are_none() {
    let mc = Mc::new();
    for cid in [
        "nope",
        "bafy",
        "Qm",
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzd1",
        "",
    ] {
        mc.run(["cat", cid]).fails(2, "mc::content::cid");
    }
    // Truncated CIDs are not taken for the beginning of a run's id.
    for cid in ["bafyxx", "Qmxx"] {
        mc.run(["get", cid]).fails(2, "mc::content::cid");
    }
    refused(
        &mc,
        &["run", "-i", "cid:nope:/x", &text(guest("p1-hello.wat"))],
        2,
        "mc::content::cid",
    );
    let absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    mc.run(["cat", absent]).fails(5, "mc::content::not-found");
    mc.run(["get", absent]).fails(5, "mc::content::not-found");
    let input = format!("cid:{absent}:/x");
    refused(
        &mc,
        &["run", "-i", &input, &text(guest("p1-hello.wat"))],
        125,
        "mc::content::not-found",
    );
}

#[test]
fn additions_of_what_is_not_there() {
    let mc = Mc::new();
    mc.write("good", "x");
    for path in ["missing", "good/below"] {
        mc.run(["add", path]).fails(1, "mc::input::not-found");
    }
    mc.run(["add", "/dev/null"]).fails(1, "mc::input::kind");
    let json = mc.run(["add", "-o", "json", "good", "missing"]);
    assert_eq!(
        (json.code, json.stdout.as_str()),
        (Some(1), ""),
        "{json:#?}"
    );
    assert_eq!(last_json(&json)["error"]["code"], "mc::input::not-found");
}
