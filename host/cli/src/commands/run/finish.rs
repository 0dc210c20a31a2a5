//! After the program has ended: its files are put in place, and how it ended is told.

use super::console::Shown;
use super::plan::Plan;
use crate::account::Account;
use crate::args::RunArgs;
use crate::commands::get;
use crate::failure::Failure;
use crate::{output, show};
use bytesize::ByteSize;
use mutual_node::attached::RunEnd;
use mutual_node::outputs::{self, Place, Placed};
use mutual_node::prepare::Baseline;
use mutual_node::record::RunRecord;
use mutual_protocol::codes::{self, Code};
use mutual_protocol::limits;
use mutual_protocol::manifest::GuestPath;
use mutual_protocol::outcome::Outcome;
use mutual_store::{BlockStore, Run, SkippedKind};
use serde_json::{Value, json};

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// What was done here.
    pub(super) placed: Placed,
    /// Files below `/out` that are only in the store.
    unfetched: usize,
}

/// Puts outputs where the arguments say.
pub(super) fn place(
    args: &RunArgs,
    plan: &Plan,
    blocks: &BlockStore,
    baselines: &[Baseline],
    end: &RunEnd,
) -> Result<Brought, Failure> {
    let Some(manifest) = &end.manifest else {
        return Ok(Brought::default());
    };
    let mut places: Vec<Place> = plan
        .outs
        .iter()
        .map(|out| Place {
            guest: out.guest.clone(),
            target: out.target.clone(),
        })
        .collect();
    if let Some(dir) = &args.files.out_dir {
        let made = std::fs::create_dir_all(dir);
        made.map_err(|e| {
            Failure::new(codes::OUTPUT_PLACE).because(format!("{}: {e}", dir.display()))
        })?;
        places.extend(GuestPath::parse("out").ok().map(|guest| Place {
            guest,
            target: dir.clone(),
        }));
    }
    let explain = |e| get::explain_place(&e);
    let mut placed = outputs::place(blocks, manifest, &places).map_err(explain)?;
    // A program that wrote nothing below /out has an empty output folder, which is there now.
    placed.missing.retain(|path| path.as_str() != "out");
    let below_out = |path: &GuestPath| path.names().next() == Some("out");
    let files = manifest
        .files()
        .filter(|(path, ..)| below_out(path))
        .count();
    let wants_out = places.iter().any(|place| below_out(&place.guest));
    let others: Vec<GuestPath> = plan
        .inputs
        .iter()
        .map(|input| input.guest.clone())
        .chain(places.into_iter().map(|place| place.guest))
        .collect();
    // A writable root that has a folder `out` gets it back.
    let has_out = baselines.iter().any(|baseline| {
        baseline.path.is_none() && baseline.entries.iter().any(|entry| below_out(&entry.path))
    });
    let suffix = show::short(&end.record.job);
    for baseline in baselines {
        let back =
            outputs::write_back(blocks, manifest, baseline, &others, &suffix).map_err(explain)?;
        placed.written.extend(back.written);
        placed.removed.extend(back.removed);
        placed.conflicts.extend(back.conflicts);
    }
    let unfetched = if wants_out || has_out { 0 } else { files };
    Ok(Brought { placed, unfetched })
}

/// An output that was asked for and is not there.
pub(super) fn missing(brought: &Brought) -> Option<Failure> {
    let path = brought.placed.missing.first()?;
    Some(
        Failure::new(codes::RUN_NO_OUTPUT)
            .because(format!("the program did not write {path}"))
            .next("check the path")
            .exit(125),
    )
}

/// Writes on record what the run fails with after its decision, for those who ask later or from elsewhere.
pub(super) fn keep(record: &mut RunRecord, failure: &Failure) {
    let Some(ending) = &mut record.ending else {
        return;
    };
    ending.exit_code = failure.exit_code();
    ending.unplaced = Some(failure.unplaced());
    let started_ms = record.started_at_ms;
    let run = record.job_id().map(|job| Run { started_ms, job });
    let (Ok(Some(account)), Some(run)) = (Account::open_existing(), run) else {
        return;
    };
    if let Err(e) = account.runs.write(run, &record.encode()) {
        tracing::warn!("the record does not say that outputs are missing: {e}");
    }
}

