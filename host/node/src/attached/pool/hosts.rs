//! The hosts of the pool as an owner sees them: who is connected, what each says of itself, and why it does not have
//! the job.

use super::{Considered, Why};
use crate::fit::{Capacity, misfits};
use mutual_protocol::discovery::HostRecord;
use mutual_protocol::membership::{Member, Role};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::{Audience, JobSpec};
use mutual_protocol::{Digest, NodeId, PoolId, Signed};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Hosts and connections that are remembered; a pool of more has enough of them.
const HOSTS_MAX: usize = 1024;
/// A host that declined is asked again after this long, or as soon as it says something new of itself.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Attempts that one host may lose; the last one may have been the connection's fault.
const LOSSES_MAX: u8 = 2;

/// The table.
#[derive(Debug)]
pub(in super::super) struct Hosts {
    pool: PoolId,
    /// Makes the choice among equals the same within a run, and another one in the next.
    salt: [u8; 16],
    known: BTreeMap<NodeId, Host>,
    /// Members by the keys of their connections.
    members: BTreeMap<NodeId, NodeId>,
}

#[derive(Debug, Default)]
struct Host {
    record: Option<(HostRecord, u64)>,
    /// Where messages to it go.
    connection: Option<NodeId>,
    why: Option<Why>,
    ask_after: Option<Instant>,
    losses: u8,
    /// It was offered the job, and may claim it.
    is_offered: bool,
    /// It broke the protocol.
    is_out: bool,
}

impl Hosts {
    pub(in super::super) fn new(pool: PoolId, salt: [u8; 16]) -> Self {
        Self {
            pool,
            salt,
            known: BTreeMap::new(),
            members: BTreeMap::new(),
        }
    }

    /// A member is connected; gives its name as a host, when it is one.
    pub(in super::super) fn up(&mut self, node: NodeId, member: &Member) -> Option<NodeId> {
        if !member.roles.contains(&Role::Host) || self.members.len() >= HOSTS_MAX {
            return None;
        }
        self.members.insert(node, member.node);
        self.entry(member.node)?.connection = Some(node);
        Some(member.node)
    }

    /// A connection is gone; gives the host that it led to.
    pub(in super::super) fn down(&mut self, node: NodeId) -> Option<NodeId> {
        let host = self.members.remove(&node)?;
        let known = self.known.get_mut(&host)?;
        known.connection.take_if(|connection| *connection == node)?;
        known.is_offered = false;
        Some(host)
    }

    /// The host behind a connection.
    pub(in super::super) fn behind(&self, node: NodeId) -> Option<NodeId> {
        self.members.get(&node).copied()
    }

    /// Where messages to a host go.
    pub(in super::super) fn connection(&self, host: NodeId) -> Option<NodeId> {
        self.known.get(&host)?.connection
    }

    /// What people call it; its own word.
    pub(in super::super) fn name(&self, host: NodeId) -> Option<String> {
        let (record, _) = self.known.get(&host)?.record.as_ref()?;
        Some(record.name.as_str().to_owned())
    }

    /// Whether it may claim the job.
    pub(in super::super) fn is_offered(&self, host: NodeId) -> bool {
        let known = self.known.get(&host);
        known.is_some_and(|known| known.is_offered && !known.is_out)
    }

    /// A record came; gives whether it says something new. `false` as well when it proves nothing: whoever passes it
    /// on need not have made it.
    pub(in super::super) fn learn(&mut self, record: &Signed<HostRecord>, now_ms: u64) -> bool {
        let Ok(record) = record.verify(&Ed25519) else {
            return false;
        };
        if record.check(&Ed25519, self.pool, now_ms).is_err() {
            return false;
        }
        let record = record.value();
        let Some(known) = self.entry(record.host) else {
            return false;
        };
        let old = known.record.as_ref();
        if old.is_some_and(|(old, _)| !record.newer(old)) {
            return false;
        }
        known.record = Some((record.clone(), record.issue.drop_at_ms(now_ms)));
        known.ask_after = None;
        true
    }

    /// The best host for `job`: it fits, has lost the fewest attempts, and has the most free slots.
    pub(in super::super) fn pick(&self, job: &JobSpec, now_ms: u64) -> Option<NodeId> {
        let now = Instant::now();
        let fits = self.known.iter().filter_map(|(id, host)| {
            let record = host.fitting(job, now_ms)?;
            let may_be_asked = host.ask_after.is_none_or(|at| at <= now);
            may_be_asked.then_some((id, host.losses, record.slots_free))
        });
        let best = fits.min_by_key(|(id, losses, slots)| {
            let chance = Digest::of(&[&self.salt[..], id.as_bytes()].concat());
            (*losses, Reverse(*slots), *chance.as_bytes())
        });
        best.map(|(id, ..)| *id)
    }

