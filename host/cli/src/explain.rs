//! From the errors of a run and of content to what a person reads: one code for each kind.

use crate::failure::Failure;
use bytesize::ByteSize;
use mutual_node::attached::{Considered, RunError, Why};
use mutual_node::prepare::PrepareError;
use mutual_node::record::Blamed;
use mutual_protocol::codes::{self, Code};
use mutual_protocol::message::DeclineReason;
use mutual_store::{ExportError, ImportError, ImportTreeError, PlaceError};
pub(crate) use mutual_terminal::explain::{file, store};
use mutual_terminal::explain::{get_code, store_code};
use std::io;

/// Content could not be read.
pub(crate) fn export(error: &ExportError) -> Failure {
    match error {
        ExportError::Get(e) => Failure::new(get_code(e)).caused_by(error),
        ExportError::Write(_) => Failure::new(codes::OUTPUT_PLACE).caused_by(error),
        _ => Failure::new(codes::STORE_DAMAGED).caused_by(error),
    }
}

/// A file could not be placed: either its content is not here, or the target does not take it.
pub(crate) fn place(error: &PlaceError) -> Failure {
    match error {
        PlaceError::Content(e) => export(e),
        _ => Failure::new(codes::OUTPUT_PLACE).caused_by(error),
    }
}

/// An input file was not taken.
pub(crate) fn import(error: &ImportError) -> Failure {
    let code = match error {
        ImportError::NotAFile { .. } => codes::INPUT_KIND,
        ImportError::Changed { .. } => codes::INPUT_CHANGED,
        ImportError::TooLarge { .. } => codes::INPUT_TOO_MUCH,
        ImportError::Read(e) => input_code(&e.source),
        ImportError::Write(e) => store_code(e.fault()),
        _ => codes::INPUT_UNREADABLE,
    };
    Failure::new(code).caused_by(error)
}

/// The code for an input that the operating system refused.
pub(crate) fn input_code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => codes::INPUT_NOT_FOUND,
        _ => codes::INPUT_UNREADABLE,
    }
}

/// An input folder was not taken.
pub(crate) fn import_tree(error: &ImportTreeError) -> Failure {
    let code = match error {
        ImportTreeError::File(e) => return import(e),
        ImportTreeError::Read(e) => input_code(&e.source),
        ImportTreeError::NotAFolder { .. } => codes::INPUT_NOT_A_FOLDER,
        ImportTreeError::NotUtf8 { .. } | ImportTreeError::Path { .. } => codes::INPUT_NAME,
        ImportTreeError::LinkOut { .. }
        | ImportTreeError::LinkDangling { .. }
        | ImportTreeError::LinkCircle { .. } => codes::INPUT_LINK,
        ImportTreeError::TooMany { .. } | ImportTreeError::TooLarge { .. } => codes::INPUT_TOO_MUCH,
        _ => codes::INPUT_UNREADABLE,
    };
    Failure::new(code).caused_by(error)
}

/// A job could not be prepared.
pub(crate) fn prepare(error: &PrepareError) -> Failure {
    use mutual_protocol::manifest::ManifestError;
    let code = match error {
        PrepareError::File(e) => return import(e),
        PrepareError::Tree(e) => return import_tree(e),
        // To a run, content is an input like any other.
        PrepareError::Content { source, .. } => return export(source).exit(125),
        PrepareError::Folder { source, .. } => return store(source).exit(125),
        PrepareError::Store(e) => return file(e),
        PrepareError::Clock { .. } => codes::CLOCK_WRONG,
        PrepareError::Look { source, .. } => input_code(source),
        PrepareError::Path(_) => codes::INPUT_NAME,
        PrepareError::Manifest(ManifestError::Twice { .. } | ManifestError::ThroughFile { .. }) => {
            codes::PATH_TWICE
        }
        PrepareError::Manifest(_) => codes::INPUT_TOO_MUCH,
        PrepareError::Spec(_) => {
            return Failure::new(codes::ARGUMENT_INVALID)
                .caused_by(error)
                .next("give what is long as a file: -i FILE");
        }
        _ => codes::STORE_IO,
    };
    Failure::new(code).caused_by(error)
}

