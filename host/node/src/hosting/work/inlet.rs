//! Standard input on its way to the guest: a part for each that it asked for, in order.

use crate::tasks::TaskGroup;
use mutual_runner::Control;
use tokio::sync::mpsc;

/// Parts that wait for the guest: one is asked for at a time, and the end may come with it.
const PARTS_MAX: usize = 2;

/// How an owner gives input that its guest cannot have asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InputError {
    #[error("input that nobody asked for")]
    Unasked,
    #[error("input from byte {offset} on, after {given} bytes")]
    Offset { offset: u64, given: u64 },
}

/// The way in. None in the channel is the end.
#[derive(Debug, Default)]
pub(super) struct Inlet {
    parts: Option<mpsc::Sender<Option<Vec<u8>>>>,
    is_wanted: bool,
    given: u64,
}

impl Inlet {
    /// Passes input on to the sandbox from now on.
    pub(super) fn open(&mut self, control: Option<Control>, tasks: &TaskGroup) {
        let Some(control) = control else { return };
        let (parts, mut given) = mpsc::channel(PARTS_MAX);
        tasks.spawn("input of an attempt", async move {
            while let Some(part) = given.recv().await {
                let passed = match part {
                    Some(bytes) => control.send_stdin(bytes).await,
                    None => control.close_stdin().await,
                };
                if passed.is_err() {
                    return;
                }
            }
        });
        self.parts = Some(parts);
    }

    /// The guest waits for a part.
    pub(super) const fn want(&mut self) {
        self.is_wanted = true;
    }

    /// One part.
    pub(super) fn give(&mut self, offset: u64, bytes: Vec<u8>) -> Result<(), InputError> {
        let given = self.given;
        if offset != given {
            return Err(InputError::Offset { offset, given });
        }
        if !self.is_wanted || bytes.is_empty() {
            return Err(InputError::Unasked);
        }
        self.is_wanted = false;
        self.given = given.saturating_add(bytes.len() as u64);
        self.pass(Some(bytes))
    }

    /// There is no more.
    pub(super) fn end(&mut self) -> Result<(), InputError> {
        let passed = self.pass(None);
        self.parts = None;
        passed
    }

    fn pass(&self, part: Option<Vec<u8>>) -> Result<(), InputError> {
        let parts = self.parts.as_ref().ok_or(InputError::Unasked)?;
        match parts.try_send(part) {
            // A guest that has ended needs no input.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(InputError::Unasked),
        }
    }
}
