//! Memberships that were taken back, by their serial numbers.

use super::Pool;
use super::files::{self, Kind, Lock, PoolFileError};
use mutual_protocol::codes::{self, Code};
use std::collections::BTreeSet;

/// Serial numbers in the list: a pool of a thousand that throws out each member four times a month.
pub const REVOKED_MAX: usize = 4096;

const REVOKED: Kind = Kind {
    name: "revoked",
    bytes_max: 16 + REVOKED_MAX * 9,
    next: "restore it from a copy; without it, nobody is let in",
};

/// Why a membership was not taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// This account did not make the pool.
    #[error("the key of the pool is not here")]
    NotFounder,
    /// The list is full.
    #[error("{REVOKED_MAX} memberships are taken back already")]
    Full,
    /// The pool's files cannot be used.
    #[error(transparent)]
    File(#[from] PoolFileError),
}

impl RevokeError {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::NotFounder => &codes::POOL_NOT_ADMITTING,
            Self::Full => &codes::POOL_FULL,
            Self::File(error) => error.code(),
        }
    }
}

impl Pool {
    /// Takes a membership back. Its certificate is refused by this account's processes from now on.
    ///
    /// # Errors
    /// When this account did not make the pool, or the list cannot be written.
    pub fn revoke(&self, serial: u64) -> Result<(), RevokeError> {
        if !self.is_founder() {
            return Err(RevokeError::NotFounder);
        }
        let _lock = Lock::take(&self.root)?;
        let mut revoked = self.revoked()?;
        revoked.insert(serial);
        if revoked.len() > REVOKED_MAX {
            return Err(RevokeError::Full);
        }
        Ok(files::write(&self.folder, &REVOKED, &revoked)?)
    }

    /// The serial numbers of all memberships that were taken back.
    ///
    /// # Errors
    /// When the list cannot be read: who is let in is not known then.
    pub fn revoked(&self) -> Result<BTreeSet<u64>, PoolFileError> {
        Ok(files::read(&self.folder, &REVOKED)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::tests::founder;

    #[test]
    fn the_list_is_bounded_and_the_longest_one_is_read() {
        let machine = founder();
        let pool = machine.create("lab");
        let all: BTreeSet<u64> = (0..REVOKED_MAX).map(|n| u64::MAX - n as u64).collect();
        files::write(&pool.folder, &REVOKED, &all).unwrap();
        assert_eq!(pool.revoked().unwrap(), all);
        pool.revoke(u64::MAX).unwrap();
        assert!(matches!(pool.revoke(1), Err(RevokeError::Full)));
    }
}
