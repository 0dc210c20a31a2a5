//! Tickets: what one person sends another so that a machine can join a pool.
//!
//! `mct1`, then in base32 the canonical bytes and the first 4 bytes of their SHA-256.

use crate::bounded::{Address, List};
use crate::codec::{self, DecodeError};
use crate::codes::{self, Code};
use crate::ids::text;
use crate::ids::{Digest, NodeId, PoolId};
use crate::limits::{ADDRESSES_MAX, ADMITTERS_MAX, CLOCK_SLACK_MS, TICKET_CHARS_MAX};
use crate::membership::Role;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// What every ticket begins with, whatever its version.
const PREFIX: &str = "mct";
/// The version that is written and read here.
const VERSION: char = '1';
/// Against slips of the hand: one garbled ticket in 2^32 goes unnoticed here, and is refused by the pool.
const CHECKSUM_BYTES: usize = 4;

/// What makes a ticket worth something. Never printed; compared without telling by the time taken where it differs.
#[derive(Clone, Copy)]
pub struct TicketSecret([u8; 16]);

impl TicketSecret {
    /// Wraps 16 random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for keeping them where only their owner reads.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PartialEq for TicketSecret {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        let difference = pairs.fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
        difference == 0
    }
}

impl Eq for TicketSecret {}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret(..)")
    }
}

impl Serialize for TicketSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for TicketSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize_bytes(deserializer).map(Self)
    }
}

/// Admission to a pool, as it is printed and typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The pool.
    pub pool: PoolId,
    /// Transport keys that redeem it. The secret is shown to nobody else.
    pub admitters: List<NodeId, 1, ADMITTERS_MAX>,
    /// Where they are, the best ones first.
    pub addresses: List<Address, 1, ADDRESSES_MAX>,
    /// Proves that the ticket was received.
    pub secret: TicketSecret,
    /// What its bearer may do.
    pub roles: BTreeSet<Role>,
    /// End of validity, milliseconds since 1970.
    pub not_after_ms: u64,
}

/// Why a text is not a ticket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTicketError {
    /// Something else altogether.
    #[error("a ticket begins with `{PREFIX}{VERSION}`")]
    NotATicket,
    /// Of another version of this program.
    #[error("the ticket is of version {version}, this program reads version {VERSION}")]
    Version {
        /// The ticket's.
        version: char,
    },
    /// A character is wrong, missing or too many.
    #[error("the ticket was garbled or cut off")]
    Garbled,
    /// The text is whole, and no version 1 of this program wrote it.
    #[error("the ticket's content is not valid")]
    Content(#[source] DecodeError),
}

impl ParseTicketError {
    /// The error's code.
    pub const fn code(&self) -> &'static Code {
        match self {
            Self::NotATicket | Self::Garbled | Self::Content(_) => &codes::TICKET_INVALID,
            Self::Version { .. } => &codes::TICKET_VERSION,
        }
    }
}

/// The ticket's time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ticket ended at {not_after_ms} ms")]
pub struct TicketExpired {
    /// When.
    pub not_after_ms: u64,
}

impl Ticket {
    /// The text to print. The last ones of many long addresses are left out, so that it stays short.
    pub fn to_text(&self) -> String {
        let mut ticket = self.clone();
        loop {
            let text = ticket.spell();
            let mut fewer = ticket.addresses.into_vec();
            fewer.pop();
            match List::new(fewer) {
                Ok(addresses) if text.len() > TICKET_CHARS_MAX => ticket.addresses = addresses,
                _ => return text,
            }
        }
    }

    /// Reads what was typed or pasted; white space around it does not count.
    ///
    /// # Errors
    /// When it is not the text of a ticket of this version.
    pub fn parse(typed: &str) -> Result<Self, ParseTicketError> {
        let rest = typed
            .trim()
            .strip_prefix(PREFIX)
            .ok_or(ParseTicketError::NotATicket)?;
        let mut chars = rest.chars();
        match chars.next() {
            Some(VERSION) => Self::read(chars.as_str()),
            Some(version @ '2'..='9') => Err(ParseTicketError::Version { version }),
            _ => Err(ParseTicketError::NotATicket),
        }
    }

    /// Spares the way to the admitting node, whose clock decides.
    ///
    /// # Errors
    /// When the ticket's time is over, with slack for two clocks.
    pub const fn check(&self, now_ms: u64) -> Result<(), TicketExpired> {
        let not_after_ms = self.not_after_ms;
        if not_after_ms.saturating_add(CLOCK_SLACK_MS) < now_ms {
            return Err(TicketExpired { not_after_ms });
        }
        Ok(())
    }

    fn spell(&self) -> String {
        let mut bytes = codec::encode(self);
        bytes.extend(checksum(&bytes));
        format!("{PREFIX}{VERSION}{}", text::to_base32(&bytes))
    }

    fn read(body: &str) -> Result<Self, ParseTicketError> {
        if body.len() > TICKET_CHARS_MAX {
            return Err(ParseTicketError::Garbled);
        }
        let bytes = text::from_base32(body)
            .ok()
            .filter(|bytes| text::to_base32(bytes) == body)
            .ok_or(ParseTicketError::Garbled)?;
        match bytes.split_last_chunk::<CHECKSUM_BYTES>() {
            Some((value, sum)) if checksum(value) == *sum => {
                codec::decode(value, TICKET_CHARS_MAX).map_err(ParseTicketError::Content)
            }
            _ => Err(ParseTicketError::Garbled),
        }
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = *Digest::of(bytes).as_bytes();
    [a, b, c, d]
}
