//! `mc id`: who signs what this account runs.

use crate::args::DocumentArgs;
use crate::failure::Failure;
use crate::{account, output};
use mutual_protocol::{NodeId, OwnerId};
pub(crate) use mutual_terminal::identity::load;
use serde_json::json;

pub(crate) fn id(format: DocumentArgs) -> Result<u8, Failure> {
    let home = account::locate()?;
    let key = load(&home.identity_file())?.public();
    let (owner, node) = (
        OwnerId::from(key).to_string(),
        NodeId::from(key).to_string(),
    );
    if format.is_json() {
        let path = home.identity_file().display().to_string();
        output::json(
            &json!({"schema": "mc.v1/identity", "owner": owner, "node": node, "file": path}),
        )?;
    } else {
        output::line(&owner)?;
    }
    Ok(0)
}
