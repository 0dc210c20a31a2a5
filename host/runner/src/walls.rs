//! What a child does to itself before it touches anything that came from outside.
//!
//! What holds now: dies with its parent, no foreign descriptors, no capabilities, no new privileges, no core file,
//! a bound on open files, file size and data. Inputs with mode 0444 cannot be written even when everything was
//! started as root, because the capability to pass over modes is gone.
//!
//! What does not hold yet and has its place here: Landlock (before any thread exists: end of [`enter`]), another
//! user (start of [`enter`]), seccomp (after the program is mapped: end of [`limit_runner`]), cgroups (the parent).

use crate::bounds::{DATA_BYTES_BESIDE, OPEN_FILES_MAX};
use crate::role::{Role, RoleStart};
use rustix::io::Errno;
use rustix::process::{
    Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_name, set_no_new_privs};

/// Tells a running guest's process to look up. Its default action ends a process that is not prepared for it.
pub const STOP_SIGNAL: Signal = Signal::USR1;

/// Why a child cannot shut itself in. It ends then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WallError {
    /// The parent was gone before the kernel had been told to tie us to it, or somebody else called.
    #[error("the parent is another process")]
    Orphan,
    /// The kernel refused.
    #[error("{wall} is not to be had")]
    Refused {
        /// Which wall.
        wall: &'static str,
        /// Why.
        source: Errno,
    },
}

fn refused(wall: &'static str) -> impl Fn(Errno) -> WallError {
    move |source| WallError::Refused { wall, source }
}

/// The first thing that a child does.
///
/// # Errors
/// When the parent is gone or a wall cannot be had.
pub fn enter(start: RoleStart) -> Result<(), WallError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(refused("parent death signal"))?;
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != start.parent) {
        return Err(WallError::Orphan);
    }
    close_all_but_stdio().map_err(refused("close_range"))?;
    set_no_new_privs(true).map_err(refused("no_new_privs"))?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    set_capabilities(None, sets).map_err(refused("capabilities"))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, OPEN_FILES_MAX)?;
    // Last: who sees the name sees a child that is shut in.
    set_name(match start.role {
        Role::Runner => c"mc-runner",
        Role::Compiler => c"mc-compiler",
    })
    .map_err(refused("process name"))?;
    Ok(())
}

/// Bounds of a runner, before the guest runs and after everything that the runner itself needs is there.
///
/// # Errors
/// When a limit cannot be set.
pub fn limit_runner(memory_bytes_max: u64, file_bytes_max: u64) -> Result<(), WallError> {
    ignore_file_size_signal();
    limit(Resource::Fsize, file_bytes_max)?;
    limit(
        Resource::Data,
        memory_bytes_max.saturating_add(DATA_BYTES_BESIDE),
    )
}

/// Bounds of a compiler. Over its CPU time it dies of SIGXCPU, over its memory of SIGABRT.
///
/// # Errors
/// When a limit cannot be set.
pub fn limit_compiler(
    cpu_s_max: u64,
    memory_bytes_max: u64,
    output_bytes_max: u64,
) -> Result<(), WallError> {
    ignore_file_size_signal();
    // SIGXCPU at the soft limit tells the cause; at the hard one comes SIGKILL, as for any other reason.
    let cpu = Rlimit {
        current: Some(cpu_s_max),
        maximum: Some(cpu_s_max.saturating_add(1)),
    };
    setrlimit(Resource::Cpu, cpu).map_err(refused("a resource limit"))?;
    limit(Resource::Data, memory_bytes_max)?;
    limit(Resource::Fsize, output_bytes_max)
}

/// Calls `handler` when the parent sends [`STOP_SIGNAL`], which it does beside the STOP frame: a guest that spins
/// leaves nobody to read frames. Before this call the signal ends the process, which is what a stop means then.
///
/// # Safety
/// `handler` runs at any instant, on any stack: it may only touch atomics.
///
/// # Errors
/// When the kernel refuses.
#[expect(
    unsafe_code,
    reason = "a signal handler cannot be checked by the compiler"
)]
pub unsafe fn on_stop_signal(handler: extern "C" fn(libc::c_int)) -> Result<(), WallError> {
    // SAFETY: all zero bytes are a valid sigaction: default handler, empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // On the alternative stack where there is one: the guest may have used up its own.
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    let signal = STOP_SIGNAL.as_raw();
    // SAFETY: the pointer is to a live local; the caller vouches for the handler.
    let result = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    if result == 0 {
        Ok(())
    } else {
        Err(refused("the stop signal")(last_error()))
    }
}

/// Lowers a limit for good; one that is lower already stays.
fn limit(resource: Resource, value: u64) -> Result<(), WallError> {
    let hard = getrlimit(resource)
        .maximum
        .map_or(value, |maximum| maximum.min(value));
    setrlimit(
        resource,
        Rlimit {
            current: Some(hard),
            maximum: Some(hard),
        },
    )
    .map_err(refused("a resource limit"))
}

fn close_all_but_stdio() -> Result<(), Errno> {
    // `libc::close_range` is missing from older C libraries; the system call is in every kernel since 5.9.
    #[expect(unsafe_code, reason = "rustix has no close_range")]
    // SAFETY: takes three integers; this process has just started and owns no descriptor above 2 yet.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// With SIGXFSZ ignored, a write beyond the limit fails with EFBIG, which the guest sees.
fn ignore_file_size_signal() {
    #[expect(unsafe_code, reason = "rustix has no signal dispositions")]
    // SAFETY: SIG_IGN is no handler, so nothing of ours runs in signal context.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

fn last_error() -> Errno {
    let code = std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO);
    Errno::from_raw_os_error(code)
}
