//! What members publish so that others find them: host records and job ads, and where in the DHT they lie.
//!
//! Both are signed, carry their publisher's membership, and end soon. They are hints: no right follows from one.

use crate::bounded::{Address, Line, List};
use crate::ids::{Cid, Generation, JobId, NodeId, PoolId};
use crate::limits::{
    ADDRESSES_MAX, CLOCK_SLACK_MS, HOST_NAME_BYTES_MAX, HOST_RECORD_LIFE_MS_MAX,
    JOB_AD_LIFE_MS_MAX, LINE_BYTES_MAX, WITNESSES_MAX, WORK_SHARDS,
};
use crate::membership::{MembershipCert, ProofError, Role, verify_cert};
use crate::sign::{Message, Signed, Verified, Verifier};
use crate::spec::Requirements;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Whether a host takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// It has free slots.
    Idle,
    /// All slots are taken.
    Busy,
    /// Its donor wants it back, for now or for good.
    Away,
}

/// What a host can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// WebAssembly modules and components.
    Wasm,
    /// GPU kernels.
    Gpu,
    /// OCI containers.
    Container,
}

/// When something was published, and for how long it is worth looking at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// Rises with each one of a publisher, restarts included: the greater of its clock and the last one plus 1.
    pub sequence: u64,
    /// The publisher's wall clock, milliseconds since 1970.
    pub issued_at_ms: u64,
    /// How long it holds, milliseconds.
    pub life_ms: u32,
}

impl Issue {
    /// When a receiver drops what it first saw at `seen_at_ms`, by its own clock.
    pub fn drop_at_ms(&self, seen_at_ms: u64) -> u64 {
        let latest = self.end_ms().saturating_add(CLOCK_SLACK_MS);
        let life_ms = u64::from(self.life_ms);
        seen_at_ms.saturating_add(life_ms).min(latest)
    }

    fn end_ms(&self) -> u64 {
        self.issued_at_ms.saturating_add(u64::from(self.life_ms))
    }

    fn check(&self, life_ms_max: u64, now_ms: u64) -> Result<(), RecordError> {
        let (issued_at_ms, end_ms) = (self.issued_at_ms, self.end_ms());
        if self.life_ms == 0 || u64::from(self.life_ms) > life_ms_max {
            return Err(RecordError::Life {
                life_ms: self.life_ms,
            });
        }
        if issued_at_ms > now_ms.saturating_add(CLOCK_SLACK_MS) {
            return Err(RecordError::Future { issued_at_ms });
        }
        if end_ms.saturating_add(CLOCK_SLACK_MS) < now_ms {
            return Err(RecordError::Expired { end_ms });
        }
        Ok(())
    }
}

/// What a host has and how it stands. Signer: the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRecord {
    /// The pool.
    pub pool: PoolId,
    /// The host; equal to the signer.
    pub host: NodeId,
    /// What people call it.
    pub name: Line<HOST_NAME_BYTES_MAX>,
    /// Sequence and life.
    pub issue: Issue,
    /// Whether it takes work.
    pub state: HostState,
    /// Slots in which nothing runs.
    pub slots_free: u16,
    /// Slots in all.
    pub slots: u16,
    /// Processor cores that it offers.
    pub cpus: u16,
    /// Memory that it offers, bytes.
    pub memory_bytes: u64,
    /// Disk that it offers, bytes.
    pub disk_bytes: u64,
    /// What it can run.
    pub runtimes: BTreeSet<Runtime>,
    /// Its engine's build id.
    pub build: Line<LINE_BYTES_MAX>,
    /// Where it is, the best ones first.
    pub addresses: List<Address, 0, ADDRESSES_MAX>,
    /// Its membership.
    pub membership: Signed<MembershipCert>,
}

impl Message for HostRecord {
    const TAG: &'static str = "host-record";
    const SIZE_MAX: usize = 8 << 10;
}

impl HostRecord {
    /// Whether this record takes the place of `other`: the same host's, and later.
    pub fn newer(&self, other: &Self) -> bool {
        (self.pool, self.host) == (other.pool, other.host)
            && self.issue.sequence > other.issue.sequence
    }
}

