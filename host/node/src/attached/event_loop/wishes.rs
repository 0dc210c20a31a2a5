//! What the person, or another terminal, wants of the run: to stop it, to know where it stands.

use super::{Loop, Stop};
use crate::attached::server::{Asked, Reply};
use crate::attached::{Phase, RunError};
use crate::control::{Request, Status};
use mutual_protocol::outcome::Outcome;
use std::time::Duration;
use tokio::time::Instant;

/// How long a stopped guest's last output is waited for.
const STOP_GRACE: Duration = Duration::from_secs(5);

impl Loop {
    /// Ends the run: politely, or `now`. What has come to its own end already may still bring its outputs home.
    pub(super) fn stop_run(&mut self, now: bool, interrupted: bool) -> Result<(), RunError> {
        let grace = if now { Duration::ZERO } else { STOP_GRACE };
        self.note_stop(grace, interrupted);
        match self
            .attempt
            .as_mut()
            .map(|attempt| (attempt.phase, attempt))
        {
            Some((Phase::Claiming | Phase::Fetching | Phase::Compiling | Phase::Staging, _))
            | None => {
                // Nothing runs yet; what is being prepared is dropped with its tasks.
                self.shared.cancel.cancel();
                self.attempt_ended(Outcome::Cancelled, None)
            }
            Some((Phase::Running, attempt)) => {
                attempt.stop(Outcome::Cancelled, grace);
                Ok(())
            }
            Some((Phase::Collecting | Phase::Deciding, _)) => Ok(()),
        }
    }

    /// The first stop starts the time that the run is given; a later one can only shorten it.
    pub(super) fn note_stop(&mut self, grace: Duration, interrupted: bool) {
        let ends = Instant::now() + grace;
        let stop = self.stop.get_or_insert(Stop {
            interrupted,
            patience_ends: Some(ends),
        });
        stop.interrupted |= interrupted;
        stop.patience_ends = stop.patience_ends.map(|earlier| earlier.min(ends));
    }

    /// Nobody waits any longer: not for the guest, not for its files, and not for a reader that takes no output.
    pub(super) fn lose_patience(&mut self) {
        if let Some(stop) = &mut self.stop {
            stop.patience_ends = None;
        }
        self.screen.detach();
        self.shared.cancel.cancel();
        if let Some(attempt) = &mut self.attempt {
            attempt.stop(Outcome::Cancelled, Duration::ZERO);
        }
    }

    pub(super) fn has_lost_patience(&self) -> bool {
        self.stop.is_some_and(|stop| stop.patience_ends.is_none())
    }

    pub(super) fn handle_asked(&mut self, asked: Asked) -> Result<(), RunError> {
        let (log, follow) = match asked.request {
            Request::Status => (Vec::new(), None),
            Request::Logs { follow } => (
                self.screen.encoded_frames(),
                follow.then(|| self.screen.follow()),
            ),
            Request::Stop { .. } => (Vec::new(), Some(self.screen.follow())),
        };
        let _asker_left = asked.reply.send(Reply {
            status: self.status(),
            log,
            written: self.screen.written(),
            follow,
        });
        match asked.request {
            Request::Stop { now } => self.stop_run(now, false),
            Request::Status | Request::Logs { .. } => Ok(()),
        }
    }

    fn status(&self) -> Status {
        let (epoch, renewals) = self.roles.standing();
        let phase = self
            .attempt
            .as_ref()
            .map_or(Phase::Claiming, |attempt| attempt.phase);
        let progress = self.screen.progress();
        Status {
            phase: phase.name().to_owned(),
            epoch,
            renewals,
            progress: progress.map(|told| (told.done, told.total, told.text.clone())),
        }
    }
}
