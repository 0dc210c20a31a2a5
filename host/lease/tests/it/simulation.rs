//! A small world of witnesses, hosts and an owner under seeded faults: messages lost, doubled, late and out of order,
//! power cuts, dying hosts, clocks that run apart, hosts that show two results.
//!
//! Goal: no seed breaks an invariant, each decides after healing, and each mutant is caught.

mod actors;
mod disk;
mod machine;
mod oracle;
mod plan;
mod world;

use mutual_protocol::ids::Signature;
use mutual_protocol::{PublicKey, Verifier};
use oracle::Tally;
use plan::{Mutant, Plan};
use world::World;

/// Nobody forges here, so that checking signatures would only cost time. The rules' own tests check them.
pub(crate) struct Trusting;

impl Verifier for Trusting {
    fn verifies(&self, _: &PublicKey, _: &[u8], _: &Signature) -> bool {
        true
    }
}

fn run(seed: u64, mutant: Mutant) -> World {
    let mut world = World::new(Plan::new(seed, mutant));
    world.run();
    world
}

/// Runs seeds and looks at everything; on failure, the end of the history is printed.
fn explore(seeds: std::ops::Range<u64>) {
    let mut tally = Tally::default();
    let (mut steps, mut takeovers, mut cuts) = (0, 0, 0);
    for seed in seeds.clone() {
        let world = run(seed, Mutant::None);
        let broken = &world.oracle.violations;
        let last: Vec<_> = world.trace.lines().rev().take(60).collect();
        assert!(
            broken.is_empty() && world.is_decided(),
            "seed {seed}: {broken:?}, decided: {}\n{:?}\n{}",
            world.is_decided(),
            world.plan,
            last.join("\n"),
        );
        steps += world.steps;
        takeovers += world.takeovers;
        cuts += world.power_cuts;
        tally.add(&world.oracle.tally);
    }
    println!("seeds {seeds:?}: {steps} steps, {takeovers} takeovers, {cuts} power cuts, {tally:?}");
    assert!(takeovers > 100 && cuts > 100, "the faults do not bite");
    let Tally {
        results,
        failures,
        cancels,
        inherited,
    } = tally;
    assert!(
        [results, failures, cancels, inherited]
            .iter()
            .all(|n| *n > 0),
        "{tally:?}"
    );
}

#[test]
fn no_seed_breaks_an_invariant_and_each_decides() {
    explore(0..500);
}

#[test]
fn nor_do_five_hundred_more() {
    explore(500..1_000);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut lines = 0;
    for seed in 0..20 {
        let (a, b) = (run(seed, Mutant::None), run(seed, Mutant::None));
        assert_eq!(a.trace, b.trace, "seed {seed}");
        lines += a.trace.lines().count();
    }
    assert!(lines > 1_000, "{lines}");
}

/// Looks for a seed that shows the broken rule, and for the invariant that it breaks.
fn caught(mutant: Mutant, invariant: &str) {
    let caught = (0..3_000).find(|seed| {
        let world = run(*seed, mutant);
        world
            .oracle
            .violations
            .iter()
            .any(|v| v.contains(invariant))
    });
    let seed = caught.unwrap_or_else(|| panic!("{mutant:?} survives"));
    println!("{mutant:?}: seed {seed}");
}

#[test]
fn mutant_promise_not_durable() {
    caught(Mutant::PromiseEarly, "I2");
}

#[test]
fn mutant_vote_not_durable() {
    caught(Mutant::VoteEarly, "two certified values");
}

#[test]
fn mutant_lock_not_durable() {
    caught(Mutant::CommitEarly, "I1");
}

#[test]
fn mutant_quorum_too_small() {
    caught(Mutant::SmallQuorum, "I1");
}

#[test]
fn mutant_new_holder_does_not_learn_the_lock() {
    caught(Mutant::LockHidden, "I1");
}

#[test]
fn mutant_witness_from_an_old_backup() {
    caught(Mutant::OldBackup, "I1");
}

#[test]
fn mutant_holder_that_ignores_its_deadline() {
    caught(Mutant::DeafHolder, "I5");
}
