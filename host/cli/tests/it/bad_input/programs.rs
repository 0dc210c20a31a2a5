//! Programs that are none, or cannot run here.

use super::{last_json, refused, text};
use crate::harness::{Mc, Ran};
use mutual_testkit::guest;
use std::os::unix::fs::PermissionsExt as _;

/// The smallest program of the guests, as a binary.
fn module() -> Vec<u8> {
    wat::parse_file(guest("p1-hello.wat")).unwrap()
}

/// Ended because the program is no good: 126, one of the codes that say so, and a next step.
#[track_caller]
fn assert_refused(ran: &Ran, what: &str) {
    assert_eq!(ran.code, Some(126), "{what}: {ran:#?}");
    let is_named = [
        "not-wasm",
        "malformed",
        "no-entry",
        "import",
        "feature",
        "compile",
    ]
    .iter()
    .any(|code| {
        ran.stderr
            .starts_with(&format!("error[mc::program::{code}]: "))
    });
    assert!(
        is_named && ran.stderr.contains("\n  help:  "),
        "{what}: {ran:#?}"
    );
}

#[test]
fn a_file_of_something_else() {
    let mc = Mc::new();
    mc.write("notes.wasm", "these are notes");
    let ran = refused(&mc, &["run", "notes.wasm"], 126, "mc::program::not-wasm");
    assert!(ran.stderr.contains("cause: notes.wasm: "), "{ran:#?}");
    mc.run(["check", "notes.wasm"])
        .fails(126, "mc::program::not-wasm");
}

#[test]
fn an_empty_file() {
    let mc = Mc::new();
    mc.write("empty.wasm", "");
    refused(&mc, &["run", "empty.wasm"], 126, "mc::program::not-wasm");
}

#[test]
fn something_that_is_no_file() {
    let mc = Mc::new();
    refused(&mc, &["run", "/dev/null"], 126, "mc::program::not-wasm");
}

#[test]
fn a_module_that_was_cut_anywhere() {
    let mc = Mc::new();
    let whole = module();
    let mut whole_without_the_rest = 0;
    for length in 0..whole.len() {
        mc.write("cut.wasm", &whole[..length]);
        let ran = mc.run(["check", "cut.wasm"]);
        if ran.code == Some(0) {
            // Behind the code come the data and the names: without them it is a module that prints nothing.
            whole_without_the_rest += 1;
        } else {
            assert_refused(&ran, &format!("cut at {length}"));
        }
    }
    assert!(whole_without_the_rest <= 2, "{whole_without_the_rest}");
    for length in [4, 8, 60] {
        mc.write("cut.wasm", &whole[..length]);
        assert_refused(&mc.run(["run", "cut.wasm"]), &format!("cut at {length}"));
        mc.assert_clean();
    }
}

#[test]
fn a_component_that_was_cut_anywhere() {
    let mc = Mc::new();
    let whole = std::fs::read(guest("echo")).unwrap();
    for part in 0..40 {
        let length = whole.len() * part / 40;
        mc.write("cut.wasm", &whole[..length]);
        assert_refused(&mc.run(["check", "cut.wasm"]), &format!("cut at {length}"));
    }
    mc.write("cut.wasm", &whole[..whole.len() - 1]);
    assert_refused(&mc.run(["run", "cut.wasm"]), "without its last byte");
    mc.assert_clean();
}

/// Each byte of a small module in turn is replaced. Whatever that makes of it, the fault is the program's: it is
/// refused, it traps, or it runs and says something else; the sandbox and `mc` hold.
#[test]
fn a_module_with_any_byte_changed() {
    let mc = Mc::new();
    let whole = module();
    let mut refusals = 0;
    for (place, step) in (0..whole.len())
        .step_by(3)
        .zip([1_u8, 0x40, 0x80, 0x55].iter().cycle())
    {
        let mut changed = whole.clone();
        changed[place] = changed[place].wrapping_add(*step);
        mc.write("changed.wasm", &changed);
        let ran = mc.run(["run", "--timeout", "20", "changed.wasm"]);
        let what = format!("byte {place} and {step}");
        if ran.code == Some(126) {
            assert_refused(&ran, &what);
            refusals += 1;
        }
        assert!(
            ran.code.is_some_and(|code| code != 125 && code != 101),
            "{what}: {ran:#?}"
        );
        assert!(!ran.stderr.contains("panicked"), "{what}: {ran:#?}");
    }
    assert!(refusals > 10, "only {refusals} were refused");
    mc.assert_clean();
}

