//! A host's statement of what an attempt used.

use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::{AttemptRecord, Build, Receipt, Usage};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{Cid, FencingToken, NodeId, Verified};
use mutual_runner::Report;
use std::time::Duration;

/// What is known of an attempt that has ended.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) token: FencingToken,
    pub(crate) host: NodeId,
    pub(crate) spec: &'a Verified<JobSpec>,
    pub(crate) build: &'a Build,
    pub(crate) outcome: &'a Outcome,
    /// What the sandbox said; none when nothing ran.
    pub(crate) report: Option<&'a Report>,
    pub(crate) manifest: Option<Cid>,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) started_at_ms: u64,
    pub(crate) ended_at_ms: u64,
}

/// The statement, not yet signed. CPU, wall time and memory are what this process and the kernel measured.
pub(crate) fn statement(facts: &Facts<'_>) -> Receipt {
    let report = facts.report;
    let measured = report.map(|report| report.measured).unwrap_or_default();
    let usage = Usage {
        fuel: report.map_or(0, |report| report.claimed.fuel),
        cpu_us: micros(measured.cpu),
        wall_us: micros(measured.wall),
        memory_bytes_peak: measured.resident_bytes_peak,
        input_bytes: facts.input_bytes,
        output_bytes: facts.output_bytes,
    };
    let spec = facts.spec.value();
    Receipt {
        token: facts.token,
        host: facts.host,
        program: spec.program.cid,
        profile: spec.profile.digest(),
        build: report.map(|_| facts.build.clone()),
        outcome: facts.outcome.clone(),
        usage,
        manifest: facts.manifest,
        started_at_ms: facts.started_at_ms,
        ended_at_ms: facts.ended_at_ms,
    }
}

/// The host's word on who computed what.
pub(crate) fn record(receipt: &Verified<Receipt>) -> AttemptRecord {
    let value = receipt.value();
    AttemptRecord {
        token: value.token,
        host: value.host,
        outcome: value.outcome.clone(),
        blame: value.outcome.blame(),
        manifest: value.manifest,
        receipt: receipt.digest(),
    }
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
