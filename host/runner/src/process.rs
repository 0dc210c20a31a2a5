//! One child process, by its pidfd: signal, wait, and what the kernel measured.

use crate::spawn::Spawner;
use crate::walls::STOP_SIGNAL;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Looks at a child that is not asleep yet: 20 µs each.
const LOOKS_MAX: usize = 16;

/// A child that has not been waited for. Dropped, it is killed and reaped in the background.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    /// Reaps what is dropped. Holding it keeps the spawning thread alive, whose end would kill the child.
    spawner: Spawner,
    reaped: bool,
}

/// How a child ended, from the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    /// The raw wait status; none when something else in this process had waited for the child.
    status: Option<i32>,
    /// What it has used.
    pub(crate) usage: Usage,
}

/// What a child has used, from the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// Peak resident memory.
    pub(crate) resident_bytes_peak: u64,
}

impl Process {
    /// Takes charge of a child that was just spawned and not waited for.
    pub(crate) fn new(pid: u32, spawner: Spawner) -> std::io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(std::io::ErrorKind::InvalidData)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self {
            pid,
            pidfd,
            spawner,
            reaped: false,
        })
    }

    pub(crate) const fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends SIGKILL. A child that has ended already does not mind.
    pub(crate) fn kill(&self) {
        let _ended_already = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Sends the signal that goes with a STOP frame.
    pub(crate) fn interrupt(&self) {
        let _ended_already = pidfd_send_signal(&self.pidfd, STOP_SIGNAL);
    }

    /// What the living child has used so far. The kernel brings its CPU time up to date when it goes to sleep, which
    /// it does after its report; one that does not is measured to a few milliseconds.
    pub(crate) fn usage(&self) -> Usage {
        let path = format!("/proc/{}/status", self.pid.as_raw_nonzero());
        let mut status = String::new();
        for _ in 0..LOOKS_MAX {
            status = std::fs::read_to_string(&path).unwrap_or_default();
            if field(&status, "State:").is_none_or(|state| !state.starts_with('R')) {
                break;
            }
        }
        let peak = field(&status, "VmHWM:").and_then(|peak| peak.strip_suffix(" kB"));
        let kib: u64 = peak.and_then(|peak| peak.parse().ok()).unwrap_or(0);
        Usage {
            cpu: cpu_time(self.pid),
            resident_bytes_peak: kib.saturating_mul(1024),
        }
    }

    /// Waits until the child has ended, without reaping it. Dropping the future is safe.
    pub(crate) async fn ended(&self) -> std::io::Result<()> {
        #[expect(unsafe_code, reason = "tokio takes a raw descriptor on trust")]
        // SAFETY: a BorrowedFd gives the same open descriptor as long as it lives, and it outlives this registration.
        let pidfd =
            unsafe { AsyncFd::register_with_interest(self.pidfd.as_fd(), Interest::READABLE) };
        let pidfd = pidfd.map_err(std::io::Error::from)?;
        let _ready = pidfd.readable().await?;
        Ok(())
    }

    /// Reaps the child; blocks when it has not ended.
    pub(crate) fn reap(mut self) -> Exit {
        self.reaped = true;
        reap(self.pid)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            self.spawner.reap(self.pid);
        }
    }
}

impl Exit {
    /// The exit code, when the child ended by itself.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status
            .filter(|status| libc::WIFEXITED(*status))
            .map(|status| libc::WEXITSTATUS(status))
    }

    /// The signal, when one ended it.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status
            .filter(|status| libc::WIFSIGNALED(*status))
            .map(|status| libc::WTERMSIG(status))
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code(), self.signal()) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (_, Some(signal)) => write!(f, "signal {signal}"),
            _ => f.write_str("an unknown status"),
        }
    }
}

/// `wait4`: the one call that gives a child's own use of the machine. rustix does not have it.
pub(crate) fn reap(pid: Pid) -> Exit {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    let waited = loop {
        #[expect(
            unsafe_code,
            reason = "rustix has no wait4, and no other call tells one child's use"
        )]
        // SAFETY: both pointers are to live, writable locals of the right type.
        let waited = unsafe {
            libc::wait4(
                pid.as_raw_nonzero().get(),
                &raw mut status,
                0,
                usage.as_mut_ptr(),
            )
        };
        if waited != -1 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted
        {
            break waited;
        }
    };
    #[expect(unsafe_code, reason = "rusage has no safe constructor")]
    // SAFETY: all zero bytes are a valid rusage, and wait4 wrote only valid values over them.
    let usage = unsafe { usage.assume_init() };
    Exit {
        status: (waited != -1).then_some(status),
        usage: Usage {
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            // Never below the parent's own size at the spawn: `exec` hands that mark on.
            resident_bytes_peak: u64::try_from(usage.ru_maxrss)
                .unwrap_or(0)
                .saturating_mul(1024),
        },
    }
}

/// The CPU clock of another process, in nanoseconds where `/proc` has hundredths of seconds.
fn cpu_time(pid: Pid) -> Duration {
    let mut clock: libc::clockid_t = 0;
    #[expect(unsafe_code, reason = "rustix has no clocks of other processes")]
    // SAFETY: the pointer is to a live local.
    let found = unsafe { libc::clock_getcpuclockid(pid.as_raw_nonzero().get(), &raw mut clock) };
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    #[expect(unsafe_code, reason = "rustix has no clocks of other processes")]
    // SAFETY: the pointer is to a live local; the kernel refuses a clock that does not exist.
    let read = found == 0 && unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    if !read {
        return Duration::ZERO;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// A line of `/proc/PID/status`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
