//! What one `mc run` costs, beside `wasmtime run` of the same precompiled program, interleaved in one run.
//!
//! `cargo xtask bench` builds `mc` in release mode and the peer (wasmtime 48 from the registry), then runs this with the
//! peer's folder in `MC_PROGRAMS`. `MC_BENCH_N` is the number of rounds. Results also go to `target/bench/start.json`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use mutual_bench::{Samples, head, verdict};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The programs under test and the folder that everything happens in.
struct Setup {
    folder: tempfile::TempDir,
    mc: PathBuf,
    wasmtime: PathBuf,
    program: PathBuf,
    precompiled: PathBuf,
    results: PathBuf,
    rounds: usize,
}

const HELLO: &str = "fn main() { println!(\"hello\"); }";

fn main() -> io::Result<()> {
    let setup = Setup::from_env()?;
    let (local, peer, version) = setup.interleaved()?;
    let first = setup.first_instruction()?;
    let (wall, resident) = setup.large_input()?;
    let rows = [&local, &peer, &version, &first];
    println!("{}", head());
    for row in rows {
        println!("{}", row.row());
    }
    let input_mib = resident as f64 / f64::from(1 << 20);
    println!(
        "{:<44} {:>5} {:>9.3}",
        "mc run with a 100 MB input",
        1,
        wall.as_secs_f64() * 1e3
    );
    println!();
    let verdicts = [
        verdict(
            "warm mc run / wasmtime run of the same precompiled file, p50",
            local.ratio_to(&peer),
            2.0,
            " x",
        ),
        verdict("mc version, p50", milliseconds(&version), 10.0, " ms"),
        verdict(
            "signed spec to the guest's first instruction, p50",
            milliseconds(&first),
            5.0,
            " ms",
        ),
        verdict(
            "resident memory of mc during a 100 MB input",
            input_mib,
            100.0,
            " MiB",
        ),
    ];
    for verdict in &verdicts {
        println!("{verdict}");
    }
    let results: Vec<Value> = rows.iter().map(|row| row.json()).collect();
    setup.keep(
        &json!({"schema": "mc.v1/bench", "name": "start", "rows": results, "verdicts": verdicts}),
    )
}

fn milliseconds(samples: &Samples) -> f64 {
    samples.percentile(50).as_secs_f64() * 1e3
}

impl Setup {
    fn from_env() -> io::Result<Self> {
        let missing =
            || io::Error::other("MC_PROGRAMS is not set: start this with `cargo xtask bench`");
        let programs = env::var_os("MC_PROGRAMS")
            .map(PathBuf::from)
            .ok_or_else(missing)?;
        let rounds = env::var("MC_BENCH_N")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(200);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = tempfile::tempdir()?;
        let setup = Self {
            mc: root.join("target/release/mc").canonicalize()?,
            wasmtime: programs.join("wasmtime"),
            results: root.join("target/bench"),
            program: folder.path().join("hello.wasm"),
            precompiled: folder.path().join("hello.cwasm"),
            folder,
            rounds,
        };
        let source = setup.folder.path().join("hello.rs");
        fs::write(&source, HELLO)?;
        setup.run(
            Command::new("rustc")
                .args([
                    "--target",
                    "wasm32-wasip2",
                    "-O",
                    "-C",
                    "strip=symbols",
                    "-o",
                ])
                .arg(&setup.program)
                .arg(&source),
        )?;
        setup.run(
            Command::new(&setup.wasmtime)
                .arg("compile")
                .arg("-o")
                .arg(&setup.precompiled)
                .arg(&setup.program),
        )?;
        // The first run fills the compile cache and makes the identity.
        setup.run(setup.mc().arg("run").arg(&setup.program))?;
        Ok(setup)
    }

    fn mc(&self) -> Command {
        let mut command = Command::new(&self.mc);
        command
            .env("MC_HOME", self.folder.path().join("home"))
            .current_dir(self.folder.path());
        command
    }

    fn run(&self, command: &mut Command) -> io::Result<Vec<u8>> {
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!(
                "{command:?} ended with {}",
                output.status
            )));
        }
        Ok(output.stdout)
    }

    fn timed(&self, command: &mut Command) -> io::Result<Duration> {
        let start = Instant::now();
        self.run(command)?;
        Ok(start.elapsed())
    }

    /// One of each in turn, so that a busy moment of the machine hits all of them.
    fn interleaved(&self) -> io::Result<(Samples, Samples, Samples)> {
        let (mut local, mut peer, mut version) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            local.push(self.timed(self.mc().arg("run").arg(&self.program))?);
            let mut wasmtime = Command::new(&self.wasmtime);
            peer.push(
                self.timed(
                    wasmtime
                        .args(["run", "--allow-precompiled"])
                        .arg(&self.precompiled),
                )?,
            );
            version.push(self.timed(self.mc().arg("version"))?);
        }
        Ok((
            Samples::new("mc run hello.wasm, warm, whole process", local),
            Samples::new("wasmtime run hello.cwasm, whole process", peer),
            Samples::new("mc version", version),
        ))
    }

    /// What the node itself measured, read from its records.
    fn first_instruction(&self) -> io::Result<Samples> {
        let listed = self.run(self.mc().args(["ps", "-a", "-o", "jsonl"]))?;
        let rows = listed
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let seconds = rows
            .filter_map(|row| row.get("start_seconds")?.as_f64())
            .take(self.rounds);
        let samples = seconds.map(Duration::from_secs_f64).collect();
        Ok(Samples::new(
            "signed spec to first instruction, warm",
            samples,
        ))
    }

    /// Wall time of a run with a 100 MB input, and the most memory that `mc` had resident meanwhile.
    fn large_input(&self) -> io::Result<(Duration, u64)> {
        let input = self.folder.path().join("input.bin");
        let mut file = fs::File::create(&input)?;
        let mut block = vec![0_u8; 1 << 20];
        for index in 0..100_u64 {
            block
                .iter_mut()
                .zip(0_u64..)
                .for_each(|(byte, at)| *byte = (at * 31 + index * 17).to_le_bytes()[0]);
            file.write_all(&block)?;
        }
        drop(file);
        let start = Instant::now();
        let mut child = self
            .mc()
            .arg("run")
            .arg("-i")
            .arg(&input)
            .arg(&self.program)
            .stdout(Stdio::null())
            .spawn()?;
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut peak = 0;
        while child.try_wait()?.is_none() {
            peak = peak.max(resident_peak(&status).unwrap_or(0));
            std::thread::sleep(Duration::from_millis(2));
        }
        let ended = child.wait()?;
        if !ended.success() || peak == 0 {
            return Err(io::Error::other(format!(
                "the run with a large input ended with {ended}"
            )));
        }
        Ok((start.elapsed(), peak))
    }

    fn keep(&self, results: &Value) -> io::Result<()> {
        fs::create_dir_all(&self.results)?;
        fs::write(self.results.join("start.json"), format!("{results:#}\n"))
    }
}

/// `VmHWM` of a process in bytes.
fn resident_peak(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
