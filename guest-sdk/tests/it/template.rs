//! What `mc new` writes: it builds in an empty folder, for both targets.

use crate::cargo;
use std::{fs, path::Path};

/// Goes the way of `mc new`: the template with the name filled in, and the library's source beside it.
#[test]
fn a_new_package_builds_and_passes_its_test() {
    let folder = cargo::folder("template");
    let sdk = cargo::sdk();
    copy(&sdk.join("template"), &folder);
    copy(&sdk.join("src"), &folder.join("mutual-guest/src"));
    copy(&sdk.join("macros"), &folder.join("mutual-guest/macros"));
    copy(
        &sdk.join("Cargo.toml"),
        &folder.join("mutual-guest/Cargo.toml"),
    );
    let manifest = fs::read_to_string(folder.join("Cargo.toml.in")).unwrap();
    cargo::write(
        &folder.join("Cargo.toml"),
        &manifest.replace("{{name}}", "first-job"),
    );

    let tested = cargo::cargo_succeeds(&folder, &["test"]);
    assert!(tested.contains("1 passed"), "{tested}");
    assert!(!tested.contains("warning"), "{tested}");

    let built = cargo::cargo_succeeds(&folder, &["build", "--target", "wasm32-wasip2"]);
    assert!(!built.contains("warning"), "{built}");
    let program = folder.join("target/wasm32-wasip2/debug/first-job.wasm");
    assert_eq!(
        fs::read(program).unwrap()[..8],
        *b"\0asm\x0d\0\x01\0",
        "not a component"
    );
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        cargo::write(to, &fs::read_to_string(from).unwrap());
        return;
    }
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
