//! Fixed keys and guest programs for tests. Not shipped, and knows no other crate.

mod guests;
pub mod seeds;

pub use guests::guest;
use std::path::{Path, PathBuf};

/// The folder with the root manifest.
pub fn repository_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
