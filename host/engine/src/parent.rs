//! The child's connection to its parent while a guest runs: output with credit, input on request, stop.
//!
//! No thread listens: frames are read when the guest waits, or when it has used up its credit. A guest that spins
//! is reached by a signal. Waiting is asynchronous, so that a guest can wait for input and a clock at once.

use bytes::Bytes;
use mutual_runner::bounds::CHUNK_BYTES_MAX;
use mutual_runner::frame::Kind;
use mutual_runner::message::{Ended, encode};
use mutual_runner::{Link, send, walls};
use std::future::poll_fn;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
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

/// The parent, as the guest's host functions see it. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    heard: Mutex<Heard>,
    socket: AsyncFd<BorrowedFd<'static>>,
}

/// What the parent has said so far.
#[derive(Debug)]
struct Heard {
    link: Link<BorrowedFd<'static>>,
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
    /// Needs the runtime around that will run the guest.
    ///
    /// # Errors
    /// When the socket cannot be waited for.
    pub(crate) fn new(
        link: Link<BorrowedFd<'static>>,
        credit: u64,
        has_stdin: bool,
    ) -> std::io::Result<Self> {
        #[expect(unsafe_code, reason = "tokio takes a raw descriptor on trust")]
        // SAFETY: descriptor 0 is the socket from the first instruction of this process to its last.
        let socket = unsafe { AsyncFd::register_with_interest(socket(), Interest::READABLE) };
        let heard = Heard {
            link,
            credit,
            input: Bytes::new(),
            input_ended: !has_stdin,
            asked: false,
            stopped: false,
        };
        let shared = Shared {
            heard: Mutex::new(heard),
            socket: socket?,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Bytes that may be written now.
    pub(crate) fn may_write(&self) -> usize {
        usize::try_from(self.heard().credit)
            .unwrap_or(usize::MAX)
            .min(CHUNK_BYTES_MAX)
    }

    /// Waits until something may be written. Dropping the future is safe.
    pub(crate) async fn output_ready(&self) {
        self.wait(|heard| heard.credit > 0).await;
    }

    /// Sends output, at most what [`Self::may_write`] gave. `false` when the parent is gone.
    pub(crate) fn write(&self, output: Output, bytes: &[u8]) -> bool {
        let kind = match output {
            Output::Stdout => Kind::Stdout,
            Output::Stderr => Kind::Stderr,
        };
        let mut heard = self.heard();
        heard.credit = heard.credit.saturating_sub(bytes.len() as u64);
        drop(heard);
        send(socket(), kind, bytes).is_ok()
    }

    /// Takes input, at most `bytes_max`.
    pub(crate) fn read(&self, bytes_max: usize) -> Input {
        let mut heard = self.heard();
        if !heard.input.is_empty() {
            let taken = bytes_max.min(heard.input.len());
            return Input::Bytes(heard.input.split_to(taken));
        }
        if heard.input_ended {
            Input::End
        } else {
            Input::Nothing
        }
    }

    /// Waits until a read gives bytes or the end; asks the parent when there is nothing. Dropping the future is safe.
    pub(crate) async fn input_ready(&self) {
        if self.must_ask() {
            #[expect(clippy::cast_possible_truncation, reason = "64 KiB")]
            let wanted = (CHUNK_BYTES_MAX as u32).to_le_bytes();
            let _a_parent_that_is_gone_ends_this_process =
                send(socket(), Kind::InputWanted, &wanted);
        }
        self.wait(Heard::has_input).await;
    }

    fn must_ask(&self) -> bool {
        let mut heard = self.heard();
        let ask = !heard.has_input() && !heard.asked;
        heard.asked |= ask;
        ask
    }

    /// Waits for STOP. Dropping the future is safe.
    pub(crate) async fn stopped(&self) {
        self.wait(|heard| heard.stopped).await;
    }

    /// Says how the guest ended, and waits to be killed; comes back when the parent is gone.
    ///
    /// The parent measures this process first, for which it must be asleep, and kills it then: whatever is torn down
    /// here would only take time from both.
    pub(crate) fn report(ended: &Ended) {
        let _a_parent_that_is_gone_ends_this_process = send(socket(), Kind::Ended, &encode(ended));
        let mut rest = Link::new(socket());
        while rest.receive().is_ok() {}
    }

    /// Several may wait at once, in one task: whoever is polled reads whatever there is, for all of them.
    async fn wait(&self, until: impl Fn(&Heard) -> bool) {
        poll_fn(|ctx| {
            loop {
                if self.listen(&until) {
                    return Poll::Ready(());
                }
                match self.shared.socket.poll_read_ready(ctx) {
                    Poll::Pending => return Poll::Pending,
                    // There is nothing more to read than what was just read.
                    Poll::Ready(Ok(mut ready)) => ready.clear_ready(),
                    Poll::Ready(Err(_shut_down)) => return Poll::Ready(()),
                }
            }
        })
        .await;
    }

    /// Reads all frames that are there, and looks.
    fn listen(&self, until: impl Fn(&Heard) -> bool) -> bool {
        let mut heard = self.heard();
        heard.listen();
        until(&heard)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.shared
            .heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    const fn has_input(&self) -> bool {
        !self.input.is_empty() || self.input_ended
    }

    fn listen(&mut self) {
        loop {
            match self.link.try_receive() {
                Ok(Some((Kind::Input, body))) => {
                    self.input = Bytes::copy_from_slice(body);
                    self.asked = false;
                }
                Ok(Some((Kind::InputEnd, _))) => self.input_ended = true,
                Ok(Some((Kind::Credit, body))) => {
                    let more = <[u8; 8]>::try_from(body).map_or(0, u64::from_le_bytes);
                    self.credit = self.credit.saturating_add(more);
                }
                Ok(None) => return,
                // STOP, or a parent that is gone: nobody waits for the guest any more.
                Ok(Some(_)) | Err(_) => {
                    self.stopped = true;
                    return;
                }
            }
        }
    }
}

/// The engine that the stop signal reaches.
static STOPPABLE: OnceLock<Engine> = OnceLock::new();

/// Lets the parent's stop signal end a guest of `engine` that spins.
///
/// # Errors
/// When the kernel refuses the handler.
pub(crate) fn make_stoppable(engine: &Engine) -> Result<(), walls::WallError> {
    extern "C" fn stop(_signal: i32) {
        if let Some(engine) = STOPPABLE.get() {
            engine.increment_epoch();
        }
    }
    let _one_engine_for_each_process = STOPPABLE.set(engine.clone());
    #[expect(unsafe_code, reason = "the stop signal")]
    // SAFETY: the handler does an atomic load and an atomic addition (`increment_epoch` promises signal safety).
    unsafe {
        walls::on_stop_signal(stop)
    }
}
