//! Ctrl-C and TERM, from the first moment of a run to its last: the first asks, the second does not wait.

use crate::failure::Failure;
use crate::output;
use crate::program::Cancel;
use mutual_node::attached::RunCommand;
use mutual_protocol::codes::{self, Code};
use std::pin::pin;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// How long cancelled work may take to leave things in order: a block is written in milliseconds, cargo ends at once.
const ORDERLY_MAX: Duration = Duration::from_secs(1);

/// How long outputs may take to get to their places when somebody has asked for the end before.
const PATIENCE: Duration = Duration::from_secs(5);

/// The signals that end a run.
pub(super) struct Signals {
    sources: Option<(Signal, Signal)>,
    /// The first one.
    asked: Option<Wish>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Interrupt { now: bool },
    Terminate { now: bool },
}

impl Wish {
    const fn code(self) -> Code {
        match self {
            Self::Interrupt { .. } => codes::RUN_INTERRUPTED,
            Self::Terminate { .. } => codes::RUN_STOPPED,
        }
    }

    const fn command(self) -> RunCommand {
        match self {
            Self::Interrupt { now } => RunCommand::Interrupt { now },
            Self::Terminate { now } => RunCommand::Stop { now },
        }
    }

    const fn is_last(self) -> bool {
        let (Self::Interrupt { now } | Self::Terminate { now }) = self;
        now
    }
}

impl Signals {
    /// Takes the signals over. Needs a tokio runtime with I/O.
    pub(super) fn listen() -> Self {
        let sources = signal(SignalKind::interrupt()).and_then(|interrupt| {
            let terminate = signal(SignalKind::terminate())?;
            Ok((interrupt, terminate))
        });
        Self {
            // Without handlers the signals keep their ordinary meaning, and the sandbox process dies with this one.
            sources: sources.ok(),
            asked: None,
        }
    }

    /// Whether Ctrl-C was pressed.
    pub(super) const fn interrupted(&self) -> bool {
        matches!(self.asked, Some(Wish::Interrupt { .. }))
    }

    async fn next(&mut self) -> Wish {
        let Some((interrupt, terminate)) = &mut self.sources else {
            return std::future::pending().await;
        };
        let now = self.asked.is_some();
        let wish = tokio::select! {
            _ = interrupt.recv() => Wish::Interrupt { now },
            _ = terminate.recv() => Wish::Terminate { now },
        };
        self.asked.get_or_insert(wish);
        wish
    }

    /// The next signal; where there was one before, its time is over some day without another.
    async fn next_or_time(&mut self) -> Wish {
        match self.asked {
            Some(wish) => timeout(PATIENCE, self.next()).await.unwrap_or(wish),
            None => self.next().await,
        }
    }

    /// Does blocking `work` on another thread; a signal cancels it.
    pub(super) async fn guard<T: Send + 'static>(
        &mut self,
        cancel: &Cancel,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut work = tokio::task::spawn_blocking(work);
        let wish = tokio::select! {
            done = &mut work => return done.unwrap_or_else(|e| {
                Err(Failure::new(codes::RUN_SANDBOX).caused_by(&e))
            }),
            wish = self.next_or_time() => wish,
        };
        cancel.cancel();
        if timeout(ORDERLY_MAX, &mut work).await.is_err() {
            cancel.kill();
        }
        Err(Failure::new(wish.code()))
    }

    /// Waits for a run, and passes on what signals ask. After the second one it waits no longer than order takes.
    pub(super) async fn attend<T>(
        &mut self,
        run: impl Future<Output = Result<T, Failure>>,
        commands: tokio::sync::mpsc::Sender<RunCommand>,
    ) -> Result<T, Failure> {
        let mut run = pin!(run);
        loop {
            let wish = tokio::select! {
                ended = &mut run => return ended,
                wish = self.next() => wish,
            };
            match wish {
                Wish::Interrupt { now: false } => {
                    output::say("\nstopping; press Ctrl-C again to kill\n");
                }
                Wish::Interrupt { now: true } => output::say("killed\n"),
                Wish::Terminate { .. } => {}
            }
            // A full queue holds a stop already.
            let _is_full = commands.try_send(wish.command());
            if wish.is_last() {
                let ended = timeout(ORDERLY_MAX, run).await;
                return ended.unwrap_or_else(|_| Err(Failure::new(wish.code())));
            }
        }
    }
}
