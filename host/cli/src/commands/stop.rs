//! `mc stop` and `mc wait`: from any terminal of this account.

use crate::account::Account;
use crate::args::{JobArgs, StopArgs};
use crate::failure::Failure;
use crate::output;
use crate::show;
use mutual_node::control::{self, Request};
use mutual_node::record::RunState;
use mutual_protocol::codes;
use std::io;
use std::path::Path;
use tokio::io::AsyncReadExt as _;

pub(crate) fn stop(args: &StopArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let (run, record) = account.find(&args.job)?;
    if record.state != RunState::Running {
        return Err(Failure::new(codes::RUN_ENDED).because(format!(
            "{} {}",
            run.job.short(),
            show::state(&record)
        )));
    }
    let request = Request::Stop { now: args.now };
    let stopped = super::block_on(async {
        let (_, mut connection) = super::ask(&account.socket(&run.job), request).await?;
        until_end(&mut connection).await
    })?;
    stopped.map_err(|e| {
        Failure::new(codes::RUN_UNREACHABLE).because(format!("{}: {e}", run.job.short()))
    })?;
    output::say(&format!("stopped {}\n", run.job.short()));
    Ok(0)
}

pub(crate) fn wait(args: &JobArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let (run, _) = account.find(&args.job)?;
    super::block_on(end_of(&account.socket(&run.job)))?;
    let (_, record) = account.find(&run.job.to_string())?;
    match &record.ending {
        Some(ending) => match &ending.unplaced {
            Some(unplaced) => Err(Failure::on_record(unplaced, ending.exit_code)),
            None => Ok(ending.exit_code),
        },
        None => Err(Failure::new(codes::RUN_SANDBOX)
            .because(format!("the process of {} vanished", run.job.short()))
            .next("run it again")),
    }
}

/// Waits for the end of a run: its log stream ends with the program. Who asks then is not answered any more, and let go
/// when the outputs are in their places.
async fn end_of(socket: &Path) {
    loop {
        match control::ask(socket, Request::Logs { follow: true }).await {
            Ok((_, mut connection)) => {
                let _asked_again = until_end(&mut connection).await;
            }
            Err(e) if is_gone(&e) => return,
            // Let go in the middle of an answer: the program has just ended, its outputs are not in their places yet.
            Err(_) => {}
        }
    }
}

/// Nobody listens there, or there is no such place any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

async fn until_end(connection: &mut tokio::net::UnixStream) -> io::Result<()> {
    let mut unread = [0_u8; 4096];
    while connection.read(&mut unread).await? > 0 {}
    Ok(())
}
