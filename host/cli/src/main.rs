//! The command `mc`: arguments in, output and an exit code out. What it does lives in the crates below.

mod account;
mod args;
mod commands;
mod explain;
mod failure;
mod output;
mod paths;
mod program;
mod show;

use args::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use failure::Failure;
use mutual_protocol::codes;
use mutual_runner::Role;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandbox role never gets further than this line: everything below belongs to the parent.
    if let Some(start) = Role::of_process(std::env::args_os()) {
        return mutual_engine::run_role(start);
    }
    start_log();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return usage(&e),
    };
    let json = wants_json(&cli.command);
    match dispatch(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::fail(&failure, json);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Help and version go to stdout, a misspelt command line to stderr: as text, or as JSON where that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let words: Vec<_> = std::env::args_os()
        .take_while(|word| word != "--")
        .collect();
    let is_json = |word: &std::ffi::OsString| {
        [
            "--json",
            "-ojson",
            "-ojsonl",
            "--output=json",
            "--output=jsonl",
        ]
        .iter()
        .any(|w| word == w)
    };
    let pairs = words.iter().zip(words.iter().skip(1));
    let json = words.iter().any(is_json)
        || pairs.into_iter().any(|(flag, value)| {
            (flag == "-o" || flag == "--output") && (value == "json" || value == "jsonl")
        });
    if error.use_stderr() && json {
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

fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(args) => commands::run::run(*args),
        Command::Ps(args) => commands::ps::ps(&args),
        Command::Logs(args) => commands::logs::logs(&args),
        Command::Wait(args) => commands::stop::wait(&args),
        Command::Stop(args) => commands::stop::stop(&args),
        Command::Inspect(args) => commands::inspect::inspect(&args),
        Command::Get(args) => commands::get::get(&args),
        Command::Add(args) => commands::add::add(&args),
        Command::Cat(args) => commands::cat::cat(&args),
        Command::Gc(args) => commands::gc::gc(&args),
        Command::New(args) => commands::new::new(&args),
        Command::Check(args) => commands::check::check(&args),
        Command::Id(format) => commands::id::id(format),
        Command::Doctor(format) => commands::doctor::doctor(format),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mc", &mut script);
            output::data(&script)?;
            Ok(0)
        }
        Command::Version(format) => commands::version::version(format),
    }
}

/// Whether failures are printed as JSON too.
fn wants_json(command: &Command) -> bool {
    match command {
        Command::Run(args) => args.format.is_json(),
        Command::Ps(args) => args.format.is_json(),
        Command::Inspect(args) => args.format.is_json(),
        Command::Add(args) => args.format.is_json(),
        Command::Check(args) => args.format.is_json(),
        Command::Id(format) | Command::Doctor(format) | Command::Version(format) => {
            format.is_json()
        }
        _ => false,
    }
}

/// `MC_LOG=debug mc run …` shows what happens inside; without it nothing is set up.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary's edge: the log level comes from the environment"
)]
fn start_log() {
    let Some(filter) = std::env::var_os("MC_LOG") else {
        return;
    };
    let filter = tracing_subscriber::EnvFilter::new(filter.to_string_lossy());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
