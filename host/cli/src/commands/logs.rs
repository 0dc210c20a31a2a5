//! `mc logs`: what a run wrote, from its socket while it runs, from the store afterwards.

use crate::account::Account;
use crate::args::LogsArgs;
use crate::explain;
use crate::failure::Failure;
use crate::output::{self, Written};
use crate::show;
use mutual_node::control::{self, Request};
use mutual_node::logs::{self, Frame, Stream};
use mutual_node::record::{RunRecord, RunState};
use mutual_protocol::{codes, limits};
use std::io;
use tokio::io::AsyncReadExt as _;

pub(crate) fn logs(args: &LogsArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let (run, record) = account.find(&args.job)?;
    if record.state != RunState::Running {
        return stored(&account, &record);
    }
    let request = Request::Logs {
        follow: args.follow,
    };
    let shown = super::block_on(stream(&account.socket(&run.job), request))??;
    let (_, record) = account.find(&run.job.to_string())?;
    match (shown, record.state) {
        // It ended between the look and the question: its log is in the store now.
        (Shown::Nothing, _) => stored(&account, &record),
        (Shown::All, RunState::Lost) => Err(vanished(&record)),
        (Shown::All | Shown::Enough, _) => Ok(0),
    }
}

/// How far a running run's log was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Nobody answered.
    Nothing,
    /// To where the other side ended it.
    All,
    /// The reader of stdout left.
    Enough,
}

fn vanished(record: &RunRecord) -> Failure {
    let job = show::short(&record.job);
    Failure::new(codes::RUN_NO_OUTPUT)
        .because(format!(
            "the process of {job} vanished, and its log with it"
        ))
        .next("run it again")
}

fn stored(account: &Account, record: &RunRecord) -> Result<u8, Failure> {
    if record.state == RunState::Lost {
        return Err(vanished(record));
    }
    let Some(cid) = record.ending.as_ref().and_then(|ending| ending.log) else {
        return Ok(0);
    };
    let bytes = account
        .blocks
        .read_file(cid, limits::LOG_BYTES_MAX * 2)
        .map_err(|e| explain::export(&e))?;
    let frames = logs::decode(&bytes)
        .ok_or_else(|| Failure::new(codes::STORE_DAMAGED).because(cid.to_string()))?;
    output::each(&frames, print)?;
    Ok(0)
}

/// Prints frames as they come, until the run ends or the reader of stdout leaves.
async fn stream(socket: &std::path::Path, request: Request) -> Result<Shown, Failure> {
    let Ok((_, mut connection)) = control::ask(socket, request).await else {
        return Ok(Shown::Nothing);
    };
    let broken =
        |e: &str| Failure::new(codes::RUN_UNREACHABLE).because(format!("its log broke off: {e}"));
    let mut buffer = Vec::new();
    loop {
        let mut rest = buffer.as_slice();
        while let Some((frame, tail)) = Frame::decode(rest) {
            if print(&frame)? == Written::ReaderGone {
                return Ok(Shown::Enough);
            }
            rest = tail;
        }
        buffer = rest.to_vec();
        if buffer.len() > limits::FRAME_BYTES_MAX {
            return Err(broken("a frame is too long"));
        }
        let read = connection.read_buf(&mut buffer).await;
        if read.map_err(|e| broken(&e.to_string()))? == 0 {
            return Ok(Shown::All);
        }
    }
}

fn print(frame: &Frame) -> Result<Written, Failure> {
    match frame {
        Frame::Output {
            stream: Stream::Stdout,
            bytes,
        } => output::data(&clean(bytes)),
        Frame::Output {
            stream: Stream::Stderr,
            bytes,
        } => {
            output::say(&String::from_utf8_lossy(&clean(bytes)));
            Ok(Written::Whole)
        }
        Frame::Dropped { bytes } => {
            output::say(&format!("\n[{bytes} bytes in the middle were not kept]\n"));
            Ok(Written::Whole)
        }
    }
}

/// Log text is untrusted: a terminal gets no control characters but line ends and tabs; a file gets every byte.
fn clean(bytes: &[u8]) -> Vec<u8> {
    if !io::IsTerminal::is_terminal(&io::stdout()) {
        return bytes.to_vec();
    }
    let keep = |byte: u8| byte >= 0x20 && byte != 0x7f || b"\n\t".contains(&byte);
    bytes
        .iter()
        .map(|byte| if keep(*byte) { *byte } else { b'?' })
        .collect()
}