impl Verified<HostRecord> {
    /// Checks everything but the sequence: that a host of `pool` published it, and that it holds now.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn check(
        &self,
        verifier: &dyn Verifier,
        pool: PoolId,
        now_ms: u64,
    ) -> Result<(), RecordError> {
        let record = self.value();
        if self.signer() != record.host.key() {
            return Err(RecordError::Signer);
        }
        if record.pool != pool {
            return Err(RecordError::OtherPool { found: record.pool });
        }
        record.issue.check(HOST_RECORD_LIFE_MS_MAX, now_ms)?;
        if record.slots_free > record.slots {
            return Err(RecordError::Slots);
        }
        let cert = verify_cert(&record.membership, verifier, pool, now_ms)?;
        is_of(&cert, record.host, Role::Host)
    }
}

/// A node and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// The node.
    pub node: NodeId,
    /// Where it is, the best ones first.
    pub addresses: List<Address, 0, ADDRESSES_MAX>,
}

/// A public notice of a job that waits for hosts. Signer: the owner's node, or a witness of the job.
///
/// Nothing in it proves that the job is the owner's: whoever takes it up asks a contact for an offer, and verifies the
/// spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobAd {
    /// The pool.
    pub pool: PoolId,
    /// The job.
    pub job: JobId,
    /// Its revision.
    pub generation: Generation,
    /// The spec's blob.
    pub spec: Cid,
    /// The owner's node.
    pub owner: NodeId,
    /// What a host must have.
    pub requirements: Requirements,
    /// Who keeps the registers, and so can offer; the addresses of all together are at most as many as of one host.
    pub witnesses: List<Contact, 1, WITNESSES_MAX>,
    /// Sequence and life.
    pub issue: Issue,
    /// Takes earlier ads back: the job is decided.
    pub withdrawn: bool,
    /// The signer's membership.
    pub membership: Signed<MembershipCert>,
}

impl Message for JobAd {
    const TAG: &'static str = "job-ad";
    const SIZE_MAX: usize = 8 << 10;
}

impl Verified<JobAd> {
    /// Whether this ad takes the place of `other`: of the same signer, about the same job, and later.
    ///
    /// Another signer's never does: it could be anybody's in the pool, and would hide the true one.
    pub fn newer(&self, other: &Self) -> bool {
        let (a, b) = (self.value(), other.value());
        (a.pool, a.job, self.signer()) == (b.pool, b.job, other.signer())
            && a.issue.sequence > b.issue.sequence
    }

    /// Checks everything but the sequence: that a member of `pool` with a part in the job published it, and that it
    /// holds now.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn check(
        &self,
        verifier: &dyn Verifier,
        pool: PoolId,
        now_ms: u64,
    ) -> Result<(), RecordError> {
        let (ad, signer) = (self.value(), NodeId::from(self.signer()));
        let is_owner = signer == ad.owner;
        if !is_owner && ad.witnesses.iter().all(|contact| contact.node != signer) {
            return Err(RecordError::Signer);
        }
        if ad.pool != pool {
            return Err(RecordError::OtherPool { found: ad.pool });
        }
        ad.issue.check(JOB_AD_LIFE_MS_MAX, now_ms)?;
        if !ad.witnesses.is_sorted_by(|a, b| a.node < b.node) {
            return Err(RecordError::Witnesses);
        }
        let addresses = ad.witnesses.iter().map(|contact| contact.addresses.len());
        let found = addresses.sum();
        if found > ADDRESSES_MAX {
            return Err(RecordError::Addresses { found });
        }
        let cert = verify_cert(&ad.membership, verifier, pool, now_ms)?;
        let role = if is_owner {
            Role::Submit
        } else {
            Role::Witness
        };
        is_of(&cert, signer, role)
    }
}

