//! Real guests in real children. This binary is also the executable that plays runner and compiler, so it has a main
//! and a small harness of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test binary with its own main, in which clippy sees no tests"
)]

mod ends;
mod guests;
mod harness;
mod lab;
mod limits;
mod network;
mod processes;
mod rejects;
mod streams;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(start) = mutual_runner::Role::of_process(std::env::args_os()) {
        return mutual_engine::run_role(start);
    }
    if std::env::args().any(|argument| argument == processes::LONE_PARENT) {
        processes::lone_parent();
        return ExitCode::SUCCESS;
    }
    let all = [
        ends::TESTS,
        &guests::tests(),
        limits::TESTS,
        network::TESTS,
        processes::TESTS,
        rejects::TESTS,
        streams::TESTS,
    ];
    harness::run(&all.concat())
}
