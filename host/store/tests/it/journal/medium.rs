//! A disk in memory that loses its power: it keeps what was forced, and any parts of what was not.

use mutual_store::{Disk, DiskFile, FileError};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What the medium does wrong, so that a test can show that it would notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lie {
    #[default]
    None,
    /// Says that a file is forced, and does not do it.
    FileSync,
    /// The same of names.
    FolderSync,
}

/// Numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn size(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }
}

/// The medium; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Medium(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<FileState>,
    names: BTreeMap<String, usize>,
    forced_names: BTreeMap<String, usize>,
    /// Every change of names since they were forced.
    changes: Vec<BTreeMap<String, usize>>,
    lie: Lie,
    /// Calls until the power goes; none for never.
    calls_left: Option<u64>,
    /// Bytes that still fit; none for no end.
    room: Option<usize>,
    fail_sync: bool,
    syncs: usize,
    longest_write: usize,
    gate: Option<Gate>,
    /// Handles of before a cut are dead.
    life: u64,
}

#[derive(Debug, Default)]
struct FileState {
    now: Vec<u8>,
    forced: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

/// Holds those who force a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().0 = true;
        self.0.1.notify_all();
    }

    /// Returns when somebody waits at the gate.
    pub(crate) fn wait_for_one(&self) {
        let state = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(state, |state| state.1 == 0).unwrap());
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.1 += 1;
        self.0.1.notify_all();
        drop(self.0.1.wait_while(state, |state| !state.0).unwrap());
    }
}

/// What a disk writes at once.
const SECTOR: usize = 64;

impl Medium {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn lie(&self, lie: Lie) {
        self.lock().lie = lie;
    }

    /// After so many calls, every call fails and changes nothing.
    pub(crate) fn power_for(&self, calls: u64) {
        self.lock().calls_left = Some(calls);
    }

    pub(crate) fn room(&self, bytes: Option<usize>) {
        self.lock().room = bytes;
    }

    pub(crate) fn fail_sync(&self, fail: bool) {
        self.lock().fail_sync = fail;
    }

    pub(crate) fn syncs(&self) -> usize {
        self.lock().syncs
    }

    pub(crate) fn longest_write(&self) -> usize {
        self.lock().longest_write
    }

    /// From now on, whoever forces a file waits until the gate is opened.
    pub(crate) fn close_gate(&self) -> Gate {
        let gate = Gate::default();
        self.lock().gate = Some(gate.clone());
        gate
    }

    /// What the file holds now.
    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let state = self.lock();
        state.files[state.names[name]].now.clone()
    }

    /// Changes what the file holds, as a bad disk does.
    pub(crate) fn damage(&self, name: &str, content: &[u8]) {
        let mut state = self.lock();
        let index = state.names[name];
        state.files[index].now = content.to_vec();
        state.files[index].forced = content.to_vec();
        state.files[index].pending.clear();
    }

    /// Takes the power away and gives it back. What was not forced is there, in part, or not, as the dice say.
    pub(crate) fn cut(&self, dice: &mut Dice) {
        let mut state = self.lock();
        state.life += 1;
        state.calls_left = None;
        state.room = None;
        let changes = std::mem::take(&mut state.changes);
        let applied = dice.size(changes.len() + 1);
        let names = applied.checked_sub(1).map(|last| changes[last].clone());
        state.names = names.unwrap_or_else(|| state.forced_names.clone());
        state.forced_names = state.names.clone();
        for file in &mut state.files {
            for change in std::mem::take(&mut file.pending) {
                apply_torn(&mut file.forced, &change, dice);
            }
            file.now = file.forced.clone();
        }
    }

    /// What stays after a process was killed: everything, and nothing of it is forced by that.
    pub(crate) fn kill(&self) {
        let mut state = self.lock();
        state.life += 1;
        state.calls_left = None;
    }
}

/// Some sectors of a write arrive, in no order; what lies between is zeros.
fn apply_torn(content: &mut Vec<u8>, change: &Change, dice: &mut Dice) {
    let keep_all = dice.below(3);
    match change {
        Change::Cut(length) if keep_all > 0 => content.truncate(*length),
        Change::Cut(_) => {}
        Change::Write(offset, bytes) => {
            let ends = offset + bytes.len();
            for start in (*offset..ends).step_by(SECTOR) {
                let end = (start + SECTOR).min(ends);
                // Of the last sector that arrives, some bytes may be missing.
                let end = match dice.below(8) {
                    0 => start + dice.size(end - start),
                    _ => end,
                };
                if keep_all == 1 || (keep_all == 2 && dice.below(2) == 0) {
                    write(content, start, &bytes[start - offset..end - offset]);
                }
            }
        }
    }
}

