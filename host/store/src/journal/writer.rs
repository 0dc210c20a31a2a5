//! The one who writes a journal's file: groups at its end, and a new file at a compaction.

use super::disk::{Disk, DiskFile};
use super::format::{self, HEADER_BYTES, Header, Key, ScanError};
use super::{
    CommitError, CompactError, JOURNAL_BYTES_MAX, JournalLimits, Mark, OpenJournalError, Recovered,
};
use crate::fault::{Fault, FileError};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The file.
const CURRENT: &str = "journal";
/// The next one, until it is whole.
const NEXT: &str = "journal.next";

#[derive(Debug)]
pub(super) struct Writer {
    disk: Box<dyn Disk>,
    file: Box<dyn DiskFile>,
    key: Key,
    bytes_max: u64,
    /// Where the next record goes: all before is forced to the disk.
    end: u64,
    /// Records so far: those that were there when it was opened, and those committed since.
    count: u64,
    /// As many of them, the newest, are in the file as they came; those before are a snapshot.
    plain: u64,
    /// What went wrong, when the disk has failed.
    failed: Option<Arc<FileError>>,
}

impl Writer {
    pub(super) fn open(
        mut disk: Box<dyn Disk>,
        limits: JournalLimits,
    ) -> Result<(Self, Recovered), OpenJournalError> {
        disk.remove(NEXT)?;
        if let Some(file) = disk.open(CURRENT)? {
            return Self::recover(disk, file, limits);
        }
        let (file, key) = create(disk.as_mut(), &[] as &[&[u8]])?;
        publish(disk.as_mut())?;
        let writer = Self::new(disk, file, key, limits);
        let recovered = Recovered {
            records: Vec::new(),
            torn_bytes: 0,
            created: true,
            mark: Mark(0),
        };
        Ok((writer, recovered))
    }

    fn new(disk: Box<dyn Disk>, file: Box<dyn DiskFile>, key: Key, limits: JournalLimits) -> Self {
        Self {
            disk,
            file,
            key,
            bytes_max: limits.bytes_max.min(JOURNAL_BYTES_MAX),
            end: HEADER_BYTES as u64,
            count: 0,
            plain: 0,
            failed: None,
        }
    }