    /// When the next one that fits may be asked again.
    pub(in super::super) fn ask_at(&self, job: &JobSpec, now_ms: u64) -> Option<Instant> {
        let now = Instant::now();
        let fitting = self.known.values();
        let fitting = fitting.filter(|host| host.fitting(job, now_ms).is_some());
        let times = fitting.filter_map(|host| host.ask_after);
        times.filter(|at| *at > now).min()
    }

    /// It is asked now.
    pub(in super::super) fn offered(&mut self, host: NodeId) {
        if let Some(known) = self.known.get_mut(&host) {
            known.is_offered = true;
            known.ask_after = Some(Instant::now() + ASK_AGAIN);
            known.why = Some(Why::Silent);
        }
    }

    /// It does not have the job, for now.
    pub(in super::super) fn passed(&mut self, host: NodeId, why: Why) {
        if let Some(known) = self.known.get_mut(&host) {
            known.is_offered = false;
            known.why = Some(why);
            known.ask_after = Some(Instant::now() + ASK_AGAIN);
        }
    }

    /// It had the job, and lost it.
    pub(in super::super) fn lost(&mut self, host: NodeId, why: Why) {
        if let Some(known) = self.known.get_mut(&host) {
            known.is_offered = false;
            if !known.is_out {
                known.why = Some(why);
            }
            known.losses = known.losses.saturating_add(1);
            // There may be no other one: it is asked at once then.
            known.ask_after = None;
        }
    }

    /// It broke the protocol.
    pub(in super::super) fn banish(&mut self, host: NodeId) {
        if let Some(known) = self.known.get_mut(&host) {
            known.is_offered = false;
            known.is_out = true;
            known.why = Some(Why::Breach);
        }
    }

    /// Every host that `job` may run on, and why it does not.
    pub(in super::super) fn considered(&self, job: &JobSpec, now_ms: u64) -> Vec<Considered> {
        let named = match &job.audience {
            Audience::Hosts(hosts) => Some(hosts),
            _ => None,
        };
        let mut considered: Vec<_> = self
            .known
            .iter()
            .filter(|(id, host)| host.record.is_some() && named.is_none_or(|n| n.contains(id)))
            .map(|(id, host)| Considered {
                host: *id,
                name: self.name(*id),
                why: host.why(job, now_ms),
            })
            .collect();
        let is_missing = |id: &&NodeId| considered.iter().all(|known| known.host != **id);
        let missing: Vec<_> = named.into_iter().flatten().filter(is_missing).collect();
        considered.extend(missing.into_iter().map(|id| Considered {
            host: *id,
            name: None,
            why: Why::Unreachable,
        }));
        considered
    }

    /// The entry of a host; none when there is no room. Those that nothing is known of but a record make room.
    fn entry(&mut self, host: NodeId) -> Option<&mut Host> {
        if self.known.len() >= HOSTS_MAX && !self.known.contains_key(&host) {
            let is_idle = |host: &Host| host.connection.is_none() && host.why.is_none();
            let idle = self.known.iter().find(|(_, host)| is_idle(host));
            let idle = *idle?.0;
            self.known.remove(&idle);
        }
        Some(self.known.entry(host).or_default())
    }
}

impl Host {
    /// Its record, when it could have the job.
    fn fitting(&self, job: &JobSpec, now_ms: u64) -> Option<&HostRecord> {
        let (record, drop_at_ms) = self.record.as_ref()?;
        let is_reachable = self.connection.is_some() && now_ms < *drop_at_ms;
        let is_trusted = !self.is_out && self.losses < LOSSES_MAX;
        let fits = || misfits(job, &Capacity::from(record), now_ms).is_empty();
        (is_reachable && is_trusted && fits()).then_some(record)
    }

    fn why(&self, job: &JobSpec, now_ms: u64) -> Why {
        let reasons = self
            .record
            .as_ref()
            .map(|(record, _)| Capacity::from(record));
        let reasons = reasons.map_or_else(Vec::new, |capacity| misfits(job, &capacity, now_ms));
        match &self.why {
            Some(why @ (Why::Breach | Why::Lost(_))) => why.clone(),
            _ if self.connection.is_none() => Why::Unreachable,
            _ if !reasons.is_empty() => Why::Declines(reasons),
            Some(why) => why.clone(),
            None => Why::Silent,
        }
    }
}
