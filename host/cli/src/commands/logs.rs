//! `mc logs`: what a run wrote, from its socket while it runs, from the store afterwards.

use crate::account::Account;
use crate::args::LogsArgs;
use crate::explain;
use crate::failure::Failure;
use crate::output::{self, Written};
use mutual_node::control::{self, Request};
use mutual_node::logs::{self, Frame, Stream};
use mutual_node::record::{RunRecord, RunState};
use mutual_protocol::{codes, limits};
use std::io;
use tokio::io::AsyncReadExt as _;

pub(crate) fn logs(args: &LogsArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let (run, record) = account.find(&args.job)?;
    if record.state == RunState::Running {
        let request = Request::Logs {
            follow: args.follow,
        };
        match super::block_on(stream(&account.socket(&run.job), request))? {
            Ok(()) => return Ok(0),
            // It ended between the look and the question: its log is in the store now.
            Err(e) => tracing::debug!("the run's socket: {e}"),
        }
        let (_, record) = account.find(&args.job)?;
        return stored(&account, &record);
    }
    stored(&account, &record)
}

fn stored(account: &Account, record: &RunRecord) -> Result<u8, Failure> {
    if record.state == RunState::Lost {
        return Err(Failure::new(codes::RUN_NO_OUTPUT)
            .because(format!(
                "the process of {} vanished, and its log with it",
                record.job
            ))
            .next("run it again"));
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
    let _ = frames.iter().all(|frame| print(frame) == Written::Whole);
    Ok(0)
}

/// Prints frames as they come, until the run ends or the reader of stdout leaves.
async fn stream(socket: &std::path::Path, request: Request) -> io::Result<()> {
    let (_, mut connection) = control::ask(socket, request).await?;
    let mut buffer = Vec::new();
    loop {
        let mut rest = buffer.as_slice();
        while let Some((frame, tail)) = Frame::decode(rest) {
            if print(&frame) == Written::ReaderGone {
                return Ok(());
            }
            rest = tail;
        }
        buffer = rest.to_vec();
        if buffer.len() > limits::FRAME_BYTES_MAX {
            return Err(io::Error::other("a frame is too long"));
        }
        if connection.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

fn print(frame: &Frame) -> Written {
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
            Written::Whole
        }
        Frame::Dropped { bytes } => {
            output::say(&format!("\n[{bytes} bytes in the middle were not kept]\n"));
            Written::Whole
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
