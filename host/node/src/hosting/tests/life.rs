//! A job's way through a host, as it should be.

use super::house::{GIVEN, House};
use super::network::Out;
use super::owner::{Owner, event};
use crate::attempt::Phase;
use crate::hosting::{Request, Status};
use mutual_protocol::Verified;
use mutual_protocol::discovery::HostState;
use mutual_protocol::lease::Value;
use mutual_protocol::message::{
    self, AttemptEvent, AttemptOrder, Chunk, LeaseReply, NodeMessage, Stream,
};
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::{AttemptRecord, Receipt};
use mutual_protocol::sign::Ed25519;
use mutual_runner::frame::Kind;
use mutual_runner::message::Ending;
use std::time::Duration;

pub(super) const STDOUT: Stream = Stream::Stdout;
pub(super) const STDERR: Stream = Stream::Stderr;
const SECOND: Duration = Duration::from_secs(1);

/// Bytes of output that came: each stream without gaps and without repetition.
pub(super) fn output(house: &House, of: Stream) -> Vec<u8> {
    let mut all = Vec::new();
    for out in &house.log {
        if let Out::Said(_, message) = out
            && let Some(AttemptEvent::Output {
                stream,
                offset,
                bytes,
            }) = event(message)
            && *stream == of
        {
            assert_eq!(*offset, all.len() as u64);
            all.extend_from_slice(bytes.as_slice());
        }
    }
    all
}

fn phases(house: &House) -> Vec<message::Phase> {
    let phase = |out: &Out| match out {
        Out::Said(
            _,
            NodeMessage::Attempt {
                event: AttemptEvent::Phase(phase),
                ..
            },
        ) => Some(*phase),
        _ => None,
    };
    house.log.iter().filter_map(phase).collect()
}

/// Leased, activated, and the guest has started.
pub(super) async fn running(house: &mut House, owner: &mut Owner) {
    owner.offers(house).await;
    house.guest(&[(Kind::Started, b"")]);
    let started = |message: &NodeMessage| {
        event(message)
            .filter(|e| **e == AttemptEvent::Started)
            .map(drop)
    };
    house.until(owner, started).await;
    house.quiet(owner).await;
}

/// What the host says at an attempt's end.
pub(super) async fn ended(
    house: &mut House,
    owner: &mut Owner,
) -> (Verified<Receipt>, Verified<AttemptRecord>) {
    let found = |message: &NodeMessage| match event(message) {
        Some(AttemptEvent::Ended {
            receipt, attempt, ..
        }) => Some((
            receipt.verify(&Ed25519).unwrap(),
            attempt.verify(&Ed25519).unwrap(),
        )),
        _ => None,
    };
    house.until(owner, found).await
}

/// Waits until nothing runs here any more.
pub(super) async fn free(house: &mut House, owner: &mut Owner) -> Status {
    let is_free = |status: &Status| status.jobs.is_empty();
    house.stands(owner, is_free).await;
    house.pass(owner, SECOND / 10).await;
    house.ask(Request::Status).await
}

