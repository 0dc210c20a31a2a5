//! The command `mc-host`: a donor's host, and what steers it. What it does lives in the crates below.

mod args;
mod commands;
mod explain;
mod show;

use args::{Cli, Command, LimitsCommand};
use clap::{CommandFactory as _, Parser as _};
use mutual_runner::Role;
use mutual_terminal::failure::Failure;
use mutual_terminal::{output, start};
use std::process::ExitCode;

/// What the command is called, in its help and in lists of processes.
const NAME: &str = "mc-host";

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
        Command::Start(args) => commands::start::start(&args),
        Command::Stop => commands::steer::stop(),
        Command::Status(format) => commands::status::status(format),
        Command::Ps(args) => commands::ps::ps(&args),
        Command::Why(format) => commands::why::why(format),
        Command::Pause => commands::steer::pause(),
        Command::Resume => commands::steer::resume(),
        Command::Drain => commands::steer::drain(),
        Command::Kill { job } => commands::steer::kill(&job),
        Command::Limits { command } => match command {
            LimitsCommand::Show(format) => commands::limits::show(format),
            LimitsCommand::Set(args) => commands::limits::set(args),
        },
        Command::Leave(args) => commands::leave::leave(&args),
        Command::Purge { yes } => commands::purge::purge(yes),
        Command::Id(format) => commands::id::id(format),
        Command::Doctor(format) => commands::doctor::doctor(format),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
            output::data(&script)?;
            Ok(0)
        }
        Command::Version(format) => commands::version::version(format),
    }
}

/// Whether failures are printed as JSON too.
fn wants_json(command: &Command) -> bool {
    match command {
        Command::Ps(args) => args.format.is_json(),
        Command::Status(format)
        | Command::Why(format)
        | Command::Id(format)
        | Command::Doctor(format)
        | Command::Version(format)
        | Command::Limits {
            command: LimitsCommand::Show(format),
        } => format.is_json(),
        _ => false,
    }
}
