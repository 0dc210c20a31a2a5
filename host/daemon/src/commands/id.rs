//! `mc-host id`: who this machine is in its pools.

use crate::args::DocumentArgs;
use crate::explain;
use mutual_node::pool::Pools;
use mutual_protocol::NodeId;
use mutual_terminal::failure::Failure;
use mutual_terminal::{account, identity, output};
use serde_json::json;

pub(crate) fn id(format: DocumentArgs) -> Result<u8, Failure> {
    let home = account::locate()?;
    let key = identity::load(&home.identity_file())?.public();
    let host = NodeId::from(key).to_string();
    if format.is_json() {
        let list = Pools::open(&home)
            .list()
            .map_err(|e| explain::pool_file(&e))?;
        let pools: Vec<_> = list
            .pools
            .iter()
            .map(|pool| pool.id().to_string())
            .collect();
        let file = home.identity_file().display().to_string();
        output::json(
            &json!({"schema": "mc.v1/host-identity", "host": host, "pools": pools, "file": file}),
        )?;
    } else {
        output::line(&host)?;
    }
    Ok(0)
}
