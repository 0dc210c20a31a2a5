//! The command `mc`: arguments in, output and an exit code out. What it does lives in the crates below.

mod args;
mod commands;
mod explain;
mod paths;
mod program;
mod show;

use args::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use failure::Failure;
use mutual_runner::Role;
use mutual_terminal::{account, failure, output, start};
use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandbox role never gets further than this line: everything below belongs to the parent.
    if let Some(start) = Role::of_process(std::env::args_os()) {
        return mutual_engine::run_role(start);
    }
    start::log();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return start::usage(&e),
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
        Command::Pool(command) => commands::pool::pool(command),
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