fn write(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(bytes);
}

fn error(source: impl Into<io::Error>) -> FileError {
    FileError {
        path: "memory".into(),
        source: source.into(),
    }
}

impl State {
    /// Whether a call may change something.
    fn call(&mut self, life: u64) -> Result<(), FileError> {
        if self.life != life || self.calls_left == Some(0) {
            return Err(error(io::ErrorKind::BrokenPipe));
        }
        self.calls_left = self.calls_left.map(|left| left - 1);
        Ok(())
    }

    fn renamed(&mut self) {
        self.changes.push(self.names.clone());
    }
}

/// A medium while it has power.
#[derive(Debug)]
pub(crate) struct Powered {
    medium: Medium,
    life: u64,
}

#[derive(Debug)]
struct Handle {
    medium: Medium,
    life: u64,
    index: usize,
}

impl Medium {
    pub(crate) fn disk(&self) -> Box<dyn Disk> {
        let life = self.lock().life;
        Box::new(Powered {
            medium: self.clone(),
            life,
        })
    }
}

impl Powered {
    fn handle(&self, index: usize) -> Box<dyn DiskFile> {
        Box::new(Handle {
            medium: self.medium.clone(),
            life: self.life,
            index,
        })
    }

    fn call(&self) -> Result<MutexGuard<'_, State>, FileError> {
        let mut state = self.medium.lock();
        state.call(self.life)?;
        Ok(state)
    }
}

impl Disk for Powered {
    fn open(&mut self, name: &str) -> Result<Option<Box<dyn DiskFile>>, FileError> {
        let index = self.call()?.names.get(name).copied();
        Ok(index.map(|index| self.handle(index)))
    }

    fn create(&mut self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        let mut state = self.call()?;
        state.files.push(FileState::default());
        let index = state.files.len() - 1;
        state.names.insert(name.to_owned(), index);
        state.renamed();
        drop(state);
        Ok(self.handle(index))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FileError> {
        let mut state = self.call()?;
        let index = state.names.remove(from).unwrap();
        state.names.insert(to.to_owned(), index);
        state.renamed();
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), FileError> {
        let mut state = self.call()?;
        if state.names.remove(name).is_some() {
            state.renamed();
        }
        Ok(())
    }

    fn sync_folder(&mut self) -> Result<(), FileError> {
        let mut state = self.call()?;
        if state.lie != Lie::FolderSync {
            state.forced_names = state.names.clone();
            state.changes.clear();
        }
        Ok(())
    }
}

impl Handle {
    fn call(&self) -> Result<MutexGuard<'_, State>, FileError> {
        let mut state = self.medium.lock();
        state.call(self.life)?;
        Ok(state)
    }
}

impl DiskFile for Handle {
    fn read(&mut self, bytes_max: u64) -> Result<Option<Vec<u8>>, FileError> {
        let bytes = self.call()?.files[self.index].now.clone();
        Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        let mut state = self.call()?;
        state.longest_write = state.longest_write.max(bytes.len());
        let fits = state.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        state.room = state.room.map(|room| room - fits);
        let offset = usize::try_from(offset).unwrap();
        let file = &mut state.files[self.index];
        assert!(offset <= file.now.len(), "a hole");
        let change = Change::Write(offset, bytes[..fits].to_vec());
        write(&mut file.now, offset, &bytes[..fits]);
        file.pending.push(change);
        if fits < bytes.len() {
            return Err(error(io::Error::from_raw_os_error(28)));
        }
        Ok(())
    }

    fn cut(&mut self, length: u64) -> Result<(), FileError> {
        let length = usize::try_from(length).unwrap();
        let mut state = self.call()?;
        let file = &mut state.files[self.index];
        file.now.truncate(length);
        file.pending.push(Change::Cut(length));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), FileError> {
        let gate = self.medium.lock().gate.clone();
        gate.iter().for_each(Gate::pass);
        let mut state = self.call()?;
        state.syncs += 1;
        if state.fail_sync {
            // As Linux does: the pages count as clean, and are not on the disk.
            state.files[self.index].pending.clear();
            return Err(error(io::Error::from_raw_os_error(5)));
        }
        if state.lie != Lie::FileSync {
            let file = &mut state.files[self.index];
            for change in std::mem::take(&mut file.pending) {
                match change {
                    Change::Cut(length) => file.forced.truncate(length),
                    Change::Write(offset, bytes) => write(&mut file.forced, offset, &bytes),
                }
            }
        }
        Ok(())
    }
}
