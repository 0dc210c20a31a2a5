//! The command line: every command and flag that exists. What is not built yet is absent.

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand};
use mutual_terminal::format::parse_size;
pub(crate) use mutual_terminal::format::{DocumentArgs, Format, ListArgs};
use std::net::IpAddr;

/// Lend this machine to the members of a pool.
#[derive(Debug, Parser)]
#[command(
    name = "mc-host",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Start here:\n  mc-host start           make a pool, serve it, and print a ticket for another machine\n  mc-host start TICKET    join a pool and serve it\n  mc-host status          how it stands"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a pool: join it by a ticket first; with no pool, make one and print a ticket
    #[command(after_help = examples::START)]
    Start(StartArgs),
    /// End the host; what runs here goes on elsewhere
    #[command(after_help = examples::STOP)]
    Stop,
    /// Show how the host stands
    #[command(after_help = examples::STATUS)]
    Status(DocumentArgs),
    /// List the jobs of others that run here, and those whose results were refused
    #[command(after_help = examples::PS)]
    Ps(PsArgs),
    /// Say why this machine is, or is not, computing for others
    #[command(after_help = examples::WHY)]
    Why(DocumentArgs),
    /// Take nothing new, and give back what runs
    #[command(after_help = examples::PAUSE)]
    Pause,
    /// Take work again, after pause or drain
    #[command(after_help = examples::RESUME)]
    Resume,
    /// Finish what runs, and take nothing new
    #[command(after_help = examples::DRAIN)]
    Drain,
    /// End a job here; it goes on elsewhere
    #[command(after_help = examples::KILL)]
    Kill {
        /// The beginning of the job's id
        job: String,
    },
    /// Show or set what this machine gives
    #[command(after_help = examples::LIMITS)]
    Limits {
        #[command(subcommand)]
        command: LimitsCommand,
    },
    /// Leave a pool and forget it
    #[command(after_help = examples::LEAVE)]
    Leave(LeaveArgs),
    /// Remove everything that this account keeps: keys, memberships, content, cache
    #[command(after_help = examples::PURGE)]
    Purge {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Print this machine's identity in its pools
    #[command(after_help = examples::ID)]
    Id(DocumentArgs),
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

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// A ticket of the pool to join; from `mc-host start` or `mc pool invite` there
    pub(crate) ticket: Option<String>,
    /// Serve in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// What others see as this machine's name; kept
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The pool to serve, where there are several: its name or the beginning of its id; kept
    #[arg(long, value_name = "POOL", conflicts_with = "ticket")]
    pub(crate) pool: Option<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Take connections at this IP address of the machine only; may be repeated; kept
    #[arg(long, value_name = "ADDRESS", help_heading = "Network")]
    pub(crate) listen: Vec<IpAddr>,
    /// Port for TCP and QUIC; kept. Without it, a free one is chosen once
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Network")]
    pub(crate) port: Option<u16>,
    /// The background half of `start -d`.
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

/// What a machine gives.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Processor cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) cpus: Option<u16>,
    /// Memory of all jobs together, for example 4GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: Option<ByteSize>,
    /// Disk of all jobs together, for example 20GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) disk: Option<ByteSize>,
    /// Jobs at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) slots: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// Show what this machine gives
    Show(DocumentArgs),
    /// Set what this machine gives, from the next start on
    Set(LimitArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// All jobs that were here, too
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) format: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LeaveArgs {
    /// The pool: its name or the beginning of its id
    pub(crate) pool: String,
    /// Do not ask, even when this machine made the pool
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Examples at the end of each command's help; a test runs each of them.
pub(crate) mod examples {
    pub(crate) const START: &str = "Examples:
  mc-host start                         serve; the first time, make a pool and print a ticket
  mc-host start mct1…                   join a pool and serve it
  mc-host start -d --name lab-3         in the background
  mc-host start --cpus 2 --memory 4GiB  give this much, this time

Ctrl-C or TERM ends it within 5 s; what runs here goes on elsewhere";
    pub(crate) const STOP: &str = "Examples:\n  mc-host stop";
    pub(crate) const STATUS: &str = "Examples:\n  mc-host status\n  mc-host status -o json";
    pub(crate) const PS: &str = "Examples:\n  mc-host ps            jobs that run here\n  mc-host ps -a         all that were here, too\n  mc-host ps -o id      ids only";
    pub(crate) const WHY: &str = "Examples:\n  mc-host why";
    pub(crate) const PAUSE: &str = "Examples:\n  mc-host pause";
    pub(crate) const RESUME: &str = "Examples:\n  mc-host resume";
    pub(crate) const DRAIN: &str = "Examples:\n  mc-host drain";
    pub(crate) const KILL: &str = "Examples:\n  mc-host kill j-7k2m";
    pub(crate) const LIMITS: &str =
        "Examples:\n  mc-host limits show\n  mc-host limits set --cpus 2 --memory 4GiB";
    pub(crate) const LEAVE: &str = "Examples:\n  mc-host leave lab";
    pub(crate) const PURGE: &str = "Examples:\n  mc-host purge --yes";
    pub(crate) const ID: &str = "Examples:\n  mc-host id";
    pub(crate) const DOCTOR: &str = "Examples:\n  mc-host doctor";
    pub(crate) const COMPLETIONS: &str = "Examples:\n  mc-host completions bash > ~/.local/share/bash-completion/completions/mc-host";
    pub(crate) const VERSION: &str = "Examples:\n  mc-host version\n  mc-host version -o json";
}
