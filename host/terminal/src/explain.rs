//! From the store's errors to what a person reads: one code for each kind.

use crate::failure::Failure;
use mutual_node::proofs::ProofError;
use mutual_protocol::codes::{self, Code};
use mutual_store::{DirectoryTreeError, Fault, FileError, GetError, OpenStoreError};
use std::error::Error;
use std::io;

/// The code for a fault of the store's files.
pub fn store_code(fault: Fault) -> Code {
    match fault {
        Fault::DiskFull => codes::STORE_FULL,
        Fault::ReadOnly | Fault::Denied => codes::STORE_READ_ONLY,
        _ => codes::STORE_IO,
    }
}

/// A file of the store could not be used.
pub fn file(error: &FileError) -> Failure {
    Failure::new(store_code(error.fault())).caused_by(error)
}

/// An error around a file of the store: the fault is somewhere among its causes.
pub fn store(error: &(dyn Error + 'static)) -> Failure {
    Failure::new(code_of(error)).caused_by(error)
}

/// Looks through the causes for one that has a code of its own.
fn code_of(error: &(dyn Error + 'static)) -> Code {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = own_code(error) {
            return code;
        }
        next = error.source();
    }
    codes::STORE_IO
}

/// An error that is transparent to one below it does not tell that one as its cause, so it is looked into here.
fn own_code(error: &(dyn Error + 'static)) -> Option<Code> {
    if let Some(e) = error.downcast_ref::<FileError>() {
        return Some(store_code(e.fault()));
    }
    if let Some(e) = error.downcast_ref::<GetError>() {
        return Some(get_code(e));
    }
    if let Some(e) = error.downcast_ref::<DirectoryTreeError>() {
        return Some(match e {
            DirectoryTreeError::Get(e) => get_code(e),
            _ => codes::STORE_DAMAGED,
        });
    }
    if let Some(e) = error.downcast_ref::<ProofError>() {
        return Some(match e {
            ProofError::Get(e) => get_code(e),
            _ => codes::STORE_DAMAGED,
        });
    }
    let e = error.downcast_ref::<io::Error>()?;
    Some(store_code(Fault::of(e)))
}

/// The code for content that cannot be had from the store.
pub fn get_code(error: &GetError) -> Code {
    match error {
        GetError::Missing { .. } => codes::CONTENT_NOT_FOUND,
        GetError::Damaged { .. } => codes::STORE_DAMAGED,
        GetError::File(e) => store_code(e.fault()),
        _ => codes::STORE_IO,
    }
}

/// The store could not be opened.
pub fn open_store(error: &OpenStoreError) -> Failure {
    let code = match error {
        OpenStoreError::File(e) => store_code(e.fault()),
        _ => codes::STORE_FOREIGN,
    };
    Failure::new(code).caused_by(error)
}
