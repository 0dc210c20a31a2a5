//! `mc-host start`: from the command line to a host that serves, and its end.

mod background;
mod entry;
mod serving;
mod signals;
mod talk;

use crate::args::StartArgs;
use background::Background;
use mutual_protocol::codes;
use mutual_runner::Spawner;
use mutual_terminal::failure::Failure;
use std::time::Duration;

/// What is left of blocking work at the end is not waited for any longer.
const LAST_MAX: Duration = Duration::from_millis(200);
/// Threads of the host: the loop and its leases never wait for the network's ciphers.
const THREADS: usize = 2;

pub(crate) fn start(args: &StartArgs) -> Result<u8, Failure> {
    if args.detach && !args.background {
        return background::start();
    }
    let mut background = args.background.then(Background::new);
    match (serve(args, &mut background), background) {
        (Err(failure), Some(background)) => Ok(background.fail(&failure)),
        (ended, _) => ended,
    }
}

fn serve(args: &StartArgs, background: &mut Option<Background>) -> Result<u8, Failure> {
    let failed = |e: &dyn std::error::Error| Failure::new(codes::RUN_SANDBOX).caused_by(e);
    let spawner = Spawner::new(crate::NAME).map_err(|e| failed(&e))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| failed(&e))?;
    let ended = runtime.block_on(Box::pin(serving::serve(args, spawner, background)));
    runtime.shutdown_timeout(LAST_MAX);
    ended.map(|()| 0)
}
