//! One file per command. Each gives the process's exit code or the failure that ends it.

pub(crate) mod add;
pub(crate) mod cat;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod id;
pub(crate) mod inspect;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod pool;
pub(crate) mod ps;
pub(crate) mod run;
pub(crate) mod stop;
pub(crate) mod version;

use mutual_node::control::{self, Request, Status};
pub(crate) use mutual_terminal::block_on;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long an attached run may take to answer: its event loop never blocks, so what takes longer stands still.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Asks an attached run, and does not wait for one that stands still.
async fn ask(socket: &Path, request: Request) -> io::Result<(Status, UnixStream)> {
    tokio::time::timeout(ANSWER_MAX, control::ask(socket, request)).await?
}
