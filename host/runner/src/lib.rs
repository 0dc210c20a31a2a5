//! Parent side of the sandbox process: spawn, frames, limits, stop, kill, compile cache.
//!
//! Guests only ever run in a child process. This crate makes that child from the same executable, talks to it
//! over one socket, bounds it and ends it; it does not know about WebAssembly engines, jobs, leases or stores.
//! What a child says is a claim: a child that crashes, hangs or talks nonsense is an [`Outcome`], never an error
//! of the parent.
//!
//! Parent: [`Spawner`] → [`Spawner::spare`] (early, in the background) → [`Spare::start`] → [`Running`].
//! Child: [`Role::of_process`] → [`walls::enter`] → frames by [`Link`].
//!
//! [`Outcome`]: mutual_protocol::outcome::Outcome

pub mod bounds;
pub mod cache;
pub mod compile;
mod conversation;
mod disk;
mod drive;
pub mod frame;
mod job;
mod link;
pub mod message;
mod process;
mod role;
mod runner;
mod sealed;
mod spawn;
pub mod walls;

pub use cache::{BuildId, CompileCache, OpenCacheError, ProgramKey};
pub use compile::{CompileLimits, CompileRequest, compile};
pub use disk::DiskUse;
pub use job::{Access, CompiledProgram, Job, Metering, Preopen, StdinMode};
pub use link::{Link, LinkError, send};
pub use role::{Role, RoleStart};
pub use runner::{
    Claimed, Control, Driver, EndedError, Events, Measured, Report, RunnerEvent, Running, Spare,
    StartError, StdioBytes,
};
pub use sealed::{SealedFile, SealedFileError};
pub use spawn::{SpawnError, Spawner};
