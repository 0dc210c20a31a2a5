//! What an account knows of the pools that it belongs to, and who is let in there.
//!
//! One folder for each pool (`files` says how they are written): `pool.key` where this account made the pool,
//! `membership`, `name`, `tickets`, `revoked`, `peers`. [`Pools`] finds and makes them, [`Pool`] is one of them.
//! [`PoolGate`] decides about connections, [`Joining`] is the other side of a ticket. Calls touch small files and may
//! wait for another process of this account. Nothing here knows about sockets; times come in as arguments.

mod files;
mod gate;
mod joining;
mod members;
mod membership;
mod peers;
mod revoked;
mod tickets;

#[cfg(test)]
mod tests;

pub use files::PoolFileError;
pub use gate::{ForeignMembership, PoolGate};
pub use joining::{JoinRefused, Joining};
pub use membership::{KeepCertError, Pool};
pub use peers::{KnownPeer, PEERS_MAX};
pub use revoked::{REVOKED_MAX, RevokeError};
pub use tickets::{IssueTicketError, TICKET_LIFE_MAX, TICKET_USES_MAX, TICKETS_MAX, TicketOrder};

use crate::home::Home;
use crate::identity::{self, IdentityError};
use files::{Kind, Lock};
use membership::{MEMBERSHIP, founder_cert};
use mutual_protocol::bounded::Line;
use mutual_protocol::codes::{self, Code};
use mutual_protocol::limits::HOST_NAME_BYTES_MAX;
use mutual_protocol::membership::MembershipCert;
use mutual_protocol::{NodeId, PoolId, Signed};
use std::path::{Path, PathBuf};

/// Pools of one account: each one is a DHT of its own to take part in.
pub const POOLS_MAX: usize = 64;

/// What people call a pool; known on this machine alone.
pub type PoolName = Line<HOST_NAME_BYTES_MAX>;

const NAME: Kind = Kind {
    name: "name",
    bytes_max: HOST_NAME_BYTES_MAX + 8,
    next: "remove it: the pool has no name then",
};

/// Where the key of a pool lies that this account made.
const KEY: &str = "pool.key";

/// The pools of one account. Any number of processes may use them at once.
#[derive(Clone, Debug)]
pub struct Pools {
    root: PathBuf,
}

/// The pools that there are.
#[derive(Debug)]
pub struct PoolList {
    /// Those that can be used, by id.
    pub pools: Vec<Pool>,
    /// What is wrong with the others.
    pub damaged: Vec<PoolFileError>,
}

/// Why there is no such pool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindPoolError {
    /// This account belongs to no pool.
    #[error(
        "this machine is in no pool: `mc-host start` makes one, `mc pool join TICKET` joins one"
    )]
    None,
    /// It belongs to others.
    #[error("no pool of this machine matches `{given}`")]
    Unknown {
        /// What was asked for.
        given: String,
    },
    /// It belongs to several that match.
    #[error("{found} pools match: name one of them by more characters of its id")]
    Ambiguous {
        /// How many.
        found: usize,
    },
    /// The pool's files cannot be used.
    #[error(transparent)]
    File(#[from] PoolFileError),
}

impl FindPoolError {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::None | Self::Unknown { .. } | Self::Ambiguous { .. } => &codes::POOL_NOT_FOUND,
            Self::File(error) => error.code(),
        }
    }
}

/// Why no pool was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreatePoolError {
    /// There are as many as there may be.
    #[error("this machine is in {POOLS_MAX} pools already: leave one with `mc pool leave`")]
    Full,
    /// The pool's key cannot be made.
    #[error("the key of the pool")]
    Key(#[source] IdentityError),
    /// The pool's files cannot be written.
    #[error(transparent)]
    File(#[from] PoolFileError),
}

impl CreatePoolError {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Full => &codes::POOL_FULL,
            Self::Key(IdentityError::Io { source, .. }) => files::code_of(source),
            Self::Key(_) => &codes::STORE_IO,
            Self::File(error) => error.code(),
        }
    }
}

impl Pools {
    /// Those below the data folder of `home`. Nothing is read or made yet.
    pub fn open(home: &Home) -> Self {
        Self { root: home.pools() }
    }

