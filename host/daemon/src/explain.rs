//! From the errors of the layers below to what a person reads: one code for each kind.

use mutual_node::donor::joining::JoinPoolError;
use mutual_node::donor::lock::LockError;
use mutual_node::donor::settings::SettingsError;
use mutual_node::pool::{CreatePoolError, FindPoolError, PoolFileError};
use mutual_protocol::codes::{self, Code};
use mutual_store::Fault;
use mutual_terminal::explain::{store, store_code};
use mutual_terminal::failure::Failure;
use std::error::Error;
use std::io;

/// An error that knows its code.
pub(crate) fn coded(code: &Code, error: &dyn Error) -> Failure {
    Failure::new(*code).caused_by(error)
}

/// The data folder cannot be used.
pub(crate) fn data_folder(error: &io::Error) -> Failure {
    Failure::new(store_code(Fault::of(error))).because(error.to_string())
}

pub(crate) fn lock(error: &LockError) -> Failure {
    match error {
        LockError::Taken { .. } => Failure::new(codes::HOST_RUNNING).caused_by(error),
        _ => store(error),
    }
}

pub(crate) fn settings(error: &SettingsError) -> Failure {
    match error {
        SettingsError::Damaged { .. } => Failure::new(codes::HOST_SETTINGS).caused_by(error),
        _ => store(error),
    }
}

pub(crate) fn find_pool(error: &FindPoolError) -> Failure {
    let failure = coded(error.code(), error);
    match error {
        FindPoolError::Ambiguous { .. } => {
            failure.next("`mc-host start --pool POOL` serves one of them")
        }
        _ => failure,
    }
}

pub(crate) fn pool_file(error: &PoolFileError) -> Failure {
    coded(error.code(), error)
}

pub(crate) fn create_pool(error: &CreatePoolError) -> Failure {
    coded(error.code(), error)
}

pub(crate) fn join(error: &JoinPoolError) -> Failure {
    coded(error.code(), error)
}
