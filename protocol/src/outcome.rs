//! How an attempt ended, and whose doing it was: retries, exit codes, reputation and messages follow from these two.

use crate::codes::Code;
use serde::{Deserialize, Serialize};

/// Who has to act when an attempt did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Blame {
    /// The program.
    Guest,
    /// The host's machine or software.
    Host,
    /// The donor took the machine back.
    Donor,
    /// The job's owner: a bad spec, or a cancelled job.
    Owner,
    /// The connection between nodes.
    Network,
    /// Nobody can tell.
    Unknown,
}

impl Blame {
    /// Whether this blame may end a job. Any other is a reason to try elsewhere.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Guest | Self::Owner)
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Outcome {
    /// The program came to its own end.
    Finished {
        /// Its exit code.
        exit_code: u8,
    },
    /// The program did something undefined: unreachable code, out-of-bounds access, stack overflow and so on.
    Trapped {
        /// The engine's stable name of the trap.
        trap: String,
    },
    /// The fuel was used up.
    OutOfFuel,
    /// The wall clock ran out.
    TimeLimit,
    /// The program died because memory was refused to it.
    MemoryLimit,
    /// Scratch space or outputs passed their limit.
    DiskLimit,
    /// stdout and stderr passed their limit.
    OutputLimit,
    /// The program cannot be run (malformed, an unknown import, no entry point), or what it left cannot be taken.
    Rejected {
        /// An error code of [`crate::codes`].
        code: String,
        /// What exactly: the import's name, the validator's message.
        detail: String,
    },
    /// Stopped by the owner.
    Cancelled,
    /// The sandbox process died, hung or talked nonsense.
    RunnerFailed {
        /// What the parent saw.
        detail: String,
    },
    /// The host could not go on: disk full, files missing.
    HostFailed {
        /// An error code of [`crate::codes`].
        code: String,
        /// What exactly.
        detail: String,
    },
}

impl Outcome {
    /// Whose doing this ending is.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Cancelled => Blame::Owner,
            Self::RunnerFailed { .. } | Self::HostFailed { .. } => Blame::Host,
            _ => Blame::Guest,
        }
    }

    /// Exit code of `mc run` for this ending (docs: `mc run --help`): the program's own, or the shell's conventions.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Finished { exit_code } => *exit_code,
            Self::TimeLimit => 124,
            Self::RunnerFailed { .. } | Self::HostFailed { .. } => 125,
            Self::Rejected { code, .. } => Code::find(code).map_or(126, |code| code.exit),
            Self::Trapped { .. } => 134,
            Self::OutOfFuel | Self::MemoryLimit | Self::DiskLimit | Self::OutputLimit => 137,
            Self::Cancelled => 143,
        }
    }

    /// Whether the program came to its own end, with whatever code.
    pub const fn is_finished(&self) -> bool {
        matches!(self, Self::Finished { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn a_rejected_program_ends_as_the_table_of_codes_says() {
        let rejected = |code: &str| Outcome::Rejected {
            code: code.to_owned(),
            detail: String::new(),
        };
        for code in [codes::PROGRAM_IMPORT, codes::OUTPUT_LIMITS] {
            assert_eq!(rejected(code.code).exit_code(), code.exit, "{code:?}");
        }
        assert_eq!(rejected("mc::of::tomorrow").exit_code(), 126);
    }
}
