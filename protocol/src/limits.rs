//! Every bound of the protocol, each with its reason. `docs/generated/limits.md` is printed from [`TABLE`].

/// Longest name in a guest path, bytes: what ext4, APFS and NTFS allow.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest guest path, bytes: Linux's PATH_MAX is 4096, less the staging folder in front of it.
pub const PATH_BYTES_MAX: usize = 3072;
/// Names in a guest path: deeper trees make recursive clean-up costly.
pub const PATH_DEPTH_MAX: usize = 64;
/// Entries of one manifest: 100,000 paths of 100 bytes are a manifest of about 16 MB.
pub const MANIFEST_ENTRIES_MAX: usize = 100_000;
/// Bytes of one encoded manifest: every entry at 160 bytes on average.
pub const MANIFEST_BYTES_MAX: usize = 16 << 20;
/// Bytes of one block: the chunk size of the UnixFS profile, and room for a directory node of 256 KiB.
pub const BLOCK_BYTES_MAX: usize = 2 << 20;
/// Bytes of a program. The largest one in use is a database engine of 48 MB.
pub const PROGRAM_BYTES_MAX: u64 = 256 << 20;
/// Arguments and environment together, bytes: a quarter of Linux's own limit.
pub const ARGUMENT_BYTES_MAX: usize = 512 << 10;
/// Number of arguments, and of environment variables.
pub const ARGUMENTS_MAX: usize = 16_384;
/// Preopened folders of one job.
pub const PREOPENS_MAX: usize = 64;
/// Witnesses of one job: the largest set of the lease protocol is (7,5).
pub const WITNESSES_MAX: usize = 7;
/// Shards of one job.
pub const SHARDS_MAX: u32 = 1 << 24;
/// Replicas of one shard.
pub const REPLICAS_MAX: u16 = 16;
/// Hosts that a spec may name.
pub const ALLOWED_HOSTS_MAX: usize = 256;
/// Keys that may start a new generation without the owner.
pub const REGEN_KEYS_MAX: usize = 16;
/// Attempt records in one failed value: 1 + retries.
pub const ATTEMPTS_MAX: usize = 16;
/// A witness grants at most this many epochs ahead of its promise without evidence.
pub const EPOCH_JUMP_MAX: u32 = 16;
/// Shortest lease, milliseconds: renewals at a third of it must survive a slow scheduler.
pub const LEASE_TTL_MS_MIN: u32 = 5_000;
/// Longest lease, milliseconds.
pub const LEASE_TTL_MS_MAX: u32 = 600_000;
/// Lease of an attached run, milliseconds.
pub const LEASE_TTL_MS_ATTACHED: u32 = 10_000;
/// A lease before the first renewal shows its certificate, milliseconds.
pub const HOLD_MS: u32 = 3_000;
/// Unactivated holds of one host at one witness.
pub const HOLDS_PER_HOST_MAX: usize = 4;
/// A host whose lapsed holds of one register reach this number waits before it may claim that register again.
pub const LAPSED_HOLDS_MAX: u8 = 2;
/// How long it waits, in lengths of the lease.
pub const BAR_TTLS: u64 = 10;
/// Hosts of one register whose lapses are remembered: each cost a hold, so 64 are three minutes of abuse.
pub const BARRED_HOSTS_MAX: usize = 64;
/// An unanswered request is sent again after this many milliseconds, five times within a hold.
pub const RETRY_MS: u64 = 500;
/// Clock rates lie within this of real time, per cent: a hundred times what a bad crystal does.
pub const CLOCK_RATE_ERROR_PERCENT: u64 = 1;
/// A holder stops this long before its lease ends by its own clock, milliseconds; a tenth of short leases.
pub const LEASE_MARGIN_MS_MAX: u64 = 2_000;
/// A spec's messages are refused this long after its `not_after_ms`, milliseconds: wall clocks err by hours.
pub const WALL_SLACK_MS: u64 = 24 * 60 * 60 * 1_000;
/// Registers that one witness keeps in memory; a standing witness will page them to disk.
pub const REGISTERS_MAX: usize = 65_536;
/// Bytes of one frame between the sandbox process and its parent.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Memory of a guest when the spec does not say: what 32-bit Wasm programs in use need, with room.
pub const MEMORY_BYTES_DEFAULT: u64 = 2 << 30;
/// Memory that a 32-bit guest can have at all.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// Scratch space and outputs together when the spec does not say, bytes.
pub const DISK_BYTES_DEFAULT: u64 = 4 << 30;
/// Files and folders that a guest may make.
pub const FILES_MAX: u64 = 100_000;
/// stdout and stderr together, bytes; beyond it the attempt ends.
pub const STDIO_BYTES_MAX: u64 = 16 << 30;
/// stdout and stderr that are kept for `mc logs`, bytes together; the middle of longer ones is dropped.
pub const LOG_BYTES_MAX: u64 = 16 << 20;
/// Days that outputs and logs are kept when the spec does not say.
pub const KEEP_DAYS_DEFAULT: u64 = 7;
/// Bytes of one message between two members: an offer with the largest spec (1 MiB) and every earlier failure (77 kB).
pub const NODE_MESSAGE_BYTES_MAX: usize = 5 << 18;
/// Bytes of what one side says before the other is known to be a member: two proofs of 2 KiB.
pub const HELLO_BYTES_MAX: usize = 4 << 10;
/// Bytes of one membership proof: a certificate and a delegation of 512 bytes, each with its envelope.
pub const MEMBER_PROOF_BYTES_MAX: usize = 2 << 10;
/// Characters of a ticket: what terminals, chats and QR codes (2,953 bytes) take in one piece.
pub const TICKET_CHARS_MAX: usize = 2 << 10;
/// Nodes that one ticket names as admitting.
pub const ADMITTERS_MAX: usize = 4;
/// Addresses in one ticket, host record or job ad: two families, two transports, local, public and relayed, with room.
pub const ADDRESSES_MAX: usize = 16;
/// Bytes of one address: a relayed one with two peer ids has 180.
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Bytes of a host's name: a DNS label has 63.
pub const HOST_NAME_BYTES_MAX: usize = 64;
/// Bytes of one line for a person: the detail of a refusal, the text of a progress bar, an engine's build id.
pub const LINE_BYTES_MAX: usize = 256;
/// Bytes of what a person is told about an attempt's end: a trap's backtrace, a validator's message.
pub const ENDING_BYTES_MAX: usize = 16 << 10;
/// Bytes of standard input or output in one message: a pipe's size on Linux.
pub const CHUNK_BYTES_MAX: usize = 64 << 10;
/// Reasons of one host against one offer; there are fewer kinds.
pub const DECLINE_REASONS_MAX: usize = 16;
/// Longest validity of a membership certificate from now, milliseconds: it is renewed by itself, long before.
pub const MEMBERSHIP_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Longest validity of a transport key from now, milliseconds: one process of `mc`, for a day.
pub const DELEGATION_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// What the wall clocks of two members may differ by, milliseconds: a wrong time zone, not a wrong date.
pub const CLOCK_SLACK_MS: u64 = 60 * 60 * 1_000;
/// Longest life of a host record, milliseconds.
pub const HOST_RECORD_LIFE_MS_MAX: u64 = 30 * 60 * 1_000;
/// Longest life of a job ad, milliseconds.
pub const JOB_AD_LIFE_MS_MAX: u64 = 10 * 60 * 1_000;
/// Parts of a pool's work index, so that no node keeps all of it.
pub const WORK_SHARDS: u8 = 16;