    /// All pools; a damaged one does not hide the others.
    ///
    /// # Errors
    /// When the folder of pools cannot be read.
    pub fn list(&self) -> Result<PoolList, PoolFileError> {
        let (mut pools, mut damaged) = (Vec::new(), Vec::new());
        for id in self.ids()? {
            match Pool::read(&self.root, id) {
                Ok(pool) => pools.push(pool),
                Err(error) => damaged.push(error),
            }
        }
        Ok(PoolList { pools, damaged })
    }

    /// The pool that `given` names: by its name, its id, or enough of the id's first characters. Without `given`, the
    /// only one there is.
    ///
    /// # Errors
    /// When none or several match, or the one that does is damaged.
    pub fn get(&self, given: Option<&str>) -> Result<Pool, FindPoolError> {
        let ids = self.ids()?;
        if ids.is_empty() {
            return Err(FindPoolError::None);
        }
        let is_meant = |id: &PoolId| match given {
            None => true,
            Some(given) => id.to_string().starts_with(given) || is_named(&self.folder(*id), given),
        };
        let matching: Vec<PoolId> = ids.into_iter().filter(is_meant).collect();
        match (matching.as_slice(), given) {
            ([id], _) => Ok(Pool::read(&self.root, *id)?),
            ([], given) => Err(FindPoolError::Unknown {
                given: given.unwrap_or_default().to_owned(),
            }),
            (several, _) => Err(FindPoolError::Ambiguous {
                found: several.len(),
            }),
        }
    }

    /// Makes a pool with a key of its own, and `member` in it with every role.
    ///
    /// # Errors
    /// When there are too many, or its files cannot be made.
    pub fn create(
        &self,
        member: NodeId,
        name: PoolName,
        now_ms: u64,
    ) -> Result<Pool, CreatePoolError> {
        let _lock = Lock::take(&self.root)?;
        if self.ids()?.len() >= POOLS_MAX {
            return Err(CreatePoolError::Full);
        }
        let new = files::new_folder(&self.root)?;
        let key = identity::load_or_create(&new.join(KEY)).map_err(CreatePoolError::Key)?;
        let id = PoolId::from(key.public());
        files::write(&new, &NAME, &name)?;
        let serial = tickets::start(&new, now_ms)?;
        let cert = founder_cert(&key, member, serial, now_ms);
        files::write(&new, &MEMBERSHIP, &cert)?;
        files::place(&new, &self.folder(id))?;
        Ok(Pool::read(&self.root, id)?)
    }

    /// Forgets a pool, its key included: of a pool that this account made, nobody can make members any more. Ask
    /// first when [`Pool::is_founder`]. Whether it was there.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub fn leave(&self, id: PoolId) -> Result<bool, PoolFileError> {
        let _lock = Lock::take(&self.root)?;
        files::remove_folder(&self.folder(id))
    }

    /// Keeps a verified certificate: in the pool's folder, or in a new one.
    fn keep(&self, pool: PoolId, cert: &Signed<MembershipCert>) -> Result<Pool, CreatePoolError> {
        let _lock = Lock::take(&self.root)?;
        let folder = self.folder(pool);
        if folder.exists() {
            files::write(&folder, &MEMBERSHIP, cert)?;
        } else if self.ids()?.len() >= POOLS_MAX {
            return Err(CreatePoolError::Full);
        } else {
            let new = files::new_folder(&self.root)?;
            files::write(&new, &MEMBERSHIP, cert)?;
            files::place(&new, &folder)?;
        }
        Ok(Pool::read(&self.root, pool)?)
    }

    fn is_founder(&self, id: PoolId) -> bool {
        self.folder(id).join(KEY).exists()
    }

    fn folder(&self, id: PoolId) -> PathBuf {
        self.root.join(id.to_string())
    }

    fn ids(&self) -> Result<Vec<PoolId>, PoolFileError> {
        let names = files::names(&self.root)?;
        let mut ids: Vec<_> = names.iter().filter_map(|name| name.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

fn is_named(folder: &Path, given: &str) -> bool {
    // A name that cannot be read names nothing; `Pool::read` tells what is wrong with it.
    files::read::<PoolName>(folder, &NAME)
        .ok()
        .flatten()
        .is_some_and(|name| name.as_str() == given)
}
