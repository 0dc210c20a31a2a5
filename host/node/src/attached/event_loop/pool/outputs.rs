//! Outputs of an attempt elsewhere, on their way here.

use super::super::{Loop, Work};
use crate::attached::pool::{Fetched, FetchedError};
use crate::attached::roles::Breach;
use crate::attached::{Phase, RunError};
use crate::link::FetchFailure;
use crate::outputs::Collected;
use mutual_protocol::manifest::Manifest;
use mutual_protocol::message::AttemptOrder;
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::{Cid, codec, codes, limits};
use mutual_store::{BlockStore, Fault, FileError, GetError};

impl Loop {
    /// Brings the outputs of the attempt that has ended here.
    pub(super) fn fetch_outputs(&mut self, manifest: Cid) {
        self.enter(Phase::Collecting);
        let bytes_max = self.roles.spec().value().limits.disk_bytes_max;
        let Work::Pool(pool) = &self.work else {
            return;
        };
        let Some(attempt) = &pool.attempt else {
            return;
        };
        // Nodes above the leaves of large files: a list of 1,024 links of 1 MiB each takes less than 64 KiB.
        let room = bytes_max.saturating_add(bytes_max / 16);
        let room = room.saturating_add(limits::MANIFEST_BYTES_MAX as u64);
        let fetch = &pool.place.fetch;
        let coming = fetch.fetch(attempt.connection, vec![manifest], room);
        let (token, done, store) = (attempt.token, pool.fetched_tx.clone(), self.blocks.clone());
        let tasks = self.tasks.clone();
        self.tasks.spawn("outputs of an attempt", async move {
            let outputs = match coming.await {
                Ok(()) => {
                    let (loaded, outputs) = tokio::sync::oneshot::channel();
                    tasks.spawn_blocking(move || {
                        let _loop_is_gone = loaded.send(load(&store, manifest, bytes_max));
                    });
                    outputs
                        .await
                        .unwrap_or(Err(FetchedError::There(Blame::Unknown)))
                }
                Err(failure) => Err(fault(failure)),
            };
            let _loop_is_gone = done.send(Fetched { token, outputs }).await;
        });
    }

    pub(super) fn handle_fetched(&mut self, fetched: Fetched) -> Result<(), RunError> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        let attempt = pool.attempt.as_mut();
        let Some(attempt) = attempt.filter(|a| a.token == fetched.token) else {
            return Ok(());
        };
        let host = attempt.host;
        match fetched.outputs {
            Ok(collected) => {
                if let Some(ending) = &mut attempt.ending {
                    ending.collected = Some(collected);
                }
                self.roles.hold_outputs()?;
                self.order(AttemptOrder::Taken);
                self.await_decision();
                Ok(())
            }
            Err(FetchedError::There(blame)) => self.lose_attempt(blame),
            Err(FetchedError::Wrong) => {
                let what = "outputs that are not what it told";
                self.banish(host, &Breach::Turn { what })
            }
            Err(FetchedError::Here(outcome)) => self.roles.end(outcome),
        }
    }
}

/// The manifest of outputs that are all here.
fn load(store: &BlockStore, cid: Cid, bytes_max: u64) -> Result<Collected, FetchedError> {
    let bytes = store.get(cid, limits::MANIFEST_BYTES_MAX);
    let bytes = bytes.map_err(|error| match error {
        GetError::File(error) => FetchedError::Here(failed(&error)),
        _ => FetchedError::There(Blame::Network),
    })?;
    let manifest = codec::decode::<Manifest>(&bytes, limits::MANIFEST_BYTES_MAX);
    let manifest = manifest.map_err(|_malformed| FetchedError::Wrong)?;
    if manifest.total_bytes() > bytes_max {
        return Err(FetchedError::Wrong);
    }
    Ok(Collected {
        cid,
        manifest,
        skipped: Vec::new(),
    })
}

fn fault(failure: FetchFailure) -> FetchedError {
    tracing::info!("outputs did not come: {failure}");
    match failure {
        FetchFailure::Store(error) => FetchedError::Here(failed(&error)),
        FetchFailure::Broken { .. } => FetchedError::There(Blame::Network),
        FetchFailure::Missing { .. } => FetchedError::There(Blame::Host),
        FetchFailure::TooLarge { .. } | FetchFailure::Wrong { .. } => FetchedError::Wrong,
    }
}

/// They cannot be kept on this machine.
fn failed(error: &FileError) -> Outcome {
    let code = match error.fault() {
        Fault::DiskFull => codes::STORE_FULL,
        Fault::ReadOnly | Fault::Denied => codes::STORE_READ_ONLY,
        _ => codes::STORE_IO,
    };
    Outcome::HostFailed {
        code: code.code.to_owned(),
        detail: error.to_string(),
    }
}
