//! What `mc` says of this account and this machine: `mc id` and `mc doctor`.

use crate::harness::{Mc, Ran};

#[test]
fn an_account_keeps_its_identity() {
    let mc = Mc::new();
    let id = mc.run(["id"]).clean().stdout;
    assert!(id.starts_with("o-") && id.len() == 55, "{id}");
    assert_eq!(mc.run(["id"]).clean().stdout, id);
    let document = mc.run(["id", "-o", "json"]).clean().json();
    assert_eq!(document["schema"], "mc.v1/identity");
    assert_eq!(document["owner"], id.trim_end());
    assert!(document["node"].as_str().unwrap().starts_with("n-"));
    assert!(
        document["file"]
            .as_str()
            .unwrap()
            .starts_with(mc.home().to_str().unwrap())
    );
    assert_ne!(Mc::new().run(["id"]).clean().stdout, id);
}

#[test]
fn the_identity_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let mc = Mc::new();
    let document = mc.run(["id", "--json"]).clean().json();
    let file = std::fs::metadata(document["file"].as_str().unwrap()).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

/// The rows of `mc doctor`: state, what was looked at, what was found.
fn rows(ran: &Ran) -> Vec<[String; 3]> {
    let row = |check: &serde_json::Value| {
        ["state", "check", "says"].map(|field| check[field].as_str().unwrap().to_owned())
    };
    ran.json()["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(row)
        .collect()
}

#[test]
fn everything_is_in_place_here() {
    let mc = Mc::new();
    let ran = mc.bash("mc doctor --json");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    let rows = rows(&ran);
    let checks: Vec<&str> = rows.iter().map(|[_, check, _]| check.as_str()).collect();
    assert_eq!(
        checks,
        [
            "data folder",
            "clock",
            "identity",
            "sandbox",
            "cargo",
            "wasm32-wasip2",
            "PATH"
        ]
    );
    assert!(rows.iter().all(|[state, ..]| state == "ok"), "{rows:#?}");
    let table = mc.bash("mc doctor").clean().stdout;
    assert!(
        table.starts_with("STATE  CHECK          RESULT\nok     data folder    "),
        "{table}"
    );
}

/// What is missing is no failure: not everybody builds programs. Each line says what to do.
#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let mc = Mc::new();
    // Another `mc` comes first, and there is nothing else.
    let other = mc.write("bin/mc", "#!/bin/sh\n");
    let mut command = mc.command(["doctor", "--json"]);
    command.env("PATH", other.parent().unwrap());
    let ran = Ran::new(command.output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let missing: Vec<_> = rows(&ran)
        .into_iter()
        .filter(|[state, ..]| state == "missing")
        .collect();
    let [cargo, target, path] = missing.as_slice() else {
        panic!("{missing:#?}");
    };
    assert!(
        cargo[1] == "cargo" && cargo[2].contains("rustup.rs"),
        "{cargo:?}"
    );
    assert!(
        target[1] == "wasm32-wasip2" && target[2].contains("rustup target add wasm32-wasip2"),
        "{target:?}"
    );
    assert!(
        path[1] == "PATH" && path[2].contains("bin/mc, not this program"),
        "{path:?}"
    );
}
