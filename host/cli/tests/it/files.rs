//! Files in and out: inputs, folders that are written back, outputs, content by its CID.

mod content;
mod dirs;
mod inputs;
mod large;
mod meanwhile;
mod outs;

use crate::harness::{Mc, Ran};
use mutual_testkit::guest;

/// Runs the guest `files` with options of `mc run` before it and its commands after it.
fn files(mc: &Mc, options: &[&str], commands: &[&str]) -> Ran {
    let program = guest("files").display().to_string();
    let words = [&["run"], options, &[program.as_str()], commands].concat();
    mc.run(words)
}

/// Names in a folder of the working folder, in order.
fn names(mc: &Mc, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(mc.work().join(folder)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