#[tokio::test(start_paused = true)]
async fn a_job_is_claimed_run_and_decided() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    assert_eq!(owner.requests, ["claim", "renew"]);
    let stdout = b"first\nsecond\n".as_slice();
    house.guest(&[
        (Kind::Stdout, b"first\n"),
        (Kind::Stderr, b"warning\n"),
        (Kind::Stdout, b"second\n"),
    ]);
    house.guest_ends(Ending::Exited { code: 3 });
    let (receipt, attempt) = ended(&mut house, &mut owner).await;
    assert_eq!(output(&house, Stream::Stdout), stdout);
    assert_eq!(output(&house, Stream::Stderr), b"warning\n");
    use message::Phase::{Collecting, Deciding, Fetching, Running, Staging};
    assert_eq!(
        phases(&house),
        [Fetching, Staging, Running, Collecting, Deciding]
    );

    let token = owner.token.unwrap();
    let value = receipt.value();
    assert_eq!((value.token, value.host), (token, house.node));
    assert_eq!(value.outcome, Outcome::Finished { exit_code: 3 });
    assert_eq!(value.usage.output_bytes, 21);
    assert_eq!(receipt.signer(), house.node.key());
    assert_eq!(attempt.value().receipt, receipt.digest());
    assert_eq!(attempt.value().manifest, value.manifest);
    let manifest = value.manifest.unwrap();
    assert!(house.log.contains(&Out::Shared(manifest)));

    // Nothing is put to the vote before the owner has the outputs.
    house.pass(&mut owner, 5 * SECOND).await;
    assert!(!owner.requests.contains(&"vote"), "{:?}", owner.requests);
    let summary = house.ask(Request::Status).await.jobs[0].clone();
    assert_eq!((summary.phase, summary.epoch), (Phase::Deciding, Some(1)));
    owner.holds(manifest);
    owner.orders(&house, AttemptOrder::Taken).await;
    house.quiet(&mut owner).await;
    let voting: Vec<_> = owner.requests.iter().filter(|r| **r != "renew").collect();
    assert_eq!(
        voting,
        [&"claim", &"vote", &"commit", &"decided", &"decided"]
    );
    let decided = owner.decided.clone().unwrap();
    assert!(matches!(&decided.value, Value::Ok { manifest: m, .. } if *m == manifest));

    let status = free(&mut house, &mut owner).await;
    assert_eq!(status.slots_free, GIVEN.slots);
    assert_eq!(status.done.len(), 1);
    assert_eq!(
        status.done[0].outcome,
        Some(Outcome::Finished { exit_code: 3 })
    );
    assert_eq!(status.done[0].lost, None);
    let records = house.records(owner.node);
    let slots: Vec<_> = records.iter().map(|r| (r.state, r.slots_free)).collect();
    assert_eq!(slots.first(), Some(&(HostState::Idle, 2)));
    assert!(slots.contains(&(HostState::Idle, 1)), "{slots:?}");
    assert_eq!(slots.last(), Some(&(HostState::Idle, 2)));
    house.cleared().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_an_attempt_leaves_before_its_lease_is_active() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    owner.offers(&house).await;
    house.guest(&[(Kind::Started, b""), (Kind::Stdout, b"early\n")]);
    // The witness grants, and does not acknowledge the renewal.
    let is_claim = |message: &NodeMessage| matches!(message, NodeMessage::Request(_)).then_some(());
    house.until(&mut owner, is_claim).await;
    owner.is_silent = true;
    let running = |status: &Status| status.jobs.iter().any(|job| job.phase == Phase::Running);
    house.stands(&mut owner, running).await;
    house.pass(&mut owner, SECOND).await;
    let said = |house: &House| {
        let is_said = |out: &&Out| matches!(out, Out::Said(_, NodeMessage::Attempt { .. }));
        house.log.iter().filter(is_said).count()
    };
    assert_eq!(said(&house), 0);
    owner.is_silent = false;
    house.pass(&mut owner, SECOND).await;
    assert_eq!(output(&house, Stream::Stdout), b"early\n");
    assert_eq!(phases(&house).first(), Some(&message::Phase::Fetching));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_floods_waits_for_its_owner() {
    const PIECE: usize = 64 << 10;
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    let piece = vec![b'x'; PIECE];
    house.guest(&[(Kind::Stdout, piece.as_slice()); 4]);
    while output(&house, Stream::Stdout).len() < 4 * PIECE {
        house.next().await;
    }
    house.guest(&[(Kind::Stderr, &piece[..1]), (Kind::Stdout, &piece[..9])]);
    house.guest_ends(Ending::Exited { code: 0 });
    house.pass(&mut owner, 30 * SECOND).await;
    assert_eq!(output(&house, Stream::Stdout).len(), 4 * PIECE);
    assert_eq!(output(&house, Stream::Stderr).len(), 0);
    owner
        .orders(&house, AttemptOrder::Credit { bytes: 9 })
        .await;
    house.pass(&mut owner, SECOND).await;
    assert_eq!(output(&house, Stream::Stderr).len(), 1);
    assert_eq!(output(&house, Stream::Stdout).len(), 4 * PIECE);
    owner
        .orders(&house, AttemptOrder::Credit { bytes: 1 })
        .await;
    ended(&mut house, &mut owner).await;
    assert_eq!(output(&house, Stream::Stdout).len(), 4 * PIECE + 9);
}

