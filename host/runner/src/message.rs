//! Bodies of structured frames. Canonical CBOR; what the child sends is bounded and decoded as untrusted.

use crate::bounds::{MESSAGE_BYTES_MAX, REPORT_BYTES_MAX};
use crate::job::{Access, Metering};
use mutual_protocol::codec::{self, DecodeError};
use mutual_protocol::limits::FRAME_BYTES_MAX;
use mutual_protocol::spec::ProgramKind;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The body of `LOAD`. The compiled program comes as a descriptor beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Module or component.
    pub kind: ProgramKind,
    /// How the program was compiled.
    pub metering: Metering,
    /// argv, with argv\[0\].
    pub arguments: Vec<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Folders.
    pub preopens: Vec<LoadPreopen>,
    /// Whether there is any standard input to ask for.
    pub has_stdin: bool,
    /// Linear memory in bytes.
    pub memory_bytes_max: u64,
    /// Size of one file in bytes: no file can be larger than all of them together.
    pub file_bytes_max: u64,
    /// Fuel; none means not bounded.
    pub fuel_max: Option<u64>,
    /// Output that may come before the first `CREDIT`, bytes.
    pub credit: u64,
}

/// One folder of the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPreopen {
    /// The folder on this machine.
    #[serde(with = "serde_bytes")]
    pub host: Vec<u8>,
    /// Its name for the guest.
    pub guest: String,
    /// What the guest may do there.
    pub access: Access,
}

/// The body of `ENDED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// How the guest ended.
    pub ending: Ending,
    /// The trap in words, with a backtrace; for people.
    pub message: Option<String>,
    /// Fuel used, when it was counted.
    pub fuel: u64,
    /// Largest size of the guest's linear memories together, bytes.
    pub memory_bytes_peak: u64,
}

/// How the guest ended, as the child tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ending {
    /// By itself.
    Exited {
        /// Its exit code.
        code: u8,
    },
    /// By a trap.
    Trapped {
        /// The trap's stable name.
        trap: String,
    },
    /// By a trap or abort after memory was refused to it.
    MemoryRefused,
    /// The fuel was used up.
    OutOfFuel,
    /// By `STOP`.
    Interrupted,
    /// It cannot be run.
    Rejected {
        /// An error code of `mutual_protocol::codes`.
        code: String,
        /// What exactly.
        detail: String,
    },
    /// The child could not go on.
    Failed {
        /// Why.
        detail: String,
    },
}

/// The body of `COMPILE`. Descriptors: the program, the file for compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compile {
    /// How to compile.
    pub metering: Metering,
    /// CPU time in seconds.
    pub cpu_s_max: u64,
    /// Memory in bytes.
    pub memory_bytes_max: u64,
}

/// The body of `COMPILED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Compiled {
    /// The compiled code is in the file.
    Done {
        /// What the program is.
        kind: ProgramKind,
    },
    /// The program is at fault.
    Rejected {
        /// An error code of `mutual_protocol::codes`.
        code: String,
        /// What exactly.
        detail: String,
    },
    /// The child could not go on.
    Failed {
        /// Why.
        detail: String,
    },
}

/// Encodes a body.
pub fn encode<T: Serialize>(body: &T) -> Vec<u8> {
    codec::encode(body)
}

/// Decodes a body that the parent wrote.
///
/// # Errors
/// When it is not a `T`.
pub fn decode_order<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    codec::decode(body, FRAME_BYTES_MAX)
}

/// Decodes a body that a child wrote.
///
/// # Errors
/// When it is too large or not a `T`.
pub fn decode_report<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    codec::decode(body, REPORT_BYTES_MAX)
}

/// Cuts text for people to what a report may carry, at a character's border.
pub fn cut(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_cut_to_its_bound_decodes() {
        let ended = Ended {
            ending: Ending::Trapped {
                trap: "unreachable".to_owned(),
            },
            message: Some(cut("é".repeat(MESSAGE_BYTES_MAX))),
            fuel: u64::MAX,
            memory_bytes_peak: u64::MAX,
        };
        assert!(ended.message.as_ref().unwrap().len() <= MESSAGE_BYTES_MAX);
        assert_eq!(decode_report::<Ended>(&encode(&ended)).unwrap(), ended);
    }

    #[test]
    fn a_report_above_its_bound_does_not() {
        let ending = Ending::Failed {
            detail: "x".repeat(REPORT_BYTES_MAX),
        };
        let ended = Ended {
            ending,
            message: None,
            fuel: 0,
            memory_bytes_peak: 0,
        };
        let error = decode_report::<Ended>(&encode(&ended)).unwrap_err();
        assert!(matches!(error, DecodeError::TooLarge { .. }));
    }
}
