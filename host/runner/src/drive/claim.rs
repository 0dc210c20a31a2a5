//! A child's words, made safe for records and terminals: bounded, known codes, no control characters.

use crate::message::Ending;
use mutual_protocol::codes::Code;
use mutual_protocol::outcome::Outcome;

/// Longest text of a child inside an outcome, bytes: an attempt record of 4 KiB carries it.
const DETAIL_BYTES_MAX: usize = 512;
/// Longest name of a trap, bytes.
const TRAP_BYTES_MAX: usize = 64;

/// What an ending means when the parent did not decide one.
pub(crate) fn outcome(ending: Ending) -> Outcome {
    match ending {
        Ending::Exited { code } => Outcome::Finished { exit_code: code },
        Ending::Trapped { trap } => Outcome::Trapped {
            trap: plain(&trap, TRAP_BYTES_MAX),
        },
        Ending::MemoryRefused => Outcome::MemoryLimit,
        Ending::OutOfFuel => Outcome::OutOfFuel,
        Ending::Interrupted => failed("the guest was interrupted and nobody had asked for it"),
        Ending::Rejected { code, detail } => rejected(&code, &detail),
        Ending::Failed { detail } => failed(&detail),
    }
}

/// The program is at fault, if the child names a code that exists.
pub(crate) fn rejected(code: &str, detail: &str) -> Outcome {
    let detail = plain(detail, DETAIL_BYTES_MAX);
    match Code::find(code) {
        Some(known) => Outcome::Rejected {
            code: known.code.to_owned(),
            detail,
        },
        None => failed("the sandbox process gave a code that does not exist"),
    }
}

/// The sandbox failed.
pub(crate) fn failed(detail: &str) -> Outcome {
    Outcome::RunnerFailed {
        detail: plain(detail, DETAIL_BYTES_MAX),
    }
}

/// A message of several lines for a terminal.
pub(crate) fn message(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

fn plain(text: &str, bytes_max: usize) -> String {
    let cut = text
        .get(..text.floor_char_boundary(bytes_max))
        .unwrap_or_default();
    cut.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mutual_protocol::codes;

    #[test]
    fn texts_are_cut_and_cleaned() {
        let detail = format!("\x1b[2J{}", "é".repeat(1000));
        let Outcome::RunnerFailed { detail } = failed(&detail) else {
            panic!()
        };
        assert!(
            detail.len() <= DETAIL_BYTES_MAX && detail.starts_with(" [2Jé"),
            "{detail}"
        );
        assert_eq!(message("a\r\nb\x07"), "a \nb ");
    }

    #[test]
    fn only_known_codes_are_believed() {
        let known = rejected(codes::PROGRAM_IMPORT.code, "env.f");
        assert_eq!(
            known,
            Outcome::Rejected {
                code: codes::PROGRAM_IMPORT.code.to_owned(),
                detail: "env.f".to_owned()
            }
        );
        assert!(matches!(
            rejected("mc::x::y", ""),
            Outcome::RunnerFailed { .. }
        ));
    }
}
