//! Offers: whether this host takes one, and what it says of itself so that it gets some.

use super::event_loop::Loop;
use super::work::Work;
use crate::fit::{Capacity, Standing, misfits};
use mutual_protocol::bounded::{Line, List};
use mutual_protocol::discovery::{HostRecord, HostState, Issue, Runtime};
use mutual_protocol::lease::Offer;
use mutual_protocol::limits::DECLINE_REASONS_MAX;
use mutual_protocol::membership::{Member, Role, verify_cert};
use mutual_protocol::message::{DeclineReason, NodeMessage};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{NodeId, RegisterId, Signed, Verified};
use std::sync::Arc;

/// How long a record of this host holds, milliseconds: three beats.
const LIFE_MS: u32 = 120_000;

/// Memory and disk that a job may take on a host, bytes.
pub(super) fn demand(job: &JobSpec, inputs_bytes: u64) -> (u64, u64) {
    let (limits, needs) = (&job.limits, &job.requirements);
    let memory = limits.memory_bytes_max.max(needs.memory_bytes_min);
    let disk = limits.disk_bytes_max.max(needs.disk_bytes_min);
    (memory, disk.saturating_add(inputs_bytes))
}

impl Loop {
    /// A member offers a job: it is claimed, or declined with every reason. Whoever cannot sign breaks the protocol.
    pub(super) fn offered(
        &mut self,
        (peer, member): (NodeId, &Member),
        (spec, offer): (&Signed<JobSpec>, &Signed<Offer>),
        inputs_bytes: u64,
    ) {
        let (Ok(spec), Ok(offer)) = (spec.verify(&Ed25519), offer.verify(&Ed25519)) else {
            return self.drop_peer(peer, "an offer whose signatures are wrong");
        };
        let register = offer.value().register;
        if self.works.contains_key(&register) {
            return;
        }
        let reasons = self.reasons(member, &spec, inputs_bytes);
        if !reasons.is_empty() {
            return self.decline(peer, register, reasons);
        }
        let took = Work::take(&mut self.site, peer, Arc::new(spec), (&offer, inputs_bytes));
        match took {
            Ok(work) => {
                self.works.insert(register, work);
                self.publish_soon();
            }
            Err(e) => self.drop_peer(peer, &e.to_string()),
        }
    }

    /// Why not; empty when the host takes it.
    fn reasons(
        &self,
        member: &Member,
        spec: &Verified<JobSpec>,
        inputs_bytes: u64,
    ) -> Vec<DeclineReason> {
        if spec.check().is_err() {
            return vec![DeclineReason::Spec];
        }
        if !self.may_offer(member, spec.value()) {
            return vec![DeclineReason::Membership];
        }
        let capacity = self.capacity();
        let mut reasons = misfits(spec.value(), &capacity, self.site.clock.wall_ms());
        let (_, wanted) = demand(spec.value(), inputs_bytes);
        let is_told = |reason: &DeclineReason| matches!(reason, DeclineReason::Disk { .. });
        if wanted > capacity.disk_bytes && !reasons.iter().any(is_told) {
            reasons.push(DeclineReason::Disk {
                wanted,
                offered: capacity.disk_bytes,
            });
        }
        reasons.truncate(DECLINE_REASONS_MAX);
        reasons
    }

    /// Whether the job is a submitter's of this pool, and comes from that member or from one that witnesses it.
    fn may_offer(&self, member: &Member, job: &JobSpec) -> bool {
        let pool = self.host.pool;
        if job.pool != Some(pool) {
            return false;
        }
        let owner = NodeId::from(job.owner.key());
        if member.node == owner {
            return member.roles.contains(&Role::Submit);
        }
        let shown = job.membership.as_ref();
        let now_ms = self.site.clock.wall_ms();
        let cert = shown.and_then(|cert| verify_cert(cert, &Ed25519, pool, now_ms).ok());
        member.roles.contains(&Role::Witness)
            && job.witnesses.keys.contains(&member.node.key())
            && cert.is_some_and(|c| c.member == owner && c.roles.contains(&Role::Submit))
    }

    fn decline(&mut self, peer: NodeId, register: RegisterId, reasons: Vec<DeclineReason>) {
        match List::new(reasons) {
            Ok(reasons) => self
                .site
                .send(peer, NodeMessage::Decline { register, reasons }),
            Err(e) => tracing::error!("a decline without a reason: {e}"),
        }
    }

    /// What is left of what the donor gives.
    pub(super) fn capacity(&self) -> Capacity {
        let given = self.host.given;
        let taken = u16::try_from(self.works.len()).unwrap_or(u16::MAX);
        let promised = self.works.values().map(Work::promised);
        let (memory, disk) = promised.fold((0_u64, 0_u64), |sum, job| {
            (sum.0.saturating_add(job.0), sum.1.saturating_add(job.1))
        });
        Capacity {
            host: self.site.node(),
            standing: self.standing,
            slots_free: given.slots.saturating_sub(taken),
            cpus: given.cpus,
            memory_bytes: given.memory_bytes.saturating_sub(memory),
            disk_bytes: given.disk_bytes.saturating_sub(disk),
            runtimes: [Runtime::Wasm].into(),
        }
    }

    /// How this host stands, signed.
    pub(super) fn record(&mut self) -> Signed<HostRecord> {
        let now_ms = self.site.clock.wall_ms();
        self.sequence = now_ms.max(self.sequence.saturating_add(1));
        let capacity = self.capacity();
        let state = match (capacity.standing, capacity.slots_free) {
            (Standing::Serving, 0) => HostState::Busy,
            (Standing::Serving, _) => HostState::Idle,
            _ => HostState::Away,
        };
        let record = HostRecord {
            pool: self.host.pool,
            host: self.site.node(),
            name: self.host.name.clone(),
            issue: Issue {
                sequence: self.sequence,
                issued_at_ms: now_ms,
                life_ms: LIFE_MS,
            },
            state,
            slots_free: capacity.slots_free,
            slots: self.host.given.slots,
            cpus: capacity.cpus,
            memory_bytes: capacity.memory_bytes,
            disk_bytes: capacity.disk_bytes,
            runtimes: capacity.runtimes,
            build: Line::cut(&self.host.build.engine),
            addresses: List::cut(self.host.addresses.borrow().iter().cloned()),
            membership: self.host.membership.clone(),
        };
        self.site.key.sign(record).signed().clone()
    }
}
