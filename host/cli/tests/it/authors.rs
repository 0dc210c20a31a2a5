//! For people who write programs: `mc new` and `mc check`.

use crate::harness::Mc;
use crate::masks::mask;
use mutual_testkit::{guest, repository_root};

/// From nothing to a program that ran, by the line that `mc new` prints.
#[test]
fn a_new_package_runs_as_it_says() {
    let mc = Mc::new();
    let made = mc.run(["new", "my-job"]);
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""));
    let next = made.stderr.strip_prefix("made my-job\nrun it: ").unwrap();
    mc.pin_toolchain("my-job");
    let ran = mc.bash(next);
    let readme = mc.read("my-job/README.md");
    let lines = readme.lines().count();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(ran.stdout, format!("{lines} /README.md\n1 files read\n"));
    mc.run(["get", "last", "got"]);
    assert_eq!(mc.read("got/report.txt"), format!("{lines} /README.md\n"));
    // The package's own page says how to run it from inside.
    let line = readme
        .lines()
        .find_map(|line| line.strip_prefix("    "))
        .unwrap();
    let ran = mc.bash(&format!("cd my-job && {line} && cat results/report.txt"));
    assert!(
        ran.code == Some(0) && ran.stdout.contains("/src/main.rs\n"),
        "{ran:#?}"
    );
}

#[test]
fn a_new_package_can_lie_in_another_folder() {
    let mc = Mc::new();
    assert_eq!(mc.run(["new", "deep/er/job"]).code, Some(0));
    assert!(
        mc.read("deep/er/job/Cargo.toml")
            .contains("name = \"job\"\n")
    );
    assert!(
        mc.work()
            .join("deep/er/job/mutual-guest/src/lib.rs")
            .is_file()
    );
}

#[test]
fn a_module_is_described() {
    let mc = Mc::new();
    let hello = repository_root().join("examples/hello.wat");
    let page = mc.run(["check".as_ref(), hello.as_os_str()]).clean().stdout;
    insta::assert_snapshot!("check_of_a_module", page);
    let document = mc
        .run(["check".as_ref(), "--json".as_ref(), hello.as_os_str()])
        .clean();
    insta::assert_snapshot!("check_document_of_a_module", mask(&document.stdout));
}

/// What a component imports and what becomes of it, each on a line.
#[test]
fn imports_that_are_refused_are_named() {
    let mc = Mc::new();
    let page = mc.run(["check".into(), guest("connect")]).clean().stdout;
    let denied: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_suffix("  (refused when called)"))
        .collect();
    assert!(
        denied.len() >= 5
            && denied
                .iter()
                .all(|line| line.starts_with("import     wasi:sockets/")),
        "{page}"
    );
    assert!(
        page.starts_with("kind       component\nwasi       0.2."),
        "{page}"
    );
    assert!(page.ends_with("\nruns       yes\n"), "{page}");
    assert!(page.lines().all(|line| line.trim_end() == line), "{page}");
    let echo = mc.run(["check".into(), guest("echo")]).clean().stdout;
    assert!(!echo.contains("refused"), "{echo}");
}

#[test]
fn what_cannot_run_is_described_and_refused() {
    let mc = Mc::new();
    let ran = mc
        .run(["check".into(), guest("unknown-import.wat")])
        .fails(126, "mc::program::import");
    assert!(
        ran.stdout
            .contains("import     nobody:knows/this@1.0.0  (unknown: cannot run)\n"),
        "{ran:#?}"
    );
    assert!(ran.stdout.ends_with("runs       no\n"), "{ran:#?}");
    let ran = mc
        .run(["check".into(), guest("p1-no-entry.wat")])
        .fails(126, "mc::program::no-entry");
    assert!(ran.stdout.contains("entry      none\n"), "{ran:#?}");
    let ran = mc.run(["check".into(), "--json".into(), guest("no-entry.wat")]);
    assert_eq!(
        (ran.code, &ran.json()["runs"]),
        (Some(126), &false.into()),
        "{ran:#?}"
    );
    assert_eq!(ran.json()["error"], "mc::program::no-entry");
}

/// A folder is built and then looked at.
#[test]
fn a_folder_can_be_checked() {
    let mc = Mc::new();
    let ran = mc.run([
        "check".as_ref(),
        repository_root().join("examples/primes").as_os_str(),
    ]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.starts_with("kind       component\n"), "{ran:#?}");
}
