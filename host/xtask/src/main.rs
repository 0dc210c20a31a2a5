//! The project's tasks (`cargo xtask`): test rings, checks, guest builds, figures. Knows nothing of the product's code.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool talks on the terminal"
)]

mod golden;
mod guests;
mod layers;
mod metrics;
mod process;
mod programs;
mod report;
mod rings;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use workspace::Workspace;

const USAGE: &str = "\
The project's tasks.

Usage: cargo xtask COMMAND

  test               every ring: checks, guests, all tests, programs, examples
  test quick         fmt, tidy, layers, clippy, docs and unit tests: run it before you show code
  test night         every ring, the benchmarks, and the tests five times more
  test --ring NAME   one ring, and what it needs (may be repeated)
  test --list        the rings and what each does

  tidy               the rules no compiler checks: sizes, names, marks, paths
  layers             who may depend on whom, against the table in Cargo.toml
  metrics            sizes, unwraps and documented items of each crate
  golden [ARGS]      write golden files and snapshots anew; ARGS go to `cargo test`, e.g. -p mutual-protocol
  guests             build examples and test guests for wasm32-wasip2 into target/guests
  programs           build programs others wrote into target/programs, and run the tests that use them
  bench [ARGS]       build what the benchmarks need and run them; ARGS go to `cargo bench`
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let Some((command, rest)) = args.split_first() else {
        print!("{USAGE}");
        return Ok(());
    };
    if matches!(*command, "help" | "-h" | "--help") {
        print!("{USAGE}");
        return Ok(());
    }
    let workspace = Workspace::find()?;
    match (*command, rest) {
        ("test", rest) => test::run(&workspace, rest),
        ("golden", rest) => golden::run(&workspace, rest),
        ("bench", rest) => rings::bench(&workspace, rest),
        ("tidy", []) => tidy::run(&workspace),
        ("layers", []) => layers::run(&workspace),
        ("metrics", []) => metrics::run(&workspace),
        ("guests", []) => guests::build_all(&workspace),
        ("programs", []) => test::run(&workspace, &["--ring", "programs"]),
        ("tidy" | "layers" | "metrics" | "guests" | "programs", [extra, ..]) => {
            bail!("`{command}` takes no argument, but got `{extra}`; try `cargo xtask help`")
        }
        _ => bail!("no task is called `{command}`; try `cargo xtask help`"),
    }
}
