//! ripgrep 15.2 over this repository's own files: the same output and exit code in the sandbox as natively.

use crate::harness::Mc;
use crate::{Seen, program};
use mutual_testkit::repository_root;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

/// What both are told: nothing of this machine's configuration, one thread (WASI has no others), a fixed order.
const PLAIN: &[&str] = &["--no-config", "--sort", "path", "-j1", "--color", "never"];

/// A copy of the repository's pages and sources, which may change while tests run. Tests that run at the same time share
/// it, and what `mc` compiled: that takes longer than all searches.
fn repository() -> Arc<Mc> {
    static SHARED: Mutex<Weak<Mc>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    if let Some(mc) = shared.upgrade() {
        return mc;
    }
    let mc = Arc::new(Mc::new());
    for folder in ["docs", "host", "protocol"] {
        copy(&repository_root().join(folder), &mc.work().join(folder));
    }
    *shared = Arc::downgrade(&mc);
    mc
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "target" {
                copy(&source, &target);
            }
        } else {
            std::fs::copy(source, target).unwrap();
        }
    }
}

fn native(mc: &Mc, args: &[&str]) -> Seen {
    let mut command = Command::new(program("rg"));
    Seen::of(command.args(PLAIN).args(args).current_dir(mc.work()))
}

/// The build `name` under `mc`, with the folders that the arguments name.
fn sandboxed(mc: &Mc, name: &str, args: &[&str]) -> Seen {
    let mut command = mc.command(["run"]);
    for folder in ["docs", "host", "protocol"] {
        if args.contains(&folder) {
            command.args(["--dir", &format!("{folder}:ro")]);
        }
    }
    Seen::of(command.arg(program(name)).args(PLAIN).args(args))
}

/// Searches that find something, in as many ways as people print it.
const FINDS: &[&[&str]] = &[
    &["lease", "docs"],
    &["-n", "fn main", "host"],
    &["-c", "fn ", "host", "protocol"],
    &["--count-matches", "--include-zero", "Manifest", "protocol"],
    &["-l", "unsafe", "host", "docs"],
    &["--files-without-match", "use ", "host"],
    &["--files", "docs", "protocol"],
    &["-i", "-w", "-n", "-C2", "fencing token", "docs"],
    &["-o", "--replace", "<$1>", r"mc::(\w+)::", "protocol"],
    &[
        "--heading",
        "-n",
        "--column",
        "wasi:cli/run",
        "docs",
        "host",
    ],
    &["-U", "-n", r"impl .*\{\n\s+fn drop", "host"],
    &["--vimgrep", "CID", "docs"],
    &["-t", "md", "-v", "-c", "^$", "docs", "host"],
    &[
        "-g",
        "*.toml",
        "-g",
        "!**/testkit/**",
        "workspace = true",
        "host",
    ],
    &["-F", "-e", "$OUT", "-e", "MC_HOME", "-n", "host", "docs"],
    &["--hidden", "-b", "-m1", "target", "host"],
    &["-n", "--max-depth", "1", "", "docs"],
];

#[test]
fn what_it_finds_is_the_same() {
    let mc = repository();
    for args in FINDS {
        let expected = native(&mc, args);
        assert!(
            expected.code == Some(0) && !expected.stdout.is_empty(),
            "{args:?}: {expected:#?}"
        );
        for name in ["rg-p1.wasm", "rg.wasm"] {
            assert_eq!(sandboxed(&mc, name, args), expected, "{name} {args:?}");
        }
    }
}

#[test]
fn finding_nothing_is_the_same() {
    let mc = repository();
    // In two pieces, or it would find this line.
    let nowhere = ["no such word", " is written anywhere here"].concat();
    for args in [
        vec![nowhere.as_str(), "docs", "host"],
        vec!["-q", &nowhere, "docs"],
        vec!["-g", "*.nothing", "", "docs"],
    ] {
        let expected = native(&mc, &args);
        assert_eq!(
            (expected.code, expected.stdout.as_str()),
            (Some(1), ""),
            "{args:?}"
        );
        for name in ["rg-p1.wasm", "rg.wasm"] {
            assert_eq!(sandboxed(&mc, name, &args), expected, "{name} {args:?}");
        }
    }
}

/// Both say what is wrong and end with 2, but the component with 1: Rust's standard library (1.95) tells a component's
/// end through WASI's `exit`, which knows only success and failure. The module keeps its code.
#[test]
fn errors_are_the_same_but_for_the_components_code() {
    let mc = repository();
    for args in [
        ["(", "docs"].as_slice(),
        &["--nonsense", "x", "docs"],
        &["-t", "nothing", "x", "docs"],
        &["-g", "[", "x", "docs"],
    ] {
        let expected = native(&mc, args);
        assert!(
            expected.code == Some(2) && !expected.stderr.is_empty(),
            "{args:?}: {expected:#?}"
        );
        assert_eq!(sandboxed(&mc, "rg-p1.wasm", args), expected, "{args:?}");
        let component = sandboxed(&mc, "rg.wasm", args);
        assert_eq!(
            component,
            Seen {
                code: Some(1),
                ..expected
            },
            "{args:?}"
        );
    }
}

/// As above, with matches before the error. The number in the system's message is WASI's: 44 instead of 2.
#[test]
fn a_missing_folder_is_told_beside_what_was_found() {
    let mc = repository();
    let args = ["-c", "lease", "docs", "missing"];
    let expected = native(&mc, &args);
    assert!(
        expected.code == Some(2) && !expected.stdout.is_empty(),
        "{expected:#?}"
    );
    for (name, code) in [("rg-p1.wasm", 2), ("rg.wasm", 1)] {
        let mut seen = sandboxed(&mc, name, &args);
        seen.stderr = seen.stderr.replace("(os error 44)", "(os error 2)");
        assert_eq!(
            seen,
            Seen {
                code: Some(code),
                stdout: expected.stdout.clone(),
                stderr: expected.stderr.clone()
            },
            "{name}"
        );
    }
}

#[test]
fn standard_input_is_searched_the_same() {
    let mc = repository();
    let text: String = (0..20_000)
        .map(|line| format!("line {line} of many\n"))
        .collect();
    let args = [PLAIN, &["-n", "7{2,}", "-"]].concat();
    let path = mc.write("text", &text);
    let file = std::fs::File::open(path).unwrap();
    let expected = Command::new(program("rg"))
        .args(&args)
        .stdin(file)
        .output()
        .unwrap();
    for name in ["rg-p1.wasm", "rg.wasm"] {
        let name = program(name).display().to_string();
        let seen = mc.pipe_bytes(
            [["run", name.as_str()].as_slice(), &args].concat(),
            text.as_bytes(),
        );
        assert!(
            seen.stdout == expected.stdout && seen.status.code() == Some(0),
            "{name}"
        );
    }
}
