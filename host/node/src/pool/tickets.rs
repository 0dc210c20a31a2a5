//! Tickets of a pool that this account made: issued, counted and redeemed.
//!
//! A use is on the disk before the certificate leaves. Who redeems the same ticket again, because the answer was lost,
//! gets another certificate with the same serial number, and no use is counted.

use super::Pool;
use super::files::{self, Kind, Lock, PoolFileError};
use crate::clock::random;
use mutual_protocol::admission::{JoinRequest, Refusal};
use mutual_protocol::bounded::{Address, List};
use mutual_protocol::codes::{self, Code};
use mutual_protocol::limits::{ADDRESSES_MAX, ADMITTERS_MAX, MEMBERSHIP_MS_MAX};
use mutual_protocol::membership::{MembershipCert, Role};
use mutual_protocol::ticket::{Ticket, TicketSecret};
use mutual_protocol::{Digest, NodeId, PoolId, Signed, Verified};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Tickets of one pool that can be redeemed at a time.
pub const TICKETS_MAX: usize = 64;
/// Members that one ticket makes: a room full of machines.
pub const TICKET_USES_MAX: u16 = 256;
/// Longest life of a ticket: it may lie in somebody's mail.
pub const TICKET_LIFE_MAX: Duration = Duration::from_hours(30 * 24);

const TICKETS: Kind = Kind {
    name: "tickets",
    // Each ticket: 128 bytes, six roles, and for each use a key, a number and two field names.
    bytes_max: 64 + TICKETS_MAX * (256 + TICKET_USES_MAX as usize * 64),
    next: "move it away: tickets that were given out are void then, members stay members",
};

/// Separates these hashes from all others.
const HASH_TAG: &[u8] = b"mutual-cloud ticket secret 1\n";

/// What a ticket is to say.
#[derive(Clone, Debug)]
pub struct TicketOrder {
    /// Transport keys of the processes that redeem it.
    pub admitters: List<NodeId, 1, ADMITTERS_MAX>,
    /// Where they are, the best ones first.
    pub addresses: List<Address, 1, ADDRESSES_MAX>,
    /// What a new member may do.
    pub roles: BTreeSet<Role>,
    /// How many members it makes.
    pub uses: u16,
    /// How long it can be redeemed.
    pub life: Duration,
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueTicketError {
    /// This account did not make the pool.
    #[error("the key of the pool is not here")]
    NotFounder,
    /// It would make no member, or too many.
    #[error("a ticket is for 1 to {TICKET_USES_MAX} members, not for {uses}")]
    Uses {
        /// How many were asked for.
        uses: u16,
    },
    /// It would be void at once, or live too long.
    #[error("a ticket lives for 1 s to {} days", TICKET_LIFE_MAX.as_secs() / 86_400)]
    Life,
    /// New members could do nothing.
    #[error("a ticket without a role is worth nothing")]
    Roles,
    /// So many are out.
    #[error("{TICKETS_MAX} tickets are out: wait until some are used or expire")]
    Full,
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// The pool's files cannot be used.
    #[error(transparent)]
    File(#[from] PoolFileError),
}

impl IssueTicketError {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::NotFounder => &codes::POOL_NOT_ADMITTING,
            Self::Uses { .. } | Self::Life | Self::Roles => &codes::ARGUMENT_USAGE,
            Self::Full => &codes::POOL_FULL,
            Self::Random(_) => &codes::STORE_IO,
            Self::File(error) => error.code(),
        }
    }
}

/// Why a ticket was not redeemed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RedeemError {
    /// This account did not make the pool.
    #[error("this node does not redeem tickets")]
    NotFounder,
    /// No such ticket was issued here, or long ago.
    #[error("the pool does not know this ticket")]
    Unknown,
    /// Others have used it.
    #[error("the ticket is used up")]
    UsedUp,
    /// Its time is over.
    #[error("the ticket ended at {not_after_ms} ms")]
    Expired {
        /// When.
        not_after_ms: u64,
    },
    /// The ticket gives nothing of what is asked for. It stays as it is.
    #[error("the ticket gives none of the roles that were asked for")]
    Roles,
    /// The membership that this node got by the ticket was taken back.
    #[error("the membership was taken back")]
    Revoked,
    /// The use cannot be written down.
    #[error("this node cannot write down who joins")]
    File(#[from] PoolFileError),
}

