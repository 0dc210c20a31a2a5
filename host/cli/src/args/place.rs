//! Where programs run, and the pools to choose from.

use super::ListArgs;
use clap::{Args, Subcommand};
use mutual_terminal::format::parse_time;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "Placement")]
pub(crate) struct PlaceArgs {
    /// Run on this machine, also in a pool
    #[arg(long, conflicts_with_all = ["host", "pool", "or_local"])]
    pub(crate) local: bool,
    /// Run on this host of the pool; may be given more than once
    #[arg(long, value_name = "NODE")]
    pub(crate) host: Vec<String>,
    /// The pool, by name or the beginning of its id, where this account is in several
    #[arg(long, value_name = "POOL")]
    pub(crate) pool: Option<String>,
    /// How long a free host is waited for
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "30s")]
    pub(crate) wait_for: Duration,
    /// Run on this machine when no host takes the job
    #[arg(long)]
    pub(crate) or_local: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Make a pool, without serving it
    New {
        /// What you call it
        name: String,
    },
    /// Become a member by a ticket that `mc-host start` or `mc pool invite` printed there
    Join {
        /// The ticket; it begins with mct1
        ticket: String,
        /// What the others call this machine; its host name if not given
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Print a ticket for another machine; the host of this account redeems it
    Invite {
        /// The pool, by name or the beginning of its id
        pool: Option<String>,
        /// How many machines may use it
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: u16,
        /// How long it holds
        #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "1h")]
        life: Duration,
    },
    /// List the pools of this account
    Ls(ListArgs),
    /// Forget a pool; of a pool made here, its key as well
    Leave {
        /// The pool, by name or the beginning of its id
        pool: String,
        /// Do not ask, even if nobody can admit members to it any more
        #[arg(short, long)]
        yes: bool,
    },
}
