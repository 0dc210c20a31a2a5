//! What a program is, without running or compiling it: kind, imports, entry, memory, producers.
//!
//! Reads untrusted bytes in any process: parsing and validation only, no engine.

mod interfaces;
mod walk;

pub use interfaces::Verdict;
pub(crate) use interfaces::{PREVIEW1, interface};
#[cfg(test)]
pub(crate) use interfaces::{PREVIEW1_FUNCTIONS, PREVIEW2_INTERFACES};

use crate::features;
use mutual_protocol::codes::{self, Code};
use mutual_protocol::limits::PROGRAM_BYTES_MAX;
use mutual_protocol::spec::ProgramKind;

/// Entry point of a module.
pub(crate) const MODULE_ENTRY: &str = "_start";
/// Entry point of a component, without its version.
const COMPONENT_ENTRY: &str = "wasi:cli/run";
/// Names in one message: the first ones say enough.
const NAMES_MAX: usize = 8;

/// What a valid program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Module or component.
    pub kind: ProgramKind,
    /// WASI version: `0.1`, or the newest 0.2 version that the component names. None when it uses no WASI.
    pub wasi: Option<String>,
    /// Length of the binary.
    pub bytes: u64,
    /// What made it: language, compilers, tools.
    pub producers: Vec<Producer>,
    /// Everything it imports, in its own order, each once.
    pub imports: Vec<Import>,
    /// Names that it exports.
    pub exports: Vec<String>,
    /// Name of its entry point, when it has one.
    pub entry: Option<String>,
    /// Its linear memories together, when it has any.
    pub memory: Option<Memory>,
    /// Functions in its code.
    pub functions: u32,
}

/// One line of a producers section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name, for example `rustc`.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// Something that the program imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// `module.field` of a module, the interface of a component.
    pub name: String,
    /// Whether hosts have it.
    pub verdict: Verdict,
}

/// Linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// At the start.
    pub bytes_min: u64,
    /// At most, when the program says so itself.
    pub bytes_max: Option<u64>,
}

/// Why a program cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Other bytes at the beginning.
    #[error("not a WebAssembly binary")]
    NotWasm,
    /// More than `PROGRAM_BYTES_MAX`.
    #[error("{bytes} bytes are more than the {max} allowed")]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// Truncated, or not valid.
    #[error("{message} (at byte {offset})")]
    Malformed {
        /// Where.
        offset: u64,
        /// What the validator says.
        message: String,
    },
    /// Valid, with a proposal that is not offered.
    #[error("it uses {name}")]
    Feature {
        /// The proposal.
        name: &'static str,
    },
    /// Imports that no host has.
    #[error("{}", list(names))]
    UnknownImport {
        /// Their names.
        names: Vec<String>,
    },
    /// A library, or something else that cannot be started.
    #[error("it exports neither `_start` nor `wasi:cli/run`")]
    NoEntry,
}

impl ProgramError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotWasm => codes::PROGRAM_NOT_WASM,
            Self::TooLarge { .. } => codes::PROGRAM_TOO_LARGE,
            Self::Malformed { .. } => codes::PROGRAM_MALFORMED,
            Self::Feature { .. } => codes::PROGRAM_FEATURE,
            Self::UnknownImport { .. } => codes::PROGRAM_IMPORT,
            Self::NoEntry => codes::PROGRAM_NO_ENTRY,
        }
    }
}

impl ProgramInfo {
    /// Whether hosts can run it.
    ///
    /// # Errors
    /// With imports that no host has, or without an entry point.
    pub fn check(&self) -> Result<(), ProgramError> {
        let unknown = self
            .imports
            .iter()
            .filter(|import| import.verdict == Verdict::Unknown);
        let names: Vec<_> = unknown.map(|import| import.name.clone()).collect();
        if !names.is_empty() {
            return Err(ProgramError::UnknownImport { names });
        }
        if self.entry.is_none() {
            return Err(ProgramError::NoEntry);
        }
        Ok(())
    }
}

/// Reads and validates a program.
///
/// # Errors
/// When it is not a valid program of the pinned features. Unknown imports and a missing entry are told by
/// [`ProgramInfo::check`], so that everything else can still be shown.
pub fn inspect(bytes: &[u8]) -> Result<ProgramInfo, ProgramError> {
    let kind = ProgramKind::of(bytes).ok_or(ProgramError::NotWasm)?;
    let length = bytes.len() as u64;
    if length > PROGRAM_BYTES_MAX {
        return Err(ProgramError::TooLarge {
            bytes: length,
            max: PROGRAM_BYTES_MAX,
        });
    }
    if let Err(error) = features::validate(bytes, features::PINNED) {
        return Err(match features::missing(bytes) {
            Some(name) => ProgramError::Feature { name },
            None => malformed(&error),
        });
    }
    walk::walk(bytes, kind).map_err(|error| malformed(&error))
}

fn malformed(error: &wasmparser::BinaryReaderError) -> ProgramError {
    ProgramError::Malformed {
        offset: error.offset() as u64,
        message: error.message().to_owned(),
    }
}

fn list(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests;
