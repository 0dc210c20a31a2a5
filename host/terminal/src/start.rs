//! The first steps of a command: its log, and what is said about a misspelt command line.

use crate::failure::Failure;
use crate::output;
use mutual_protocol::codes;
use std::ffi::OsString;
use std::process::ExitCode;

/// `MC_LOG=debug mc run …` shows what happens inside; without it nothing is set up.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary's edge: the log level comes from the environment"
)]
pub fn log() {
    let Some(filter) = std::env::var_os("MC_LOG") else {
        return;
    };
    let filter = tracing_subscriber::EnvFilter::new(filter.to_string_lossy());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Help and version go to stdout, a misspelt command line to stderr: as text, or as JSON where that was asked for.
pub fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && asks_for_json() {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        let cause = first.strip_prefix("error: ").unwrap_or(first);
        let failure = Failure::new(codes::ARGUMENT_USAGE).because(cause);
        output::fail(&failure, true);
    } else {
        // A closed stdout is as good as a reader that has enough.
        let _refused = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Whether the words of the command line say so: they were not understood as a whole.
fn asks_for_json() -> bool {
    const WORDS: [&str; 5] = [
        "--json",
        "-ojson",
        "-ojsonl",
        "--output=json",
        "--output=jsonl",
    ];
    let words: Vec<_> = std::env::args_os()
        .take_while(|word| word != "--")
        .collect();
    let is_json = |word: &OsString| WORDS.iter().any(|w| word == w);
    let mut pairs = words.iter().zip(words.iter().skip(1));
    words.iter().any(is_json)
        || pairs.any(|(flag, value)| {
            (flag == "-o" || flag == "--output") && (value == "json" || value == "jsonl")
        })
}
