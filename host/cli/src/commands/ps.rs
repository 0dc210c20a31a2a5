//! `mc ps`: the runs of this account.

use crate::account::Account;
use crate::args::{Format, PsArgs};
use crate::failure::Failure;
use crate::output;
use crate::show;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::record::RunState;
use serde_json::json;

pub(crate) fn ps(args: &PsArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let mut records = account.records()?;
    let hidden = records.len();
    records.retain(|(_, record)| args.all || record.state == RunState::Running);
    match args.format.format() {
        Format::Json => {
            let runs: Vec<_> = records
                .iter()
                .map(|(_, record)| show::run(record))
                .collect();
            output::json(&json!({"schema": "mc.v1/runs", "runs": runs}))?;
        }
        Format::Jsonl => {
            output::each(&records, |(_, record)| output::json(&show::run(record)))?;
        }
        Format::Id => {
            output::each(&records, |(_, record)| output::line(&record.job))?;
        }
        Format::Auto | Format::Table => {
            let now_ms = SystemClock.wall_ms();
            let rows: Vec<_> = records
                .iter()
                .map(|(_, record)| show::row(record, now_ms))
                .collect();
            output::data(
                output::table(&["RUN", "STATE", "STARTED", "TIME", "COMMAND"], &rows).as_bytes(),
            )?;
            if records.is_empty() && hidden > 0 {
                output::say(&format!("nothing is running; {hidden} ended: mc ps -a\n"));
            }
        }
    }
    Ok(0)
}
