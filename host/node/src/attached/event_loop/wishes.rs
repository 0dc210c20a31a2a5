//! What the person, or another terminal, wants of the run: to stop it, to know where it stands.

use super::{Loop, Stop, Work};
use crate::attached::RunError;
use crate::attached::server::{Asked, Reply};
use crate::control::{Request, Status};
use std::time::Duration;
use tokio::time::Instant;

/// How long a stopped guest's last output is waited for.
const STOP_GRACE: Duration = Duration::from_secs(5);

impl Loop {
    /// Ends the run: politely, or `now`. What has come to its own end already may still bring its outputs home.
    pub(super) fn stop_run(&mut self, now: bool, interrupted: bool) -> Result<(), RunError> {
        let grace = if now { Duration::ZERO } else { STOP_GRACE };
        self.note_stop(grace, interrupted);
        match self.work {
            Work::Here(_) => self.stop_here(grace),
            Work::Pool(_) => self.stop_elsewhere(now),
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
    pub(super) fn lose_patience(&mut self) -> Result<(), RunError> {
        if let Some(stop) = &mut self.stop {
            stop.patience_ends = None;
        }
        self.screen.detach();
        self.abandon_here();
        self.abandon_elsewhere()
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
        let progress = self.screen.progress();
        Status {
            phase: self.phase().name().to_owned(),
            epoch,
            renewals,
            host: self.ran_on(),
            progress: progress.map(|told| (told.done, told.total, told.text.clone())),
        }
    }
}
