//! The rings: one function each, from the cheapest to the dearest.

use std::process::Command;

use anyhow::Result;

use crate::{
    guests, layers,
    process::{cargo, run},
    programs,
    report::Outcome,
    tidy,
    workspace::Workspace,
};

/// One kind of check, with the name that `--ring` takes.
pub(crate) struct Ring {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Rings whose products this one uses.
    pub(crate) needs: &'static [&'static str],
    pub(crate) run: fn(&Workspace) -> Result<Outcome>,
}

pub(crate) const ALL: &[Ring] = &[
    Ring {
        name: "fmt",
        about: "formatting of the workspace and of each guest package",
        needs: &[],
        run: fmt,
    },
    Ring {
        name: "tidy",
        about: "sizes, names, marks, paths: what no compiler checks",
        needs: &[],
        run: tidy,
    },
    Ring {
        name: "layers",
        about: "who may depend on whom",
        needs: &[],
        run: layers,
    },
    Ring {
        name: "clippy",
        about: "lints, warnings as errors",
        needs: &[],
        run: clippy,
    },
    Ring {
        name: "doc",
        about: "documentation builds, warnings as errors",
        needs: &[],
        run: doc,
    },
    Ring {
        name: "unit",
        about: "unit tests of every crate",
        needs: &[],
        run: unit,
    },
    Ring {
        name: "guests",
        about: "guest programs built for wasm32-wasip2",
        needs: &[],
        run: build_guests,
    },
    Ring {
        name: "purity",
        about: "protocol and lease build without an operating system",
        needs: &[],
        run: purity,
    },
    Ring {
        name: "tests",
        about: "all tests of the workspace",
        needs: &["guests"],
        run: tests,
    },
    Ring {
        name: "programs",
        about: "programs others wrote, compared with their native builds",
        needs: &["guests"],
        run: programs::ring,
    },
    Ring {
        name: "examples",
        about: "lints and own tests of each example",
        needs: &[],
        run: examples,
    },
    Ring {
        name: "bench",
        about: "benchmarks and their limits",
        needs: &["guests"],
        run: bench_ring,
    },
    Ring {
        name: "flaky",
        about: "all tests five times more",
        needs: &["guests"],
        run: flaky,
    },
];

/// The ring of that name.
pub(crate) fn by_name(name: &str) -> Result<&'static Ring> {
    let found = ALL.iter().find(|ring| ring.name == name);
    found.ok_or_else(|| {
        anyhow::anyhow!("no ring is called `{name}`; `cargo xtask test --list` prints them")
    })
}

/// Builds what the benchmarks measure and compare with, then runs them; `args` go to `cargo bench`.
pub(crate) fn bench(workspace: &Workspace, args: &[&str]) -> Result<()> {
    guests::build_all(workspace)?;
    let peers = programs::peers(workspace)?;
    run(&mut cargo(
        workspace,
        &["build", "--release", "--package", "mutual-cli"],
    ))?;
    let mut command = cargo(workspace, &["bench", "--package", "mutual-bench"]);
    run(command.args(args).env("MC_PROGRAMS", peers))
}

fn fmt(workspace: &Workspace) -> Result<Outcome> {
    passed(&mut cargo(workspace, &["fmt", "--all", "--check"]))?;
    for manifest in guests::manifests(workspace)? {
        run(cargo(workspace, &["fmt", "--check", "--manifest-path"]).arg(manifest))?;
    }
    Ok(Outcome::Passed)
}

fn tidy(workspace: &Workspace) -> Result<Outcome> {
    tidy::run(workspace).map(|()| Outcome::Passed)
}

fn layers(workspace: &Workspace) -> Result<Outcome> {
    layers::run(workspace).map(|()| Outcome::Passed)
}

fn clippy(workspace: &Workspace) -> Result<Outcome> {
    passed(&mut cargo(
        workspace,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    ))
}

fn doc(workspace: &Workspace) -> Result<Outcome> {
    passed(
        cargo(workspace, &["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn unit(workspace: &Workspace) -> Result<Outcome> {
    passed(&mut cargo(
        workspace,
        &["test", "--workspace", "--lib", "--bins", "--no-fail-fast"],
    ))
}

fn build_guests(workspace: &Workspace) -> Result<Outcome> {
    guests::build_all(workspace).map(|()| Outcome::Passed)
}

/// A target without files, clock or threads: what builds there cannot be using them.
fn purity(workspace: &Workspace) -> Result<Outcome> {
    guests::ensure_target("wasm32-unknown-unknown")?;
    let packages = ["--package", "mutual-protocol", "--package", "mutual-lease"];
    passed(cargo(workspace, &["check", "--target", "wasm32-unknown-unknown"]).args(packages))
}

fn tests(workspace: &Workspace) -> Result<Outcome> {
    passed(&mut cargo(
        workspace,
        &["test", "--workspace", "--no-fail-fast"],
    ))
}

/// The examples are packages of their own, so the workspace's rings do not see them.
fn examples(workspace: &Workspace) -> Result<Outcome> {
    let target_dir = workspace.root.join("target/examples");
    for manifest in workspace.example_manifests()? {
        let example = |task: &str| {
            let mut command = cargo(workspace, &[task, "--manifest-path"]);
            command.arg(&manifest).arg("--target-dir").arg(&target_dir);
            command
        };
        run(example("clippy").args(["--all-targets", "--", "-D", "warnings"]))?;
        run(&mut example("test"))?;
    }
    Ok(Outcome::Passed)
}

fn bench_ring(workspace: &Workspace) -> Result<Outcome> {
    bench(workspace, &[]).map(|()| Outcome::Passed)
}

fn flaky(workspace: &Workspace) -> Result<Outcome> {
    for _ in 0..5 {
        tests(workspace)?;
    }
    Ok(Outcome::Passed)
}

fn passed(command: &mut Command) -> Result<Outcome> {
    run(command).map(|()| Outcome::Passed)
}
