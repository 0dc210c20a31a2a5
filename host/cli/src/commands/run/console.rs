//! What a person sees of an attached run: the guest's own output, and progress on stderr.
//!
//! Writing happens on a thread of its own: a terminal that stands still must not hold up the node.

use crate::args::ProgressMode;
use crate::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mutual_node::attached::{Phase, RunCommand, RunEvent};
use mutual_node::logs::Stream;
use mutual_protocol::codes;
use serde_json::json;
use std::io::{self, IsTerminal as _, Write as _};
use tokio::sync::{mpsc, oneshot};

/// How much of each stream goes into a JSON document; the whole is in the log.
const CAPTURE_BYTES_MAX: usize = 64 << 10;

/// Where the guest's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To stdout and stderr, as it comes.
    Streams,
    /// Into the JSON document at the end.
    Document,
    /// Nowhere: a run in the background has its log.
    Nowhere,
}

/// What was captured, and whether the reader of stdout left.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) truncated: bool,
    /// The reader of stdout has enough.
    pub(super) reader_gone: bool,
    /// What was written before is not the beginning of what counts.
    pub(super) diverged: Option<String>,
    /// Stdout could not be written, for another reason than that.
    pub(super) refused: Option<String>,
}

/// Starts the thread. When the node drops its end of `events`, and all is written, it gives what it showed.
pub(super) fn start(
    events: mpsc::Receiver<RunEvent>,
    commands: mpsc::Sender<RunCommand>,
    target: Target,
    progress: ProgressMode,
) -> io::Result<oneshot::Receiver<Shown>> {
    let console = Console {
        target,
        shown: Shown::default(),
        bar: Bar::new(progress),
        commands,
    };
    let (shown, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("console".into());
    thread.spawn(move || {
        let _nobody_waits = shown.send(console.serve(events));
    })?;
    Ok(receiver)
}

struct Console {
    target: Target,
    shown: Shown,
    bar: Bar,
    commands: mpsc::Sender<RunCommand>,
}

impl Console {
    fn serve(mut self, mut events: mpsc::Receiver<RunEvent>) -> Shown {
        while let Some(event) = events.blocking_recv() {
            match event {
                RunEvent::Stdout(bytes) => self.stdout(&bytes),
                RunEvent::Stderr(bytes) => self.stderr(&bytes),
                RunEvent::Phase(phase) => self.bar.phase(phase),
                RunEvent::Progress { done, total, text } => self.bar.progress(done, total, &text),
                RunEvent::Diverged { stream, at } => self.diverged(stream, at),
                RunEvent::Registered(_) => {}
            }
        }
        self.bar.clear();
        self.shown
    }

    /// A later attempt writes something else. In a pipe nobody could tell the two apart: nothing more is written there.
    fn diverged(&mut self, stream: Stream, at: u64) {
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let what = format!("{name} differs from byte {at} on");
        output::say(&format!("warning[{}]: {what}\n", codes::RUN_DIVERGED.code));
        if self.target == Target::Streams && !io::stdout().is_terminal() {
            self.shown.diverged = Some(what);
        }
    }

    fn stdout(&mut self, bytes: &[u8]) {
        if self.shown.diverged.is_some() {
            return;
        }
        match self.target {
            Target::Nowhere => {}
            Target::Document => capture(&mut self.shown.stdout, bytes, &mut self.shown.truncated),
            Target::Streams if self.shown.reader_gone || self.shown.refused.is_some() => {}
            Target::Streams => {
                let written = self.bar.aside(|| {
                    let mut stdout = io::stdout().lock();
                    stdout.write_all(bytes).and_then(|()| stdout.flush())
                });
                let Err(error) = written else { return };
                if error.kind() == io::ErrorKind::BrokenPipe {
                    self.shown.reader_gone = true;
                } else {
                    self.shown.refused = Some(error.to_string());
                }
                // A full queue holds a stop already.
                let _is_full = self.commands.try_send(RunCommand::Stop { now: true });
            }
        }
    }

    fn stderr(&mut self, bytes: &[u8]) {
        match self.target {
            Target::Nowhere => {}
            Target::Document => capture(&mut self.shown.stderr, bytes, &mut self.shown.truncated),
            Target::Streams => {
                // A closed stderr is nobody's problem.
                let _refused = self.bar.aside(|| {
                    let mut stderr = io::stderr().lock();
                    stderr.write_all(bytes).and_then(|()| stderr.flush())
                });
            }
        }
    }
}

fn capture(kept: &mut Vec<u8>, bytes: &[u8], truncated: &mut bool) {
    let room = CAPTURE_BYTES_MAX.saturating_sub(kept.len());
    *truncated |= bytes.len() > room;
    kept.extend(bytes.iter().take(room));
}

/// Progress in the wanted form.
enum Bar {
    Drawn(ProgressBar),
    Plain,
    Json,
    None,
}

impl Bar {
    fn new(mode: ProgressMode) -> Self {
        match mode {
            ProgressMode::Plain => Self::Plain,
            ProgressMode::Json => Self::Json,
            ProgressMode::Auto if io::stderr().is_terminal() => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                bar.set_style(ProgressStyle::default_spinner());
                Self::Drawn(bar)
            }
            ProgressMode::Auto | ProgressMode::None => Self::None,
        }
    }

    fn phase(&self, phase: Phase) {
        match self {
            // Compiling is the one phase that a person waits for; the others are over before they could be read.
            Self::Drawn(bar) if phase == Phase::Compiling => bar.set_message("compiling"),
            Self::Drawn(bar) => bar.set_message(""),
            Self::Plain => output::say(&format!("{}\n", phase.name())),
            Self::Json => output::say(&format!(
                "{}\n",
                json!({"schema": "mc.v1/progress", "phase": phase.name()})
            )),
            Self::None => {}
        }
    }

    fn progress(&self, done: u64, total: u64, text: &str) {
        let text = crate::show::printable(text);
        match self {
            Self::Drawn(bar) => {
                bar.set_length(total);
                bar.set_position(done);
                bar.set_style(bar_style());
                bar.set_message(text);
            }
            Self::Plain => output::say(&format!("{done}/{total} {text}\n")),
            Self::Json => {
                let line = json!({"schema": "mc.v1/progress", "phase": "running", "done": done, "total": total, "text": text});
                output::say(&format!("{line}\n"));
            }
            Self::None => {}
        }
    }

    /// Lets something else be written between two drawings.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Drawn(bar) => bar.suspend(write),
            _ => write(),
        }
    }

    fn clear(&self) {
        if let Self::Drawn(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
