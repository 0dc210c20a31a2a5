//! What stands in a host's way: each with its code and its next step.

use crate::harness::House;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_port_that_somebody_has() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for port in [
        tcp.local_addr().unwrap().port(),
        udp.local_addr().unwrap().port(),
    ] {
        let house = House::new();
        let failed = house.run([
            "start",
            "--listen",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ]);
        let failed = failed.fails(9, "mc::host::port", "--port");
        assert!(
            failed.stderr.contains(&format!("port {port}: ")),
            "{failed:#?}"
        );
        assert!(
            !house.home().join("data/pools").exists(),
            "no pool before there is a port"
        );
    }
}

#[test]
fn the_port_of_the_first_start_is_not_given_up_silently() {
    let house = House::new();
    let (serving, _) = house.found();
    let text = house.status()["addresses"][0].as_str().unwrap().to_owned();
    let port: u16 = text.rsplit('/').next().unwrap().parse().unwrap();
    serving.terminate();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    house.run(["start"]).fails(9, "mc::host::port", "--port");
}

#[test]
fn an_address_of_another_machine() {
    let house = House::new();
    house
        .run(["start", "--listen", "192.0.2.1"])
        .fails(9, "mc::host::listen", "--listen");
}

#[test]
fn a_home_that_cannot_be_written() {
    let house = House::new();
    fs::write(house.home(), "a file").unwrap();
    let failed = house.run(["start"]);
    assert_eq!(failed.code, Some(125), "{failed:#?}");
    fs::remove_file(house.home()).unwrap();
    if rustix::process::geteuid().is_root() {
        return;
    }
    fs::create_dir(house.home()).unwrap();
    fs::set_permissions(house.home(), fs::Permissions::from_mode(0o500)).unwrap();
    house
        .run(["start"])
        .fails(125, "mc::store::read-only", "MC_HOME");
}

#[test]
fn settings_that_are_damaged() {
    let house = House::new();
    fs::create_dir_all(house.home().join("data")).unwrap();
    fs::write(house.home().join("data/host.json"), "{").unwrap();
    for command in [
        &["start"][..],
        &["limits", "show"],
        &["limits", "set", "--cpus", "1"],
    ] {
        house
            .run(command)
            .fails(125, "mc::host::settings", "remove it");
    }
}

#[test]
fn words_that_mean_nothing() {
    let house = House::new();
    for words in [
        &["start", "--cpus", "0"][..],
        &["start", "--listen", "lab-3"],
        &["start", "--port", "0"],
        &["limits", "set"],
        &["serve"],
    ] {
        assert_eq!(house.run(words).code, Some(2), "{words:?}");
    }
    house
        .run(["limits", "set"])
        .fails(2, "mc::argument::usage", "mc-host limits set --cpus");
    house
        .run(["start", "--name", "a\u{1b}b"])
        .fails(2, "mc::argument::usage", "--help");
    house
        .run(["start", "--memory", "0"])
        .fails(2, "mc::argument::usage", "--memory 4GiB");
    house
        .run(["start", "--pool", "lab"])
        .fails(5, "mc::pool::not-found", "mc pool ls");
    assert!(!house.home().join("data/pools").join("lock").exists());
}

#[test]
fn purge_says_what_it_removes_and_asks() {
    let house = House::new();
    assert_eq!(house.run(["purge", "--yes"]).stderr, "nothing is here\n");
    let (serving, _) = house.found();
    house
        .run(["purge", "--yes"])
        .fails(1, "mc::host::running", "mc-host stop");
    serving.terminate();
    let asked = house
        .run(["purge"])
        .fails(2, "mc::argument::usage", "--yes");
    assert!(
        asked
            .stderr
            .contains(&house.home().join("data").display().to_string()),
        "{asked:#?}"
    );
    assert!(house.home().join("data/identity").exists());
    assert_eq!(house.run(["purge", "--yes"]).code, Some(0));
    assert_eq!(fs::read_dir(house.home()).unwrap().count(), 0);
}
