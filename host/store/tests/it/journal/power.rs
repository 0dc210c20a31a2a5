//! Power cuts: after each one, everything that was committed is there, nothing is invented, and the order is kept.

use super::medium::{Dice, Lie, Medium};
use mutual_store::{CommitError, CompactError, Journal, JournalLimits, Mark, Recovered};

/// Power cuts in the life of one medium.
const CUTS: usize = 6;

/// What the journal was asked to hold: records are numbered, and the first `snapshot` of them stand as a snapshot.
#[derive(Debug, Default)]
struct Model {
    /// Of each record that is committed, its salt.
    committed: Vec<u64>,
    /// Of each record that was on its way when the power went.
    flying: Vec<u64>,
    snapshot: u64,
    /// The snapshot that was on its way.
    flying_snapshot: Option<u64>,
    opened: bool,
}

fn record(number: u64, salt: u64) -> Vec<u8> {
    let mut bytes = vec![b'R'];
    bytes.extend(number.to_le_bytes());
    bytes.extend(salt.to_le_bytes());
    let mut dice = Dice(salt);
    bytes.resize_with(17 + dice.size(300), || dice.next().to_le_bytes()[0]);
    bytes
}

/// A snapshot is of one to three records.
fn snapshot(through: u64) -> Vec<Vec<u8>> {
    let part = |part: u64| [&b"S"[..], &through.to_le_bytes(), &part.to_le_bytes()].concat();
    (0..=through % 3).map(part).collect()
}

impl Model {
    /// Whether the journal holds what it must, and nothing that it may not; then that is the new truth.
    fn check(&mut self, recovered: &Recovered) -> Result<(), String> {
        if recovered.created && self.opened {
            return Err("it started empty".to_owned());
        }
        let read: Vec<&[u8]> = recovered.records.iter().map(Vec::as_slice).collect();
        let snapshots = [Some(self.snapshot), self.flying_snapshot];
        let plain = read.iter().position(|r| r[0] == b'R').unwrap_or(read.len());
        let through = snapshots
            .into_iter()
            .flatten()
            .find(|through| match through {
                0 => plain == 0,
                through => read[..plain] == snapshot(*through),
            })
            .ok_or("no snapshot that was made")?;
        let all: Vec<u64> = self.committed.iter().chain(&self.flying).copied().collect();
        let end = through + (read.len() - plain) as u64;
        if end < self.committed.len() as u64 {
            return Err(format!("{end} of {} records", self.committed.len()));
        }
        for (number, bytes) in (through..).zip(&read[plain..]) {
            let salt = all
                .get(usize::try_from(number).unwrap())
                .ok_or("a record that nobody wrote")?;
            if record(number, *salt) != *bytes {
                return Err(format!("record {number} is another one"));
            }
        }
        self.committed = all[..usize::try_from(end).unwrap()].to_vec();
        self.flying.clear();
        self.snapshot = through;
        self.flying_snapshot = None;
        self.opened = true;
        Ok(())
    }
}

/// One journal between two cuts.
struct Life<'a> {
    journal: Journal,
    model: &'a mut Model,
    medium: &'a Medium,
    dice: &'a mut Dice,
    /// Places up to which a snapshot may be made, with the number of records before each.
    marks: Vec<(u64, Mark)>,
}

impl Life<'_> {
    /// Works until the disk fails or the process is killed.
    fn run(&mut self) {
        for _ in 0..60 {
            let alive = match self.dice.below(12) {
                0..8 => self.commit(),
                8 | 9 => self.compact(),
                10 => {
                    self.medium.room(Some(self.dice.size(800)));
                    let alive = self.commit() && self.compact();
                    self.medium.room(None);
                    alive
                }
                _ => self.dice.below(8) != 0,
            };
            if !alive {
                return;
            }
        }
    }

    fn commit(&mut self) -> bool {
        let model = &mut *self.model;
        let first = model.committed.len() as u64;
        let salts: Vec<u64> = (0..=self.dice.below(4)).map(|_| self.dice.next()).collect();
        let records: Vec<Vec<u8>> = (first..)
            .zip(&salts)
            .map(|(number, salt)| record(number, *salt))
            .collect();
        match self.journal.commit(&records) {
            Ok(mark) => {
                model.committed.extend(salts);
                self.marks.push((model.committed.len() as u64, mark));
                true
            }
            Err(CommitError::DiskFull(_)) => true,
            Err(CommitError::Failed(_)) => {
                model.flying = salts;
                false
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn compact(&mut self) -> bool {
        let place = self.dice.size(self.marks.len());
        let (through, mark) = self.marks[place];
        if through == 0 {
            return true;
        }
        match self.journal.compact(mark, &snapshot(through)) {
            Ok(()) => {
                self.model.snapshot = through;
                self.marks.drain(..place);
                true
            }
            Err(CompactError::Commit(CommitError::DiskFull(_))) => true,
            Err(CompactError::Commit(CommitError::Failed(_))) => {
                self.model.flying_snapshot = Some(through);
                false
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// How many cuts and kills a medium went through, or what is wrong.
fn live(seed: u64, lie: Lie) -> Result<usize, String> {
    let mut dice = Dice(seed);
    let medium = Medium::default();
    medium.lie(lie);
    let mut model = Model::default();
    let mut ends = 0;
    while ends < CUTS {
        medium.power_for(dice.below(60));
        match Journal::open_on(medium.disk(), JournalLimits::default()) {
            Ok((journal, recovered)) => {
                model.check(&recovered)?;
                let marks = vec![(model.committed.len() as u64, recovered.mark)];
                Life {
                    journal,
                    model: &mut model,
                    medium: &medium,
                    dice: &mut dice,
                    marks,
                }
                .run();
            }
            Err(mutual_store::OpenJournalError::File(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
        ends += 1;
        match dice.below(6) {
            0 => medium.kill(),
            _ => medium.cut(&mut dice),
        }
    }
    let (_, recovered) = Journal::open_on(medium.disk(), JournalLimits::default())
        .map_err(|error| error.to_string())?;
    model.check(&recovered)?;
    Ok(ends)
}

#[test]
fn nothing_committed_is_lost_in_any_power_cut() {
    let ends: usize = (0..600)
        .map(|seed| live(seed, Lie::None).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}")))
        .sum();
    assert_eq!(ends, 600 * CUTS);
}

#[test]
fn a_disk_that_lies_is_noticed() {
    for lie in [Lie::FileSync, Lie::FolderSync] {
        let caught = (0..600).filter(|seed| live(*seed, lie).is_err()).count();
        println!("{lie:?}: {caught} of 600 seeds");
        assert!(caught > 60, "{lie:?}: {caught}");
    }
}

#[test]
fn what_a_failed_barrier_left_in_memory_is_forced_when_it_is_read_again() {
    let medium = Medium::default();
    let (journal, _) = Journal::open_on(medium.disk(), JournalLimits::default()).unwrap();
    medium.fail_sync(true);
    assert!(matches!(
        journal.commit(&[b"x"]),
        Err(CommitError::Failed(_))
    ));
    medium.fail_sync(false);
    for _ in 0..20 {
        // The system still has the bytes, and believes that the disk has them.
        medium.kill();
        let (_, read) = Journal::open_on(medium.disk(), JournalLimits::default()).unwrap();
        assert_eq!(read.records, [b"x"]);
        medium.cut(&mut Dice(1));
    }
}