/// Tells on stderr what a person should know although the program ended well.
pub(super) fn warn(args: &RunArgs, end: &RunEnd, brought: &Brought) {
    for skipped in &end.skipped {
        let path = show::printable(&skipped.path.display().to_string());
        let reason = match skipped.kind {
            SkippedKind::Symlink => "is a symbolic link",
            SkippedKind::Special => "is a device, a socket or a pipe",
            _ => "has a name that cannot be used here",
        };
        output::say(&format!(
            "warning: {path} {reason} and was not brought back\n"
        ));
    }
    for (kept, saved) in &brought.placed.conflicts {
        let (kept, saved) = (kept.display(), saved.display());
        output::say(&format!(
            "warning: {kept} changed here meanwhile and was kept; the program's is {saved}\n"
        ));
    }
    if brought.unfetched > 0 && !args.background {
        let job = show::short(&end.record.job);
        let files = show::count(brought.unfetched, "file");
        output::say(&format!("{files} in /out: mc get {job}\n"));
    }
}

/// The failure that an ending means for a person; none when the program came to its own end.
pub(super) fn failure(args: &RunArgs, end: &RunEnd) -> Option<Failure> {
    let outcome = &end.outcome;
    let code = match outcome {
        Outcome::Finished { .. } => return None,
        Outcome::Trapped { .. } => codes::RUN_TRAP,
        Outcome::OutOfFuel => codes::RUN_OUT_OF_FUEL,
        Outcome::TimeLimit => codes::RUN_TIME_LIMIT,
        Outcome::MemoryLimit => codes::RUN_MEMORY_LIMIT,
        Outcome::DiskLimit => codes::RUN_DISK_LIMIT,
        Outcome::OutputLimit => codes::RUN_OUTPUT_LIMIT,
        Outcome::Cancelled => codes::RUN_STOPPED,
        Outcome::RunnerFailed { .. } => codes::RUN_SANDBOX,
        Outcome::Rejected { code, .. } | Outcome::HostFailed { code, .. } => known(code),
        _ => codes::RUN_REFUSED,
    };
    let failure = Failure::new(code);
    let failure = match (&end.message, show::detail(outcome)) {
        _ if *outcome == Outcome::DiskLimit => {
            let most = args.disk.unwrap_or(ByteSize(limits::DISK_BYTES_DEFAULT));
            failure.because(format!("at most {most} in {} files", limits::FILES_MAX))
        }
        (Some(message), _) => failure.because(message.clone()),
        (None, Some(detail)) => failure.because(detail),
        (None, None) => failure,
    };
    Some(failure.exit(outcome.exit_code()))
}

fn known(code: &str) -> Code {
    Code::find(code).copied().unwrap_or(codes::RUN_REFUSED)
}

/// The document of `-o json`.
pub(super) fn document(
    end: &RunEnd,
    shown: &Shown,
    brought: &Brought,
    failure: Option<&Failure>,
) -> Value {
    let mut document = show::run(&end.record);
    let paths = |paths: &[std::path::PathBuf]| {
        paths
            .iter()
            .map(|p| p.display().to_string())
            .collect::<Vec<_>>()
    };
    if let Some(fields) = document.as_object_mut() {
        fields.insert("schema".into(), json!("mc.v1/run-result"));
        fields.insert(
            "stdout".into(),
            json!(String::from_utf8_lossy(&shown.stdout)),
        );
        fields.insert(
            "stderr".into(),
            json!(String::from_utf8_lossy(&shown.stderr)),
        );
        fields.insert("truncated".into(), json!(shown.truncated));
        fields.insert("written".into(), json!(paths(&brought.placed.written)));
        fields.insert("removed".into(), json!(paths(&brought.placed.removed)));
        fields.insert("error".into(), json!(failure.map(Failure::code)));
    }
    document
}
