//! What a guest author sees: entry, inputs and outputs, progress, exit codes.
//!
//! A guest is an ordinary program: arguments, stdin, stdout, files. This crate adds the few things that the
//! standard library has no name for. All of it is WASI alone, so one binary runs under `mc run` and under any
//! other WASI 0.2 runtime, and the crate builds natively too, so that a guest's `cargo test` needs no sandbox.
//! The conventions behind it serve any language: `docs/guest.md` in the repository describes them.
//!
//! ```
//! use std::{error::Error, fs};
//!
//! #[mutual_guest::main]
//! fn main() -> Result<(), Box<dyn Error>> {
//!     let inputs = mutual_guest::inputs()?;
//!     for (done, path) in inputs.iter().enumerate() {
//!         mutual_guest::progress(done, inputs.len(), &path.display().to_string());
//!         println!("{}: {} bytes", path.display(), fs::metadata(path)?.len());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! | | Under `mc run` | Anywhere else |
//! |---|---|---|
//! | [`main`] | an error on stderr, exit code 1 | the same |
//! | [`input`], [`inputs`] | `/NAME`, all files in `/` | the same as WASI program; natively in the working directory |
//! | [`output`] | `/out/NAME` | the same as WASI program; natively `out/NAME` |
//! | [`progress`] | a line for `mc` to show | nothing |
//! | [`job_id`], [`task_index`], [`task_count`], [`attempt`] | set | `None`, unless the environment says otherwise |
//! | [`exit`], [`ExitCode`] | any code | the same |

#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod entry;
mod exit;
mod files;
mod identity;
mod progress;

pub use entry::{Ending, ExitCode};
pub use exit::exit;
pub use files::{input, inputs, output};
pub use identity::{attempt, job_id, task_count, task_index};
pub use mutual_guest_macros::main;
pub use progress::progress;
