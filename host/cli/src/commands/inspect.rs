//! `mc inspect`: everything about a run, with its certificates verified anew.

use crate::account::Account;
use crate::args::InspectArgs;
use crate::explain;
use crate::failure::Failure;
use crate::output;
use crate::show;
use mutual_node::control::{self, Request, Status};
use mutual_node::proofs::{self, Shown};
use mutual_node::record::{RunRecord, RunState};
use mutual_protocol::JobId;
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(crate) fn inspect(args: &InspectArgs) -> Result<u8, Failure> {
    let account = Account::open()?;
    let (run, record) = account.find(&args.job)?;
    let live = (record.state == RunState::Running)
        .then(|| ask(&account, &run.job))
        .flatten();
    let kept = record.ending.as_ref().and_then(|ending| ending.proofs);
    let proofs = kept
        .map(|cid| proofs::read(&account.blocks, cid, &run.job))
        .transpose();
    let proofs = proofs.map_err(|e| explain::store(&e))?;
    if args.format.is_json() {
        output::json(&document(&record, live.as_ref(), proofs.as_ref()))?;
    } else {
        output::data(page(&record, live.as_ref(), proofs.as_ref()).as_bytes())?;
    }
    Ok(0)
}

fn ask(account: &Account, job: &JobId) -> Option<Status> {
    let socket = account.socket(job);
    super::block_on(control::ask(&socket, Request::Status))
        .ok()?
        .ok()
        .map(|(status, _)| status)
}

fn document(record: &RunRecord, live: Option<&Status>, proofs: Option<&Shown>) -> Value {
    let mut document = show::run(record);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("schema".into(), json!("mc.v1/run-details"));
        fields.insert("live".into(), json!(live));
        fields.insert("proofs".into(), json!(proofs));
    }
    document
}

fn page(record: &RunRecord, live: Option<&Status>, proofs: Option<&Shown>) -> String {
    let mut rows: Vec<(&str, String)> = vec![
        ("run", record.job.clone()),
        ("state", show::state(record).to_owned()),
        ("command", show::printable(&record.command.join(" "))),
        (
            "program",
            format!("{} ({:?})", record.program, record.kind).to_lowercase(),
        ),
        ("inputs", record.inputs.to_string()),
        ("started", show::time(record.started_at_ms)),
    ];
    if let Some(status) = live {
        rows.push(("phase", status.phase.clone()));
        rows.push((
            "lease",
            format!(
                "epoch {}, {} renewals",
                status.epoch.unwrap_or(0),
                status.renewals
            ),
        ));
        if let Some((done, total, text)) = &status.progress {
            rows.push((
                "progress",
                format!("{done}/{total} {}", show::printable(text)),
            ));
        }
    }
    if let Some(ending) = &record.ending {
        let detail = show::detail(&ending.outcome)
            .map(|d| format!(": {}", show::printable(&d)))
            .unwrap_or_default();
        rows.push(("ended", show::time(ending.at_ms)));
        rows.push((
            "outcome",
            format!(
                "{}{detail}, exit code {}",
                show::outcome(&ending.outcome),
                ending.exit_code
            ),
        ));
        let (wall, cpu) = (
            show::seconds(ending.usage.wall_us),
            show::seconds(ending.usage.cpu_us),
        );
        let peak = bytesize::ByteSize(ending.usage.memory_bytes_peak);
        rows.push((
            "used",
            format!("{wall:.3} s, CPU {cpu:.3} s, {peak} of memory"),
        ));
        rows.extend(ending.outputs.map(|cid| {
            (
                "outputs",
                format!("{cid}  (mc get {})", show::short(&record.job)),
            )
        }));
        rows.extend(ending.log.map(|cid| {
            (
                "log",
                format!("{cid}  (mc logs {})", show::short(&record.job)),
            )
        }));
    }
    if let Some(proofs) = proofs {
        rows.push(("spec", format!("signed by {}", proofs.owner)));
        rows.push((
            "lease",
            format!(
                "epoch {}, held by {}, {} of {} witnesses",
                proofs.epoch, proofs.holder, proofs.quorum, proofs.witnesses
            ),
        ));
        rows.push((
            "result",
            format!("decided: {}, certificate valid", proofs.decided),
        ));
        rows.push((
            "receipt",
            format!("signed by {}, built by {}", proofs.holder, proofs.build),
        ));
    }
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<9} {value}");
    }
    text
}