/// A run could not be made or kept on record.
pub(crate) fn run(error: &RunError) -> Failure {
    match error {
        RunError::Record(e) | RunError::Proofs(e) | RunError::Log(e) => {
            Failure::new(store_code(e.fault())).caused_by(error)
        }
        RunError::NoHost { considered, lost } => no_host(considered, lost),
        _ => Failure::new(codes::RUN_REFUSED).caused_by(error),
    }
}

/// Hosts that could have had a job, one a line with everything that speaks against it.
fn no_host(considered: &[Considered], lost: &[Blamed]) -> Failure {
    let mut failure = Failure::new(codes::RUN_NO_HOST);
    if considered.is_empty() {
        failure = failure
            .because("nobody of the pool is connected")
            .next("start one on another machine: mc-host start; or run it here: mc run --local");
    }
    for host in considered {
        let id = host.host.to_string();
        let name = host
            .name
            .as_deref()
            .map_or_else(|| crate::show::short(&id), str::to_owned);
        failure = failure.because(format!(
            "{}: {}",
            crate::show::printable(&name),
            why(&host.why)
        ));
    }
    for attempt in lost {
        let name = attempt
            .name
            .as_deref()
            .map_or_else(|| crate::show::short(&attempt.id), str::to_owned);
        let (name, epoch) = (crate::show::printable(&name), attempt.epoch);
        failure = failure.because(format!("{name}: attempt {epoch} ended without a result"));
    }
    failure
}

fn why(why: &Why) -> String {
    match why {
        Why::Declines(reasons) => {
            let reasons: Vec<String> = reasons.iter().map(reason).collect();
            reasons.join(", ")
        }
        Why::Silent => "does not answer".to_owned(),
        Why::Unreachable => "is not connected".to_owned(),
        Why::Lost(blame) => format!("had it, and lost it ({blame:?})").to_lowercase(),
        Why::Breach => "broke the protocol".to_owned(),
        _ => "does not take it".to_owned(),
    }
}

/// Why a host does not take a job, with the numbers on both sides.
fn reason(reason: &DeclineReason) -> String {
    let sizes = |what: &str, wanted: u64, offered: u64| {
        let (wanted, offered) = (ByteSize(wanted), ByteSize(offered));
        format!("gives {offered} of {what}, and {wanted} are wanted")
    };
    match reason {
        DeclineReason::NoSlot => "is busy".to_owned(),
        DeclineReason::Cpus { wanted, offered } => {
            format!("gives {offered} cores, and {wanted} are wanted")
        }
        DeclineReason::Memory { wanted, offered } => sizes("memory (-m)", *wanted, *offered),
        DeclineReason::Disk { wanted, offered } => sizes("disk (--disk)", *wanted, *offered),
        DeclineReason::DiskFull => "has a full disk".to_owned(),
        DeclineReason::Runtime => "does not run such programs".to_owned(),
        DeclineReason::Profile => "runs another version of the sandbox".to_owned(),
        DeclineReason::Compile => "cannot compile the program".to_owned(),
        DeclineReason::Policy => "does not run jobs of this account".to_owned(),
        DeclineReason::Membership => "does not accept this account's membership".to_owned(),
        DeclineReason::Spec => "does not accept the job's spec".to_owned(),
        DeclineReason::Time => "has a clock that is far off".to_owned(),
        DeclineReason::Paused => "is paused by its donor".to_owned(),
        DeclineReason::Draining => "takes nothing new".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No test can set the machine's clock, so the two halves meet here: `prepare` refuses, this tells.
    #[test]
    fn a_clock_before_2020_is_told() {
        let failure = prepare(&PrepareError::Clock { wall_ms: 42 });
        assert_eq!(
            (failure.code(), failure.exit_code()),
            ("mc::clock::wrong", 125)
        );
        assert!(
            failure
                .human()
                .contains("42 ms since 1970\n  help:  set the clock"),
            "{failure:?}"
        );
    }
}
