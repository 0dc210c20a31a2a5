//! Children that are shell scripts: descriptor 0 is their end of the socket.

use mutual_protocol::outcome::Outcome;
use mutual_protocol::spec::SpecLimits;
use mutual_protocol::{Cid, ids::Codec, spec::ProgramKind};
use mutual_runner::{
    BuildId, CompileCache, CompiledProgram, Control, DiskUse, Job, Metering, ProgramKey, Report,
    RunnerEvent, SealedFile, Spawner, StdinMode,
};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A test that takes longer hangs.
const TEST_TIME_MAX: Duration = Duration::from_secs(60);

/// A folder with an executable script, and a spawner of it.
pub(crate) struct Lab {
    pub(crate) folder: TempDir,
    pub(crate) spawner: Spawner,
}

impl Lab {
    /// Descriptor 3 of the script is its output to the parent.
    pub(crate) fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (text, path) = (folder.path().join("text"), folder.path().join("child"));
        std::fs::write(&text, format!("#!/bin/sh\nexec 3>&0\n{script}\n")).unwrap();
        // A file that this process had open for writing may be "busy" for a child of another test.
        let install = Command::new("install")
            .args(["-m", "700"])
            .args([&text, &path])
            .status();
        assert!(install.unwrap().success());
        let spawner = Spawner::with_executable(path, "child".into()).unwrap();
        Self { folder, spawner }
    }

    /// Runs a job to its end, showing every event to `react`; gives all output and the report.
    pub(crate) async fn run(
        &self,
        job: Job,
        react: impl Fn(&Control, &RunnerEvent),
    ) -> (Vec<u8>, Report) {
        let running = self.spawner.spare().unwrap().start(job).unwrap();
        let (control, mut events) = (running.control, running.events);
        let watch = async {
            let mut output = Vec::new();
            while let Some(event) = events.next().await {
                react(&control, &event);
                match event {
                    RunnerEvent::Stdout(bytes) | RunnerEvent::Stderr(bytes) => output.extend(bytes),
                    RunnerEvent::Ended(report) => return (output, report),
                    _ => {}
                }
            }
            panic!("no report");
        };
        let both = async { tokio::join!(running.driver.run(), watch).1 };
        tokio::time::timeout(TEST_TIME_MAX, both).await.unwrap()
    }

    /// Waits until the script has written its id, which it does by `echo $$ > $0.pid`.
    pub(crate) async fn pid(&self) -> u32 {
        let file = self.folder.path().join("child.pid");
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if text.ends_with('\n') {
                return text.trim().parse().unwrap();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the script is dead, reaped or not.
    pub(crate) async fn until_dead(&self) {
        let stat = format!("/proc/{}/stat", self.pid().await);
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z")) {
            tokio::task::yield_now().await;
        }
    }

    /// Runs a job and expects that the sandbox failed; gives the reason.
    pub(crate) async fn failure(&self) -> String {
        let (_, report) = self.run(job(), |_, _| ()).await;
        let Outcome::RunnerFailed { detail } = report.outcome else {
            panic!("{report:?}")
        };
        detail
    }
}

/// A job that no script looks at.
pub(crate) fn job() -> Job {
    Job {
        program: program(),
        arguments: Vec::new(),
        environment: Vec::new(),
        preopens: Vec::new(),
        stdin: StdinMode::Empty,
        limits: SpecLimits {
            memory_bytes_max: 1 << 20,
            disk_bytes_max: 1 << 20,
            files_max: 10,
            stdio_bytes_max: 1 << 30,
            wall_ms_max: None,
            fuel_max: None,
        },
        staged: DiskUse::default(),
    }
}

/// "Compiled code": the one way to have some outside the crate is the cache, whose secret this test can read.
fn program() -> CompiledProgram {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("cache");
    let build = BuildId("test".to_owned());
    let cache = CompileCache::open(&folder, build).unwrap();
    let key = ProgramKey {
        program: Cid::of(Codec::Raw, b"program"),
        kind: ProgramKind::Module,
        metering: Metering::None,
    };
    forge(&folder, &key, b"code");
    cache.find(&key).unwrap()
}

fn forge(folder: &Path, key: &ProgramKey, code: &[u8]) {
    let secret: [u8; 32] = std::fs::read(folder.join("secret"))
        .unwrap()
        .try_into()
        .unwrap();
    let text = format!("{}\n{:?}\n{:?}\ntest", key.program, key.kind, key.metering);
    let name = blake3::hash(text.as_bytes());
    let mac = blake3::Hasher::new_keyed(&secret)
        .update(name.as_bytes())
        .update(code)
        .finalize();
    let file = [&b"mccode1\n"[..], mac.as_bytes(), code].concat();
    std::fs::write(folder.join(format!("{}.code", name.to_hex())), file).unwrap();
}

/// Sealed bytes for a compile.
pub(crate) fn sealed(bytes: &[u8]) -> SealedFile {
    SealedFile::from_bytes(bytes).unwrap()
}
