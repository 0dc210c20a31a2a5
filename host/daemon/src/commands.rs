//! One file per command. Each gives the process's exit code or the failure that ends it.

pub(crate) mod doctor;
pub(crate) mod id;
pub(crate) mod leave;
pub(crate) mod limits;
pub(crate) mod ps;
pub(crate) mod purge;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod steer;
pub(crate) mod version;
pub(crate) mod why;

use mutual_node::donor::control::{self, Ask};
use mutual_node::donor::lock::HostLock;
use mutual_node::donor::report::Report;
use mutual_node::home::Home;
use mutual_protocol::codes;
use mutual_terminal::failure::Failure;
use mutual_terminal::{account, block_on, output};
use std::io::{self, BufRead as _, IsTerminal as _};
use tokio::net::UnixStream;

/// Asks the host of this account.
fn ask(question: &Ask) -> Result<Report, Failure> {
    let home = account::locate()?;
    block_on(asked(&home, question))?.map(|(report, _)| report)
}

/// The same, with the connection, within a conversation.
async fn asked(home: &Home, question: &Ask) -> Result<(Report, UnixStream), Failure> {
    control::ask(&home.host_socket(), question)
        .await
        .map_err(|e| unanswered(home, &e))
}

fn unanswered(home: &Home, error: &io::Error) -> Failure {
    let is_gone = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    );
    if is_gone && !HostLock::is_held(&home.host_lock()) {
        return Failure::new(codes::HOST_NOT_RUNNING);
    }
    Failure::new(codes::HOST_UNREACHABLE).because(error.to_string())
}

/// Refuses while a host runs.
fn refuse_beside_a_host(home: &Home) -> Result<(), Failure> {
    if HostLock::is_held(&home.host_lock()) {
        return Err(Failure::new(codes::HOST_RUNNING).next("end it first: `mc-host stop`"));
    }
    Ok(())
}

/// Asks the person, unless `yes` has answered already. Without a terminal nobody is asked.
fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let refused = |why: &str| Failure::new(codes::ARGUMENT_USAGE).because(why);
    if !io::stdin().is_terminal() {
        return Err(refused("nobody can be asked without a terminal").next("add --yes"));
    }
    output::say(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(refused("the answer was no")
            .next("nothing was changed")
            .exit(1)),
    }
}
