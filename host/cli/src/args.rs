//! The command line: every command and flag that exists. What is not built yet is absent.

mod place;

pub(crate) use place::{PlaceArgs, PoolCommand};

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};
pub(crate) use mutual_terminal::format::{DocumentArgs, Format, ListArgs};
use mutual_terminal::format::{parse_size, parse_time};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Run WebAssembly programs in a sandbox.
#[derive(Debug, Parser)]
#[command(
    name = "mc",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Start here:\n  mc run hello.wasm               run a program\n  mc new hello && mc run hello    make one and run it\n  mc doctor                       look whether everything is in place"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program: a .wasm or .wat file, or a folder with a Cargo package
    #[command(after_help = examples::RUN)]
    Run(Box<RunArgs>),
    /// List runs
    #[command(after_help = examples::PS)]
    Ps(PsArgs),
    /// Print what a run wrote to stdout and stderr
    #[command(after_help = examples::LOGS)]
    Logs(LogsArgs),
    /// Wait until a run ends, and end with its exit code
    #[command(after_help = examples::WAIT)]
    Wait(JobArgs),
    /// Stop a run
    #[command(after_help = examples::STOP)]
    Stop(StopArgs),
    /// Show everything about a run: spec, lease, result certificate, receipt
    #[command(after_help = examples::INSPECT)]
    Inspect(InspectArgs),
    /// Fetch the outputs of a run, or content by its CID
    #[command(after_help = examples::GET)]
    Get(GetArgs),
    /// Put files or folders into the store and print their CIDs
    #[command(after_help = examples::ADD)]
    Add(AddArgs),
    /// Write content from the store to stdout
    #[command(after_help = examples::CAT)]
    Cat(CatArgs),
    /// Remove ended runs, and content that nothing refers to
    #[command(after_help = examples::GC)]
    Gc(GcArgs),
    /// Make a new program package
    #[command(after_help = examples::NEW)]
    New(NewArgs),
    /// Tell what a program is, and whether it can run
    #[command(after_help = examples::CHECK)]
    Check(CheckArgs),
    /// Print this account's identity
    #[command(after_help = examples::ID)]
    Id(DocumentArgs),
    /// Make, join and leave pools: machines that run programs for each other
    #[command(subcommand, after_help = examples::POOL)]
    Pool(PoolCommand),
    /// Look whether everything is in place
    #[command(after_help = examples::DOCTOR)]
    Doctor(DocumentArgs),
    /// Print completions for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    #[command(after_help = examples::VERSION)]
    Version(DocumentArgs),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// Drawn when stderr is a terminal, else nothing
    #[default]
    Auto,
    /// A line for each change
    Plain,
    /// A line of JSON for each change
    Json,
    /// Nothing
    None,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The program, then its own arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["PROGRAM", "ARGS"])]
    pub(crate) program: Vec<OsString>,

    #[command(flatten)]
    pub(crate) files: FileArgs,

    /// Environment variable for the program; without a value: taken from here
    #[arg(short, long, value_name = "NAME[=VALUE]", help_heading = "Program")]
    pub(crate) env: Vec<String>,
    /// What the program sees as its own name
    #[arg(long, value_name = "NAME", help_heading = "Program")]
    pub(crate) argv0: Option<String>,

    /// Most memory, for example 512MiB
    #[arg(short, long, value_name = "BYTES", value_parser = parse_size, help_heading = "Limits")]
    pub(crate) memory: Option<ByteSize>,
    /// Most scratch space and outputs together, for example 10GiB
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Limits")]
    pub(crate) disk: Option<ByteSize>,
    /// Longest run, for example 90s or 2h
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Limits")]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) place: PlaceArgs,

    /// Run in the background of this account and print the run's id
    #[arg(short, long, help_heading = "Running")]
    pub(crate) detach: bool,
    /// A name to find the run by: @NAME
    #[arg(long, value_name = "NAME", help_heading = "Running")]
    pub(crate) name: Option<String>,
    /// How long outputs and logs are kept, for example 30d
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Running")]
    pub(crate) keep: Option<Duration>,
    /// Show what would run, and run nothing
    #[arg(long, conflicts_with = "detach", help_heading = "Running")]
    pub(crate) dry_run: bool,
    /// How progress is shown on stderr
    #[arg(
        long,
        value_name = "MODE",
        default_value = "auto",
        help_heading = "Running"
    )]
    pub(crate) progress: ProgressMode,
    #[command(flatten, next_help_heading = "Running")]
    pub(crate) format: DocumentArgs,

    /// The background half of `run -d`.
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct FileArgs {
    /// File or folder that the program gets, as /NAME or at the path after the colon
    #[arg(
        short,
        long = "input",
        value_name = "SRC[:GUEST]",
        allow_hyphen_values = true
    )]
    pub(crate) inputs: Vec<OsString>,
    /// Path that comes back when the program has ended, to the same name here or to PATH
    #[arg(short = 'O', long = "out", value_name = "GUEST[:PATH]")]
    pub(crate) outs: Vec<OsString>,
    /// Where the files go that the program writes below /out
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Folder that the program may change: what it changed comes back, unless `:ro`
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]")]
    pub(crate) dirs: Vec<OsString>,
    /// File that becomes standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) stdin: Option<PathBuf>,
    /// Take input folders of any size without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// Ended runs too
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) format: ListArgs,
}

