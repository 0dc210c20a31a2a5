//! `mc logs`: what a run wrote, from its socket while it runs, from the store afterwards.

use crate::account::Account;
use crate::args::LogsArgs;
use crate::explain;
use crate::failure::Failure;
use crate::output::{self, Written};
use crate::show;
use mutual_node::control::Request;
use mutual_node::logs::{self, Frame, Stream};
use mutual_node::record::{RunRecord, RunState};
use mutual_protocol::{codes, limits};
use std::io::{self, IsTerminal};
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
        (Shown::Nothing, RunState::Running) => {
            Err(Failure::new(codes::RUN_UNREACHABLE).because(run.job.short()))
        }
        // It ended between the look and the question: its log is in the store now.
        (Shown::Nothing, _) => stored(&account, &record),
        (Shown::Part, RunState::Lost) => Err(vanished(&record)),
        (Shown::Part, _) => Err(Failure::new(codes::RUN_UNREACHABLE)
            .because("its log broke off")
            .next(format!("show it whole: mc logs {}", run.job.short()))),
        (Shown::All | Shown::Enough, _) => Ok(0),
    }
}

/// How far a running run's log was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Nobody answered.
    Nothing,
    /// To its end.
    All,
    /// The other side left in the middle.
    Part,
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
    let mut printer = Printer::new();
    output::each(&frames, |frame| printer.print(frame))?;
    Ok(0)
}

/// Prints frames as they come, until the run ends or the reader of stdout leaves.
async fn stream(socket: &std::path::Path, request: Request) -> Result<Shown, Failure> {
    let Ok((_, mut connection)) = super::ask(socket, request).await else {
        return Ok(Shown::Nothing);
    };
    let (mut buffer, mut printer) = (Vec::new(), Printer::new());
    loop {
        let mut rest = buffer.as_slice();
        while let Some((frame, tail)) = Frame::decode(rest) {
            if frame == Frame::End {
                return Ok(Shown::All);
            }
            if printer.print(&frame)? == Written::ReaderGone {
                return Ok(Shown::Enough);
            }
            rest = tail;
        }
        buffer = rest.to_vec();
        let is_endless = buffer.len() > limits::FRAME_BYTES_MAX;
        if is_endless || connection.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            // A process that is just dying closes its ends one after the other: when this comes back, it is known.
            let _dead_or_alive = super::ask(socket, Request::Status).await;
            return Ok(Shown::Part);
        }
    }
}

/// Both streams of a log, each to its own place here.
#[derive(Debug)]
struct Printer {
    stdout: Cleaner,
    stderr: Cleaner,
}

impl Printer {
    fn new() -> Self {
        Self {
            stdout: Cleaner::new(&io::stdout()),
            stderr: Cleaner::new(&io::stderr()),
        }
    }

    fn print(&mut self, frame: &Frame) -> Result<Written, Failure> {
        match frame {
            Frame::Output {
                stream: Stream::Stdout,
                bytes,
            } => return output::data(&self.stdout.clean(bytes)),
            Frame::Output {
                stream: Stream::Stderr,
                bytes,
            } => output::say_bytes(&self.stderr.clean(bytes)),
            Frame::Dropped { bytes } => {
                output::say(&format!("\n[{bytes} bytes in the middle were not kept]\n"))
            }
            Frame::End => {}
        }
        Ok(Written::Whole)
    }
}

/// Log text is untrusted: a terminal gets no control characters but line ends and tabs; a file gets every byte.
#[derive(Debug, Default)]
struct Cleaner {
    is_terminal: bool,
    /// The byte before, also across frames: C1 controls are two bytes in UTF-8, the first of them 0xC2.
    before: u8,
}

impl Cleaner {
    fn new(stream: &impl IsTerminal) -> Self {
        Self {
            is_terminal: stream.is_terminal(),
            before: 0,
        }
    }

    fn clean(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !self.is_terminal {
            return bytes.to_vec();
        }
        let mut replace = |byte: u8| {
            let is_c0 = (byte < 0x20 && !b"\n\t".contains(&byte)) || byte == 0x7f;
            let is_c1 = self.before == 0xc2 && (0x80..0xa0).contains(&byte);
            self.before = byte;
            if is_c0 || is_c1 { b'?' } else { byte }
        };
        bytes.iter().map(|byte| replace(*byte)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_characters_and_a_file_gets_all() {
        let mut terminal = Cleaner {
            is_terminal: true,
            before: 0,
        };
        assert_eq!(terminal.clean(b"a\x1b[2J\tb\n"), b"a?[2J\tb\n");
        assert_eq!(terminal.clean("ü".as_bytes()), "ü".as_bytes());
        assert_eq!(terminal.clean(b"x\xc2"), b"x\xc2");
        assert_eq!(terminal.clean(b"\x9b2J"), b"?2J", "split over two frames");
        let mut file = Cleaner::default();
        assert_eq!(file.clean(b"\x1b\xc2\x9b"), b"\x1b\xc2\x9b");
    }
}
