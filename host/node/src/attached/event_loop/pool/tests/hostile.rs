//! A host that breaks the protocol is dropped, and the job goes on elsewhere.

use super::FINISHED;
use super::puppet::Puppet;
use super::world::{Setup, World};
use crate::clock::Clock as _;
use crate::receipt::record;
use mutual_protocol::lease::{Preempt, Release};
use mutual_protocol::message::{
    AttemptEvent, AttemptOrder, Chunk, LeaseRequest, NodeMessage, Phase, Stream,
};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::Receipt;
use mutual_protocol::{Cid, Digest, Epoch, SigningKey};
use std::time::Duration;

/// What it does once it has the lease.
type Crime = fn(&mut World, usize);

fn criminal(world: &mut World, host: usize) -> &mut Puppet {
    &mut world.hosts[host]
}

fn tell(world: &mut World, host: usize, change: fn(&mut Receipt)) {
    let manifest = world.manifest;
    let puppet = criminal(world, host);
    let mut receipt = puppet.receipt(FINISHED, Some(manifest));
    change(&mut receipt);
    let receipt = puppet.key.sign(receipt);
    let attempt = puppet.key.sign(record(&receipt));
    puppet.say(AttemptEvent::Ended {
        receipt: receipt.signed().clone(),
        attempt: attempt.signed().clone(),
        message: None,
    });
}

fn forge_ending(world: &mut World, host: usize) {
    let stranger = SigningKey::from_seed(&[99; 32]);
    let manifest = world.manifest;
    let puppet = criminal(world, host);
    let receipt = stranger.sign(puppet.receipt(FINISHED, Some(manifest)));
    let attempt = puppet.key.sign(record(&receipt));
    puppet.say(AttemptEvent::Ended {
        receipt: receipt.signed().clone(),
        attempt: attempt.signed().clone(),
        message: None,
    });
}

fn mix_ending(world: &mut World, host: usize) {
    let manifest = world.manifest;
    let puppet = criminal(world, host);
    let receipt = puppet.key.sign(puppet.receipt(FINISHED, Some(manifest)));
    let other = puppet.key.sign(puppet.receipt(Outcome::TimeLimit, None));
    let attempt = puppet.key.sign(record(&other));
    puppet.say(AttemptEvent::Ended {
        receipt: receipt.signed().clone(),
        attempt: attempt.signed().clone(),
        message: None,
    });
}

fn flood(world: &mut World, host: usize) {
    // Nobody takes any of it: what fits in the channel is granted anew, and no more.
    world.takes = false;
    for _ in 0..256 {
        criminal(world, host).write(Stream::Stderr, &[b'x'; 4096]);
    }
}

fn output_at(world: &mut World, host: usize, offset: u64, bytes: &[u8]) {
    criminal(world, host).say(AttemptEvent::Output {
        stream: Stream::Stdout,
        offset,
        bytes: Chunk::new(bytes.to_vec()).unwrap(),
    });
}

fn untold_vote(world: &mut World, host: usize) {
    let now = world.clock.boot();
    let puppet = criminal(world, host);
    let receipt = puppet.key.sign(puppet.receipt(Outcome::TimeLimit, None));
    let attempt = puppet.key.sign(record(&receipt));
    let stored = Vec::new();
    let attempt = Box::new(attempt);
    puppet.step(now, mutual_lease::HolderInput::Report { attempt, stored });
}

fn forged_request(world: &mut World, host: usize) {
    let stranger = SigningKey::from_seed(&[99; 32]);
    let puppet = criminal(world, host);
    let release = stranger.sign(Release {
        token: puppet.token.unwrap(),
        blame: Blame::Host,
        attempt: None,
        checkpoint: None,
    });
    let release = LeaseRequest::Release(release.signed().clone());
    puppet.send(NodeMessage::Request(release));
}

fn preempt(world: &mut World, host: usize) {
    let puppet = criminal(world, host);
    let register = puppet.token.unwrap().register;
    let epoch = Epoch(9);
    let preempt = puppet.key.sign(Preempt { register, epoch });
    let preempt = LeaseRequest::Preempt(preempt.signed().clone());
    puppet.send(NodeMessage::Request(preempt));
}