/// Why a host record or job ad is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Somebody signed who has no part in it.
    #[error("signed by somebody else than it is about")]
    Signer,
    /// It is about another pool.
    #[error("is about pool {found}")]
    OtherPool {
        /// That pool.
        found: PoolId,
    },
    /// It would live longer than allowed, or not at all.
    #[error("life of {life_ms} ms is out of bounds")]
    Life {
        /// Its life.
        life_ms: u32,
    },
    /// Its publisher's clock is ahead, or ours behind.
    #[error("issued at {issued_at_ms} ms, in the future")]
    Future {
        /// When it was issued.
        issued_at_ms: u64,
    },
    /// Its time is over.
    #[error("ended at {end_ms} ms")]
    Expired {
        /// When.
        end_ms: u64,
    },
    /// More slots are free than there are.
    #[error("more slots are free than there are")]
    Slots,
    /// The witnesses are not sorted, or one is there twice.
    #[error("witnesses are not sorted")]
    Witnesses,
    /// Too many addresses together.
    #[error("{found} addresses are more than the {ADDRESSES_MAX} allowed")]
    Addresses {
        /// How many.
        found: usize,
    },
    /// The membership is not valid.
    #[error("membership of its publisher")]
    Membership(#[from] ProofError),
    /// The membership is somebody else's.
    #[error("shows the membership of {member}")]
    Member {
        /// Whose.
        member: NodeId,
    },
    /// The publisher may not do this in the pool.
    #[error("its publisher lacks the role for it")]
    Role,
}

fn is_of(cert: &MembershipCert, node: NodeId, role: Role) -> Result<(), RecordError> {
    let member = cert.member;
    if member != node {
        return Err(RecordError::Member { member });
    }
    if cert.roles.contains(&role) {
        return Ok(());
    }
    Err(RecordError::Role)
}

/// A part of a pool's work index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkShard(u8);

impl WorkShard {
    /// The part that knows about `job`.
    pub const fn of(job: JobId) -> Self {
        Self(job.as_bytes()[0] % WORK_SHARDS)
    }

    /// All parts, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..WORK_SHARDS).map(Self)
    }
}

/// What lies at a key of a pool's DHT. Each kind has a beginning of its own, so that a store knows what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DhtKey {
    /// Value: a host's record.
    Host(NodeId),
    /// Value: an ad of a job.
    Job(JobId),
    /// Providers: owners and witnesses that have open jobs.
    Work(PoolId, WorkShard),
    /// Providers: who has the content under a root.
    Content(Cid),
}

const HOST_KEY: &[u8] = b"/mutual/host/";
const JOB_KEY: &[u8] = b"/mutual/job/";
const WORK_KEY: &[u8] = b"/mutual/work/";
const CONTENT_KEY: &[u8] = b"/mutual/content/";

impl DhtKey {
    /// The key's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Host(node) => [HOST_KEY, node.as_bytes()].concat(),
            Self::Job(job) => [JOB_KEY, job.as_bytes()].concat(),
            Self::Work(pool, shard) => [WORK_KEY, pool.as_bytes(), &[shard.0]].concat(),
            Self::Content(cid) => [CONTENT_KEY, &cid.to_bytes()].concat(),
        }
    }

    /// Reads a key that a peer gave; none when it is no key of this protocol.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if let Some(node) = bytes.strip_prefix(HOST_KEY) {
            return Some(Self::Host(NodeId::from_bytes(node.try_into().ok()?)));
        }
        if let Some(job) = bytes.strip_prefix(JOB_KEY) {
            return Some(Self::Job(JobId::from_bytes(job.try_into().ok()?)));
        }
        if let Some(rest) = bytes.strip_prefix(WORK_KEY) {
            let (pool, [shard]) = rest.split_first_chunk::<32>()? else {
                return None;
            };
            let pool = PoolId::from_bytes(*pool);
            return (*shard < WORK_SHARDS).then_some(Self::Work(pool, WorkShard(*shard)));
        }
        let rest = bytes.strip_prefix(CONTENT_KEY)?;
        let cid = Cid::from_bytes(rest).ok()?;
        (cid.to_bytes() == rest).then_some(Self::Content(cid))
    }
}
