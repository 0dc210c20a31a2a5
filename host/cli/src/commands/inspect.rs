//! `mc inspect`: everything about a run, with its certificates verified anew.

use crate::account::Account;
use crate::args::InspectArgs;
use crate::explain;
use crate::failure::Failure;
use crate::output;
use crate::show;
use mutual_node::control::{Request, Status};
use mutual_node::proofs::{self, Shown};
use mutual_node::record::{Ending, RunRecord, RunState};
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
    super::block_on(super::ask(&socket, Request::Status))
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

/// What is known, as lines of a name and a value.
type Rows = Vec<(&'static str, String)>;

fn page(record: &RunRecord, live: Option<&Status>, proofs: Option<&Shown>) -> String {
    let program = format!("{} ({:?})", record.program, record.kind).to_lowercase();
    let mut rows: Rows = vec![
        ("run", record.job.clone()),
        ("state", show::state(record).to_owned()),
        ("command", show::printable(&record.command.join(" "))),
        ("program", program),
        ("inputs", record.inputs.to_string()),
        ("started", show::time(record.started_at_ms)),
    ];
    rows.extend(record.host.as_ref().map(|host| {
        let name = host.name.as_deref().map(show::printable);
        let name = name.map_or_else(String::new, |name| format!("{name} "));
        ("host", format!("{name}({})", host.id))
    }));
    rows.extend(live.into_iter().flat_map(live_rows));
    let ending = record.ending.as_ref();
    rows.extend(
        ending
            .into_iter()
            .flat_map(|ending| ending_rows(&record.job, ending)),
    );
    rows.extend(proofs.into_iter().flat_map(proof_rows));
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<9} {value}");
    }
    text
}

fn live_rows(status: &Status) -> Rows {
    let (epoch, renewals) = (status.epoch.unwrap_or(0), status.renewals);
    let mut rows = vec![
        ("phase", status.phase.clone()),
        ("lease", format!("epoch {epoch}, {renewals} renewals")),
    ];
    if let Some((done, total, text)) = &status.progress {
        rows.push((
            "progress",
            format!("{done}/{total} {}", show::printable(text)),
        ));
    }
    rows
}

fn ending_rows(job: &str, ending: &Ending) -> Rows {
    let (outcome, usage) = (show::outcome(&ending.outcome), &ending.usage);
    let detail = show::detail(&ending.outcome).map(|d| format!(": {}", show::printable(&d)));
    let detail = detail.unwrap_or_default();
    let (wall, cpu) = (show::seconds(usage.wall_us), show::seconds(usage.cpu_us));
    let peak = bytesize::ByteSize(usage.memory_bytes_peak);
    let mut rows = vec![
        ("ended", show::time(ending.at_ms)),
        (
            "outcome",
            format!("{outcome}{detail}, exit code {}", ending.exit_code),
        ),
        (
            "used",
            format!("{wall:.3} s, CPU {cpu:.3} s, {peak} of memory"),
        ),
    ];
    rows.extend(ending.unplaced.as_ref().map(|unplaced| {
        let detail = show::printable(&unplaced.detail);
        ("failed", format!("{}: {detail}", unplaced.code))
    }));
    let job = show::short(job);
    rows.extend(
        ending
            .outputs
            .map(|cid| ("outputs", format!("{cid}  (mc get {job})"))),
    );
    rows.extend(
        ending
            .log
            .map(|cid| ("log", format!("{cid}  (mc logs {job})"))),
    );
    rows
}

fn proof_rows(proofs: &Shown) -> Rows {
    let Shown {
        owner,
        holder,
        epoch,
        witnesses,
        quorum,
        decided,
        build,
    } = proofs;
    vec![
        ("spec", format!("signed by {owner}")),
        (
            "lease",
            format!("epoch {epoch}, held by {holder}, {quorum} of {witnesses} witnesses"),
        ),
        ("result", format!("decided: {decided}, certificate valid")),
        ("receipt", format!("signed by {holder}, built by {build}")),
    ]
}