#[test]
fn a_component_with_bytes_changed() {
    let mc = Mc::new();
    let whole = std::fs::read(guest("echo")).unwrap();
    let mut refusals = 0;
    for part in 0..60 {
        let place = whole.len() * part / 60 + 8;
        let mut changed = whole.clone();
        changed[place] ^= 0x2a;
        mc.write("changed.wasm", &changed);
        let ran = mc.run(["check", "changed.wasm"]);
        let what = format!("byte {place}");
        match ran.code {
            Some(0) => {}
            Some(126) => {
                // The page of what was found is printed before the reason why it cannot run.
                refusals += 1;
                assert!(
                    ran.stderr.starts_with("error[mc::program::"),
                    "{what}: {ran:#?}"
                );
            }
            _ => panic!("{what}: {ran:#?}"),
        }
    }
    assert!(refusals > 10, "only {refusals} were refused");
}

#[test]
fn no_entry() {
    let mc = Mc::new();
    for program in ["no-entry.wat", "p1-no-entry.wat"] {
        let program = text(guest(program));
        let ran = refused(&mc, &["run", &program], 126, "mc::program::no-entry");
        assert!(ran.stderr.contains("_start"), "{ran:#?}");
    }
}

#[test]
fn an_unknown_import_is_named() {
    let mc = Mc::new();
    for (program, name) in [
        ("unknown-import.wat", "nobody:knows/this@1.0.0"),
        ("p1-unknown-import.wat", "nobody:knows/this.function"),
    ] {
        let program = text(guest(program));
        let ran = refused(&mc, &["run", &program], 126, "mc::program::import");
        assert!(ran.stderr.contains(name), "{ran:#?}");
        let ran = mc.run(["check", &program]);
        assert!(
            ran.code == Some(126) && ran.stdout.contains(name),
            "{ran:#?}"
        );
    }
}

#[test]
fn text_that_is_not_webassembly() {
    let mc = Mc::new();
    mc.write(
        "wrong.wat",
        "(module\n  (func (export \"_start\") (i32.konst 1)))",
    );
    let ran = refused(&mc, &["run", "wrong.wat"], 126, "mc::program::wat");
    assert!(
        ran.stderr.contains("wrong.wat:2:") && ran.stderr.contains("i32.konst"),
        "{ran:#?}"
    );
    mc.write("binary.wat", [0xff, 0xfe, 0x00]);
    refused(&mc, &["run", "binary.wat"], 126, "mc::program::wat");
}

#[test]
fn a_missing_program() {
    let mc = Mc::new();
    let ran = refused(&mc, &["run", "missing.wasm"], 127, "mc::program::not-found");
    assert!(ran.stderr.contains("cause: missing.wasm: "), "{ran:#?}");
    let ran = refused(&mc, &["run", "python3"], 127, "mc::program::not-found");
    assert!(ran.stderr.contains("not installed commands"), "{ran:#?}");
    mc.write("file", "");
    refused(
        &mc,
        &["run", "file/below.wasm"],
        127,
        "mc::program::not-found",
    );
    refused(&mc, &["run", ""], 127, "mc::program::not-found");
    assert!(
        !mc.home().exists(),
        "nothing was made for a program that is not there"
    );
}

/// Permissions do not bind root, who runs the tests on most build machines: there this part is empty.
#[test]
fn a_program_that_may_not_be_read() {
    let mc = Mc::new();
    let path = mc.write("secret.wasm", module());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&path).is_err() {
        refused(&mc, &["run", "secret.wasm"], 126, "mc::program::not-found");
        refused(
            &mc,
            &["run", "-i", "secret.wasm", &text(guest("p1-hello.wat"))],
            125,
            "mc::input::unreadable",
        );
    }
}

#[test]
fn a_program_that_is_too_large() {
    let mc = Mc::new();
    let path = mc.write("large.wasm", module());
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    let ran = refused(&mc, &["run", "large.wasm"], 126, "mc::program::too-large");
    assert!(ran.stderr.contains("256.0 MiB"), "{ran:#?}");
}

#[test]
fn a_check_is_refused_as_json_too() {
    let mc = Mc::new();
    let ran = mc.run(["check", "--json", &text(guest("no-entry.wat"))]);
    assert_eq!(ran.code, Some(126), "{ran:#?}");
    assert_eq!(last_json(&ran)["error"]["code"], "mc::program::no-entry");
    assert_eq!(ran.json()["error"], "mc::program::no-entry");
    assert_eq!(ran.json()["runs"], false);
}
