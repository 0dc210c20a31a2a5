//! Help: every command is listed once and explains itself with examples.

use crate::harness::House;

/// Commands in the order of the help. One that is built and not here, or here and not built, fails a test.
const COMMANDS: &[&str] = &[
    "start",
    "stop",
    "status",
    "ps",
    "why",
    "pause",
    "resume",
    "drain",
    "kill",
    "limits",
    "leave",
    "purge",
    "id",
    "doctor",
    "completions",
    "version",
];

#[test]
fn every_command_is_listed_once_and_has_examples() {
    let house = House::new();
    let listed = house.run(["--help"]).clean().stdout;
    let (_, commands) = listed.split_once("\nCommands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let names: Vec<_> = commands
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, COMMANDS);
    for command in COMMANDS {
        let help = house.run([command, "--help"]).clean().stdout;
        let example = format!("\nExamples:\n  mc-host {command}");
        assert!(help.contains(&example), "{help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
}

#[test]
fn what_needs_no_host_works_without_one() {
    let house = House::new();
    let version = house.run(["version", "-o", "json"]).clean().json();
    assert_eq!(version["schema"], "mc.v1/version");
    assert!(
        house
            .run(["--version"])
            .clean()
            .stdout
            .starts_with("mc-host ")
    );
    assert!(house.run(["id"]).clean().stdout.starts_with("n-"));
    assert!(
        house
            .run(["completions", "bash"])
            .clean()
            .stdout
            .contains("mc-host")
    );
    let doctor = house.run(["doctor", "-o", "json"]).clean().json();
    let checks = doctor["checks"].as_array().unwrap();
    let states: Vec<_> = checks
        .iter()
        .map(|row| {
            (
                row["check"].as_str().unwrap(),
                row["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(
        states.contains(&("sandbox", "ok")) && states.contains(&("pools", "missing")),
        "{states:?}"
    );
}
