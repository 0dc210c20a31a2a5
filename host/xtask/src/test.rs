//! `cargo xtask test`: which rings run, in which order, and what their results add up to.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::{
    process,
    report::{self, Entry, Outcome},
    rings::{self, Ring},
    workspace::Workspace,
};

/// Rings that need no guest program and no network; under three minutes warm.
const QUICK: &[&str] = &["fmt", "tidy", "layers", "clippy", "doc", "unit"];

/// Everything that has to be green before a change is merged. `tests` contains what `unit` runs.
const FULL: &[&str] = &[
    "fmt", "tidy", "layers", "clippy", "doc", "guests", "purity", "tests", "programs", "examples",
];

/// Run by hand: what takes longer than a change should wait for.
const NIGHT: &[&str] = &[
    "fmt", "tidy", "layers", "clippy", "doc", "guests", "purity", "tests", "programs", "examples",
    "bench", "flaky",
];

/// Runs the rings that `args` select and fails when one of them does.
pub(crate) fn run(workspace: &Workspace, args: &[&str]) -> Result<()> {
    if args == ["--list"] {
        for ring in rings::ALL {
            println!("{:<9} {}", ring.name, ring.about);
        }
        return Ok(());
    }
    let selected = select(args)?;
    let strictness = Strictness::of_machine();
    let start = now();
    let mut entries = Vec::new();
    for ring in selected {
        entries.push(run_one(workspace, ring, strictness));
    }
    report::summary(&entries, start.elapsed());
    report::verdict(&entries, start.elapsed(), strictness)
}

/// What a missing tool means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A developer's machine: skip, and say why at the end.
    Laptop,
    /// `CI=true`: everything has to run.
    Ci,
}

impl Strictness {
    fn of_machine() -> Self {
        match process::env("CI").as_deref() {
            Some("true" | "1") => Self::Ci,
            _ => Self::Laptop,
        }
    }

    /// Under CI, what was skipped has failed.
    fn judge(self, outcome: Outcome) -> Outcome {
        match (self, outcome) {
            (Self::Ci, Outcome::Skipped(reason)) => {
                Outcome::Failed(format!("skipped under CI: {reason}"))
            }
            (_, outcome) => outcome,
        }
    }
}

fn run_one(workspace: &Workspace, ring: &Ring, strictness: Strictness) -> Entry {
    println!("\n=== {}: {}", ring.name, ring.about);
    let start = now();
    let outcome = match (ring.run)(workspace) {
        Ok(outcome) => strictness.judge(outcome),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    let entry = Entry {
        name: ring.name,
        took: start.elapsed(),
        outcome,
    };
    println!("=== {entry}");
    entry
}

/// The rings of the arguments, in the order they run.
fn select(args: &[&str]) -> Result<Vec<&'static Ring>> {
    match args {
        [] => rings_named(FULL),
        ["quick"] => rings_named(QUICK),
        ["night"] => rings_named(NIGHT),
        ["--ring", ..] => single_rings(args),
        [other, ..] => bail!("`test` does not know `{other}`; try `cargo xtask help`"),
    }
}

/// `--ring NAME --ring NAME`, each after the rings that it needs.
fn single_rings(args: &[&str]) -> Result<Vec<&'static Ring>> {
    let mut names: Vec<&str> = Vec::new();
    for pair in args.chunks(2) {
        let ["--ring", name] = pair else {
            bail!("write `--ring NAME` for each ring; `cargo xtask test --list` prints the names");
        };
        let ring = rings::by_name(name)?;
        for name in ring.needs.iter().chain([&ring.name]) {
            if !names.contains(name) {
                names.push(name);
            }
        }
    }
    rings_named(&names)
}

fn rings_named(names: &[&str]) -> Result<Vec<&'static Ring>> {
    names.iter().map(|name| rings::by_name(name)).collect()
}

fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "says how long a ring took; decides nothing about the product"
    )]
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Vec<&'static str> {
        select(args).unwrap().iter().map(|ring| ring.name).collect()
    }

    #[test]
    fn each_set_names_existing_rings_after_the_rings_they_need() {
        for set in [&[][..], &["quick"], &["night"]] {
            let order = names(set);
            for (position, name) in order.iter().enumerate() {
                for needed in rings::by_name(name).unwrap().needs {
                    assert!(
                        order[..position].contains(needed),
                        "{name} needs {needed} in {set:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_single_ring_brings_what_it_needs_once() {
        assert_eq!(names(&["--ring", "tidy"]), ["tidy"]);
        assert_eq!(
            names(&["--ring", "tests", "--ring", "programs"]),
            ["guests", "tests", "programs"]
        );
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [
            &["fast"][..],
            &["--ring"],
            &["--ring", "nosuch"],
            &["--ring", "tidy", "fmt"],
        ] {
            assert!(select(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn under_ci_a_skipped_ring_has_failed() {
        let skipped = || Outcome::Skipped("no clang".into());
        assert_eq!(Strictness::Laptop.judge(skipped()), skipped());
        assert_eq!(
            Strictness::Ci.judge(skipped()),
            Outcome::Failed("skipped under CI: no clang".into())
        );
        assert_eq!(Strictness::Ci.judge(Outcome::Passed), Outcome::Passed);
    }
}