    fn recover(
        mut disk: Box<dyn Disk>,
        mut file: Box<dyn DiskFile>,
        limits: JournalLimits,
    ) -> Result<(Self, Recovered), OpenJournalError> {
        let bytes = file
            .read(JOURNAL_BYTES_MAX)?
            .ok_or(OpenJournalError::TooLong {
                bytes_max: JOURNAL_BYTES_MAX,
            })?;
        let scanned = format::scan(&bytes)?;
        if scanned.end < bytes.len() {
            file.cut(scanned.end as u64)?;
        }
        // A process that was killed, or whose barrier failed, has left bytes that only memory may hold, and after a
        // failed barrier the system believes that they are on the disk. They are written again, as they are, so that
        // this barrier means something.
        if let Some(unproven) = bytes.get(scanned.unproven..scanned.end) {
            file.write_at(scanned.unproven as u64, unproven)?;
        }
        file.sync()?;
        // The name may be of a compaction that did not come to its end.
        disk.sync_folder()?;
        let mut writer = Self::new(disk, file, scanned.header.key, limits);
        writer.end = scanned.end as u64;
        writer.count = scanned.records.len() as u64;
        writer.plain = writer.count;
        let recovered = Recovered {
            records: scanned.records,
            torn_bytes: (bytes.len() - scanned.end) as u64,
            created: false,
            mark: Mark(writer.count),
        };
        Ok((writer, recovered))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// Appends a group and forces it to the disk. Gives the mark before its first record.
    pub(super) fn write(&mut self, records: &[Vec<u8>]) -> Result<Mark, CommitError> {
        self.check_disk()?;
        let before = Mark(self.count);
        if records.is_empty() {
            return Ok(before);
        }
        let group = format::encode(self.key, self.end, records);
        let end = self.end + group.len() as u64;
        self.check_room(end)?;
        match self.file.write_at(self.end, &group) {
            Ok(()) => {}
            Err(error) if error.fault() == Fault::DiskFull => {
                // Some of it may be whole records, which nobody may find again.
                let cut = self.file.cut(self.end).and_then(|()| self.file.sync());
                self.or_stop(cut)?;
                return Err(CommitError::DiskFull(Arc::new(error)));
            }
            failed => self.or_stop(failed)?,
        }
        let synced = self.file.sync();
        self.or_stop(synced)?;
        self.end = end;
        self.count += records.len() as u64;
        self.plain += records.len() as u64;
        Ok(before)
    }

    pub(super) fn read(&mut self) -> Result<Vec<Vec<u8>>, CommitError> {
        self.check_disk()?;
        let bytes = self.file.read(JOURNAL_BYTES_MAX);
        let bytes = self.or_stop(bytes)?.unwrap_or_default();
        match format::scan(&bytes) {
            Ok(scanned) if scanned.end as u64 == self.end => Ok(scanned.records),
            // It was whole when it was written: the disk lost it.
            _ => self.or_stop(Err(FileError {
                path: CURRENT.into(),
                source: io::ErrorKind::InvalidData.into(),
            })),
        }
    }

    pub(super) fn compact(
        &mut self,
        Mark(through): Mark,
        snapshot: &[impl AsRef<[u8]>],
    ) -> Result<(), CompactError> {
        self.check_disk()?;
        let kept = self
            .count
            .checked_sub(through)
            .filter(|kept| *kept <= self.plain)
            .ok_or(CompactError::Mark)?;
        let mut records: Vec<Vec<u8>> = snapshot.iter().map(|r| r.as_ref().to_vec()).collect();
        if kept > 0 {
            let there = self.read()?;
            let skipped = there.len() as u64 - kept;
            records.extend(
                there
                    .into_iter()
                    .skip(usize::try_from(skipped).unwrap_or(0)),
            );
        }
        let end = HEADER_BYTES as u64 + format::encoded_bytes(&records);
        self.check_room(end)?;
        let (file, key) = match create(self.disk.as_mut(), &records) {
            Ok(created) => created,
            Err(error) if error.fault() == Fault::DiskFull => {
                let removed = self.disk.remove(NEXT);
                self.or_stop(removed)?;
                return Err(CommitError::DiskFull(Arc::new(error)).into());
            }
            Err(error) => self.or_stop(Err(error))?,
        };
        let published = publish(self.disk.as_mut());
        self.or_stop(published)?;
        self.file = file;
        self.key = key;
        self.end = end;
        self.plain = kept;
        Ok(())
    }

    fn check_room(&self, end: u64) -> Result<(), CommitError> {
        if end > self.bytes_max {
            return Err(CommitError::Full {
                bytes_max: self.bytes_max,
            });
        }
        Ok(())
    }

    fn check_disk(&self) -> Result<(), CommitError> {
        match &self.failed {
            Some(error) => Err(CommitError::Failed(Arc::clone(error))),
            None => Ok(()),
        }
    }

    /// Stops the journal for good when `result` is an error.
    fn or_stop<T>(&mut self, result: Result<T, FileError>) -> Result<T, CommitError> {
        result.map_err(|error| {
            let error = Arc::new(error);
            self.failed = Some(Arc::clone(&error));
            CommitError::Failed(error)
        })
    }
}

/// Makes the next file with `records` in it, and forces it to the disk.
fn create(
    disk: &mut dyn Disk,
    records: &[impl AsRef<[u8]>],
) -> Result<(Box<dyn DiskFile>, Key), FileError> {
    let mut key = Key::default();
    getrandom::fill(&mut key)
        .map_err(io::Error::from)
        .map_err(FileError::at(Path::new(NEXT)))?;
    let header = Header {
        key,
        forced: HEADER_BYTES as u64 + format::encoded_bytes(records),
    };
    let mut file = disk.create(NEXT)?;
    file.write_at(0, &header.encode())?;
    file.write_at(
        HEADER_BYTES as u64,
        &format::encode(key, HEADER_BYTES as u64, records),
    )?;
    file.sync()?;
    Ok((file, key))
}

/// Gives the next file its name, for good.
fn publish(disk: &mut dyn Disk) -> Result<(), FileError> {
    disk.rename(NEXT, CURRENT)?;
    disk.sync_folder()
}

impl From<ScanError> for OpenJournalError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Damaged { offset } => Self::Damaged {
                offset: offset as u64,
            },
            ScanError::Version { found } => Self::Version { found },
        }
    }
}
