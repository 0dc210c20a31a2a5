//! The three roles of one job in virtual time, and what their certificates prove.

mod certificates;

use super::*;
use crate::rig::{self, TestClock};
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::Usage;
use mutual_store::BlockStore;
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Roles of one job.
struct Rig {
    folder: TempDir,
    clock: Arc<TestClock>,
    roles: Roles,
}

impl Rig {
    /// With the lease in hand.
    fn leased() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::new());
        let store = BlockStore::open(folder.path()).unwrap();
        let spec = rig::prepared(&store, &*clock).spec;
        let mut roles = Roles::new(&spec, rig::keys(), clock.clone());
        roles.open().unwrap();
        assert!(matches!(roles.next_fact(), Some(Fact::Leased(_))));
        Self {
            folder,
            clock,
            roles,
        }
    }

    fn token(&self) -> FencingToken {
        self.roles.lease.as_ref().unwrap().0
    }

    fn may_emit(&self) -> bool {
        let holder = self.roles.holder.as_ref();
        holder.is_some_and(|holder| holder.may_emit(self.clock.boot()))
    }

    /// Lets the time pass until the next timer, and rings it.
    async fn ring(&mut self) {
        let left = self.roles.due_in().unwrap();
        tokio::time::advance(left).await;
        self.roles.tick().unwrap();
    }

    fn receipt(&self, outcome: Outcome) -> Receipt {
        let spec = self.roles.spec.value();
        let manifest = outcome.is_finished().then_some(spec.inputs);
        Receipt {
            token: self.token(),
            host: self.roles.host(),
            program: spec.program.cid,
            profile: spec.profile.digest(),
            build: None,
            outcome,
            usage: Usage::default(),
            manifest,
            started_at_ms: 1,
            ended_at_ms: 2,
        }
    }

    fn decide(&mut self, outcome: Outcome) -> Decision {
        let receipt = self.receipt(outcome);
        self.roles.finish(receipt).unwrap();
        // A holder that releases its lease has lost it, before its owner ends the job.
        while let Some(fact) = self.roles.next_fact() {
            if let Fact::Decided(decision) = fact {
                return *decision;
            }
        }
        panic!("nothing is decided")
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_in_time_is_held_at_every_moment() {
    let mut rig = Rig::leased();
    for _ in 0..1000 {
        rig.ring().await;
        assert!(rig.may_emit());
        assert!(rig.roles.due_in() > Some(Duration::ZERO), "it spins");
        assert!(rig.roles.next_fact().is_none());
    }
    assert_eq!(rig.roles.standing(), (Some(1), 1001));
}

#[tokio::test(start_paused = true)]
async fn each_role_is_called_at_its_own_time_only() {
    let mut rig = Rig::leased();
    rig.roles.timers = Timers::default();
    assert_eq!(rig.roles.due_in(), None);
    let far = |rig: &Rig| Some(rig.clock.boot().plus_ms(1_000_000));
    let ring: [fn(&mut Timers) -> &mut Option<BootNanos>; 3] = [
        |timers| &mut timers.witness,
        |timers| &mut timers.owner,
        |timers| &mut timers.holder,
    ];
    for (i, of) in ring.into_iter().enumerate() {
        let (soon, later) = (rig.clock.boot().plus_ms(10), far(&rig));
        rig.roles.timers = Timers {
            witness: later,
            owner: later,
            holder: later,
        };
        *of(&mut rig.roles.timers) = Some(soon);
        assert_eq!(rig.roles.due_in(), Some(Duration::from_millis(10)));
        rig.roles.tick().unwrap();
        assert_eq!(*of(&mut rig.roles.timers), Some(soon), "{i}: too early");
        rig.ring().await;
        assert_ne!(*of(&mut rig.roles.timers), Some(soon), "{i}: not called");
        let untouched = ring
            .iter()
            .filter(|other| *other(&mut rig.roles.timers) == later);
        assert_eq!(untouched.count(), 2, "{i}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_lapsed_in_sleep_is_held_again_after_one_tick() {
    let mut rig = Rig::leased();
    rig.clock.suspend(DAY);
    assert!(!rig.may_emit(), "nothing leaves before it is renewed");
    rig.roles.tick().unwrap();
    assert!(rig.may_emit());
    assert!(rig.roles.next_fact().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lease_past_the_end_of_its_attempt_is_lost() {
    let mut rig = Rig::leased();
    let token = rig.token();
    rig.clock.suspend(31 * DAY);
    rig.roles.tick().unwrap();
    assert!(matches!(rig.roles.next_fact(), Some(Fact::Lost(lost)) if lost == token));
    let decision = rig.decide(Outcome::Cancelled);
    assert_eq!(decision.receipt.value().outcome, Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_witness_of_another_job_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::new());
    let store = BlockStore::open(folder.path()).unwrap();
    let spec = rig::prepared(&store, &*clock).spec;
    let (account, _) = rig::keys();
    let stranger = SigningKey::from_seed(&mutual_testkit::seeds::STRANGER);
    let mut roles = Roles::new(&spec, (account, stranger), clock);
    let opened = roles.open();
    assert!(
        matches!(opened, Err(RunError::Protocol { .. })),
        "{opened:?}"
    );
}
