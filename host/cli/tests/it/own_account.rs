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
            "runtime folder",
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
        table.starts_with("STATE  CHECK           RESULT\nok     data folder     "),
        "{table}"
    );
}

/// The one row of `mc doctor` that is bad.
#[track_caller]
fn bad(ran: &Ran) -> [String; 2] {
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let mut bad = rows(ran).into_iter().filter(|[state, ..]| state == "bad");
    let (Some([_, check, says]), None) = (bad.next(), bad.next()) else {
        panic!("{ran:#?}");
    };
    [check, says]
}

#[test]
fn a_sandbox_that_does_not_start_is_told() {
    let mc = Mc::new();
    // Too little address space for a guest's memory.
    let [check, says] = bad(&mc.bash("ulimit -v 1000000; mc doctor --json"));
    assert_eq!(check, "sandbox");
    assert!(says.contains("allocate memory"), "{says}");
    assert!(
        says.contains("; compare `ulimit -a` with another shell"),
        "{says}"
    );
}

#[test]
fn a_runtime_folder_that_others_can_enter_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let mc = Mc::new();
    let runtime = |ran: &Ran| {
        rows(ran)
            .into_iter()
            .find(|[_, check, _]| check == "runtime folder")
    };
    let folder = mc.home().join("run").display().to_string();
    let good = |says: &str| Some(["ok", "runtime folder", says].map(str::to_owned));
    let unmade = good(&format!("{folder}, made by the next run"));
    assert_eq!(runtime(&mc.run(["doctor", "--json"])), unmade);
    mc.run(["run".into(), mutual_testkit::guest("p1-hello.wat")])
        .clean();
    assert_eq!(runtime(&mc.run(["doctor", "--json"])), good(&folder));
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let [check, says] = bad(&mc.run(["doctor", "--json"]));
    assert_eq!(check, "runtime folder");
    assert_eq!(says, format!("{folder} has mode 0755: chmod 700 it"));
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
