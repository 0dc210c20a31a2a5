//! Two machines of one pool.

use crate::harness::House;
use rustix::process::Signal;

#[test]
fn two_hosts_join_by_ticket_and_see_each_other() {
    let (first, second) = (House::new(), House::new());
    let (one, ticket) = first.found();
    let two = second.serve(&[&ticket, "--name", "second"]);
    let (seen, sees) = (first.meets(1), second.meets(1));
    assert_eq!(seen["peers"][0], sees["host"]);
    assert_eq!(sees["peers"][0], seen["host"]);
    assert_eq!(seen["pool"]["id"], sees["pool"]["id"]);
    assert_eq!(sees["pool"]["founder"], false);
    two.terminate();
    first.meets(0);
    one.terminate();
}

#[test]
fn members_find_each_other_after_a_restart_of_either() {
    let (first, second) = (House::new(), House::new());
    let (one, ticket) = first.found();
    let two = second.serve(&[&ticket]);
    first.meets(1);
    second.meets(1);
    one.signal(Signal::KILL);
    one.end();
    second.meets(0);
    let one = first.serve(&[]);
    second.meets(1);
    two.terminate();
    first.meets(0);
    let two = second.serve(&[]);
    first.meets(1);
    two.terminate();
    one.terminate();
}

#[test]
fn a_pool_is_left_when_nobody_serves_it() {
    let house = House::new();
    let (serving, _) = house.found();
    house
        .run(["leave", "first"])
        .fails(1, "mc::host::running", "mc-host stop");
    serving.terminate();
    house
        .run(["leave", "nobodys"])
        .fails(5, "mc::pool::not-found", "mc pool ls");
    house
        .run(["leave", "first"])
        .fails(2, "mc::argument::usage", "--yes");
    let left = house.run(["leave", "first", "--yes"]);
    assert!(
        left.code == Some(0) && left.stderr.starts_with("left p-"),
        "{left:#?}"
    );
    house
        .run(["leave", "first"])
        .fails(5, "mc::pool::not-found", "mc pool ls");
}