impl RedeemError {
    /// What the joining side is told. A node that cannot write has no room, as far as others can tell.
    pub(super) const fn refusal(&self) -> Refusal {
        match self {
            Self::NotFounder => Refusal::NotAnAdmitter,
            Self::Unknown => Refusal::UnknownTicket,
            Self::UsedUp => Refusal::UsedUp,
            Self::Expired { .. } => Refusal::TicketExpired,
            Self::Roles => Refusal::Proof,
            Self::Revoked => Refusal::Revoked,
            Self::File(_) => Refusal::Full,
        }
    }
}

/// What is kept of all tickets of a pool.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Issued {
    /// The last one that was given to a member.
    serial: u64,
    tickets: Vec<IssuedTicket>,
}

/// What is kept of a ticket: enough to know it again, too little to make use of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuedTicket {
    hash: Digest,
    roles: BTreeSet<Role>,
    uses: u16,
    not_after_ms: u64,
    redeemed: Vec<Redeemed>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Redeemed {
    member: NodeId,
    serial: u64,
}

impl Pool {
    /// Issues a ticket. It can be redeemed from now on, by any process of this account.
    ///
    /// # Errors
    /// When this account did not make the pool, the order is out of bounds, or the files cannot be used.
    pub fn issue_ticket(
        &self,
        order: TicketOrder,
        now_ms: u64,
    ) -> Result<Ticket, IssueTicketError> {
        check_order(&order)?;
        let _lock = Lock::take(&self.root)?;
        self.key()?.ok_or(IssueTicketError::NotFounder)?;
        let mut issued = self.issued()?;
        if issued.tickets.len() >= TICKETS_MAX {
            // Kept until now, so that a late guest hears `expired` and not `unknown`.
            issued.tickets.retain(|ticket| ticket.is_open(now_ms));
        }
        if issued.tickets.len() >= TICKETS_MAX {
            return Err(IssueTicketError::Full);
        }
        let secret = TicketSecret::from_bytes(random().map_err(IssueTicketError::Random)?);
        let life_ms = u64::try_from(order.life.as_millis()).unwrap_or(u64::MAX);
        let not_after_ms = now_ms.saturating_add(life_ms);
        issued.tickets.push(IssuedTicket {
            hash: hash(self.id, &secret),
            roles: order.roles.clone(),
            uses: order.uses,
            not_after_ms,
            redeemed: Vec::new(),
        });
        files::write(&self.folder, &TICKETS, &issued)?;
        Ok(Ticket {
            pool: self.id,
            admitters: order.admitters,
            addresses: order.addresses,
            secret,
            roles: order.roles,
            not_after_ms,
        })
    }

    /// How many more members a ticket makes now: none when it is unknown, used up or expired.
    ///
    /// # Errors
    /// When the pool's files cannot be used.
    pub fn uses_left(&self, secret: &TicketSecret, now_ms: u64) -> Result<usize, PoolFileError> {
        let hash = hash(self.id, secret);
        let issued = self.issued()?;
        let ticket = issued.tickets.iter().find(|ticket| ticket.hash == hash);
        Ok(ticket
            .filter(|ticket| ticket.is_open(now_ms))
            .map_or(0, IssuedTicket::uses_left))
    }

