//! From the lease to the guest's end: what was wanted comes, one step after the other.

use super::Work;
use crate::attempt::{Attempt, Done, Phase, Ready, Watch};
use crate::hosting::site::{Fetched, Site, Step};
use mutual_protocol::FencingToken;
use mutual_protocol::bounded::Line;
use mutual_protocol::message::{AttemptEvent, Stream};
use mutual_protocol::outcome::Outcome;
use mutual_runner::RunnerEvent;

impl Work {
    /// The lease is held: everything that the attempt needs comes here first.
    pub(super) fn begin(&mut self, site: &mut Site, token: FencingToken) {
        self.token = Some(token);
        self.wait(site);
        self.enter(site, Phase::Fetching);
        let from = (self.peer, self.id);
        self.fetching = Some(site.fetch(from, self.spec.clone(), self.input_bytes_max));
    }

    /// Something that went on beside the loop has come to a point.
    pub(in crate::hosting) fn handle(&mut self, site: &mut Site, step: Step) {
        match step {
            Step::Fetched(Err(outcome)) | Step::Done(Done::Ready(Err(outcome))) => {
                self.attempt_ended(site, outcome, None);
            }
            Step::Fetched(Ok(fetched)) => self.fetched(site, *fetched),
            Step::Done(Done::Compiling) if self.attempt.is_some() => {
                self.enter(site, Phase::Compiling);
            }
            Step::Done(Done::Compiling) => {}
            Step::Done(Done::Ready(Ok(ready))) => self.launch(site, ready),
            Step::Done(Done::Collected(collected)) => self.collected(site, collected),
            Step::Runner(event) => self.handle_runner(site, event),
            Step::RunnerGone => {
                let detail = "the sandbox ended without a word".to_owned();
                self.attempt_ended(site, Outcome::RunnerFailed { detail }, None);
            }
        }
    }

    fn fetched(&mut self, site: &mut Site, fetched: Fetched) {
        let is_wanted = self.fetching.take().is_some();
        let Some(token) = self.token.filter(|_| is_wanted) else {
            return;
        };
        let shared = site.shared(fetched);
        let done = site.steps(self.id);
        self.attempt = Some(Attempt::start(token, &shared, &site.tasks, &done));
        self.shared = Some(shared);
        self.enter(site, Phase::Staging);
    }

    fn launch(&mut self, site: &mut Site, ready: Ready) {
        let (Some(attempt), Some(shared)) = (&mut self.attempt, &self.shared) else {
            // Removing the guest's root takes the disk's time.
            return site.tasks.spawn_blocking(move || drop(ready));
        };
        match attempt.launch(shared, ready, None, &site.tasks) {
            Ok(()) => {
                let (control, events) = attempt.take_streams();
                self.outlet.pump(events, site.inbox(), self.id, &site.tasks);
                self.inlet.open(control, &site.tasks);
            }
            Err(outcome) => self.attempt_ended(site, outcome, None),
        }
    }

    fn handle_runner(&mut self, site: &mut Site, event: RunnerEvent) {
        match event {
            RunnerEvent::Started => {
                self.enter(site, Phase::Running);
                self.say(site, AttemptEvent::Started);
            }
            RunnerEvent::Stdout(bytes) => self.output(site, Stream::Stdout, &bytes),
            RunnerEvent::Stderr(bytes) => self.output(site, Stream::Stderr, &bytes),
            RunnerEvent::StdinWanted { bytes_max } => {
                self.inlet.want();
                let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
                self.say(site, AttemptEvent::InputWanted { bytes_max });
            }
            RunnerEvent::Ended(report) => self.runner_ended(site, report),
            _ => {}
        }
    }

    fn output(&mut self, site: &mut Site, stream: Stream, bytes: &[u8]) {
        for (offset, bytes) in self.outlet.cut(stream, bytes) {
            let event = AttemptEvent::Output {
                stream,
                offset,
                bytes,
            };
            self.say(site, event);
        }
    }

    /// The guest may have told how far it is.
    pub(in crate::hosting) fn look_at_progress(&mut self, site: &mut Site) {
        let watch = self.attempt.as_mut().and_then(|a| a.watch.as_mut());
        if let Some(told) = watch.and_then(Watch::look) {
            let event = AttemptEvent::Progress {
                done: told.done,
                total: (told.total > 0).then_some(told.total),
                text: Line::cut(&told.text),
            };
            self.say(site, event);
        }
    }

    /// Says something about the attempt, or keeps it until the lease allows it: a timer may ring late.
    pub(super) fn say(&mut self, site: &mut Site, event: AttemptEvent) {
        if !self.holder.may_emit(site.clock.boot()) {
            self.outlet.hold();
        }
        if let Some(token) = self.token {
            self.outlet.say(site, token, event);
        }
    }

    pub(super) fn enter(&mut self, site: &mut Site, phase: Phase) {
        self.phase = phase;
        if let Some(attempt) = &mut self.attempt {
            attempt.phase = phase;
        }
        if let Some(phase) = phase.on_the_wire() {
            self.say(site, AttemptEvent::Phase(phase));
        }
    }
}
