//! One pool: this account's membership in it, and the pool's key where this account made the pool.

use super::files::{self, Kind, Lock, PoolFileError};
use super::{KEY, NAME, PoolName};
use crate::identity::{self, IdentityError};
use mutual_protocol::codes::{self, Code};
use mutual_protocol::limits::MEMBERSHIP_MS_MAX;
use mutual_protocol::membership::{MembershipCert, ProofError, Role, verify_cert};
use mutual_protocol::sign::{ENVELOPE_BYTES_MAX, Ed25519, Message as _};
use mutual_protocol::{NodeId, PoolId, Signed, SigningKey};
use std::io;
use std::path::{Path, PathBuf};

pub(super) const MEMBERSHIP: Kind = Kind {
    name: "membership",
    bytes_max: MembershipCert::SIZE_MAX + ENVELOPE_BYTES_MAX,
    next: "join again with a new ticket: `mc pool join TICKET`",
};

/// All that may be done in a pool: what its founder may.
const ALL_ROLES: [Role; 6] = [
    Role::Submit,
    Role::Host,
    Role::Witness,
    Role::Store,
    Role::Relay,
    Role::Gateway,
];

/// A pool that this account belongs to, as its files were when it was read.
#[derive(Clone, Debug)]
pub struct Pool {
    pub(super) root: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) id: PoolId,
    name: Option<PoolName>,
    cert: Signed<MembershipCert>,
    membership: MembershipCert,
}

/// Why a certificate was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepCertError {
    /// It is not the pool's word, or not now.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// It is somebody else's.
    #[error("the certificate is for {member}")]
    Member {
        /// Whose.
        member: NodeId,
    },
    /// This account did not make the pool, and cannot certify itself.
    #[error("the key of the pool is not here")]
    NotFounder,
    /// The pool's files cannot be used.
    #[error(transparent)]
    File(#[from] PoolFileError),
}

impl KeepCertError {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Proof(_) | Self::Member { .. } => &codes::POOL_PROOF,
            Self::NotFounder => &codes::POOL_NOT_ADMITTING,
            Self::File(error) => error.code(),
        }
    }
}

impl Pool {
    pub(super) fn read(root: &Path, id: PoolId) -> Result<Self, PoolFileError> {
        let folder = root.join(id.to_string());
        let (cert, membership) = read_cert(&folder, id)?;
        Ok(Self {
            root: root.to_owned(),
            name: files::read(&folder, &NAME)?,
            folder,
            id,
            cert,
            membership,
        })
    }

    /// The pool.
    pub const fn id(&self) -> PoolId {
        self.id
    }

    /// What the person here calls it.
    pub const fn name(&self) -> Option<&PoolName> {
        self.name.as_ref()
    }

    /// This account's membership. It may have ended.
    pub const fn membership(&self) -> &MembershipCert {
        &self.membership
    }

    /// The same, with the pool's signature: what host records and job ads carry.
    pub const fn certificate(&self) -> &Signed<MembershipCert> {
        &self.cert
    }

    /// As [`Pool::certificate`], but what another process has renewed since.
    pub(super) fn newest_certificate(&self) -> Signed<MembershipCert> {
        match read_cert(&self.folder, self.id) {
            Ok((cert, _)) => cert,
            Err(error) => {
                tracing::warn!(%error, "the membership that was read before is used");
                self.cert.clone()
            }
        }
    }

    /// Whether this account made the pool, and so admits members.
    pub fn is_founder(&self) -> bool {
        self.folder.join(KEY).exists()
    }

    /// Whether a third of the membership's life or less is left.
    pub const fn needs_renewal(&self, now_ms: u64) -> bool {
        self.membership.not_after_ms <= now_ms.saturating_add(MEMBERSHIP_MS_MAX / 3)
    }

    /// Renews the founder's own membership.
    ///
    /// # Errors
    /// When this account did not make the pool, or the files cannot be used.
    pub fn renew(&mut self, now_ms: u64) -> Result<(), KeepCertError> {
        let _lock = Lock::take(&self.root)?;
        let key = self.key()?.ok_or(KeepCertError::NotFounder)?;
        let serial = self.next_serial(now_ms)?;
        let cert = founder_cert(&key, self.membership.member, serial, now_ms);
        self.write_cert(cert)
    }

    /// Keeps a newer certificate of this account.
    ///
    /// # Errors
    /// When it is not the pool's word for this account now, or cannot be written.
    pub fn store_certificate(
        &mut self,
        cert: Signed<MembershipCert>,
        now_ms: u64,
    ) -> Result<(), KeepCertError> {
        let member = verify_cert(&cert, &Ed25519, self.id, now_ms)?.member;
        if member != self.membership.member {
            return Err(KeepCertError::Member { member });
        }
        let _lock = Lock::take(&self.root)?;
        self.write_cert(cert)
    }

    fn write_cert(&mut self, cert: Signed<MembershipCert>) -> Result<(), KeepCertError> {
        files::write(&self.folder, &MEMBERSHIP, &cert)?;
        (self.cert, self.membership) = read_cert(&self.folder, self.id)?;
        Ok(())
    }

    /// The pool's key, where this account made it.
    pub(super) fn key(&self) -> Result<Option<SigningKey>, PoolFileError> {
        let path = self.folder.join(KEY);
        let damaged = || PoolFileError::Damaged {
            path: path.clone(),
            next: "restore it from a copy; without it, nobody becomes a member any more",
        };
        match identity::read(&path) {
            Ok(key) if PoolId::from(key.public()) == self.id => Ok(Some(key)),
            Ok(_) => Err(damaged()),
            Err(IdentityError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(IdentityError::Io { path, source }) => Err(PoolFileError::Io { path, source }),
            Err(IdentityError::Exposed { path, mode }) => {
                Err(PoolFileError::Exposed { path, mode })
            }
            Err(_) => Err(damaged()),
        }
    }
}

/// Reads the certificate of this account. That it has ended is no damage.
fn read_cert(
    folder: &Path,
    pool: PoolId,
) -> Result<(Signed<MembershipCert>, MembershipCert), PoolFileError> {
    let damaged = || MEMBERSHIP.damaged(folder);
    let signed: Signed<MembershipCert> = files::read(folder, &MEMBERSHIP)?.ok_or_else(damaged)?;
    match signed.verify(&Ed25519) {
        Ok(cert) if cert.signer() == pool.key() && cert.value().pool == pool => {
            let membership = cert.value().clone();
            Ok((signed, membership))
        }
        _ => Err(damaged()),
    }
}

pub(super) fn founder_cert(
    key: &SigningKey,
    member: NodeId,
    serial: u64,
    now_ms: u64,
) -> Signed<MembershipCert> {
    let cert = MembershipCert {
        pool: PoolId::from(key.public()),
        member,
        roles: ALL_ROLES.to_vec(),
        serial,
        not_after_ms: now_ms.saturating_add(MEMBERSHIP_MS_MAX),
    };
    key.sign(cert).signed().clone()
}
