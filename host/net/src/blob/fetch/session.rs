//! One provider's stream: asks what it is told to ask, and passes on what is answered.

use super::Provider;
use super::error::Fault;
use super::ledger::{Ledger, Reservation};
use crate::blob::wire::{
    self, STALL_TIME_MAX, Status, WANTS_MAX, WireError, block_bytes_max, in_time,
};
use mutual_protocol::Cid;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Heads and small blocks that are read in one go.
const BUFFER_BYTES: usize = 16 << 10;

/// What a session tells while it goes on.
#[derive(Debug)]
pub(super) enum Event {
    /// The provider can be asked.
    Opened { provider: usize },
    /// It has answered one want.
    Answered {
        provider: usize,
        cid: Cid,
        answer: Box<Answer>,
    },
}

/// What a provider says to one want.
#[derive(Debug)]
pub(super) enum Answer {
    /// These bytes, not verified yet.
    Block {
        bytes: Vec<u8>,
        reservation: Reservation,
    },
    Missing,
    Refused,
}

/// The end of a session.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) provider: usize,
    pub(super) fault: Fault,
    /// The block that it was about.
    pub(super) cid: Option<Cid>,
}

type Failure = (Fault, Option<Cid>);

/// Runs until the stream ends, or nobody asks any more.
pub(super) async fn run<P: Provider>(
    provider: &P,
    index: usize,
    asks: mpsc::Receiver<Cid>,
    events: mpsc::Sender<Event>,
    ledger: Arc<Ledger>,
) -> Ended {
    let (fault, cid) = match timeout(STALL_TIME_MAX, provider.open()).await {
        Err(_elapsed) => (Fault::Timeout, None),
        Ok(Err(error)) => (Fault::Closed(error), None),
        Ok(Ok(stream)) => talk(stream, index, asks, events, ledger).await,
    };
    Ended {
        provider: index,
        fault,
        cid,
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send,
    provider: usize,
    asks: mpsc::Receiver<Cid>,
    events: mpsc::Sender<Event>,
    ledger: Arc<Ledger>,
) -> Failure {
    let (read, write) = tokio::io::split(stream);
    // As many as may be open, so that there is always room.
    let (open, asked) = mpsc::channel(2 * WANTS_MAX);
    let _told = events.send(Event::Opened { provider }).await;
    let listening = listen(read, provider, asked, events, ledger);
    tokio::select! {
        failure = ask(write, asks, open) => failure,
        result = listening => match result {
            Ok(never) => match never {},
            Err(failure) => failure,
        },
    }
}

/// Sends what is asked, as many wants together as there are.
async fn ask(
    mut stream: impl AsyncWrite + Unpin,
    mut asks: mpsc::Receiver<Cid>,
    open: mpsc::Sender<Cid>,
) -> Failure {
    let mut wants = Vec::with_capacity(WANTS_MAX);
    while asks.recv_many(&mut wants, WANTS_MAX).await > 0 {
        for cid in &wants {
            // The receiver lives as long as this future.
            let _sent = open.send(*cid).await;
        }
        let frame = wire::request(&wants);
        let sent = async {
            stream.write_all(&frame).await?;
            stream.flush().await
        };
        if let Err(error) = in_time(sent).await {
            return (fault(error), wants.first().copied());
        }
        wants.clear();
    }
    let _farewell = in_time(stream.shutdown()).await;
    // Nobody listens for it any more.
    (Fault::Busy, None)
}

/// Takes the answers. What nobody asked for is not read.
async fn listen(
    stream: impl AsyncRead + Unpin,
    provider: usize,
    mut asked: mpsc::Receiver<Cid>,
    events: mpsc::Sender<Event>,
    ledger: Arc<Ledger>,
) -> Result<Infallible, Failure> {
    let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
    while let Some(cid) = asked.recv().await {
        let answer = take_answer(&mut stream, cid, &ledger)
            .await
            .map_err(|fault| (fault, Some(cid)))?;
        let event = Event::Answered {
            provider,
            cid,
            answer: Box::new(answer),
        };
        if events.send(event).await.is_err() {
            break;
        }
    }
    // The fetch is over; the other half says so to the provider.
    std::future::pending().await
}

async fn take_answer(
    stream: &mut (impl AsyncRead + Unpin),
    cid: Cid,
    ledger: &Arc<Ledger>,
) -> Result<Answer, Fault> {
    let (status, len) = wire::read_head(stream).await.map_err(fault)?;
    match status {
        Status::Missing => return Ok(Answer::Missing),
        Status::Refused => return Ok(Answer::Refused),
        Status::Busy => return Err(Fault::Busy),
        Status::Have => {}
    }
    if len > block_bytes_max(cid.codec()) {
        return Err(Fault::BlockTooLarge { bytes: len });
    }
    let Some(reservation) = ledger.reserve(cid, len).await else {
        return Err(Fault::TooLarge {
            bytes_max: ledger.bytes_max(),
        });
    };
    let bytes = wire::read_block(stream, len).await.map_err(fault)?;
    Ok(Answer::Block { bytes, reservation })
}

fn fault(error: WireError) -> Fault {
    match error {
        WireError::Closed(error) => Fault::Closed(error),
        WireError::Stalled => Fault::Timeout,
        WireError::Malformed => Fault::Protocol,
    }
}