const CRIMES: [(&str, Crime); 17] = [
    ("receipt of another token", |w, h| {
        tell(w, h, |r| r.token.epoch = Epoch(7))
    }),
    ("receipt of another host", |w, h| {
        tell(w, h, |r| {
            r.host = mutual_protocol::NodeId::from_bytes([8; 32])
        })
    }),
    ("receipt of another program", |w, h| {
        tell(w, h, |r| {
            r.program = Cid::of(mutual_protocol::ids::Codec::Raw, b"other")
        })
    }),
    ("receipt of another profile", |w, h| {
        tell(w, h, |r| r.profile = Digest::of(b"other"))
    }),
    ("result without outputs", |w, h| {
        tell(w, h, |r| r.manifest = None)
    }),
    ("failure with outputs", |w, h| {
        tell(w, h, |r| r.outcome = Outcome::TimeLimit)
    }),
    ("cancelled by nobody", |w, h| {
        tell(w, h, |r| {
            (r.outcome, r.manifest) = (Outcome::Cancelled, None)
        })
    }),
    ("receipt of a stranger", forge_ending),
    ("receipt of another ending", mix_ending),
    ("output beyond its credit", flood),
    ("output with a gap", |w, h| output_at(w, h, 5, b"late")),
    ("output that is empty", |w, h| output_at(w, h, 0, b"")),
    ("phases without end", |w, h| {
        for _ in 0..100 {
            criminal(w, h).say(AttemptEvent::Phase(Phase::Running));
            criminal(w, h).say(AttemptEvent::Phase(Phase::Staging));
        }
    }),
    ("a vote on what was not told", untold_vote),
    ("a stranger's request", forged_request),
    ("the owner's order", preempt),
    ("an order", |w, h| {
        let token = criminal(w, h).token.unwrap();
        let order = AttemptOrder::Taken;
        criminal(w, h).send(NodeMessage::Order { token, order });
    }),
];

#[tokio::test(start_paused = true)]
async fn a_host_that_breaks_the_protocol_is_dropped_and_the_job_goes_on() {
    for (name, crime) in CRIMES {
        let mut world = Setup::default().open(2);
        let first = world.leased().await;
        crime(&mut world, first);
        world.heard().await;
        let node = world.hosts[first].node;
        let dropped = world.net.0.lock().unwrap().dropped.clone();
        assert!(
            dropped.iter().any(|(dropped, _)| *dropped == node),
            "{name}"
        );
        world.takes = true;
        world.hosts[first].is_active = false;
        let second = 1 - first;
        assert_eq!(world.leased().await, second, "{name}");
        world.hosts[second].start();
        world.hosts[second].print("good\n");
        world.heard().await;
        world.finish(second, 7);
        let end = world.decided().await;
        assert_eq!(end.outcome, FINISHED, "{name}");
        let lost = end.record.host.unwrap().lost;
        assert_eq!(lost.len(), 1, "{name}");
        assert_eq!(lost[0].blame, Blame::Host, "{name}");
        assert_eq!(world.stdout(), "good\n", "{name}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_holds_back_its_decision_loses_the_job() {
    let mut world = Setup::default().open(2);
    let first = world.leased().await;
    tell(&mut world, first, |r| {
        (r.outcome, r.manifest) = (Outcome::TimeLimit, None);
    });
    world.heard().await;
    world.for_time(Duration::from_secs(15)).await;
    world.hosts[first].is_active = false;
    assert_eq!(world.leased().await, 1 - first);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn records_that_prove_nothing_are_not_believed() {
    let mut world = Setup::default().open(1);
    world.hosts[0].stance = super::puppet::Stance::Silent;
    let stranger = SigningKey::from_seed(&[99; 32]);
    let mut other = Puppet::new([98; 32]);
    let record = other.record(|_| {});
    let forged = stranger.sign(record.clone()).signed().clone();
    world.hosts[0].send(NodeMessage::Host(forged));
    let true_one = other.key.sign(record).signed().clone();
    world.hosts[0].send(NodeMessage::Host(true_one));
    world.for_time(Duration::from_secs(40)).await;
    let Some(crate::attached::RunError::NoHost { considered, .. }) = world.failed.take() else {
        panic!("{:?}", world.failed);
    };
    assert_eq!(considered.len(), 2, "one's own word, whoever passes it on");
    world.close().await;
}