    /// Makes `request`'s node a member, if its ticket allows. Pool, connection and clock of the request were checked
    /// before. Without a certificate, the ticket stays as it was.
    pub(super) fn redeem(
        &self,
        request: &Verified<JoinRequest>,
        now_ms: u64,
    ) -> Result<Signed<MembershipCert>, RedeemError> {
        let _lock = Lock::take(&self.root)?;
        let key = self.key()?.ok_or(RedeemError::NotFounder)?;
        let (serial, roles) = self.count_use(request.value(), now_ms)?;
        let cert = MembershipCert {
            pool: self.id,
            member: request.value().member,
            roles,
            serial,
            not_after_ms: now_ms.saturating_add(MEMBERSHIP_MS_MAX),
        };
        Ok(key.sign(cert).signed().clone())
    }

    /// Writes the use down; the member's serial number and roles. The caller holds the lock.
    fn count_use(
        &self,
        request: &JoinRequest,
        now_ms: u64,
    ) -> Result<(u64, Vec<Role>), RedeemError> {
        let hash = hash(self.id, &request.secret);
        let mut issued = self.issued()?;
        let next = issued.next_serial(now_ms);
        let ticket = issued.tickets.iter_mut().find(|ticket| ticket.hash == hash);
        let ticket = ticket.ok_or(RedeemError::Unknown)?;
        if now_ms > ticket.not_after_ms {
            let not_after_ms = ticket.not_after_ms;
            return Err(RedeemError::Expired { not_after_ms });
        }
        let roles: Vec<Role> = ticket.roles.intersection(&request.roles).copied().collect();
        if roles.is_empty() {
            return Err(RedeemError::Roles);
        }
        let member = request.member;
        if let Some(earlier) = ticket.redeemed.iter().find(|one| one.member == member) {
            if self.revoked()?.contains(&earlier.serial) {
                return Err(RedeemError::Revoked);
            }
            return Ok((earlier.serial, roles));
        }
        if ticket.uses_left() == 0 {
            return Err(RedeemError::UsedUp);
        }
        let serial = next;
        ticket.redeemed.push(Redeemed { member, serial });
        issued.serial = serial;
        files::write(&self.folder, &TICKETS, &issued)?;
        Ok((serial, roles))
    }

    /// Takes a serial number. The caller holds the lock.
    pub(super) fn next_serial(&self, now_ms: u64) -> Result<u64, PoolFileError> {
        let mut issued = self.issued()?;
        issued.serial = issued.next_serial(now_ms);
        files::write(&self.folder, &TICKETS, &issued)?;
        Ok(issued.serial)
    }

    fn issued(&self) -> Result<Issued, PoolFileError> {
        Ok(files::read(&self.folder, &TICKETS)?.unwrap_or_default())
    }
}

impl Issued {
    /// Rises, also when the file was lost: the clock is ahead of every number that was given.
    fn next_serial(&self, now_ms: u64) -> u64 {
        now_ms.max(self.serial.saturating_add(1))
    }
}

impl IssuedTicket {
    fn uses_left(&self) -> usize {
        usize::from(self.uses).saturating_sub(self.redeemed.len())
    }

    fn is_open(&self, now_ms: u64) -> bool {
        now_ms <= self.not_after_ms && self.uses_left() > 0
    }
}

/// Begins the count of a new pool's members; the founder's serial number.
pub(super) fn start(folder: &Path, serial: u64) -> Result<u64, PoolFileError> {
    let issued = Issued {
        serial,
        tickets: Vec::new(),
    };
    files::write(folder, &TICKETS, &issued)?;
    Ok(serial)
}

fn check_order(order: &TicketOrder) -> Result<(), IssueTicketError> {
    let uses = order.uses;
    if !(1..=TICKET_USES_MAX).contains(&uses) {
        return Err(IssueTicketError::Uses { uses });
    }
    if !(Duration::from_secs(1)..=TICKET_LIFE_MAX).contains(&order.life) {
        return Err(IssueTicketError::Life);
    }
    if order.roles.is_empty() {
        return Err(IssueTicketError::Roles);
    }
    Ok(())
}

fn hash(pool: PoolId, secret: &TicketSecret) -> Digest {
    Digest::of(&[HASH_TAG, pool.as_bytes(), secret.as_bytes()].concat())
}

#[cfg(test)]
mod tests;
