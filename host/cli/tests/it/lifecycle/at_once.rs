//! Many processes in one home.

use super::text;
use crate::harness::{Mc, Ran};
use mutual_testkit::guest;
use std::collections::BTreeSet;

#[test]
fn ten_runs_side_by_side_in_a_new_home() {
    let mc = Mc::new();
    mc.write("in", "the same input");
    let program = text(guest("files"));
    let started: Vec<_> = (0..10)
        .map(|number| {
            let (out, text) = (format!("/out/{number}"), format!("from {number}"));
            mc.spawn([
                "run", "-i", "in", "-O", &out, &program, "read", "/in", ",", "write", &out, &text,
            ])
        })
        .collect();
    for child in started {
        let ran = Ran::new(child.wait_with_output().unwrap()).clean();
        assert_eq!(ran.stdout, "the same input");
    }
    for number in 0..10 {
        assert_eq!(mc.read(&number.to_string()), format!("from {number}"));
    }
    let ids = mc.run(["ps", "-a", "-o", "id"]).clean().stdout;
    let ids: BTreeSet<_> = ids.lines().collect();
    assert_eq!(ids.len(), 10, "a record each");
    let mut owners = BTreeSet::new();
    for id in ids {
        let run = mc.run(["inspect", id, "-o", "json"]).clean().json();
        assert_eq!(
            (&run["state"], &run["proofs"]["decided"]),
            (&"ok".into(), &"ok".into())
        );
        owners.insert(run["proofs"]["owner"].as_str().unwrap().to_owned());
    }
    assert_eq!(owners.len(), 1, "one identity, whoever was first");
    mc.assert_clean();
}

#[test]
fn twenty_additions_of_one_file_at_once() {
    let mc = Mc::new();
    let content: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    mc.write("file", &content);
    let started: Vec<_> = (0..20)
        .map(|_| mc.spawn(["add", "-o", "id", "file"]))
        .collect();
    let cids: BTreeSet<String> = started
        .into_iter()
        .map(|child| Ran::new(child.wait_with_output().unwrap()).clean().stdout)
        .collect();
    assert_eq!(cids.len(), 1, "{cids:?}");
    let cid = cids.first().unwrap().trim();
    assert!(mc.run(["cat", cid]).clean().stdout == content);
    mc.assert_clean();
}

#[test]
fn runs_and_collections_at_once() {
    let mc = Mc::new();
    let program = text(guest("write-out"));
    let runs: Vec<_> = (0..6)
        .map(|_| mc.spawn(["run", &program, "3", "1000"]))
        .collect();
    let collections: Vec<_> = (0..6).map(|_| mc.spawn(["gc"])).collect();
    for child in runs.into_iter().chain(collections) {
        let ran = Ran::new(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }
    let ids = mc.run(["ps", "-a", "-o", "id"]).clean().stdout;
    assert_eq!(ids.lines().count(), 6);
    for (number, id) in ids.lines().enumerate() {
        let target = format!("got{number}");
        assert_eq!(mc.run(["get", id, &target]).code, Some(0));
        assert_eq!(mc.read(&format!("{target}/2")).len(), 1000);
    }
    mc.assert_clean();
}
