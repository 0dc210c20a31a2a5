//! The run's record and its times: written when it starts and when it has ended.

use super::super::RunError;
use crate::clock::{Clock, elapsed};
use crate::prepare::Prepared;
use crate::proofs::{self, Bundle};
use crate::receipt::micros;
use crate::record::{Ending, RanOn, RunRecord, RunState, SCHEMA};
use mutual_lease::BootNanos;
use mutual_protocol::lease::{LeaseCert, ResultCert};
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::{Build, Receipt};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{Cid, Verified};
use mutual_store::{BlockStore, Run, RunStore};
use std::sync::Arc;

/// The record while the run goes on.
#[derive(Debug)]
pub(super) struct Record {
    runs: RunStore,
    clock: Arc<dyn Clock>,
    run: Run,
    build: Build,
    record: RunRecord,
    signed_at: BootNanos,
    first_instruction: Option<BootNanos>,
}

/// What a decided run leaves.
#[derive(Debug)]
pub(super) struct Left<'a> {
    pub(super) outcome: &'a Outcome,
    /// None when there are no outputs, though the certificates name the empty manifest.
    pub(super) outputs: Option<Cid>,
    pub(super) log: Option<Vec<u8>>,
    /// Where the deciding attempt ran, if not here.
    pub(super) host: Option<RanOn>,
}

impl Record {
    pub(super) fn new(
        (runs, clock): (RunStore, Arc<dyn Clock>),
        (command, name, build): (Vec<String>, Option<String>, Build),
        prepared: &Prepared,
    ) -> Self {
        let spec = prepared.spec.value();
        let job = prepared.spec.job();
        let started_ms = clock.wall_ms();
        let record = RunRecord {
            schema: SCHEMA.to_owned(),
            job: job.to_string(),
            name,
            state: RunState::Running,
            pid: std::process::id(),
            started_at_ms: started_ms,
            keep_until_ms: started_ms.saturating_add(spec.result.keep_ms),
            command,
            program: spec.program.cid,
            kind: spec.program.kind,
            inputs: spec.inputs,
            start_us: None,
            host: None,
            ending: None,
        };
        let run = Run { started_ms, job };
        Self {
            runs,
            run,
            build,
            record,
            signed_at: clock.boot(),
            clock,
            first_instruction: None,
        }
    }

    /// The guest's first instruction comes next.
    pub(super) fn started(&mut self) {
        let now = self.clock.boot();
        self.first_instruction = Some(now);
        self.record.start_us = Some(micros(elapsed(self.signed_at, now)));
    }

    pub(super) fn write(&self) -> Result<(), RunError> {
        self.runs
            .write(self.run, &self.record.encode())
            .map_err(RunError::Record)
    }

    /// How this machine compiles.
    pub(super) const fn build(&self) -> &Build {
        &self.build
    }

    /// When the run began, milliseconds since 1970.
    pub(super) const fn started_at_ms(&self) -> u64 {
        self.record.started_at_ms
    }

    /// The wall clock.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// Says that nothing came of it.
    pub(super) fn abandon(&mut self) -> Result<(), RunError> {
        self.record.state = RunState::Lost;
        self.write()
    }

    /// Keeps log and certificates, and writes the end.
    pub(super) fn finish(
        &mut self,
        store: &BlockStore,
        left: Left<'_>,
        spec: &Verified<JobSpec>,
        decided: (&LeaseCert, &ResultCert, &Verified<Receipt>),
    ) -> Result<RunRecord, RunError> {
        let log = left
            .log
            .map(|bytes| store.put_file(&bytes))
            .transpose()
            .map_err(RunError::Log)?;
        let (lease, result, receipt) = decided;
        let bundle = Bundle {
            spec: spec.signed().clone(),
            lease: lease.clone(),
            result: result.clone(),
            receipt: receipt.signed().clone(),
        };
        let kept = proofs::keep(store, &bundle).map_err(RunError::Proofs)?;
        let value = receipt.value();
        self.record.host = left.host;
        self.record.state = RunState::Ended;
        self.record.ending = Some(Ending {
            at_ms: value.ended_at_ms,
            outcome: left.outcome.clone(),
            exit_code: left.outcome.exit_code(),
            usage: value.usage,
            epoch: value.token.epoch.0,
            outputs: left.outputs,
            log: log.map(|root| root.cid),
            proofs: Some(kept),
            unplaced: None,
        });
        self.write()?;
        Ok(self.record.clone())
    }
}
