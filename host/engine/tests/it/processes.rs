//! What children are to the system: without privileges, and never alone.

use crate::ends::SPIN;
use crate::harness::{block_on, tests};
use crate::lab::{compiled, job, run};
use mutual_protocol::outcome::Outcome;
use mutual_runner::{Metering, RunnerEvent};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

tests! {
    a_running_child_has_no_privileges,
    a_child_dies_with_its_parent,
}

/// An argument that makes this binary a parent: it runs a spinning guest, prints the child's id, and waits.
pub(crate) const LONE_PARENT: &str = "--lone-parent";

/// Children of a process that are runners and shut in.
fn runners_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| status(*id, "PPid").as_deref() == Some(&parent.to_string()))
        .filter(|id| status(*id, "Name").as_deref() == Some("mc-runner"))
        .collect()
}

fn status(id: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

fn a_running_child_has_no_privileges() {
    block_on(async {
        let job = job(compiled(SPIN, Metering::None).await.unwrap());
        run(job, async |control, event| {
            if *event != RunnerEvent::Started {
                return;
            }
            let runners = runners_of(std::process::id());
            assert!(!runners.is_empty());
            for id in runners {
                // One that belongs to another test may have ended meanwhile.
                let is = |field: &str, value: &str| {
                    let got = status(id, field);
                    assert!(
                        got.is_none() || got.as_deref() == Some(value),
                        "{field} {got:?}"
                    );
                };
                is("CapEff", "0000000000000000");
                is("CapPrm", "0000000000000000");
                is("NoNewPrivs", "1");
                is("Threads", "1");
            }
            control.stop(Outcome::Cancelled, Duration::ZERO);
        })
        .await;
    });
}

/// The other process of [`a_child_dies_with_its_parent`].
pub(crate) fn lone_parent() {
    block_on(async {
        let mut job = job(compiled(SPIN, Metering::None).await.unwrap());
        job.limits.wall_ms_max = None;
        run(job, async |_, event| {
            if *event == RunnerEvent::Started {
                println!("{}", runners_of(std::process::id()).first().unwrap());
            }
        })
        .await;
    });
}

fn a_child_dies_with_its_parent() {
    let mut parent = Command::new("/proc/self/exe");
    let mut parent = parent
        .arg(LONE_PARENT)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let child: u32 = line.trim().parse().unwrap();
    assert_eq!(status(child, "PPid"), Some(parent.id().to_string()));
    parent.kill().unwrap();
    parent.wait().unwrap();
    block_on(async {
        let alive = || status(child, "State").is_some_and(|state| !state.starts_with('Z'));
        while alive() {
            tokio::task::yield_now().await;
        }
    });
}
