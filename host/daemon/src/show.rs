//! How a host and its jobs are shown: as JSON with RFC 3339 times and plain numbers, and as rows for people.

use bytesize::ByteSize;
use mutual_node::donor::report::{About, DoneJob, Job, Report};
use mutual_node::hosting::Given;
use mutual_terminal::show::{count, detail, outcome, printable, short, span, time};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A host as JSON.
pub(crate) fn host(report: &Report) -> Value {
    let about = &report.about;
    json!({
        "schema": "mc.v1/host-status",
        "state": report.standing,
        "pid": about.pid,
        "host": about.host,
        "name": about.name,
        "pool": {
            "id": about.pool,
            "name": about.pool_name,
            "founder": about.founder,
            "member_until": time(about.member_until_ms),
        },
        "started_at": time(about.started_at_ms),
        "addresses": about.addresses,
        "given": given(&about.given),
        "slots_free": report.slots_free,
        "peers": report.peers,
        "jobs": report.jobs.iter().map(job).collect::<Vec<_>>(),
    })
}

/// What a machine gives, as JSON.
pub(crate) fn given(given: &Given) -> Value {
    json!({
        "slots": given.slots,
        "cpus": given.cpus,
        "memory_bytes": given.memory_bytes,
        "disk_bytes": given.disk_bytes,
    })
}

/// What a machine gives, in words.
pub(crate) fn given_words(given: &Given) -> String {
    format!(
        "{}, {} of memory, {} of disk, {} at a time",
        count(given.cpus.into(), "core"),
        ByteSize(given.memory_bytes),
        ByteSize(given.disk_bytes),
        count(given.slots.into(), "job"),
    )
}

/// A job that is here, as JSON.
pub(crate) fn job(job: &Job) -> Value {
    json!({
        "schema": "mc.v1/host-job",
        "id": job.id,
        "owner": job.owner,
        "state": job.phase,
        "epoch": job.epoch,
        "started_at": time(job.started_at_ms),
        "ended_at": null,
        "outcome": null,
        "detail": null,
        "lost": null,
    })
}

/// A job that was here, as JSON.
pub(crate) fn done(done: &DoneJob) -> Value {
    let mut value = job(&done.job);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("state".into(), json!(done_state(done)));
        fields.insert("ended_at".into(), json!(time(done.at_ms)));
        fields.insert("outcome".into(), json!(done.outcome.as_ref().map(outcome)));
        fields.insert(
            "detail".into(),
            json!(done.outcome.as_ref().and_then(detail)),
        );
        fields.insert("lost".into(), json!(done.lost));
    }
    value
}

/// One word for what became of a job.
fn done_state(done: &DoneJob) -> &'static str {
    match (&done.lost, &done.outcome) {
        (Some(_), _) => "lost",
        (None, Some(ending)) => outcome(ending),
        (None, None) => "ended",
    }
}

/// The columns of a list of jobs.
pub(crate) const HEAD: [&str; 6] = ["JOB", "STATE", "STARTED", "TIME", "OWNER", "RESULT"];

/// A job that is here, as a row.
pub(crate) fn job_row(job: &Job, now_ms: u64) -> Vec<String> {
    row(job, &job.phase, (now_ms, now_ms), String::new())
}

/// A job that was here, as a row.
pub(crate) fn done_row(done: &DoneJob, now_ms: u64) -> Vec<String> {
    let result = match (&done.lost, &done.outcome) {
        (Some(why), Some(_)) => format!("result refused: {why}"),
        (Some(why), None) => why.clone(),
        (None, ending) => ending.as_ref().and_then(detail).unwrap_or_default(),
    };
    row(&done.job, done_state(done), (done.at_ms, now_ms), result)
}

fn row(job: &Job, state: &str, (end_ms, now_ms): (u64, u64), result: String) -> Vec<String> {
    let ago = span(now_ms.saturating_sub(job.started_at_ms));
    vec![
        short(&job.id),
        state.to_owned(),
        format!("{ago} ago"),
        span(end_ms.saturating_sub(job.started_at_ms)),
        short(&job.owner),
        printable(&result),
    ]
}

/// A host as lines of a name and a value.
pub(crate) fn page(report: &Report, now_ms: u64) -> String {
    let about = &report.about;
    let busy = about.given.slots.saturating_sub(report.slots_free);
    let age = span(now_ms.saturating_sub(about.started_at_ms));
    let mut rows = vec![
        (
            "host",
            format!("{} ({})", printable(&about.name), about.host),
        ),
        ("state", report.standing.clone()),
        ("pool", pool(about)),
        ("members", format!("{} connected", report.peers.len())),
        ("slots", format!("{busy} of {} busy", about.given.slots)),
        ("gives", given_words(&about.given)),
        (
            "since",
            format!(
                "{} ({age} ago), process {}",
                time(about.started_at_ms),
                about.pid
            ),
        ),
    ];
    rows.extend(
        about
            .addresses
            .iter()
            .map(|address| ("address", address.clone())),
    );
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<9} {value}");
    }
    text
}

/// The pool, by the name that it has here.
fn pool(about: &About) -> String {
    let made = if about.founder { ", made here" } else { "" };
    match &about.pool_name {
        Some(name) => format!("{} ({}{made})", printable(name), about.pool),
        None => format!("{}{made}", about.pool),
    }
}

/// One calm line.
pub(crate) fn line(report: &Report) -> String {
    let about = &report.about;
    let pool = about
        .pool_name
        .clone()
        .unwrap_or_else(|| short(&about.pool));
    let running: Vec<_> = report
        .jobs
        .iter()
        .map(|job| format!("{} {}", short(&job.id), job.phase))
        .collect();
    let running = match running.len() {
        0 => "idle".to_owned(),
        1..=3 => running.join(", "),
        many => format!("{many} jobs"),
    };
    format!(
        "{} {} as {}: {}, {running}",
        report.standing,
        printable(&pool),
        printable(&about.name),
        count(report.peers.len(), "member"),
    )
}

/// What is different from `old` to `new`, a line each: for a log.
pub(crate) fn changes(old: &Report, new: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if old.standing != new.standing {
        lines.push(format!("state: {}", new.standing));
    }
    let came = new.peers.iter().filter(|peer| !old.peers.contains(peer));
    lines.extend(came.map(|peer| format!("member {} is connected", short(peer))));
    let left = old.peers.iter().filter(|peer| !new.peers.contains(peer));
    lines.extend(left.map(|peer| format!("member {} is gone", short(peer))));
    let is_new = |job: &&Job| !old.jobs.iter().any(|known| known.id == job.id);
    let begun = new.jobs.iter().filter(is_new);
    lines.extend(
        begun.map(|job| format!("job {} of {} is here", short(&job.id), short(&job.owner))),
    );
    let ended = new.done.iter().take_while(|done| !old.done.contains(done));
    let mut ended: Vec<_> = ended
        .map(|done| {
            let why = done
                .lost
                .as_ref()
                .map(|why| format!(": {}", printable(why)))
                .unwrap_or_default();
            format!("job {}: {}{why}", short(&done.job.id), done_state(done))
        })
        .collect();
    ended.reverse();
    lines.append(&mut ended);
    lines
}

#[cfg(test)]
pub(crate) mod tests;
