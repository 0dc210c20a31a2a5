//! Folders: `mc run FOLDER` that cannot be built, and `mc new` where it cannot make one.

use super::last_json;
use crate::harness::{Mc, Ran};
use std::os::unix::fs::PermissionsExt as _;

/// `mc run` with `path` as the only folders that programs are looked for in.
fn run_with_path(mc: &Mc, path: &str, args: &[&str]) -> Ran {
    Ran::new(mc.command(args).env("PATH", path).output().unwrap())
}

/// Programs of these names, which say and do what their scripts do.
fn fake_tools(mc: &Mc, tools: &[(&str, &str)]) -> String {
    for (name, script) in tools {
        let path = mc.write(&format!("tools/{name}"), format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:/usr/bin:/bin", mc.work().join("tools").display())
}

fn package(mc: &Mc, sources: &[(&str, &str)]) {
    mc.write(
        "p/Cargo.toml",
        "[package]\nname = \"p\"\nedition = \"2021\"\n[workspace]\n",
    );
    for (path, source) in sources {
        mc.write(&format!("p/{path}"), source);
    }
}

#[test]
fn a_folder_without_a_package() {
    let mc = Mc::new();
    mc.write("folder/readme", "x");
    let ran = super::refused(&mc, &["run", "folder"], 126, "mc::build::no-package");
    assert!(
        ran.stderr.contains("folder has no Cargo.toml") && ran.stderr.contains("mc new"),
        "{ran:#?}"
    );
    mc.run(["check", "folder"])
        .fails(126, "mc::build::no-package");
    assert!(!mc.home().exists(), "nothing was made");
}

#[test]
fn a_package_that_does_not_compile() {
    let mc = Mc::new();
    package(&mc, &[("src/main.rs", "fn main() { this is not Rust }")]);
    let ran = mc.run(["run", "p"]).fails(126, "mc::build::failed");
    assert!(
        ran.stderr.contains("src/main.rs:1"),
        "cargo's own words: {ran:#?}"
    );
    let json = mc.run(["run", "--json", "p"]);
    assert_eq!(
        (json.code, json.stdout.as_str()),
        (Some(126), ""),
        "{json:#?}"
    );
    assert_eq!(last_json(&json)["error"]["code"], "mc::build::failed");
}

#[test]
fn a_package_with_several_programs_and_one_with_none() {
    let mc = Mc::new();
    package(
        &mc,
        &[
            ("src/bin/one.rs", "fn main() {}"),
            ("src/bin/two.rs", "fn main() {}"),
        ],
    );
    let ran = mc.run(["run", "p"]).fails(126, "mc::build::no-package");
    assert!(ran.stderr.contains("several programs"), "{ran:#?}");
    // The help line is a command that works.
    let (_, paths) = ran.stderr.split_once("run one of them: mc run ").unwrap();
    let first = paths.split(" | ").next().unwrap();
    assert!(
        first.ends_with("/one.wasm") || first.ends_with("/two.wasm"),
        "{first}"
    );
    mc.run(["run", first]).clean();
    std::fs::remove_dir_all(mc.work().join("p/src/bin")).unwrap();
    mc.write("p/src/lib.rs", "");
    let ran = mc.run(["run", "p"]).fails(126, "mc::build::no-package");
    assert!(ran.stderr.contains("builds no program"), "{ran:#?}");
}

#[test]
fn without_cargo_a_program_is_named_that_runs_anyway() {
    let mc = Mc::new();
    package(&mc, &[("src/main.rs", "fn main() {}")]);
    let ran = run_with_path(&mc, "/nonexistent", &["run", "p"]).fails(126, "mc::build::no-cargo");
    let (_, rest) = ran.stderr.split_once("`mc run ").unwrap();
    let program = rest.split('`').next().unwrap();
    assert!(program.ends_with(".wat"), "{ran:#?}");
    let program = mutual_testkit::repository_root().join(program);
    let ran = run_with_path(&mc, "/nonexistent", &["run", program.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

#[test]
fn without_the_target_the_command_that_installs_it_is_named() {
    let mc = Mc::new();
    package(&mc, &[("src/main.rs", "fn main() {}")]);
    let path = fake_tools(
        &mc,
        &[
            (
                "cargo",
                "echo \"error[E0463]: can't find crate for 'std'\" >&2; exit 101",
            ),
            ("rustc", "echo /nonexistent/lib/rustlib/wasm32-wasip2/lib"),
        ],
    );
    let ran = run_with_path(&mc, &path, &["run", "p"]).fails(126, "mc::build::no-target");
    assert!(
        ran.stderr
            .contains("help:  rustup target add wasm32-wasip2\n"),
        "{ran:#?}"
    );
    // With the target it is the package that is wrong.
    let path = fake_tools(&mc, &[("rustc", "echo /usr")]);
    run_with_path(&mc, &path, &["run", "p"]).fails(126, "mc::build::failed");
}

#[test]
fn a_cargo_that_says_nonsense() {
    let mc = Mc::new();
    package(&mc, &[("src/main.rs", "fn main() {}")]);
    let path = fake_tools(
        &mc,
        &[("cargo", "echo '{\"reason\": 7}'; echo '[['; exit 0")],
    );
    run_with_path(&mc, &path, &["run", "p"]).fails(126, "mc::build::no-package");
    let artifact = r#"echo '{"reason":"compiler-artifact","executable":"/nonexistent/p.wasm"}'"#;
    let path = fake_tools(&mc, &[("cargo", artifact)]);
    let ran = run_with_path(&mc, &path, &["run", "p"]).fails(126, "mc::program::not-found");
    assert!(ran.stderr.contains("/nonexistent/p.wasm"), "{ran:#?}");
}

#[test]
fn a_new_package_where_something_is() {
    let mc = Mc::new();
    mc.write("taken/file", "x");
    mc.run(["new", "taken"]).fails(1, "mc::new::exists");
    mc.write("file", "x");
    mc.run(["new", "file"]).fails(1, "mc::new::exists");
    std::os::unix::fs::symlink("nothing", mc.work().join("dangling")).unwrap();
    mc.run(["new", "dangling"]).fails(1, "mc::new::exists");
    mc.run(["new", "file/below"]).fails(1, "mc::output::place");
    assert_eq!(mc.read("taken/file"), "x");
}

#[test]
fn names_that_no_package_can_have() {
    let mc = Mc::new();
    for name in [
        "",
        "2fast",
        "a b",
        "über",
        "test",
        "std",
        ".",
        "..",
        "a/../..",
        "con:",
        "mutual-guest",
    ] {
        mc.run(["new", name]).fails(2, "mc::new::name");
    }
    assert_eq!(
        std::fs::read_dir(mc.work()).unwrap().count(),
        0,
        "nothing was made"
    );
}
