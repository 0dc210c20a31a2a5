//! Child side of the sandbox process: wasmtime, compile, limits, host functions.
//!
//! Only the binaries link this crate, and only to hand control to it at start: see [`run_role`]. It does not know
//! about jobs, leases, stores or the network; what it knows of the parent is one socket. [`inspect()`] alone is for
//! any process: it reads programs and runs nothing.

mod build;
mod compiler;
mod config;
mod features;
mod guest;
pub mod inspect;
mod load;
mod parent;
mod runner;

pub use build::{build, build_id};
pub use inspect::{Import, Memory, Producer, ProgramError, ProgramInfo, Verdict, inspect};

use mutual_runner::{Role, RoleStart, walls};
use std::process::ExitCode;

/// Exit status of a child that could not even begin.
const NOT_BEGUN: u8 = 99;

/// Plays the role that this process was started for, until its end.
///
/// The first thing that `main` does, before arguments are parsed or threads made:
///
/// ```no_run
/// use mutual_runner::Role;
///
/// fn main() -> std::process::ExitCode {
///     if let Some(start) = Role::of_process(std::env::args_os()) {
///         return mutual_engine::run_role(start);
///     }
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn run_role(start: RoleStart) -> ExitCode {
    if walls::enter(start).is_err() {
        return ExitCode::from(NOT_BEGUN);
    }
    let played = match start.role {
        Role::Runner => runner::play(),
        Role::Compiler => compiler::play(),
        _ => return ExitCode::from(NOT_BEGUN),
    };
    // A parent that is gone hears nothing; every other failure was reported to it.
    played.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
