//! Input on its way to the guest: nothing is read ahead of what the guest wants.

use crate::bounds::CHUNK_BYTES_MAX;
use crate::runner::Command;
use tokio::sync::mpsc;

/// What to do about input now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Supply {
    /// Send these bytes.
    Bytes(Vec<u8>),
    /// Say that there is no more.
    End,
    /// Ask the consumer for so many bytes.
    Ask(usize),
}

/// Input that was given, and what the guest waits for.
#[derive(Debug)]
pub(super) struct Inlet {
    commands: mpsc::Receiver<Command>,
    /// Given and not yet wanted.
    kept: Vec<u8>,
    closed: bool,
    /// The guest waits, for so many bytes at most.
    wanted: Option<usize>,
}

impl Inlet {
    pub(super) const fn new(commands: mpsc::Receiver<Command>) -> Self {
        Self {
            commands,
            kept: Vec::new(),
            closed: false,
            wanted: None,
        }
    }

    /// The guest wants input. `None` when it waits already: the child does not keep the protocol.
    pub(super) fn want(&mut self, bytes_max: u32) -> Option<Supply> {
        if self.wanted.is_some() || bytes_max == 0 {
            return None;
        }
        let bytes_max = usize::try_from(bytes_max)
            .unwrap_or(CHUNK_BYTES_MAX)
            .min(CHUNK_BYTES_MAX);
        self.wanted = Some(bytes_max);
        Some(self.supply().unwrap_or(Supply::Ask(bytes_max)))
    }

    /// Waits for the consumer, when the guest waits and nothing is kept. Dropping the future is safe.
    pub(super) async fn given(&mut self) -> Supply {
        loop {
            if self.wanted.is_none() || self.closed {
                return std::future::pending().await;
            }
            match self.commands.recv().await {
                Some(Command::Input(bytes)) => self.kept = bytes,
                Some(Command::CloseInput) | None => self.closed = true,
            }
            if let Some(supply) = self.supply() {
                return supply;
            }
        }
    }

    /// Answers the guest from what is kept.
    fn supply(&mut self) -> Option<Supply> {
        let wanted = self.wanted?;
        if self.kept.is_empty() {
            return self.closed.then(|| {
                self.wanted = None;
                Supply::End
            });
        }
        self.wanted = None;
        let rest = self.kept.split_off(wanted.min(self.kept.len()));
        Some(Supply::Bytes(std::mem::replace(&mut self.kept, rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn input_is_cut_to_what_is_wanted_and_the_rest_kept() {
        let (tx, rx) = mpsc::channel(4);
        let mut inlet = Inlet::new(rx);
        assert_eq!(inlet.want(3), Some(Supply::Ask(3)));
        tx.send(Command::Input(b"abcd".to_vec())).await.unwrap();
        tx.send(Command::CloseInput).await.unwrap();
        assert_eq!(inlet.given().await, Supply::Bytes(b"abc".to_vec()));
        assert_eq!(inlet.want(3), Some(Supply::Bytes(b"d".to_vec())));
        assert_eq!(inlet.want(3), Some(Supply::Ask(3)));
        assert_eq!(inlet.given().await, Supply::End);
        assert_eq!(inlet.want(3), Some(Supply::End));
    }

    #[tokio::test]
    async fn empty_input_is_not_an_end_and_a_gone_consumer_is() {
        let (tx, rx) = mpsc::channel(4);
        let mut inlet = Inlet::new(rx);
        inlet.want(9);
        tx.send(Command::Input(Vec::new())).await.unwrap();
        drop(tx);
        assert_eq!(inlet.given().await, Supply::End);
    }

    #[test]
    fn wanting_twice_or_nothing_breaks_the_protocol() {
        let mut inlet = Inlet::new(mpsc::channel(1).1);
        assert_eq!(inlet.want(0), None);
        assert!(inlet.want(1).is_some());
        assert_eq!(inlet.want(1), None);
    }
}
