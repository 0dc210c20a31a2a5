//! The commands of the README's part for donors, typed as they stand there.

use crate::harness::House;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn what_the_readme_tells_donors_to_type_works() {
    let readme = mutual_testkit::repository_root().join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("\n## Lend a machine\n").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (commands, _) = block.split_once("```").unwrap();
    assert!(commands.lines().count() > 3, "{commands}");
    let house = House::new();
    // Tests stay on loopback.
    fs::create_dir_all(house.home().join("data")).unwrap();
    let settings = r#"{"schema": "mc.v1/host-settings", "listen": ["127.0.0.1"]}"#;
    fs::write(house.home().join("data/host.json"), settings).unwrap();
    let folder = Path::new(env!("CARGO_BIN_EXE_mc-host")).parent().unwrap();
    let ran = Command::new("bash")
        .args(["-e", "-c", &format!("PATH=$MC_FOLDER:$PATH\n{commands}")])
        .env("MC_FOLDER", folder)
        .env("MC_HOME", house.home())
        .env_remove("MC_LOG")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr);
    let stdout = String::from_utf8_lossy(&ran.stdout);
    if !ran.status.success() {
        house.run(["stop"]);
    }
    assert!(ran.status.success(), "{stdout}{stderr}");
    assert!(
        stdout.starts_with("mc pool join mct1") && stdout.contains("\nstate     serving\n"),
        "{stdout}"
    );
    assert!(
        stdout.contains("paused: ") && stderr.ends_with("stopped\n"),
        "{stdout}{stderr}"
    );
}
