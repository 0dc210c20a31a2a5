//! `mc-host leave`: this machine is no member of a pool any more.

use crate::args::LeaveArgs;
use crate::explain;
use mutual_node::pool::Pools;
use mutual_terminal::failure::Failure;
use mutual_terminal::{account, output};

pub(crate) fn leave(args: &LeaveArgs) -> Result<u8, Failure> {
    let home = account::locate()?;
    super::refuse_beside_a_host(&home)?;
    let pools = Pools::open(&home);
    let pool = pools
        .get(Some(&args.pool))
        .map_err(|e| explain::find_pool(&e))?;
    if pool.is_founder() {
        let question = format!(
            "This machine made {}. Without it, nobody joins any more. Leave?",
            pool.id()
        );
        super::confirm(&question, args.yes)?;
    }
    pools.leave(pool.id()).map_err(|e| explain::pool_file(&e))?;
    output::say(&format!("left {}\n", pool.id()));
    Ok(0)
}
