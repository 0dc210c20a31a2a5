//! Ctrl-C and TERM: the first asks the host to end in order, the second does not wait for it.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a host.
pub(super) struct Signals {
    sources: Option<(Signal, Signal)>,
}

impl Signals {
    /// Takes the signals over. Needs a tokio runtime with I/O.
    pub(super) fn listen() -> Self {
        let sources = signal(SignalKind::interrupt()).and_then(|interrupt| {
            let terminate = signal(SignalKind::terminate())?;
            Ok((interrupt, terminate))
        });
        // Without handlers the signals keep their ordinary meaning, and leases run out by themselves.
        Self {
            sources: sources.ok(),
        }
    }

    /// The next one.
    pub(super) async fn next(&mut self) {
        let Some((interrupt, terminate)) = &mut self.sources else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
