//! docs/guest.md does what it says: its Rust program is built and run. (Its C program is in the programs ring.)

use crate::harness::Mc;
use mutual_testkit::repository_root;

/// The one block of that language.
fn block(page: &str, language: &str) -> String {
    let (_, rest) = page.split_once(&format!("\n```{language}\n")).unwrap();
    rest.split_once("\n```\n").unwrap().0.to_owned() + "\n"
}

#[test]
fn the_rust_program_of_the_guide_builds_and_runs() {
    let mc = Mc::new();
    let root = repository_root();
    let page = std::fs::read_to_string(root.join("docs/guest.md")).unwrap();
    assert_eq!(mc.run(["new", "sizes"]).code, Some(0));
    mc.write("sizes/src/main.rs", block(&page, "rust"));
    mc.pin_toolchain("sizes");
    mc.write("data/a.txt", "12345");
    mc.write("data/b/c.txt", "");
    let ran = mc.run(["run", "-i", "data", "--out-dir", "out", "sizes"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(mc.read("out/sizes.txt"), "5 /data/a.txt\n0 /data/b/c.txt\n");
}

/// The variables that the guide lists are the ones that a program finds.
#[test]
fn the_guide_lists_every_variable() {
    let mc = Mc::new();
    let page = std::fs::read_to_string(repository_root().join("docs/guest.md")).unwrap();
    let ran = mc
        .run(["run".into(), mutual_testkit::guest("echo"), "--env".into()])
        .clean();
    let found = ran
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("env ")?.split_once('='));
    let found: Vec<&str> = found.map(|(name, _)| name).collect();
    let listed: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `MC_"))
        .collect();
    assert_eq!(found.len(), listed.len(), "{found:?}, {listed:?}");
    for name in found {
        assert!(page.contains(&format!("| `{name}` | ")), "{name}");
    }
}
