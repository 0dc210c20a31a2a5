//! `mc id`: who signs what this account runs.

use crate::args::DocumentArgs;
use crate::failure::Failure;
use crate::{account, output};
use mutual_node::identity::{self, IdentityError};
use mutual_protocol::{NodeId, OwnerId, SigningKey, codes};
use serde_json::json;
use std::path::Path;

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

/// Loads the account's key, or makes it at first use.
pub(crate) fn load(path: &Path) -> Result<SigningKey, Failure> {
    identity::load_or_create(path).map_err(|e| match &e {
        IdentityError::Io { .. } => crate::explain::store(&e),
        _ => Failure::new(codes::IDENTITY_DAMAGED).caused_by(&e),
    })
}
