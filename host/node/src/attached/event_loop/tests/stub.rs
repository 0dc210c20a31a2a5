//! A run with a stub of the sandbox, a shell script that says at most that it has started, and the loop in steps.

use super::super::Loop;
use crate::attached::{Attached, Event, GUEST_FOLDERS, Phase, RunCommand, RunEvent, Source};
use crate::rig::{self, TestClock};
use crate::tasks::TaskGroup;
use mutual_protocol::SigningKey;
use mutual_protocol::receipt::Build;
use mutual_runner::{
    BuildId, CompileCache, CompileLimits, CompileRequest, CompiledProgram, Metering, ProgramKey,
    SealedFile, Spawner, compile,
};
use mutual_store::{BlockStore, RunStore, StagingArea};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A child that says STARTED and is deaf to everything but its kill; a compiler that fails at once.
const STARTS: &str = r#"[ "$1" = runner ] || exit 1; printf '\001\000\000\000\100' >&0"#;
/// A child that says nothing.
const SILENT: &str = r#"[ "$1" = runner ] || exit 1"#;
/// A compiler that never comes to an end.
const COMPILES: &str = ":";
/// More events than any of these runs shows by itself.
const EVENTS_MAX: usize = 32;

/// What a run stands on, beside its loop.
pub(super) struct Stub {
    pub(super) folder: TempDir,
    pub(super) clock: Arc<TestClock>,
    pub(super) commands: mpsc::Sender<RunCommand>,
    /// Takes nothing: what is shown waits.
    _shown: mpsc::Receiver<RunEvent>,
    spawner: Spawner,
    tasks: TaskGroup,
}

/// How a run differs from the plain one.
pub(super) struct Setup {
    script: &'static str,
    pub(super) witness: SigningKey,
}

impl Setup {
    /// The sandbox starts its guest, which then neither does nor hears anything.
    pub(super) fn running() -> Self {
        Self {
            script: STARTS,
            witness: rig::keys().1,
        }
    }

    /// The sandbox never starts its guest.
    pub(super) fn silent() -> Self {
        Self {
            script: SILENT,
            ..Self::running()
        }
    }

    /// There is no compiled code yet.
    pub(super) fn compiling() -> Self {
        Self {
            script: COMPILES,
            ..Self::running()
        }
    }

    pub(super) fn make(self) -> (Stub, Loop) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let clock = Arc::new(TestClock::new());
        let blocks = BlockStore::open(&at("store")).unwrap();
        let prepared = rig::prepared(&blocks, &*clock);
        let program = prepared.spec.value().program;
        let key = ProgramKey {
            program: program.cid,
            kind: program.kind,
            metering: Metering::None,
        };
        let child = child(folder.path(), self.script);
        let spawner = Spawner::with_executable(child, "stub".into()).unwrap();
        let node = Attached {
            blocks,
            runs: RunStore::open(&at("runs")).unwrap(),
            staging: StagingArea::open(&at("staging"), &GUEST_FOLDERS).unwrap(),
            runtime: at("runtime"),
            cache: None,
            code: (self.script != COMPILES).then(|| code(&at("cache"), &key)),
            build: Build {
                engine: "stub".to_owned(),
                compiler: "none".to_owned(),
                target: "none".to_owned(),
            },
            spawner: spawner.clone(),
            spare: None,
            clock: clock.clone(),
            owner: rig::keys().0,
            witness: self.witness,
            command: Vec::new(),
            name: None,
        };
        let (tasks, connections) = (TaskGroup::new(), TaskGroup::new());
        let (events, shown) = mpsc::channel(EVENTS_MAX);
        let (commands, commands_rx) = mpsc::channel(8);
        let run = Loop::new(
            node,
            prepared,
            Source::new(tokio::io::empty()),
            (events, commands_rx),
            (tasks.clone(), connections),
        );
        let stub = Stub {
            folder,
            clock,
            commands,
            _shown: shown,
            spawner,
            tasks,
        };
        (stub, run.unwrap())
    }

    /// A run whose guest has started.
    pub(super) async fn start(self) -> (Stub, Loop) {
        let (stub, mut run) = self.make();
        run.open().unwrap();
        while stub.phase(&run) != Phase::Running {
            turn(&mut run).await;
        }
        stub.pause().await;
        (stub, run)
    }
}

