//! Ends, from another thread, what a run waits for before and after its program: a build, and the store.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clones name the same work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel {
    store: mutual_store::Cancel,
    build: Arc<Mutex<Build>>,
}

#[derive(Debug, Default)]
struct Build {
    cancelled: bool,
    /// The process group of a build that goes on.
    group: Option<Pid>,
}

impl Cancel {
    /// Nobody waits any longer: the build is interrupted as by Ctrl-C, the store refuses the next block.
    pub(crate) fn cancel(&self) {
        self.store.cancel();
        let mut build = self.build();
        build.cancelled = true;
        build.signal(Signal::INT);
    }

    /// As [`Cancel::cancel`], for a build that does not listen.
    pub(crate) fn kill(&self) {
        self.build().signal(Signal::KILL);
    }

    /// For the store's side.
    pub(crate) fn store(&self) -> mutual_store::Cancel {
        self.store.clone()
    }

    /// Runs `command` to its end, in a process group of its own so that its children end with it.
    pub(super) fn output(&self, command: &mut Command) -> io::Result<Output> {
        let child = {
            let mut build = self.build();
            if build.cancelled {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let child = command.process_group(0).spawn()?;
            build.group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            child
        };
        let output = child.wait_with_output();
        self.build().group = None;
        output
    }

    fn build(&self) -> MutexGuard<'_, Build> {
        self.build.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Build {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _is_gone = kill_process_group(group, signal);
        }
    }
}
