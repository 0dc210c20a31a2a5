//! Every number of the sandbox's own protocol, with its reason. What a spec can ask for is in `mutual_protocol::limits`.

use std::time::Duration;

/// Output that a child may have under way, bytes. The socket buffer (208 KiB) and a busy reader's next read fit in;
/// memory of the parent for one runner's output is bounded by this and [`EVENTS_MAX`] × [`CHUNK_BYTES_MAX`].
pub const CREDIT_BYTES: u64 = 256 << 10;
/// Bytes of one frame of output or input: large enough that the system calls do not show, small against the credit.
pub const CHUNK_BYTES_MAX: usize = 64 << 10;
/// Events that wait for the consumer before the parent stops reading from the child.
pub const EVENTS_MAX: usize = 8;
/// Commands that wait for the driver: stdin alone uses them, one at a time.
pub const COMMANDS_MAX: usize = 4;
/// Bytes of a trap's message and backtrace.
pub const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of one `ENDED` or `COMPILED` body: the message, and names around it.
pub const REPORT_BYTES_MAX: usize = MESSAGE_BYTES_MAX + (8 << 10);
/// From STOP to SIGKILL. The engine's poll answers within 0.3 ms; what takes longer sleeps in a host call.
pub const STOP_GRACE: Duration = Duration::from_millis(50);
/// From the job's frame to the guest's first instruction: mapping a 45 MB program takes 45 ms on an idle machine.
pub const START_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a process may take to die after SIGKILL, or to end after it has closed its socket.
pub const EXIT_WAIT_MAX: Duration = Duration::from_secs(2);
/// Time between two looks at the guest's folders.
pub const DISK_SCAN_EVERY: Duration = Duration::from_millis(250);
/// Open files of a child: guests are told EMFILE, and own descriptors are fewer than 32.
pub const OPEN_FILES_MAX: u64 = 1024;
/// Stack of the guest, bytes: overflow is a trap.
pub const GUEST_STACK_BYTES: usize = 1 << 20;
/// What a child may allocate beside the guest's memory: compiled code's tables, buffers, runtime.
pub const DATA_BYTES_BESIDE: u64 = 1 << 30;
/// Bytes of compiled code. Cranelift makes 3-6 times the program's size.
pub const COMPILED_BYTES_MAX: u64 = 1 << 30;

const _: () = {
    assert!(CHUNK_BYTES_MAX as u64 <= CREDIT_BYTES);
    assert!(CHUNK_BYTES_MAX < mutual_protocol::limits::FRAME_BYTES_MAX);
    assert!(REPORT_BYTES_MAX < mutual_protocol::limits::FRAME_BYTES_MAX);
};
