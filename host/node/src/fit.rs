//! Whether a host fits a job: one answer for the host that is offered it, the owner who looks for one, and the person
//! who asks why the job waits.

use mutual_protocol::discovery::{HostRecord, HostState, Runtime};
use mutual_protocol::limits::WALL_SLACK_MS;
use mutual_protocol::message::DeclineReason;
use mutual_protocol::spec::{Audience, JobSpec, Profile};
use mutual_protocol::{NodeId, limits};
use std::collections::BTreeSet;

/// What a host has left, and whether it gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The host.
    pub host: NodeId,
    /// Whether its donor gives it now.
    pub standing: Standing,
    /// Slots in which nothing runs.
    pub slots_free: u16,
    /// Processor cores.
    pub cpus: u16,
    /// Memory that no attempt has been promised, bytes.
    pub memory_bytes: u64,
    /// Disk that no attempt has been promised, bytes.
    pub disk_bytes: u64,
    /// What it can run.
    pub runtimes: BTreeSet<Runtime>,
}

/// Whether a donor gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes work.
    Serving,
    /// The donor wants the machine for now.
    Paused,
    /// It finishes what it has.
    Draining,
}

impl From<&HostRecord> for Capacity {
    /// What a host says of itself. What its attempts were promised is not in it: an offer may still be declined.
    fn from(record: &HostRecord) -> Self {
        let is_away = record.state == HostState::Away;
        Self {
            host: record.host,
            standing: if is_away {
                Standing::Paused
            } else {
                Standing::Serving
            },
            slots_free: record.slots_free,
            cpus: record.cpus,
            memory_bytes: record.memory_bytes,
            disk_bytes: record.disk_bytes,
            runtimes: record.runtimes.clone(),
        }
    }
}

/// Why `host` cannot take `job` at `now_ms` of the wall clock; empty when it can.
///
/// At most [`limits::DECLINE_REASONS_MAX`], the ones that pass by themselves first.
pub fn misfits(job: &JobSpec, host: &Capacity, now_ms: u64) -> Vec<DeclineReason> {
    let (limits, needs) = (&job.limits, &job.requirements);
    let memory = needs.memory_bytes_min.max(limits.memory_bytes_max);
    let disk = needs.disk_bytes_min.max(limits.disk_bytes_max);
    let found = [
        standing(host.standing),
        (host.slots_free == 0).then_some(DeclineReason::NoSlot),
        (!is_time(job, now_ms)).then_some(DeclineReason::Time),
        (!is_for(job, host.host)).then_some(DeclineReason::Policy),
        (!host.runtimes.contains(&Runtime::Wasm)).then_some(DeclineReason::Runtime),
        (job.profile != Profile::plain()).then_some(DeclineReason::Profile),
        (needs.cpus > host.cpus).then_some(DeclineReason::Cpus {
            wanted: needs.cpus,
            offered: host.cpus,
        }),
        (memory > host.memory_bytes).then_some(DeclineReason::Memory {
            wanted: memory,
            offered: host.memory_bytes,
        }),
        (disk > host.disk_bytes).then_some(DeclineReason::Disk {
            wanted: disk,
            offered: host.disk_bytes,
        }),
    ];
    found
        .into_iter()
        .flatten()
        .take(limits::DECLINE_REASONS_MAX)
        .collect()
}

fn standing(standing: Standing) -> Option<DeclineReason> {
    match standing {
        Standing::Serving => None,
        Standing::Paused => Some(DeclineReason::Paused),
        Standing::Draining => Some(DeclineReason::Draining),
    }
}

/// Wall clocks err by hours: a day of slack on both sides.
fn is_time(job: &JobSpec, now_ms: u64) -> bool {
    job.not_before_ms <= now_ms.saturating_add(WALL_SLACK_MS) && now_ms < job.not_after_ms
}

fn is_for(job: &JobSpec, host: NodeId) -> bool {
    match &job.audience {
        Audience::Hosts(hosts) => hosts.contains(&host),
        Audience::Members => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{self, TestClock};
    use mutual_store::BlockStore;

    fn host() -> Capacity {
        Capacity {
            host: NodeId::from(rig::keys().0.public()),
            standing: Standing::Serving,
            slots_free: 1,
            cpus: 4,
            memory_bytes: 8 << 30,
            disk_bytes: 8 << 30,
            runtimes: [Runtime::Wasm].into(),
        }
    }

    fn job() -> JobSpec {
        let folder = tempfile::tempdir().unwrap();
        let store = BlockStore::open(folder.path()).unwrap();
        let prepared = rig::prepared(&store, &TestClock::new());
        let mut job = prepared.spec.value().clone();
        job.audience = Audience::Members;
        job.limits.memory_bytes_max = 2 << 30;
        job.limits.disk_bytes_max = 4 << 30;
        job
    }

    #[test]
    fn a_host_fits_up_to_its_last_byte() {
        let (job, mut host) = (job(), host());
        let now = job.not_before_ms;
        assert_eq!(misfits(&job, &host, now), Vec::new());
        host.memory_bytes = job.limits.memory_bytes_max;
        host.disk_bytes = job.limits.disk_bytes_max;
        host.cpus = job.requirements.cpus;
        assert_eq!(misfits(&job, &host, now), Vec::new());
        host.memory_bytes -= 1;
        let memory = DeclineReason::Memory {
            wanted: 2 << 30,
            offered: (2 << 30) - 1,
        };
        assert_eq!(misfits(&job, &host, now), [memory]);
    }

    #[test]
    fn every_reason_is_told_at_once() {
        let (mut job, mut host) = (job(), host());
        let now = job.not_after_ms;
        job.audience = Audience::Hosts(Vec::new());
        job.requirements.cpus = 5;
        job.requirements.memory_bytes_min = 9 << 30;
        job.requirements.disk_bytes_min = 9 << 30;
        host.slots_free = 0;
        host.standing = Standing::Draining;
        host.runtimes.clear();
        let found = misfits(&job, &host, now);
        let (memory, disk) = (9 << 30, 9 << 30);
        assert_eq!(
            found,
            [
                DeclineReason::Draining,
                DeclineReason::NoSlot,
                DeclineReason::Time,
                DeclineReason::Policy,
                DeclineReason::Runtime,
                DeclineReason::Cpus {
                    wanted: 5,
                    offered: 4
                },
                DeclineReason::Memory {
                    wanted: memory,
                    offered: 8 << 30
                },
                DeclineReason::Disk {
                    wanted: disk,
                    offered: 8 << 30
                },
            ]
        );
        job.audience = Audience::Hosts(vec![host.host]);
        assert!(!misfits(&job, &host, now).contains(&DeclineReason::Policy));
    }
}