impl Stub {
    pub(super) fn phase(&self, run: &Loop) -> Phase {
        run.attempt
            .as_ref()
            .map_or(Phase::Claiming, |attempt| attempt.phase)
    }

    /// Stops the clock when the sandbox is there and has nothing more to say: what a process does takes real time.
    pub(super) async fn pause(&self) {
        // The thread that makes processes has told of the sandbox when it has told of a later one.
        let order = CompileRequest {
            program: SealedFile::from_bytes(b"nothing").unwrap(),
            metering: Metering::None,
            limits: CompileLimits::default(),
        };
        assert!(compile(&self.spawner, order).await.is_err());
        tokio::time::pause();
    }

    pub(super) fn send(&self, command: RunCommand) {
        self.commands.try_send(command).unwrap();
    }

    /// Drops the run with all that it has started.
    pub(super) async fn end(self, run: Loop) {
        drop(run);
        self.tasks.end().await;
    }
}

/// One turn of the loop; gives what woke it. A timer never rings before its time.
pub(super) async fn turn(run: &mut Loop) -> &'static str {
    let event = run.next_event().await;
    let name = match &event {
        Event::Attempt(_) => "attempt",
        Event::Runner(_) => "runner",
        Event::RunnerGone => "runner gone",
        Event::Command(_) => "command",
        Event::Asked(_) => "asked",
        Event::PatienceEnds => "patience ends",
        Event::Timer => {
            assert_eq!(run.roles.due_in(), Some(Duration::ZERO), "too early");
            "timer"
        }
        Event::ProgressTick => "progress",
        Event::Room => "room",
    };
    run.handle(event).unwrap();
    name
}

/// Turns until `time` is over or the job is decided; gives what woke the loop.
pub(super) async fn turns(run: &mut Loop, time: Duration) -> Vec<&'static str> {
    let end = Instant::now() + time;
    let mut woke = Vec::new();
    while run.decision.is_none() {
        tokio::select! {
            name = turn(run) => woke.push(name),
            () = tokio::time::sleep_until(end) => break,
        }
    }
    woke
}

pub(super) fn count(woke: &[&str], name: &str) -> usize {
    woke.iter().filter(|woke| **woke == name).count()
}

/// An executable script: descriptor 0 is its end of the socket, and USR1 is how the parent asks it to end.
fn child(folder: &Path, script: &str) -> PathBuf {
    let (text, path) = (folder.join("text"), folder.join("child"));
    let script = format!("#!/bin/sh\ntrap '' USR1\n{script}\nexec sleep 1000\n");
    std::fs::write(&text, script).unwrap();
    // A file that this process had open for writing may be "busy" for a child of another test.
    let install = Command::new("install")
        .args(["-m", "700"])
        .args([&text, &path])
        .status();
    assert!(install.unwrap().success());
    path
}

/// "Compiled code": the one way to have some is a cache file with its MAC, whose secret lies beside it.
fn code(folder: &Path, key: &ProgramKey) -> CompiledProgram {
    let cache = CompileCache::open(folder, BuildId("test".to_owned())).unwrap();
    let secret = std::fs::read(folder.join("secret")).unwrap();
    let secret: [u8; 32] = secret.try_into().unwrap();
    let text = format!("{}\n{:?}\n{:?}\ntest", key.program, key.kind, key.metering);
    let name = blake3::hash(text.as_bytes());
    let mac = blake3::Hasher::new_keyed(&secret)
        .update(name.as_bytes())
        .update(b"code")
        .finalize();
    let file = [&b"mccode1\n"[..], mac.as_bytes(), b"code"].concat();
    std::fs::write(folder.join(format!("{}.code", name.to_hex())), file).unwrap();
    cache.find(key).unwrap()
}
