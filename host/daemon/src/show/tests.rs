//! What is shown of a host, field by field and line by line.

use super::*;
use mutual_protocol::outcome::Outcome;

/// A host with two members and one job, after one that was lost.
pub(crate) fn report() -> Report {
    let job = |id: &str, phase: &str| Job {
        id: format!("j-{id}000000000000"),
        owner: "n-owner0000000".to_owned(),
        phase: phase.to_owned(),
        epoch: Some(1),
        started_at_ms: 1_577_836_800_000,
    };
    Report {
        about: About {
            pid: 7,
            host: "n-host".to_owned(),
            name: "lab-3".to_owned(),
            pool: "p-pool0000000".to_owned(),
            pool_name: Some("lab".to_owned()),
            founder: true,
            member_until_ms: 1_577_836_800_000,
            started_at_ms: 1_577_836_800_000,
            addresses: vec!["/ip4/192.0.2.1/tcp/7".to_owned()],
            given: Given {
                slots: 2,
                cpus: 2,
                memory_bytes: 4 << 30,
                disk_bytes: 10 << 30,
            },
        },
        standing: "serving".to_owned(),
        slots_free: 1,
        peers: vec!["n-1111111111".to_owned(), "n-2222222222".to_owned()],
        jobs: vec![job("one", "running")],
        done: vec![DoneJob {
            job: job("two", "deciding"),
            outcome: Some(Outcome::Finished { exit_code: 0 }),
            lost: Some("a later attempt counts".to_owned()),
            at_ms: 1_577_836_802_000,
        }],
        killed: Vec::new(),
    }
}

#[test]
fn a_host_is_one_page_and_one_line() {
    let text = page(&report(), 1_577_836_861_000);
    assert_eq!(
        text,
        "host      lab-3 (n-host)
state     serving
pool      lab (p-pool0000000, made here)
members   2 connected
slots     1 of 2 busy
gives     2 cores, 4.0 GiB of memory, 10.0 GiB of disk, 2 jobs at a time
since     2020-01-01T00:00:00Z (1m1s ago), process 7
address   /ip4/192.0.2.1/tcp/7
"
    );
    assert_eq!(
        line(&report()),
        "serving lab as lab-3: 2 members, j-one00000 running"
    );
}

#[test]
fn a_refused_result_says_so() {
    let done = &report().done[0];
    let row = done_row(done, 1_577_836_861_000);
    assert_eq!(row[1..4], ["lost", "1m1s ago", "2.0s"]);
    assert_eq!(row[5], "result refused: a later attempt counts");
    let value = super::done(done);
    assert_eq!(
        (&value["state"], &value["outcome"]),
        (&json!("lost"), &json!("finished"))
    );
}

#[test]
fn a_log_tells_what_has_changed() {
    let new = report();
    assert_eq!(changes(&new, &new), Vec::<String>::new());
    let mut old = new.clone();
    old.standing = "paused".to_owned();
    old.peers = vec!["n-3333333333".to_owned()];
    old.jobs.clear();
    old.done.clear();
    assert_eq!(
        changes(&old, &new),
        [
            "state: serving",
            "member n-11111111 is connected",
            "member n-22222222 is connected",
            "member n-33333333 is gone",
            "job j-one00000 of n-owner000 is here",
            "job j-two00000: lost: a later attempt counts",
        ]
    );
}

#[test]
fn strangers_words_cannot_drive_the_terminal() {
    let mut host = report();
    host.about.name = "a\u{1b}[2J".to_owned();
    host.done[0].lost = Some("\u{1b}]0;x".to_owned());
    let shown = [
        page(&host, 0),
        line(&host),
        done_row(&host.done[0], 0).concat(),
        changes(&report(), &host).concat(),
    ];
    assert!(
        shown.iter().all(|text| !text.contains('\u{1b}')),
        "{shown:?}"
    );
}
