//! `mc-host ps`: the jobs of others on this machine, and those whose results were refused.

use crate::args::{Format, PsArgs};
use crate::show;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::donor::control::Ask;
use mutual_node::donor::report::DoneJob;
use mutual_terminal::failure::Failure;
use mutual_terminal::output;
use serde_json::json;

pub(crate) fn ps(args: &PsArgs) -> Result<u8, Failure> {
    let report = super::ask(&Ask::Status)?;
    let is_shown = |done: &&DoneJob| args.all || done.is_refused();
    let ended: Vec<&DoneJob> = report.done.iter().filter(is_shown).collect();
    let jobs = || {
        let running = report.jobs.iter().map(show::job);
        running.chain(ended.iter().map(|done| show::done(done)))
    };
    match args.format.format() {
        Format::Json => {
            let jobs: Vec<_> = jobs().collect();
            output::json(&json!({"schema": "mc.v1/host-jobs", "jobs": jobs}))?;
        }
        Format::Jsonl => output::each(jobs(), |job| output::json(&job))?,
        Format::Id => {
            let running = report.jobs.iter().map(|job| &job.id);
            let ids = running.chain(ended.iter().map(|done| &done.job.id));
            output::each(ids, |id| output::line(id))?;
        }
        Format::Auto | Format::Table => {
            let now_ms = SystemClock.wall_ms();
            let running = report.jobs.iter().map(|job| show::job_row(job, now_ms));
            let ended_rows = ended.iter().map(|done| show::done_row(done, now_ms));
            let rows: Vec<_> = running.chain(ended_rows).collect();
            output::data(output::table(&show::HEAD, &rows).as_bytes())?;
            if rows.is_empty() && !report.done.is_empty() {
                let hidden = report.done.len();
                output::say(&format!(
                    "nothing runs here; {hidden} ended: mc-host ps -a\n"
                ));
            }
        }
    }
    Ok(0)
}
