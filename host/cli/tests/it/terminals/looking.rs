//! ps, inspect and get: what another terminal sees of a run.

use super::{let_end, text, waiting};
use crate::harness::Mc;
use crate::processes::until;
use mutual_testkit::guest;
use serde_json::Value;

#[test]
fn ps_in_all_its_forms() {
    let mc = Mc::new();
    let nothing = mc.run(["ps"]).clean().stdout;
    assert_eq!(nothing, "RUN  STATE  STARTED  TIME  COMMAND\n");
    assert_eq!(
        mc.run(["run", &text(guest("exit-code")), "7"]).code,
        Some(7)
    );
    assert_eq!(mc.run(["run", &text(guest("p1-hello.wat"))]).code, Some(0));
    let running = waiting(&mc, &["--name", "going"]);

    let rows = mc.run(["ps"]).clean().stdout;
    let rows: Vec<_> = rows.lines().skip(1).collect();
    assert!(rows.len() == 1 && rows[0].contains(" running "), "{rows:?}");
    let all = mc.run(["ps", "-a"]).clean().stdout;
    let states: Vec<_> = all
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(states, ["running", "ok", "failed"], "newest first");

    let ids = mc.run(["ps", "-a", "-o", "id"]).clean().stdout;
    let ids: Vec<_> = ids.lines().collect();
    let document = mc.run(["ps", "-a", "-o", "json"]).clean().json();
    assert_eq!(document["schema"], "mc.v1/runs");
    let runs = document["runs"].as_array().unwrap();
    let lines = mc.run(["ps", "-a", "-o", "jsonl"]).clean().stdout;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(&lines, runs);
    let of_runs: Vec<_> = runs.iter().map(|run| run["id"].as_str().unwrap()).collect();
    assert_eq!(of_runs, ids);
    let codes: Vec<_> = runs.iter().map(|run| run["exit_code"].clone()).collect();
    assert_eq!(codes, [Value::Null, 0.into(), 7.into()]);
    assert_eq!(
        (&runs[0]["name"], &runs[0]["ended_at"]),
        (&"going".into(), &Value::Null)
    );
    assert_eq!(mc.run(["ps", "-o", "id"]).clean().stdout.trim(), ids[0]);

    let_end(running);
    let none = mc.run(["ps"]);
    assert!(none.stderr.contains("3 ended: mc ps -a"), "{none:#?}");
}

#[test]
fn inspect_of_a_running_run_tells_phase_lease_and_progress() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let record = until("the progress", || {
        let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
        (record["live"]["progress"][0] == 3).then_some(record)
    });
    assert_eq!(record["state"], "running");
    assert_eq!(record["live"]["phase"], "running");
    assert_eq!(record["live"]["epoch"], 1);
    assert_eq!(
        record["live"]["progress"],
        serde_json::json!([3, 3, "step 3"])
    );
    assert_eq!(
        (&record["proofs"], &record["outcome"]),
        (&Value::Null, &Value::Null)
    );
    let page = mc.run(["inspect", "last"]).clean().stdout;
    for row in [
        "phase     running\n",
        "lease     epoch 1, ",
        "progress  3/3 step 3\n",
    ] {
        assert!(page.contains(row), "{row}: {page}");
    }
    let_end(running);
}

#[test]
fn inspect_of_an_ended_run_verifies_its_certificates() {
    let mc = Mc::new();
    mc.run(["run", &text(guest("p1-hello.wat"))]).clean();
    let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
    let proofs = &record["proofs"];
    assert_eq!(
        (&proofs["decided"], &proofs["epoch"]),
        (&"ok".into(), &1.into())
    );
    assert_eq!(
        (&proofs["quorum"], &proofs["witnesses"]),
        (&1.into(), &1.into())
    );
    let owner = mc.run(["id"]).clean().stdout;
    assert_eq!(proofs["owner"], owner.trim());
    assert_eq!(
        (&record["live"], &record["outputs"]),
        (&Value::Null, &Value::Null)
    );
    let page = mc.run(["inspect", "last"]).clean().stdout;
    assert!(
        page.contains("certificate valid") && page.contains("receipt   signed by "),
        "{page}"
    );
    assert!(!page.contains("outputs"), "there are none: {page}");

    assert_eq!(mc.run(["run", &text(guest("trap"))]).code, Some(134));
    let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
    assert_eq!(
        (&record["proofs"]["decided"], &record["blame"]),
        (&"failed".into(), &"guest".into())
    );
}

#[test]
fn outputs_are_shown_and_fetched_where_there_are_some() {
    let mc = Mc::new();
    mc.run(["run", &text(guest("write-out")), "2", "10"]);
    let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
    assert!(record["outputs"].is_string(), "{record}");
    let page = mc.run(["inspect", "last"]).clean().stdout;
    assert!(page.contains("(mc get j-"), "{page}");
    let got = mc.run(["get", "last", "there"]);
    assert_eq!(
        (got.code, got.stderr.as_str()),
        (Some(0), "2 files in there\n")
    );
    assert_eq!(
        (mc.read("there/0").len(), mc.read("there/1").len()),
        (10, 10)
    );
    // Without a target, a folder named after the run.
    assert_eq!(mc.run(["get", "last"]).code, Some(0));
    let short: String = mc.last().chars().take(10).collect();
    assert_eq!(mc.read(&format!("{short}/1")).len(), 10);
}

#[test]
fn get_of_a_run_that_goes_on_or_has_nothing() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let ran = mc.run(["get", "last"]).fails(5, "mc::run::no-output");
    assert!(ran.stderr.contains("mc wait"), "{ran:#?}");
    let_end(running);
    mc.run(["get", "last"]).fails(5, "mc::run::no-output");
    assert_eq!(
        std::fs::read_dir(mc.work()).unwrap().count(),
        0,
        "no empty folder is left"
    );
}

/// Certificates of another run are valid, and prove nothing about this one.
#[test]
fn certificates_of_another_run_are_refused() {
    let mc = Mc::new();
    let hello = guest("p1-hello.wat").display().to_string();
    mc.run(["run", &hello]).clean();
    mc.run(["run", &hello]).clean();
    let mut records = mc.left_behind("data/store/runs");
    records.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let read = |path: &std::path::PathBuf| -> Value {
        let lines = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(lines.trim().lines().last().unwrap()).unwrap()
    };
    let [first, second] = records.as_slice() else {
        panic!("two records: {records:?}")
    };
    let mut forged = read(first);
    let job = forged["job"].as_str().unwrap().to_owned();
    mc.run(["inspect", &job]).clean();
    forged["ending"]["proofs"] = read(second)["ending"]["proofs"].clone();
    std::fs::write(first, format!("{forged}\n")).unwrap();
    let ran = mc.run(["inspect", &job]);
    assert_ne!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("do not belong together"), "{ran:#?}");
}
