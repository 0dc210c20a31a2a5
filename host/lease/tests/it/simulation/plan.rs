//! What one simulated history is like: everything follows from the seed.

/// A rule broken on purpose, to see that the oracle would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    None,
    /// Promises leave before they are durable.
    PromiseEarly,
    /// Votes leave before they are durable.
    VoteEarly,
    /// Commits leave before they are durable.
    CommitEarly,
    /// One witness's word is taken for two: n = 3, q = 1 in effect.
    SmallQuorum,
    /// Promises do not tell the lock, so the next holder proposes what it likes.
    LockHidden,
    /// A witness comes back from an old copy of its disk.
    OldBackup,
    /// A holder goes on emitting after its deadline.
    DeafHolder,
}

/// A seeded source of choices (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next().to_le_bytes());
        bytes
    }
}

/// What may happen beside faults.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of a test world"
)]
pub(crate) struct Scenes {
    /// Host 0 shows two results.
    pub(crate) equivocates: bool,
    /// The owner sees what a witness saw.
    pub(crate) owner_sees: bool,
    pub(crate) cancels: bool,
    pub(crate) preempts: bool,
    /// The first witness comes back from old copies of its disk, and so breaks its word. (4,3) survives one of these.
    pub(crate) lies: bool,
}

/// The world of one seed. `one_in` figures of 0 mean never.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) witnesses: u8,
    pub(crate) shards: u32,
    /// Consecutive shards that are decided together.
    pub(crate) range: u32,
    pub(crate) replicas: u16,
    pub(crate) retries: u16,
    pub(crate) lost_one_in: u64,
    pub(crate) doubled_one_in: u64,
    /// Messages that take seconds instead of milliseconds.
    pub(crate) late_one_in: u64,
    /// Witnesses that lose power between a write and its sync.
    pub(crate) power_cut_one_in: u64,
    /// Hosts that die when a message comes.
    pub(crate) host_death_one_in: u64,
    /// Guests that trap, and runners that fail.
    pub(crate) failure_one_in: u64,
    pub(crate) scenes: Scenes,
    pub(crate) mutant: Mutant,
}

impl Plan {
    pub(crate) fn new(seed: u64, mutant: Mutant) -> Self {
        let mut random = Random(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ 0x1405_7b7e);
        let pick = |random: &mut Random, choices: &[u64]| {
            choices[usize::try_from(random.below(choices.len() as u64)).unwrap()]
        };
        let plan = Self {
            seed,
            witnesses: [1, 1, 3, 3, 4][usize::try_from(random.below(5)).unwrap()],
            shards: [1, 1, 1, 2, 4][usize::try_from(random.below(5)).unwrap()],
            range: 1 + u32::from(random.one_in(2)) * 2,
            replicas: 1 + u16::from(random.one_in(5)),
            retries: u16::from(random.one_in(3)),
            lost_one_in: pick(&mut random, &[0, 20, 5]),
            doubled_one_in: pick(&mut random, &[0, 10, 3]),
            late_one_in: pick(&mut random, &[0, 30, 10]),
            power_cut_one_in: pick(&mut random, &[0, 20, 5]),
            host_death_one_in: pick(&mut random, &[0, 60, 15]),
            failure_one_in: pick(&mut random, &[0, 4]),
            scenes: Scenes {
                equivocates: random.one_in(3),
                owner_sees: random.one_in(2),
                cancels: random.one_in(4),
                preempts: random.one_in(4),
                lies: random.one_in(2),
            },
            mutant,
        };
        plan.adapted()
    }

    /// What does not go together is left out, and a mutant gets the faults that it needs.
    fn adapted(mut self) -> Self {
        self.scenes.lies &= self.witnesses == 4 && self.mutant == Mutant::None;
        self.scenes.owner_sees &= !self.scenes.lies;
        match self.mutant {
            Mutant::None => {}
            Mutant::DeafHolder => {
                (self.scenes.cancels, self.scenes.preempts) = (false, false);
                (self.lost_one_in, self.host_death_one_in) = (3, 0);
            }
            Mutant::PromiseEarly | Mutant::CommitEarly | Mutant::OldBackup => {
                self.power_cut_one_in = 5;
            }
            Mutant::VoteEarly => {
                self.power_cut_one_in = 5;
                self.scenes.equivocates = true;
            }
            Mutant::SmallQuorum | Mutant::LockHidden => self.host_death_one_in = 15,
        }
        self
    }
}