/// One row of the generated page.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The constant's name.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What is counted.
    pub unit: &'static str,
}

macro_rules! table {
    ($($name:ident $unit:literal,)*) => {
        /// All limits, in the order of this file.
        pub const TABLE: &[Row] = &[$(Row { name: stringify!($name), value: $name as u64, unit: $unit },)*];
    };
}

table! {
    NAME_BYTES_MAX "bytes", PATH_BYTES_MAX "bytes", PATH_DEPTH_MAX "names", MANIFEST_ENTRIES_MAX "entries",
    MANIFEST_BYTES_MAX "bytes", BLOCK_BYTES_MAX "bytes", PROGRAM_BYTES_MAX "bytes", ARGUMENT_BYTES_MAX "bytes",
    ARGUMENTS_MAX "arguments", PREOPENS_MAX "folders", WITNESSES_MAX "nodes", SHARDS_MAX "shards",
    REPLICAS_MAX "replicas", ALLOWED_HOSTS_MAX "nodes", REGEN_KEYS_MAX "keys", ATTEMPTS_MAX "records",
    EPOCH_JUMP_MAX "epochs", LEASE_TTL_MS_MIN "ms", LEASE_TTL_MS_MAX "ms", LEASE_TTL_MS_ATTACHED "ms",
    HOLD_MS "ms", HOLDS_PER_HOST_MAX "holds", LAPSED_HOLDS_MAX "holds", BAR_TTLS "leases",
    BARRED_HOSTS_MAX "hosts", RETRY_MS "ms", CLOCK_RATE_ERROR_PERCENT "per cent", LEASE_MARGIN_MS_MAX "ms",
    WALL_SLACK_MS "ms", REGISTERS_MAX "registers", FRAME_BYTES_MAX "bytes",
    MEMORY_BYTES_DEFAULT "bytes", MEMORY_BYTES_MAX "bytes", DISK_BYTES_DEFAULT "bytes", FILES_MAX "files",
    STDIO_BYTES_MAX "bytes", LOG_BYTES_MAX "bytes", KEEP_DAYS_DEFAULT "days",
    NODE_MESSAGE_BYTES_MAX "bytes", HELLO_BYTES_MAX "bytes", MEMBER_PROOF_BYTES_MAX "bytes",
    TICKET_CHARS_MAX "characters", ADMITTERS_MAX "nodes", ADDRESSES_MAX "addresses", ADDRESS_BYTES_MAX "bytes",
    HOST_NAME_BYTES_MAX "bytes", LINE_BYTES_MAX "bytes", ENDING_BYTES_MAX "bytes",
    CHUNK_BYTES_MAX "bytes", DECLINE_REASONS_MAX "reasons", MEMBERSHIP_MS_MAX "ms", DELEGATION_MS_MAX "ms",
    CLOCK_SLACK_MS "ms", HOST_RECORD_LIFE_MS_MAX "ms", JOB_AD_LIFE_MS_MAX "ms", WORK_SHARDS "shards",
}

const _: () = {
    assert!(LEASE_TTL_MS_MIN <= LEASE_TTL_MS_ATTACHED && LEASE_TTL_MS_ATTACHED <= LEASE_TTL_MS_MAX);
    assert!(
        HOLD_MS < LEASE_TTL_MS_MIN,
        "a hold must not outlive the shortest lease"
    );
    assert!(
        MANIFEST_BYTES_MAX >= MANIFEST_ENTRIES_MAX * 128,
        "a full manifest must fit"
    );
    assert!(MEMORY_BYTES_DEFAULT <= MEMORY_BYTES_MAX);
    assert!(PATH_BYTES_MAX >= NAME_BYTES_MAX);
    assert!(FRAME_BYTES_MAX > BLOCK_BYTES_MAX);
    assert!(CHUNK_BYTES_MAX < NODE_MESSAGE_BYTES_MAX);
    assert!(DELEGATION_MS_MAX < MEMBERSHIP_MS_MAX);
};
