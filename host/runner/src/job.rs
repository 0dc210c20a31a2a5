//! What a runner is asked to do.

use crate::disk::DiskUse;
use crate::sealed::SealedFile;
use mutual_protocol::spec::{ProgramKind, SpecLimits};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How compiled code counts its work. Part of the compiled code, so part of the cache key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metering {
    /// Not at all: full speed, fuel is reported as 0.
    None,
    /// The engine's own fuel; costs about a third of the speed.
    Fuel,
}

impl Metering {
    /// The plain path counts fuel only for a job that bounds it.
    pub const fn of(limits: &SpecLimits) -> Self {
        match limits.fuel_max {
            Some(_) => Self::Fuel,
            None => Self::None,
        }
    }
}

/// Compiled code that this machine made: bytes from [`crate::CompileCache`] or [`crate::compile()`], nowhere else.
///
/// The engine believes compiled code blindly, so there is no way to make one from outside this crate.
#[derive(Debug)]
pub struct CompiledProgram {
    /// The code, sealed.
    pub(crate) code: SealedFile,
    /// Module or component.
    pub(crate) kind: ProgramKind,
    /// How it counts.
    pub(crate) metering: Metering,
}

impl CompiledProgram {
    /// Module or component.
    pub const fn kind(&self) -> ProgramKind {
        self.kind
    }

    /// Bytes of compiled code.
    pub const fn bytes(&self) -> u64 {
        self.code.bytes()
    }

    /// A second handle on the same code, for the next task of the same program.
    ///
    /// # Errors
    /// When no descriptor is free.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Self {
            code: self.code.try_clone()?,
            kind: self.kind,
            metering: self.metering,
        })
    }
}

/// What the guest may do in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Look and read.
    Read,
    /// Everything.
    Write,
}

/// A folder of this machine under the guest's name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preopen {
    /// The folder, inside the attempt's staging folder; absolute.
    pub host: PathBuf,
    /// The name as the guest sees it, `/` for the root.
    pub guest: String,
    /// What the guest may do there. File modes bind as well: the child has no privilege to pass over them.
    pub access: Access,
}

/// Whether the guest has standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdinMode {
    /// The first read sees the end.
    Empty,
    /// Asked for by [`crate::RunnerEvent::StdinWanted`], answered by [`crate::Control::send_stdin`].
    Pulled,
}

/// One execution.
#[derive(Debug)]
pub struct Job {
    /// The code.
    pub program: CompiledProgram,
    /// argv, argv\[0\] first.
    pub arguments: Vec<String>,
    /// All of the environment: nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// All folders, the root `/` among them.
    pub preopens: Vec<Preopen>,
    /// Standard input.
    pub stdin: StdinMode,
    /// Bounds. `wall_ms_max` counts from the guest's first instruction.
    pub limits: SpecLimits,
    /// What lay in the writable folders before the start; it does not count against the disk limit.
    pub staged: DiskUse,
}
