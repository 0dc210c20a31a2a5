//! The child's connection to its parent while a guest runs: output with credit, input on request, stop.
//!
//! One thread listens to the parent for as long as the process lives; the guest's thread speaks. Waiting is
//! asynchronous, so that a guest can wait for input and a clock at once.

use bytes::Bytes;
use mutual_runner::bounds::CHUNK_BYTES_MAX;
use mutual_runner::frame::Kind;
use mutual_runner::{Link, send};
use std::os::fd::BorrowedFd;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use wasmtime::Engine;

/// The socket: descriptor 0 of every child, for as long as it lives.
pub(crate) fn socket() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

/// Which output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

/// What the parent has said so far. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    said: Mutex<Said>,
    changed: Notify,
}

#[derive(Debug)]
struct Said {
    /// Bytes of output that may be sent.
    credit: u64,
    /// Input that the guest has not taken.
    input: Bytes,
    input_ended: bool,
    /// The parent was asked for input and has not answered.
    asked: bool,
    stopped: bool,
}

/// What a read of input gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Bytes(Bytes),
    /// Not yet: wait for [`Parent::input_ready`].
    Nothing,
    End,
}

impl Parent {
    pub(crate) fn new(credit: u64, has_stdin: bool) -> Self {
        let said = Said {
            credit,
            input: Bytes::new(),
            input_ended: !has_stdin,
            asked: false,
            stopped: false,
        };
        Self {
            shared: Arc::new(Shared {
                said: Mutex::new(said),
                changed: Notify::new(),
            }),
        }
    }

    /// Listens in a thread of its own until the parent is gone, which ends this process too.
    pub(crate) fn listen(
        &self,
        mut link: Link<BorrowedFd<'static>>,
        engine: Engine,
    ) -> std::io::Result<()> {
        let parent = self.clone();
        let thread = std::thread::Builder::new().name("listener".to_owned());
        thread.spawn(move || {
            while let Ok((kind, body)) = link.receive() {
                parent.handle(kind, body, &engine);
            }
            parent.handle(Kind::Stop, &[], &engine);
        })?;
        Ok(())
    }

    fn handle(&self, kind: Kind, body: &[u8], engine: &Engine) {
        let mut said = self.said();
        match kind {
            Kind::Input => {
                said.input = Bytes::copy_from_slice(body);
                said.asked = false;
            }
            Kind::InputEnd => said.input_ended = true,
            Kind::Credit => {
                let more = <[u8; 8]>::try_from(body).map_or(0, u64::from_le_bytes);
                said.credit = said.credit.saturating_add(more);
            }
            Kind::Stop => {
                said.stopped = true;
                engine.increment_epoch();
            }
            // The parent is trusted to say only what a running guest can hear.
            _ => {}
        }
        drop(said);
        self.shared.changed.notify_waiters();
    }

    /// Bytes that may be written now.
    pub(crate) fn may_write(&self) -> usize {
        usize::try_from(self.said().credit)
            .unwrap_or(usize::MAX)
            .min(CHUNK_BYTES_MAX)
    }

    /// Waits until something may be written. Dropping the future is safe.
    pub(crate) async fn output_ready(&self) {
        self.wait(|said| said.credit > 0).await;
    }

    /// Sends output, at most what [`Self::may_write`] gave. `false` when the parent is gone.
    pub(crate) fn write(&self, output: Output, bytes: &[u8]) -> bool {
        let kind = match output {
            Output::Stdout => Kind::Stdout,
            Output::Stderr => Kind::Stderr,
        };
        let mut said = self.said();
        said.credit = said.credit.saturating_sub(bytes.len() as u64);
        drop(said);
        send(socket(), kind, bytes).is_ok()
    }

    /// Takes input, at most `bytes_max`.
    pub(crate) fn read(&self, bytes_max: usize) -> Input {
        let mut said = self.said();
        if !said.input.is_empty() {
            let taken = bytes_max.min(said.input.len());
            return Input::Bytes(said.input.split_to(taken));
        }
        if said.input_ended {
            Input::End
        } else {
            Input::Nothing
        }
    }

    /// Waits until a read gives bytes or the end; asks the parent when there is nothing. Dropping the future is safe.
    pub(crate) async fn input_ready(&self) {
        let ready = |said: &Said| !said.input.is_empty() || said.input_ended;
        if self.must_ask(ready) {
            #[expect(clippy::cast_possible_truncation, reason = "64 KiB")]
            let wanted = (CHUNK_BYTES_MAX as u32).to_le_bytes();
            let _a_parent_that_is_gone_ends_this_process =
                send(socket(), Kind::InputWanted, &wanted);
        }
        self.wait(ready).await;
    }

    fn must_ask(&self, ready: impl Fn(&Said) -> bool) -> bool {
        let mut said = self.said();
        let ask = !ready(&said) && !said.asked;
        said.asked |= ask;
        ask
    }

    /// Waits for STOP. Dropping the future is safe.
    pub(crate) async fn stopped(&self) {
        self.wait(|said| said.stopped).await;
    }

    async fn wait(&self, until: impl Fn(&Said) -> bool) {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // Registered before the look, so that no change between the two is missed.
            changed.as_mut().enable();
            if until(&self.said()) {
                return;
            }
            changed.await;
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.shared
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
