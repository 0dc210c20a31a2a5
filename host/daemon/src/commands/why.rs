//! `mc-host why`: why this machine is, or is not, computing for others.

use crate::args::DocumentArgs;
use mutual_node::donor::control::Ask;
use mutual_node::donor::report::Report;
use mutual_terminal::failure::Failure;
use mutual_terminal::output;
use mutual_terminal::show::count;
use serde_json::json;

pub(crate) fn why(format: DocumentArgs) -> Result<u8, Failure> {
    let report = super::ask(&Ask::Status)?;
    let (reasons, computing) = (reasons(&report), !report.jobs.is_empty());
    if format.is_json() {
        output::json(
            &json!({"schema": "mc.v1/host-why", "computing": computing, "reasons": reasons}),
        )?;
    } else {
        output::each(&reasons, |reason| output::line(reason))?;
    }
    Ok(0)
}

/// What holds, the most telling first; never empty.
fn reasons(report: &Report) -> Vec<String> {
    let mut reasons = Vec::new();
    match report.standing.as_str() {
        "paused" => reasons.push("paused: `mc-host resume` takes work again".to_owned()),
        "draining" => reasons
            .push("draining: it finishes what runs; `mc-host resume` takes work again".to_owned()),
        _ => {}
    }
    if !report.jobs.is_empty() {
        reasons.push(format!(
            "computing: {} here",
            count(report.jobs.len(), "job")
        ));
    }
    if report.slots_free == 0 {
        let slots = report.about.given.slots;
        reasons.push(format!(
            "full: all {} are taken; `mc-host limits set --slots N` gives more",
            count(slots.into(), "slot")
        ));
    }
    if report.peers.is_empty() {
        reasons.push(
            "alone: no other member of the pool is connected; it goes on looking for them"
                .to_owned(),
        );
    }
    if reasons.is_empty() {
        reasons.push("idle: nobody has offered a job that fits".to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::tests::report;

    #[test]
    fn each_reason_is_told_with_what_changes_it() {
        let mut host = report();
        let first = |host: &Report| {
            reasons(host)
                .iter()
                .map(|reason| reason.split(':').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(first(&host), ["computing"]);
        host.slots_free = 0;
        host.peers.clear();
        host.standing = "paused".to_owned();
        assert_eq!(first(&host), ["paused", "computing", "full", "alone"]);
        host = report();
        host.jobs.clear();
        assert_eq!(first(&host), ["idle"]);
    }
}