#[tokio::test(start_paused = true)]
async fn input_comes_when_the_guest_wants_it() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    let wanted = |message: &NodeMessage| match event(message) {
        Some(AttemptEvent::InputWanted { bytes_max }) => Some(*bytes_max),
        _ => None,
    };
    for (offset, part) in [(0, "one "), (4, "two")] {
        house.guest(&[(Kind::InputWanted, &9_u32.to_le_bytes())]);
        assert_eq!(house.until(&mut owner, wanted).await, 9);
        let bytes = Chunk::new(part.into()).unwrap();
        owner
            .orders(&house, AttemptOrder::Input { offset, bytes })
            .await;
        // The stub answers when it has heard the part, so that it wants the next one in turn.
        house.real(|house| heard(house).contains(part)).await;
    }
    house.guest(&[(Kind::InputWanted, &9_u32.to_le_bytes())]);
    house.until(&mut owner, wanted).await;
    owner.orders(&house, AttemptOrder::InputEnd).await;
    house.guest(&[(Kind::Stdout, b"thanks")]);
    house
        .until(&mut owner, |m| {
            matches!(event(m), Some(AttemptEvent::Output { .. })).then_some(())
        })
        .await;
    house.guest_ends(Ending::Exited { code: 0 });
    ended(&mut house, &mut owner).await;
}

fn heard(house: &House) -> String {
    let heard = std::fs::read(house.folder.path().join("heard")).unwrap_or_default();
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test(start_paused = true)]
async fn progress_reaches_the_owner_the_last_one_too() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    let told = |message: &NodeMessage| match event(message) {
        Some(AttemptEvent::Progress { done, total, text }) => {
            Some((*done, *total, text.as_str().to_owned()))
        }
        _ => None,
    };
    let path = house.guest_root().join(".mc/progress");
    std::fs::write(&path, "1/3 first\n").unwrap();
    house.pass(&mut owner, SECOND / 2).await;
    std::fs::write(&path, "1/3 first\n3/3 all of it\n").unwrap();
    house.guest_ends(Ending::Exited { code: 0 });
    ended(&mut house, &mut owner).await;
    let progress: Vec<_> = house
        .log
        .iter()
        .filter_map(|out| match out {
            Out::Said(_, message) => told(message),
            _ => None,
        })
        .collect();
    assert_eq!(
        progress,
        [
            (1, Some(3), "first".to_owned()),
            (3, Some(3), "all of it".to_owned())
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_the_guest_runs() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    house.pass(&mut owner, 100 * SECOND).await;
    let renewals = owner.requests.iter().filter(|r| **r == "renew").count();
    assert!((29..=32).contains(&renewals), "{renewals}");
    let is_nack = |out: &Out| matches!(out, Out::Said(_, NodeMessage::Reply(LeaseReply::Nack(_))));
    assert!(!house.log.iter().any(is_nack));
    // Records go out by themselves, before the last one ends.
    assert!(house.records(owner.node).len() >= 3);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_holders_result_is_brought_to_its_decision() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    house.guest_ends(Ending::Exited { code: 0 });
    let (receipt, _) = ended(&mut house, &mut owner).await;
    owner.holds(receipt.value().manifest.unwrap());
    owner.orders(&house, AttemptOrder::Taken).await;
    // Certified, and the answer to the commit is lost: another host has to finish it.
    while owner.requests.last() != Some(&"commit") {
        let out = house.next().await;
        owner.loses_committed = true;
        owner.hear(&house, &out).await;
    }
    let mut second = House::other();
    second
        .up(owner.node, mutual_protocol::membership::Role::Submit)
        .await;
    let _lost = owner.preempts();
    owner.loses_committed = false;
    owner.offers(&second).await;
    while owner.decided.is_none() {
        let out = second.next().await;
        owner.hear(&second, &out).await;
    }
    let decided = owner.decided.clone().unwrap();
    let Value::Ok { attempt, .. } = &decided.value else {
        panic!("{decided:?}");
    };
    assert_eq!(attempt.signer(), house.node.key());
    assert_eq!(phases(&second), [], "nothing runs again");
    let status = free(&mut second, &mut owner).await;
    assert_eq!(status.done[0].outcome, None);
}
