//! Two machines, played by two network namespaces with a cable between them, and the README's transcript typed on both.

use crate::harness::{House, Ran, until};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A machine: a network namespace and a home.
struct Machine {
    name: String,
    house: House,
    running: Vec<Child>,
}

impl Machine {
    /// None where this account may not make network namespaces.
    fn new(role: &str) -> Option<Self> {
        let name = format!("mc-{role}-{}", std::process::id());
        let machine = Self {
            name: name.clone(),
            house: House::new(),
            running: Vec::new(),
        };
        let made = ip(&["netns", "add", &name]) && machine.ip(&["link", "set", "lo", "up"]);
        made.then_some(machine)
    }

    fn ip(&self, args: &[&str]) -> bool {
        let words = ["-n", self.name.as_str()];
        ip(&[&words, args].concat())
    }

    /// Plugs the cable in, with an address.
    fn connect(&self, cable: &str, address: &str) {
        assert!(self.ip(&["addr", "add", address, "dev", cable]), "{cable}");
        assert!(self.ip(&["link", "set", cable, "up"]), "{cable}");
    }

    /// `line` as typed in this repository on this machine.
    fn command(&self, line: &str) -> Command {
        let folder = Path::new(env!("CARGO_BIN_EXE_mc-host")).parent().unwrap();
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name, "bash", "-c"])
            .arg(format!("PATH=$MC_FOLDER:$PATH; exec {line}"))
            .env("MC_FOLDER", folder)
            .env("MC_HOME", self.house.home())
            .env_remove("MC_LOG")
            .current_dir(mutual_testkit::repository_root())
            .stdin(Stdio::null());
        command
    }

    /// What the command prints; of one that stays in front, the first line.
    fn types(&mut self, line: &str) -> String {
        if line != "mc-host start" {
            let ran = Ran::new(self.command(line).output().unwrap());
            assert_eq!(ran.code, Some(0), "{line}: {ran:#?}");
            return ran.stdout;
        }
        let out = self.house.home().with_file_name("out");
        let file = fs::File::create(&out).unwrap();
        let child = self
            .command(line)
            .stdout(file)
            .stderr(Stdio::null())
            .spawn();
        self.running.push(child.unwrap());
        until("the host prints its ticket", || {
            let printed = fs::read_to_string(&out).unwrap();
            printed.ends_with('\n').then_some(printed)
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _is_gone = child.kill();
            let _was_reaped = child.wait();
        }
        ip(&["netns", "del", &self.name]);
    }
}

/// Whether `ip` did it.
fn ip(args: &[&str]) -> bool {
    let mut command = Command::new("ip");
    let done = command
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    done.status().is_ok_and(|status| status.success())
}

/// Tickets and ids are others each time.
fn masked(text: &str) -> String {
    let mask = |word: &str| {
        let is_own = ["mct1", "p-"]
            .into_iter()
            .find(|kind| word.starts_with(kind));
        is_own.map_or_else(|| word.to_owned(), |kind| format!("{kind}…"))
    };
    let lines = text.lines();
    lines
        .map(|line| line.split(' ').map(mask).collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what a laptop lacks is skipped, and what CI lacks is an error"
)]
fn the_readmes_transcript_happens_between_two_machines() {
    let (Some(mut lab), Some(mut laptop)) = (Machine::new("lab"), Machine::new("laptop")) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "network namespaces are needed"
        );
        println!("skipped: network namespaces need root and iproute2");
        return;
    };
    let cable = format!("mc{}", std::process::id());
    let (one, other) = (format!("{cable}a"), format!("{cable}b"));
    let peer = ["peer", "name", &other, "netns", &laptop.name];
    let link = ["link", "add", &one, "netns", &lab.name, "type", "veth"];
    assert!(ip(&[link.as_slice(), &peer].concat()), "no cable");
    lab.connect(&one, "192.0.2.1/24");
    laptop.connect(&other, "192.0.2.2/24");

    let readme = mutual_testkit::repository_root().join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, block) = readme.split_once("```text\nlab$ ").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let transcript = format!("lab$ {block}");
    let (mut typed, mut ticket) = (String::new(), String::new());
    for line in transcript.lines() {
        let printed = if let Some(line) = line.strip_prefix("lab$ ") {
            let printed = lab.types(line);
            ticket = printed.trim().rsplit(' ').next().unwrap().to_owned();
            printed
        } else if let Some(line) = line.strip_prefix("laptop$ ") {
            laptop.types(&line.replace("mct1…", &ticket))
        } else {
            continue;
        };
        typed += &format!("{line}\n{}", masked(&printed));
    }
    assert_eq!(typed, transcript);
    // It ran there: nothing of the laptop holds the lease.
    let record = Ran::new(laptop.command("mc inspect last -o json").output().unwrap());
    let host = Ran::new(lab.command("mc-host id").output().unwrap()).stdout;
    assert_eq!(record.json()["host"]["id"], host.trim());
}
