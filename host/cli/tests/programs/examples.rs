//! The same file of each example under `wasmtime run` and under `mc run` gives the same output, files and exit code.

use crate::harness::Mc;
use crate::{Seen, program};
use mutual_testkit::{guest, repository_root};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Files below a folder, with their content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Files and folders of the repository, copied to the top of `to`.
fn copy(inputs: &[&str], to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for input in inputs {
        let mut command = Command::new("cp");
        command.arg("-r").arg(repository_root().join(input)).arg(to);
        assert!(command.status().unwrap().success());
    }
}

/// Runs both and compares; gives what they did.
fn check(name: &str, inputs: &[&str], args: &[&str]) -> (Seen, BTreeMap<String, Vec<u8>>) {
    let mc = Mc::new();
    let root = mc.work().join("root");
    copy(inputs, &root);
    let mut command = Command::new(program("wasmtime"));
    command
        .arg("run")
        .arg("--dir")
        .arg(format!("{}::/", root.display()));
    let alone = Seen::of(command.arg(guest(name)).args(args));

    let mut command = mc.command(["run", "--out-dir", "out"]);
    for input in inputs {
        command.arg("-i").arg(repository_root().join(input));
    }
    let under_mc = Seen::of(command.arg(guest(name)).args(args));
    assert_eq!(under_mc, alone, "{name} {args:?}");
    let outputs = files(&mc.work().join("out"));
    assert_eq!(outputs, files(&root.join("out")), "{name} {args:?}");
    (alone, outputs)
}

#[test]
fn word_count() {
    let texts = ["examples/word-count/texts"];
    let (seen, _) = check("word-count", &texts, &["--top", "5"]);
    assert_eq!(seen.code, Some(0));
    check("word-count", &texts, &["-c", "/texts/sonnet-18.txt"]);
    let (seen, _) = check("word-count", &texts, &["-c", "missing.txt"]);
    assert_eq!(seen.code, Some(1));
    let (seen, _) = check("word-count", &[], &["--nonsense"]);
    assert_eq!(seen.code, Some(1));
}

#[test]
fn thumbnails() {
    let (seen, outputs) = check(
        "thumbnails",
        &["examples/thumbnails/pictures"],
        &["--size", "96"],
    );
    assert_eq!((seen.code, outputs.len()), (Some(0), 5));
    // A picture that is none, and one that is.
    let inputs = [
        "examples/thumbnails/Cargo.toml",
        "examples/thumbnails/pictures/plot.png",
    ];
    let (seen, _) = check("thumbnails", &inputs, &["Cargo.toml", "plot.png"]);
    assert!(seen.code.is_some());
}

#[test]
fn primes() {
    let (seen, _) = check("primes", &[], &["1_000_000"]);
    assert_eq!(
        (seen.code, seen.stdout.as_str()),
        (Some(0), "78498 primes below 1000000\n")
    );
    let (seen, _) = check("primes", &[], &["many"]);
    assert_eq!(seen.code, Some(1));
}

/// The one that works in place: its folder is compared.
#[test]
fn trim() {
    let mc = Mc::new();
    for folder in ["alone/notes", "notes"] {
        mc.write(&format!("{folder}/a.txt"), "milk  \n eggs\t\n");
        mc.write(&format!("{folder}/sub/b.txt"), "nothing to do\n");
    }
    let mut command = Command::new(program("wasmtime"));
    command
        .args(["run", "--dir", "notes"])
        .current_dir(mc.work().join("alone"));
    let alone = Seen::of(command.arg(guest("trim")).arg("notes"));
    assert_eq!(
        (alone.code, alone.stdout.as_str()),
        (Some(0), "notes/a.txt: trimmed 2\n")
    );
    let mut command = mc.command(["run", "--dir", "notes"]);
    assert_eq!(Seen::of(command.arg(guest("trim")).arg("notes")), alone);
    let changed = files(&mc.work().join("notes"));
    assert_eq!(changed, files(&mc.work().join("alone/notes")));
    assert_eq!(changed["a.txt"], b"milk\n eggs\n");
}

/// docs/guest.md says how to run a program without `mc`.
#[test]
fn the_guides_lines_for_elsewhere_work() {
    let mc = Mc::new();
    let page = std::fs::read_to_string(repository_root().join("docs/guest.md")).unwrap();
    let (_, elsewhere) = page.split_once("\n## Elsewhere\n").unwrap();
    let lines: Vec<&str> = elsewhere
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    for folder in ["examples", "target"] {
        std::os::unix::fs::symlink(repository_root().join(folder), mc.work().join(folder)).unwrap();
    }
    let wasmtime = program("wasmtime").display().to_string();
    let script = format!(
        "set -e\nwasmtime() {{ {wasmtime} \"$@\"; }}\n{}",
        lines.join("\n")
    );
    let ran = mc.bash(&script);
    assert!(lines.len() == 2 && ran.code == Some(0), "{ran:#?}");
    assert!(
        ran.stdout.ends_with("4 thumbnails and index.html\n"),
        "{ran:#?}"
    );
    assert_eq!(files(&mc.work().join("root/out")).len(), 5);
}
