//! One host on one machine: its start, its restart, its end.

use crate::harness::{House, Serving, until};
use rustix::process::Signal;
use std::fs;

#[test]
fn without_a_pool_it_makes_one_and_prints_the_line_to_type() {
    let house = House::new();
    let (serving, ticket) = house.found();
    assert!(ticket.starts_with("mct1"), "{ticket}");
    let status = house.status();
    assert_eq!(
        (&status["state"], &status["name"]),
        (&"serving".into(), &"first".into())
    );
    assert_eq!(status["pool"]["founder"], true);
    let addresses = status["addresses"].as_array().unwrap();
    let texts: Vec<_> = addresses.iter().map(|a| a.as_str().unwrap()).collect();
    assert!(texts[0].starts_with("/ip4/127.0.0.1/tcp/"), "{texts:?}");
    assert!(texts[1].ends_with("/quic-v1"), "{texts:?}");
    serving.terminate();
}

#[test]
fn a_restart_is_the_same_host() {
    let house = House::new();
    let (serving, _) = house.found();
    let before = house.status();
    serving.terminate();
    // Nothing is said anew: what was set at the first start is kept.
    let mut serving = Serving::start(&house, &["start"]);
    serving.error_line("serving ");
    let after = house.status();
    for kept in ["host", "name", "pool", "addresses"] {
        assert_eq!(before[kept], after[kept], "{kept}");
    }
    serving.signal(Signal::INT);
    let ended = serving.end();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), ""),
        "no second ticket"
    );
}

#[test]
fn the_second_one_on_a_data_folder_says_so_and_ends() {
    let house = House::new();
    let (serving, _) = house.found();
    let second = house
        .run(["start"])
        .fails(1, "mc::host::running", "mc-host status");
    assert!(
        second
            .stderr
            .contains(&format!("process {} ", serving.pid())),
        "{second:#?}"
    );
    house.run(["status"]).clean();
    serving.terminate();
}

#[test]
fn it_leaves_nothing_behind_that_looks_alive() {
    let house = House::new();
    let (serving, _) = house.found();
    serving.terminate();
    let left = fs::read_dir(house.home().join("run")).unwrap().count();
    assert_eq!(left, 0);
    house
        .run(["status"])
        .fails(5, "mc::host::not-running", "mc-host start");
}

#[test]
fn a_killed_one_does_not_stand_in_the_way_of_the_next() {
    let house = House::new();
    let (serving, _) = house.found();
    serving.signal(Signal::KILL);
    serving.end();
    house
        .run(["status"])
        .fails(5, "mc::host::not-running", "mc-host start");
    let serving = house.serve(&[]);
    house.run(["status"]).clean();
    serving.terminate();
}

#[test]
fn in_the_background_it_tells_the_ticket_and_goes_on() {
    let house = House::new();
    let started = house.run(["start", "-d", "--listen", "127.0.0.1"]);
    assert_eq!(started.code, Some(0), "{started:#?}");
    assert!(
        started.stdout.starts_with("mc pool join mct1"),
        "{started:#?}"
    );
    assert!(
        started
            .stderr
            .contains("serving in the background, process "),
        "{started:#?}"
    );
    let log = house.home().join("data/host.log");
    until("the log tells that it serves", || {
        fs::read_to_string(&log)
            .unwrap()
            .contains("serving ")
            .then_some(())
    });
    house
        .run(["start", "-d"])
        .fails(1, "mc::host::running", "mc-host status");
    assert_eq!(house.run(["stop"]).code, Some(0));
    house
        .run(["status"])
        .fails(5, "mc::host::not-running", "mc-host start");
}
