//! From the errors of the layers below to what a person reads: one code for each kind.

use crate::failure::Failure;
use mutual_node::attached::RunError;
use mutual_node::prepare::PrepareError;
use mutual_node::proofs::ProofError;
use mutual_protocol::codes::{self, Code};
use mutual_store::{
    DirectoryTreeError, ExportError, Fault, FileError, GetError, ImportError, ImportTreeError,
    OpenStoreError, PlaceError,
};
use std::error::Error;
use std::io;

/// The code for a fault of the store's files.
fn store_code(fault: Fault) -> Code {
    match fault {
        Fault::DiskFull => codes::STORE_FULL,
        Fault::ReadOnly | Fault::Denied => codes::STORE_READ_ONLY,
        _ => codes::STORE_IO,
    }
}

/// A file of the store could not be used.
pub(crate) fn file(error: &FileError) -> Failure {
    Failure::new(store_code(error.fault())).caused_by(error)
}

/// An error around a file of the store: the fault is somewhere among its causes.
pub(crate) fn store(error: &(dyn Error + 'static)) -> Failure {
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

fn get_code(error: &GetError) -> Code {
    match error {
        GetError::Missing { .. } => codes::CONTENT_NOT_FOUND,
        GetError::Damaged { .. } => codes::STORE_DAMAGED,
        GetError::File(e) => store_code(e.fault()),
        _ => codes::STORE_IO,
    }
}

/// The store could not be opened.
pub(crate) fn open_store(error: &OpenStoreError) -> Failure {
    let code = match error {
        OpenStoreError::File(e) => store_code(e.fault()),
        _ => codes::STORE_FOREIGN,
    };
    Failure::new(code).caused_by(error)
}

/// Content could not be read.
pub(crate) fn export(error: &ExportError) -> Failure {
    match error {
        ExportError::Get(e) => Failure::new(get_code(e)).caused_by(error),
        ExportError::Write(_) => Failure::new(codes::OUTPUT_PLACE).caused_by(error),
        _ => Failure::new(codes::STORE_DAMAGED).caused_by(error),
    }
}

/// A file could not be placed: either its content is not here, or the target does not take it.
pub(crate) fn place(error: &PlaceError) -> Failure {
    match error {
        PlaceError::Content(e) => export(e),
        _ => Failure::new(codes::OUTPUT_PLACE).caused_by(error),
    }
}

/// An input file was not taken.
pub(crate) fn import(error: &ImportError) -> Failure {
    let code = match error {
        ImportError::NotAFile { .. } => codes::INPUT_KIND,
        ImportError::Changed { .. } => codes::INPUT_CHANGED,
        ImportError::TooLarge { .. } => codes::INPUT_TOO_MUCH,
        ImportError::Read(e) => input_code(&e.source),
        ImportError::Write(e) => store_code(e.fault()),
        _ => codes::INPUT_UNREADABLE,
    };
    Failure::new(code).caused_by(error)
}

/// The code for an input that the operating system refused.
pub(crate) fn input_code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => codes::INPUT_NOT_FOUND,
        _ => codes::INPUT_UNREADABLE,
    }
}

/// An input folder was not taken.
pub(crate) fn import_tree(error: &ImportTreeError) -> Failure {
    let code = match error {
        ImportTreeError::File(e) => return import(e),
        ImportTreeError::Read(e) => input_code(&e.source),
        ImportTreeError::NotAFolder { .. } => codes::INPUT_NOT_A_FOLDER,
        ImportTreeError::NotUtf8 { .. } | ImportTreeError::Path { .. } => codes::INPUT_NAME,
        ImportTreeError::LinkOut { .. }
        | ImportTreeError::LinkDangling { .. }
        | ImportTreeError::LinkCircle { .. } => codes::INPUT_LINK,
        ImportTreeError::TooMany { .. } | ImportTreeError::TooLarge { .. } => codes::INPUT_TOO_MUCH,
        _ => codes::INPUT_UNREADABLE,
    };
    Failure::new(code).caused_by(error)
}

/// A job could not be prepared.
pub(crate) fn prepare(error: &PrepareError) -> Failure {
    use mutual_protocol::manifest::ManifestError;
    let code = match error {
        PrepareError::File(e) => return import(e),
        PrepareError::Tree(e) => return import_tree(e),
        // To a run, content is an input like any other.
        PrepareError::Content { source, .. } => return export(source).exit(125),
        PrepareError::Folder { source, .. } => return store(source).exit(125),
        PrepareError::Store(e) => return file(e),
        PrepareError::Clock { .. } => codes::CLOCK_WRONG,
        PrepareError::Look { source, .. } => input_code(source),
        PrepareError::Path(_) => codes::INPUT_NAME,
        PrepareError::Manifest(ManifestError::Twice { .. } | ManifestError::ThroughFile { .. }) => {
            codes::PATH_TWICE
        }
        PrepareError::Manifest(_) => codes::INPUT_TOO_MUCH,
        PrepareError::Spec(_) => {
            return Failure::new(codes::ARGUMENT_INVALID)
                .caused_by(error)
                .next("give what is long as a file: -i FILE");
        }
        _ => codes::STORE_IO,
    };
    Failure::new(code).caused_by(error)
}

/// A run could not be made or kept on record.
pub(crate) fn run(error: &RunError) -> Failure {
    match error {
        RunError::Record(e) | RunError::Proofs(e) | RunError::Log(e) => {
            Failure::new(store_code(e.fault())).caused_by(error)
        }
        _ => Failure::new(codes::RUN_REFUSED).caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No test can set the machine's clock, so the two halves meet here: `prepare` refuses, this tells.
    #[test]
    fn a_clock_before_2020_is_told() {
        let failure = prepare(&PrepareError::Clock { wall_ms: 42 });
        assert_eq!(
            (failure.code(), failure.exit_code()),
            ("mc::clock::wrong", 125)
        );
        assert!(
            failure
                .human()
                .contains("42 ms since 1970\n  help:  set the clock"),
            "{failure:?}"
        );
    }
}
