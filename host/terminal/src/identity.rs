//! The account's key, for a command that needs it.

use crate::explain;
use crate::failure::Failure;
use mutual_node::identity::{self, IdentityError};
use mutual_protocol::{SigningKey, codes};
use std::path::Path;

/// Loads the account's key, or makes it at first use.
///
/// # Errors
/// When it is damaged, exposed, or cannot be made.
pub fn load(path: &Path) -> Result<SigningKey, Failure> {
    identity::load_or_create(path).map_err(|e| explain_error(&e))
}

/// What is wrong with the file of the key.
pub fn explain_error(error: &IdentityError) -> Failure {
    match error {
        IdentityError::Io { .. } => explain::store(error),
        _ => Failure::new(codes::IDENTITY_DAMAGED).caused_by(error),
    }
}
