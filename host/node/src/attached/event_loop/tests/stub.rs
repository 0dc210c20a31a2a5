//! A run with a stub of the sandbox, a shell script that says at most that it has started, and the loop in steps.

use super::super::Loop;
use crate::attached::{Attached, Event, GUEST_FOLDERS, Phase, Place, RunCommand, RunEvent, Source};
use crate::rig::sandbox::{child, code};
use crate::rig::{self, TestClock};
use crate::tasks::TaskGroup;
use mutual_protocol::SigningKey;
use mutual_protocol::receipt::Build;
use mutual_runner::{
    CompileLimits, CompileRequest, Metering, ProgramKey, SealedFile, Spawner, compile,
};
use mutual_store::{BlockStore, RunStore, StagingArea};
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
            place: Place::Here,
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
        run.phase()
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
        Event::Pool(_) => "pool",
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
