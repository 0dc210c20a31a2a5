//! `mc-host pause|resume|drain|kill|stop`: from any terminal of this account.

use mutual_node::donor::control::{self, Ask};
use mutual_node::donor::lock::HostLock;
use mutual_node::donor::report::{Job, Report};
use mutual_node::home::Home;
use mutual_protocol::codes;
use mutual_terminal::failure::Failure;
use mutual_terminal::show::{count, short};
use mutual_terminal::{account, block_on, output};
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::{interval, timeout};

/// A host ends within 5 s; its process may need a moment more on a busy machine.
const END_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether an ending host has let go of its folder.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn pause() -> Result<u8, Failure> {
    let report = super::ask(&Ask::Pause)?;
    tell(&report, "paused", "given back")
}

pub(crate) fn resume() -> Result<u8, Failure> {
    let report = super::ask(&Ask::Resume)?;
    tell(&report, "serving", "here")
}

pub(crate) fn drain() -> Result<u8, Failure> {
    let report = super::ask(&Ask::Drain)?;
    tell(&report, "draining", "to finish")
}

fn tell(report: &Report, state: &str, what: &str) -> Result<u8, Failure> {
    let jobs = match report.jobs.len() {
        0 => String::new(),
        jobs => format!(", {} {what}", count(jobs, "job")),
    };
    output::say(&format!("{state}{jobs}\n"));
    Ok(0)
}

pub(crate) fn kill(prefix: &str) -> Result<u8, Failure> {
    let report = super::ask(&Ask::Status)?;
    let job = find(&report.jobs, prefix)?.id.clone();
    super::ask(&Ask::Kill { job: job.clone() })?;
    output::say(&format!("killed {} here\n", short(&job)));
    Ok(0)
}

/// The one job that is meant.
fn find<'a>(jobs: &'a [Job], prefix: &str) -> Result<&'a Job, Failure> {
    let mut meant = jobs.iter().filter(|job| job.id.starts_with(prefix));
    match (meant.next(), meant.next()) {
        (Some(job), None) if !prefix.is_empty() => Ok(job),
        (Some(_), Some(_)) => {
            Err(Failure::new(codes::JOB_AMBIGUOUS).because(format!("`{prefix}`")))
        }
        _ => Err(Failure::new(codes::HOST_JOB).because(format!("`{prefix}`"))),
    }
}

pub(crate) fn stop() -> Result<u8, Failure> {
    let home = account::locate()?;
    block_on(async {
        let asked = control::ask(&home.host_socket(), &Ask::Stop).await;
        let (report, mut connection) = match asked {
            // It ended before it could answer.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return gone(&home).await,
            asked => asked.map_err(|e| super::unanswered(&home, &e))?,
        };
        let mut unread = [0_u8; 64];
        let end = async {
            while connection
                .read(&mut unread)
                .await
                .is_ok_and(|read| read > 0)
            {}
        };
        let too_slow = |_elapsed| {
            Failure::new(codes::HOST_UNREACHABLE)
                .because(format!("process {} has not ended yet", report.about.pid))
                .next("kill it by its id; nothing is lost by that")
        };
        timeout(END_MAX, end).await.map_err(too_slow)?;
        output::say("stopped\n");
        Ok(0)
    })?
}

/// Waits until a host that is ending has let go of its folder.
async fn gone(home: &Home) -> Result<u8, Failure> {
    let mut looks = interval(LOOK_EVERY);
    let end = async {
        while HostLock::is_held(&home.host_lock()) {
            looks.tick().await;
        }
    };
    let too_slow = |_elapsed| Failure::new(codes::HOST_UNREACHABLE);
    timeout(END_MAX, end).await.map_err(too_slow)?;
    output::say("stopped\n");
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_found_by_the_beginning_of_its_id() {
        let job = |id: &str| Job {
            id: id.to_owned(),
            owner: String::new(),
            phase: String::new(),
            epoch: None,
            started_at_ms: 0,
        };
        let jobs = [job("j-abc"), job("j-abd")];
        assert_eq!(find(&jobs, "j-abd").unwrap().id, "j-abd");
        let code = |prefix| find(&jobs, prefix).unwrap_err().code();
        assert_eq!(code("j-ab"), "mc::job::ambiguous");
        assert_eq!(code("j-x"), "mc::host::job");
        assert_eq!(find(&jobs[..1], "").unwrap_err().code(), "mc::host::job");
    }
}
