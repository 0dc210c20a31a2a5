//! A store that is damaged, foreign, or full of other things.

use super::text;
use crate::harness::{Mc, walk};
use mutual_testkit::guest;
use std::path::{Path, PathBuf};

/// The largest block, which is a leaf of the largest file.
fn largest_block(mc: &Mc) -> PathBuf {
    let blocks = mc.left_behind("data/store/blocks");
    blocks
        .into_iter()
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_block_is_found_and_adding_the_file_repairs_it() {
    let mc = Mc::new();
    mc.write("large", vec![7; 300_000]);
    let cid = mc
        .run(["add", "-o", "id", "large"])
        .clean()
        .stdout
        .trim()
        .to_owned();
    damage(&largest_block(&mc));
    let ran = mc.run(["cat", &cid]).fails(125, "mc::store::damaged");
    assert!(ran.stderr.contains(&cid), "{ran:#?}");
    // The damaged block is set aside: what is left of the file is not there any more.
    mc.run(["get", &cid, "got"])
        .fails(5, "mc::content::not-found");
    assert!(!mc.work().join("got").exists());
    mc.run(["add", "large"]).clean();
    mc.run(["get", &cid, "got"]);
    assert!(mc.read("got") == mc.read("large"));
    mc.assert_clean();
}

#[test]
fn damaged_outputs_are_not_handed_out() {
    let mc = Mc::new();
    mc.run(["run", &text(guest("write-out")), "2", "200000"]);
    damage(&largest_block(&mc));
    let ran = mc.run(["get", "last", "got"]);
    let is_told = ["mc::store::damaged", "mc::content::not-found"]
        .iter()
        .any(|code| ran.stderr.contains(&format!("error[{code}]")));
    assert!(is_told && ran.code != Some(0), "{ran:#?}");
    assert!(!mc.work().join("got/1").exists() && !mc.work().join("got/0").exists());
    mc.assert_clean();
}

#[test]
fn a_damaged_program_or_input_is_taken_anew() {
    let mc = Mc::new();
    mc.write("in", "input");
    let cat = text(guest("files"));
    let args = ["run", "-i", "in", &cat, "read", "/in"];
    mc.run(args).clean();
    for block in mc.left_behind("data/store/blocks") {
        damage(&block);
    }
    for file in mc.left_behind("cache") {
        if file.file_name().unwrap() != "secret" {
            damage(&file);
        }
    }
    // Blocks of the right length are believed until they are read: the first run finds the damage and removes it.
    let first = mc.run(args);
    if first.code != Some(0) {
        first.fails(125, "mc::store::damaged");
        assert_eq!(mc.run(args).clean().stdout, "input");
    }
    mc.assert_clean();
}

#[test]
fn a_truncated_record_hides_no_other() {
    let mc = Mc::new();
    let hello = text(guest("p1-hello.wat"));
    mc.run(["run", "--name", "first", &hello]).clean();
    mc.run(["run", "--name", "second", &hello]).clean();
    let records = mc.left_behind("data/store/runs");
    let of_first = records
        .iter()
        .find(|path| std::fs::read_to_string(path).unwrap().contains("first"));
    let of_first = of_first.unwrap();
    let bytes = std::fs::read(of_first).unwrap();
    // The file holds a line for each change: what is cut within the first one has none.
    for broken in [&bytes[..bytes.len() / 8], b"", b"null", b"\xff\xfe"] {
        std::fs::write(of_first, broken).unwrap();
        let ran = mc.run(["ps", "-a", "-o", "json"]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert_eq!(ran.json()["runs"].as_array().unwrap().len(), 1);
        assert_eq!(ran.json()["runs"][0]["name"], "second");
        assert!(
            ran.stderr.starts_with("warning: ") && ran.stderr.contains(of_first.to_str().unwrap()),
            "{ran:#?}"
        );
        assert!(
            mc.run(["inspect", "@second"])
                .stdout
                .contains("certificate valid")
        );
        mc.run(["inspect", "@first"]).fails(5, "mc::job::not-found");
    }
    // The damaged one is not lost out of sight: its id still names it.
    let name = of_first.file_stem().unwrap().to_str().unwrap();
    let id = name.split_once('-').unwrap().1;
    mc.run(["inspect", id]).fails(125, "mc::store::damaged");
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let mc = Mc::new();
    mc.run(["ps"]).clean();
    let version = mc.home().join("data/store/version");
    std::fs::write(&version, "mutual-store 999\n").unwrap();
    for args in [
        &["ps"][..],
        &["run", &text(guest("p1-hello.wat"))],
        &["gc"],
        &["add", "x"],
    ] {
        let ran = mc.run(args).fails(125, "mc::store::foreign");
        assert!(
            ran.stderr.contains("mutual-store 999") && ran.stderr.contains("MC_HOME"),
            "{ran:#?}"
        );
    }
    std::fs::remove_file(version).unwrap();
    std::fs::write(mc.home().join("data/store/thesis.txt"), "x").unwrap();
    mc.run(["ps"]).fails(125, "mc::store::foreign");
    assert!(mc.home().join("data/store/thesis.txt").exists());
}

#[test]
fn certificates_that_were_changed_are_not_shown() {
    let mc = Mc::new();
    mc.run(["run", &text(guest("p1-hello.wat"))]).clean();
    let proofs = mc.left_behind("data/store/blocks").into_iter();
    let proofs: Vec<_> = proofs
        .filter(|path| {
            std::fs::read(path)
                .unwrap()
                .windows(7)
                .any(|part| part == b"receipt")
        })
        .collect();
    assert_eq!(proofs.len(), 1, "{proofs:?}");
    damage(&proofs[0]);
    mc.run(["inspect", "last"]).fails(125, "mc::store::damaged");
}

#[test]
fn a_damaged_identity_is_not_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let mc = Mc::new();
    let id = mc.run(["id"]).clean().stdout;
    let path = mc.home().join("data/identity");
    let whole = std::fs::read(&path).unwrap();
    let hello = text(guest("p1-hello.wat"));
    std::fs::write(&path, &whole[..40]).unwrap();
    let ran = super::refused(&mc, &["run", &hello], 125, "mc::identity::damaged");
    assert!(ran.stderr.contains(path.to_str().unwrap()), "{ran:#?}");
    mc.run(["id"]).fails(125, "mc::identity::damaged");
    std::fs::write(&path, &whole).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = super::refused(&mc, &["run", &hello], 125, "mc::identity::damaged");
    assert!(ran.stderr.contains("chmod 600"), "{ran:#?}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(mc.run(["id"]).clean().stdout, id);
}

#[test]
fn a_cache_that_cannot_be_used_is_told_once_and_the_run_goes_on() {
    let mc = Mc::new();
    mc.run(["ps"]).clean();
    std::fs::write(mc.home().join("cache"), "a file").unwrap();
    let ran = mc.run(["run", &text(guest("p1-hello.wat"))]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "hello from p1\n"),
        "{ran:#?}"
    );
    assert_eq!(
        ran.stderr
            .matches("warning: compiled programs are not kept")
            .count(),
        1,
        "{ran:#?}"
    );
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    let mut found = Vec::new();
    walk(&mc.home().join("cache"), &mut found);
    assert!(found.is_empty());
}
