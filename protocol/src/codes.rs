//! Every error code that a person, a guest or a peer can meet, with its meaning and the next step.
//!
//! `docs/generated/errors.md` is printed from [`TABLE`]; a code never changes its meaning.

/// A stable error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// `mc::area::what`.
    pub code: &'static str,
    /// One fixed sentence, lower case, without a full stop.
    pub meaning: &'static str,
    /// What to do next.
    pub next: &'static str,
    /// Exit code of the command that ends with it.
    pub exit: u8,
}

impl Code {
    /// Finds a code by its text.
    pub fn find(code: &str) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.code == code)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $exit:literal, $meaning:literal, $next:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $meaning, ".")]
            pub const $name: Code = Code { code: $code, meaning: $meaning, next: $next, exit: $exit };
        )*
        /// All codes.
        pub const TABLE: &[Code] = &[$($name,)*];
    };
}

codes! {
    PROGRAM_NOT_FOUND = "mc::program::not-found", 127, "there is no program under this name", "check the path; `mc run FOLDER` builds a Cargo package, `mc run FILE.wasm` runs a program";
    PROGRAM_NOT_WASM = "mc::program::not-wasm", 126, "the file is not a WebAssembly program", "build for wasm32-wasip2, or give a .wasm or .wat file; `mc check FILE` shows what a file is";
    PROGRAM_MALFORMED = "mc::program::malformed", 126, "the program is truncated or malformed", "build or copy it again; `mc check FILE` names the place";
    PROGRAM_FEATURE = "mc::program::feature", 126, "the program uses a WebAssembly feature that is not offered", "build it without that feature; docs/guest.md lists what is offered";
    PROGRAM_IMPORT = "mc::program::import", 126, "the program imports something that no host offers", "build it for wasm32-wasip2 or wasm32-wasip1; `mc check FILE` lists all imports";
    PROGRAM_NO_ENTRY = "mc::program::no-entry", 126, "the program has no entry point", "a component exports `wasi:cli/run`, a module exports `_start`: build a program, not a library";
    PROGRAM_TOO_LARGE = "mc::program::too-large", 126, "the program is larger than allowed", "strip debug information (`strip = true` in the release profile)";
    PROGRAM_COMPILE = "mc::program::compile", 126, "the program could not be compiled within its limits", "split very large functions, or report the program";
    PROGRAM_WAT = "mc::program::wat", 126, "the text is not valid WebAssembly text", "correct the place that is named";
    BUILD_NO_CARGO = "mc::build::no-cargo", 126, "cargo is not installed, so the folder cannot be built", "install Rust from rustup.rs, or run a ready program: `mc run examples/hello.wat`";
    BUILD_NO_TARGET = "mc::build::no-target", 126, "the Rust target for WebAssembly programs is not installed", "rustup target add wasm32-wasip2";
    BUILD_FAILED = "mc::build::failed", 126, "cargo could not build the package", "correct the errors that cargo printed above";
    BUILD_NO_PACKAGE = "mc::build::no-package", 126, "the folder holds no Cargo package with a program", "give a folder with a Cargo.toml and a src/main.rs; `mc new NAME` makes one";
    INPUT_NOT_FOUND = "mc::input::not-found", 125, "an input does not exist", "check the path";
    INPUT_UNREADABLE = "mc::input::unreadable", 125, "an input cannot be read", "check its permissions";
    INPUT_KIND = "mc::input::kind", 125, "an input is neither a file nor a folder", "give a regular file or a folder";
    INPUT_NOT_A_FILE = "mc::input::not-a-file", 125, "a folder was given where a file is meant", "give a file";
    INPUT_NOT_A_FOLDER = "mc::input::not-a-folder", 125, "a file was given where a folder is meant", "give a folder; a single file goes in with -i";
    INPUT_CHANGED = "mc::input::changed", 125, "an input changed while it was read", "run again when nothing writes to it";
    INPUT_LINK = "mc::input::link", 125, "a symbolic link leads out of the input folder", "replace the link by a copy, or give its target as an input of its own";
    INPUT_NAME = "mc::input::name", 125, "an input's name is not valid UTF-8 or holds a control character", "rename it";
    INPUT_TOO_MUCH = "mc::input::too-much", 125, "the input folder is larger than what is taken without asking", "add --yes, or list what to leave out in .mcignore";
    PATH_INVALID = "mc::path::invalid", 2, "a guest path is not valid", "give a path like /data/file.txt, without `..`";
    PATH_TWICE = "mc::path::twice", 2, "two inputs have the same guest path", "give one of them another path: -i SRC:/other";
    ARGUMENT_INVALID = "mc::argument::invalid", 2, "an argument or environment variable is not valid", "use UTF-8 text without NUL";
    ARGUMENT_USAGE = "mc::argument::usage", 2, "the command line is not understood", "`mc COMMAND --help` shows examples";
    RUN_TIME_LIMIT = "mc::run::time-limit", 124, "the program ran longer than its time limit", "raise it with --timeout";
    RUN_TRAP = "mc::run::trap", 134, "the program trapped", "this is a bug of the program; the trap and the place are named above";
    RUN_MEMORY_LIMIT = "mc::run::memory-limit", 137, "the program was refused memory and gave up", "raise the limit with --memory";
    RUN_DISK_LIMIT = "mc::run::disk-limit", 137, "the program wrote more than its disk limit", "raise it with --disk";
    RUN_OUTPUT_LIMIT = "mc::run::output-limit", 137, "the program printed more than its limit", "write to a file instead";
    RUN_OUT_OF_FUEL = "mc::run::out-of-fuel", 137, "the program used up its fuel", "let the program do less at once";
    RUN_STOPPED = "mc::run::stopped", 143, "the run was stopped", "start it again with `mc run`";
    RUN_INTERRUPTED = "mc::run::interrupted", 130, "the run was interrupted", "start it again with `mc run`; with -d it survives this terminal";
    RUN_SANDBOX = "mc::run::sandbox", 125, "the sandbox process died or broke its protocol", "run again; if it repeats, report it with the output of `mc doctor`";
    RUN_REFUSED = "mc::run::refused", 125, "the job was refused", "see the reason above";
    RUN_ENDED = "mc::run::ended", 1, "the run has ended", "`mc inspect JOB` shows how";
    RUN_UNREACHABLE = "mc::run::unreachable", 1, "the run does not answer", "its process may be stopped or overloaded; look at it with `mc ps`";
    RUN_NO_OUTPUT = "mc::run::no-output", 5, "the run has no such output", "`mc inspect JOB` lists its outputs";
    JOB_NOT_FOUND = "mc::job::not-found", 5, "no run matches this id", "`mc ps -a` lists all runs";
    JOB_AMBIGUOUS = "mc::job::ambiguous", 5, "several runs match this id", "type more characters of it";
    CONTENT_NOT_FOUND = "mc::content::not-found", 5, "the content is not in the store", "add it with `mc add`";
    CONTENT_CID = "mc::content::cid", 2, "not a content identifier that is supported", "CIDs of raw, dag-pb and dag-cbor content with sha2-256 or blake3 are";
    OUTPUT_PLACE = "mc::output::place", 125, "an output could not be written", "check the folder; the outputs are kept: `mc get JOB`";
    OUTPUT_LIMITS = "mc::output::limits", 137, "the outputs pass a limit of number, name length or depth", "write fewer or larger files";
    STORE_FULL = "mc::store::full", 125, "the disk is full", "free some space; `mc gc` removes what old runs left";
    STORE_READ_ONLY = "mc::store::read-only", 125, "the data folder cannot be written", "make it writable, or set MC_HOME to another folder";
    STORE_DAMAGED = "mc::store::damaged", 125, "stored content is damaged", "the damaged part was removed; add it or run again to make it anew";
    STORE_FOREIGN = "mc::store::foreign", 125, "the data folder is not one that this version understands", "move it away, or set MC_HOME to another folder";
    STORE_IO = "mc::store::io", 125, "the data folder could not be used", "see the cause above";
    TICKET_INVALID = "mc::ticket::invalid", 2, "the text is not a ticket, or was garbled on its way", "copy the whole ticket again; it begins with mct1";
    TICKET_VERSION = "mc::ticket::version", 125, "the ticket was made by a newer version", "install the version that made it, here or there the same";
    TICKET_UNKNOWN = "mc::ticket::unknown", 125, "the pool does not know this ticket", "ask for a new one: `mc pool invite`";
    TICKET_USED = "mc::ticket::used", 125, "the ticket has been used up", "ask for a new one: `mc pool invite`";
    TICKET_EXPIRED = "mc::ticket::expired", 125, "the ticket has expired", "ask for a new one: `mc pool invite`";
    POOL_OTHER = "mc::pool::other", 125, "the other side belongs to another pool", "`mc pool ls` lists the pools of this machine";
    POOL_NOT_FOUND = "mc::pool::not-found", 5, "it is not clear which pool of this machine is meant", "`mc pool ls` lists them; `mc run --pool POOL` names one, `--local` none";
    POOL_NOT_ADMITTING = "mc::pool::not-admitting", 125, "the node does not admit members", "ask for a ticket of the node that made the pool: `mc pool invite` there";
    POOL_VERSION = "mc::pool::version", 125, "the other side speaks another version of the protocol", "install the same version on both sides; `mc --version` shows it";
    POOL_FULL = "mc::pool::full", 125, "the node has no room for another connection", "try again later, or by another node of the pool";
    POOL_CLOCK = "mc::pool::clock", 125, "the clocks of the two machines are too far apart", "set the clock of the one that is wrong";
    POOL_PROOF = "mc::pool::proof", 125, "the proof of membership is not valid", "join again with a new ticket: `mc pool join TICKET`";
    POOL_REVOKED = "mc::pool::revoked", 125, "the membership was taken back", "ask whoever runs the pool";
    POOL_UNREACHABLE = "mc::pool::unreachable", 9, "nobody of the pool answers", "see that `mc-host` runs there, and that no firewall is in between";
    RUN_DIVERGED = "mc::run::diverged", 125, "a second attempt wrote something else than was shown", "`mc logs JOB` has the whole output of the attempt that counts";
    RUN_NO_HOST = "mc::run::no-host", 125, "no host of the pool takes the job", "`mc run --local` runs it on this machine";
    HOST_RUNNING = "mc::host::running", 1, "a host of this account is running already", "`mc-host status` shows it, `mc-host stop` ends it";
    HOST_NOT_RUNNING = "mc::host::not-running", 5, "no host of this account is running", "start one: `mc-host start`";
    HOST_UNREACHABLE = "mc::host::unreachable", 1, "the host does not answer", "its process may be stopped or overloaded; `mc-host stop` tries once more";
    HOST_JOB = "mc::host::job", 5, "no job of this host matches this id", "`mc-host ps` lists them";
    HOST_PORT = "mc::host::port", 9, "the host's port is taken", "end the program that has it, or take another port: `mc-host start --port PORT`";
    HOST_LISTEN = "mc::host::listen", 9, "the host cannot take connections at this address", "give an address of this machine: `mc-host start --listen ADDRESS`";
    HOST_SETTINGS = "mc::host::settings", 125, "the host's settings are damaged or of a newer version", "correct the file, or remove it: defaults are used then";
    HOST_NETWORK = "mc::host::network", 9, "the host's network has ended", "look at the machine's network, then `mc-host start`";
    CLOCK_WRONG = "mc::clock::wrong", 125, "this machine's clock is before the year 2020", "set the clock";
    IDENTITY_DAMAGED = "mc::identity::damaged", 125, "the identity file is damaged or readable by others", "restore it or move it away; a new one is made then";
    NEW_EXISTS = "mc::new::exists", 1, "the folder exists already", "choose another name";
    NEW_NAME = "mc::new::name", 2, "the name cannot be a package's name", "use letters, digits, - and _, starting with a letter";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        for (i, row) in TABLE.iter().enumerate() {
            let parts: Vec<_> = row.code.split("::").collect();
            assert!(parts.len() == 3 && parts[0] == "mc", "{}", row.code);
            assert!(
                row.code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b":-".contains(&b)),
                "{}",
                row.code
            );
            assert!(
                !row.meaning.ends_with('.') && row.meaning.starts_with(|c: char| !c.is_uppercase())
            );
            assert!(
                TABLE.iter().skip(i + 1).all(|other| other.code != row.code),
                "{} twice",
                row.code
            );
            assert_eq!(Code::find(row.code), Some(row));
        }
    }
}
