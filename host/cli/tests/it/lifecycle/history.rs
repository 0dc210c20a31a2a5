//! History: what is kept of ended runs, and when it goes.

use super::text;
use crate::harness::Mc;
use mutual_testkit::guest;
use std::time::Duration;

fn ids(mc: &Mc) -> Vec<String> {
    let ids = mc.run(["ps", "-a", "-o", "id"]).clean().stdout;
    ids.lines().map(str::to_owned).collect()
}

/// A run whose outputs are in the store alone.
fn run(mc: &Mc, keep: &str) -> String {
    let ran = mc.run([
        "run",
        "--keep",
        keep,
        &text(guest("write-out")),
        "1",
        "1000",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    mc.last()
}

#[test]
fn what_is_past_its_time_goes_and_the_rest_stays() {
    let mc = Mc::new();
    let short = run(&mc, "0s");
    let long = run(&mc, "7d");
    let done = mc.run(["gc"]).clean().stdout;
    assert!(done.starts_with("removed 1 run"), "{done}");
    assert_eq!(ids(&mc), std::slice::from_ref(&long));
    mc.run(["get", &short]).fails(5, "mc::job::not-found");
    assert_eq!(mc.run(["get", &long, "got"]).code, Some(0));
    assert_eq!(mc.read("got/0").len(), 1000);
}

#[test]
fn with_an_age_the_space_comes_back_now() {
    let mc = Mc::new();
    run(&mc, "1000y");
    let outputs = mc.run(["inspect", "last", "-o", "json"]).clean().json()["outputs"].clone();
    let outputs = outputs.as_str().unwrap().to_owned();
    assert_eq!(mc.run(["gc", "--older-than", "1h"]).code, Some(0));
    assert_eq!(ids(&mc).len(), 1, "younger than an hour");
    assert_eq!(mc.run(["gc", "--older-than", "0s"]).code, Some(0));
    assert!(ids(&mc).is_empty());
    mc.run(["cat", &outputs]).fails(5, "mc::content::not-found");
    assert!(mc.left_behind("data/store/blocks").is_empty());
    mc.run(["inspect", "last"]).fails(5, "mc::job::not-found");
}

#[test]
fn a_running_run_stays_and_so_does_its_content() {
    let mc = Mc::new();
    let mut running = mc.start(["run", "--keep", "0s", &text(guest("sleep")), "1000"]);
    running.line("sleeping");
    let ran = mc.run(["gc", "--older-than", "0s"]);
    assert!(
        ran.code == Some(0) && ran.stderr.contains("using the store"),
        "{ran:#?}"
    );
    assert_eq!(ids(&mc).len(), 1);
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.end().code, Some(130));
    assert_eq!(mc.run(["gc", "--older-than", "0s"]).code, Some(0));
    assert!(ids(&mc).is_empty() && mc.left_behind("data/store/blocks").is_empty());
}

/// Nobody has to think of `mc gc`: a run collects what is past its time when it is a day since the last time.
#[test]
fn once_a_day_a_run_collects_by_itself() {
    let mc = Mc::new();
    let short = run(&mc, "0s");
    run(&mc, "0s");
    assert_eq!(ids(&mc).len(), 2, "not on the same day");
    let marker = mc.home().join("data/collected");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&marker)
        .unwrap();
    let yesterday = marker.metadata().unwrap().modified().unwrap() - Duration::from_secs(25 * 3600);
    file.set_modified(yesterday).unwrap();
    let long = run(&mc, "7d");
    assert_eq!(ids(&mc), [long]);
    assert!(marker.metadata().unwrap().modified().unwrap() > yesterday + Duration::from_secs(3600));
    mc.run(["inspect", &short]).fails(5, "mc::job::not-found");
}
