//! What other terminals ask and tell a host.

use crate::harness::{House, fields};
use rustix::process::Signal;
use serde_json::json;

#[test]
fn pause_resume_and_drain_change_what_it_says_of_itself() {
    let house = House::new();
    let (serving, _) = house.found();
    for (command, state, why) in [
        ("pause", "paused", "paused: `mc-host resume`"),
        ("resume", "serving", "alone: "),
        ("drain", "draining", "draining: "),
        ("resume", "serving", "alone: "),
    ] {
        let ran = house.run([command]);
        assert_eq!((ran.code, ran.stderr.trim()), (Some(0), state), "{command}");
        assert_eq!(house.status()["state"], state);
        let told = house.run(["why"]).clean().stdout;
        assert!(told.starts_with(why), "{told}");
    }
    serving.terminate();
}

#[test]
fn stop_waits_for_the_end() {
    let house = House::new();
    let (serving, _) = house.found();
    let stopped = house.run(["stop"]);
    assert_eq!(
        (stopped.code, stopped.stderr.as_str()),
        (Some(0), "stopped\n")
    );
    house.run(["start", "-d"]);
    assert_eq!(serving.end().code, Some(0));
    assert_eq!(house.run(["stop"]).code, Some(0));
}

#[test]
fn every_command_says_when_there_is_no_host() {
    let house = House::new();
    for command in [
        &["status"][..],
        &["ps"],
        &["why"],
        &["pause"],
        &["resume"],
        &["drain"],
        &["stop"],
        &["kill", "j-1"],
    ] {
        house
            .run(command)
            .fails(5, "mc::host::not-running", "mc-host start");
    }
    let told = house.run(["status", "-o", "json"]);
    let error: serde_json::Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!(error["error"]["code"], "mc::host::not-running");
}

#[test]
fn a_host_that_stands_still_is_told_from_none() {
    let house = House::new();
    let (serving, _) = house.found();
    serving.signal(Signal::STOP);
    house
        .run(["status"])
        .fails(1, "mc::host::unreachable", "mc-host stop");
    serving.signal(Signal::CONT);
    house.run(["status"]).clean();
    serving.terminate();
}

#[test]
fn documents_have_the_fields_that_scripts_read() {
    let house = House::new();
    let (serving, _) = house.found();
    let status = house.status();
    assert_eq!(
        fields(&status),
        [
            "addresses",
            "given",
            "host",
            "jobs",
            "name",
            "peers",
            "pid",
            "pool",
            "schema",
            "slots_free",
            "started_at",
            "state"
        ]
    );
    assert_eq!(status["schema"], "mc.v1/host-status");
    assert_eq!(status["pid"], serving.pid());
    assert_eq!(
        fields(&status["pool"]),
        ["founder", "id", "member_until", "name"]
    );
    assert_eq!(
        fields(&status["given"]),
        ["cpus", "disk_bytes", "memory_bytes", "slots"]
    );
    let jobs = house.run(["ps", "-o", "json"]).clean().json();
    assert_eq!(jobs, json!({"schema": "mc.v1/host-jobs", "jobs": []}));
    assert_eq!(house.run(["ps", "-o", "id"]).clean().stdout, "");
    assert_eq!(house.run(["ps", "-o", "jsonl"]).clean().stdout, "");
    assert_eq!(
        house.run(["ps"]).clean().stdout,
        "JOB  STATE  STARTED  TIME  OWNER  RESULT\n"
    );
    let why = house.run(["why", "-o", "json"]).clean().json();
    assert_eq!(
        (&why["schema"], &why["computing"]),
        (&json!("mc.v1/host-why"), &json!(false))
    );
    house
        .run(["kill", "j-none"])
        .fails(5, "mc::host::job", "mc-host ps");
    let id = house.run(["id", "-o", "json"]).clean().json();
    assert_eq!(
        (&id["host"], &id["pools"][0]),
        (&status["host"], &status["pool"]["id"])
    );
    serving.terminate();
}

#[test]
fn limits_are_kept_and_those_of_a_start_are_not() {
    let house = House::new();
    let set = house.run([
        "limits", "set", "--cpus", "1", "--memory", "1GiB", "--disk", "2GiB",
    ]);
    assert_eq!(
        set.stderr,
        "gives 1 core, 1.0 GiB of memory, 2.0 GiB of disk, 1 job at a time\n"
    );
    let limits = house.run(["limits", "show", "-o", "json"]).clean().json();
    assert_eq!(limits["given"]["memory_bytes"], 1_u64 << 30);
    assert_eq!(
        (&limits["set"]["cpus"], &limits["set"]["slots"]),
        (&json!(true), &json!(false))
    );
    let serving = house.serve(&["--slots", "3", "--memory", "2GiB"]);
    let given =
        json!({"slots": 3, "cpus": 1, "memory_bytes": 2_u64 << 30, "disk_bytes": 2_u64 << 30});
    assert_eq!(house.status()["given"], given);
    let later = house.run(["limits", "set", "--slots", "2"]);
    assert!(later.stderr.contains("next start"), "{later:#?}");
    serving.terminate();
    let limits = house.run(["limits", "show", "-o", "json"]).clean().json();
    assert_eq!(
        (&limits["given"]["slots"], &limits["given"]["memory_bytes"]),
        (&json!(2), &json!(1_u64 << 30))
    );
}