/// A run: the beginning of its id, `last`, or `@NAME`.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The beginning of a run's id, `last`, or @NAME
    pub(crate) job: String,
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The beginning of a run's id, `last`, or @NAME
    pub(crate) job: String,
    /// Do not wait for the program's last output
    #[arg(long)]
    pub(crate) now: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The beginning of a run's id, `last`, or @NAME
    pub(crate) job: String,
    /// Go on until the run ends
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The beginning of a run's id, `last`, or @NAME
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) format: DocumentArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// A run (beginning of its id, `last`, @NAME) or a CID
    pub(crate) what: String,
    /// Where it goes; a new folder named after the run if not given
    pub(crate) target: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Files and folders
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Hidden files too
    #[arg(long)]
    pub(crate) hidden: bool,
    #[command(flatten)]
    pub(crate) format: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The content
    pub(crate) cid: String,
}

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Ended runs older than this go, whatever they were meant to be kept
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) older_than: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Name of the package and its folder
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A .wasm or .wat file, or a folder with a Cargo package
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) format: DocumentArgs,
}

/// Examples at the end of each command's help; a test runs each of them.
pub(crate) mod examples {
    pub(crate) const RUN: &str = "Examples:
  mc run hello.wasm                            run a program
  mc run rg.wasm -c ERROR                      flags after the program are the program's
  cat notes.txt | mc run count.wasm            standard input, output, exit code pass through
  mc run -i notes.txt count.wasm /notes.txt    give it a file
  mc run --dir . rg.wasm fn .                  give it this folder; what it changes comes back
  mc run -O /result.csv sum.wasm               bring a file back
  mc run --out-dir thumbs -i photos thumbnails.wasm /photos
  mc run --timeout 90s --memory 512MiB sim.wasm
  mc run examples/primes 100000                build a Cargo package, then run it
  mc run -d long.wasm                          in the background; then: mc logs -f last

Exit codes: the program's own; 124 time limit, 125 failure on our side, 126 cannot run,
127 not found, 130 interrupted, 134 trap, 137 memory, disk or output limit, 143 stopped";
    pub(crate) const PS: &str = "Examples:\n  mc ps            runs that are going on\n  mc ps -a         ended ones too\n  mc ps -a -o id   ids only, newest first";
    pub(crate) const LOGS: &str =
        "Examples:\n  mc logs last\n  mc logs -f j-7k2m   until the run ends; Ctrl-C only leaves";
    pub(crate) const WAIT: &str = "Examples:\n  mc wait last";
    pub(crate) const STOP: &str = "Examples:\n  mc stop last\n  mc stop --now @sim";
    pub(crate) const INSPECT: &str = "Examples:\n  mc inspect last\n  mc inspect last -o json";
    pub(crate) const GET: &str = "Examples:\n  mc get last results        outputs of the newest run into the folder results\n  mc get bafkrei… file.bin   content by its CID";
    pub(crate) const ADD: &str = "Examples:\n  mc add data.csv\n  mc add -o id photos";
    pub(crate) const CAT: &str = "Examples:\n  mc cat bafkrei… > data.csv";
    pub(crate) const GC: &str = "Examples:\n  mc gc                   what is past its time\n  mc gc --older-than 1h   all runs that ended over an hour ago";
    pub(crate) const NEW: &str = "Examples:\n  mc new hello\n  mc run hello";
    pub(crate) const CHECK: &str =
        "Examples:\n  mc check hello.wasm\n  mc check hello.wasm -o json";
    pub(crate) const ID: &str = "Examples:\n  mc id";
    pub(crate) const POOL: &str = "Examples:\n  mc pool join TICKET             become a member\n  mc pool ls                      list the pools of this account\n  mc pool invite                  print a ticket for another machine";
    pub(crate) const DOCTOR: &str = "Examples:\n  mc doctor";
    pub(crate) const COMPLETIONS: &str =
        "Examples:\n  mc completions bash > ~/.local/share/bash-completion/completions/mc";
    pub(crate) const VERSION: &str = "Examples:\n  mc version\n  mc version -o json";
}
