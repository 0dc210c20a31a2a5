//! From what was typed to the bytes of a program: a .wasm or .wat file, a CID, or a folder that cargo builds first.

mod build;
mod cancel;

pub(crate) use cancel::Cancel;

use crate::failure::Failure;
use mutual_protocol::{codes, limits};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// A program as bytes.
#[derive(Debug)]
pub(crate) struct Program {
    /// Its own name: the base name without `.wasm` or `.wat`, which multi-call programs look at.
    pub(crate) name: String,
    /// The binary.
    pub(crate) bytes: Vec<u8>,
}

/// Whether cargo's messages may appear on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// As cargo does by itself.
    Normal,
    /// Errors only.
    Quiet,
}

/// Loads the program at `path`, building it when it is a folder; `cancel` ends the build.
pub(crate) fn load(path: &Path, talk: Talk, cancel: Option<&Cancel>) -> Result<Program, Failure> {
    let metadata = std::fs::metadata(path).map_err(|e| not_found(path, &e))?;
    if metadata.is_dir() {
        let built = build::build(path, talk, cancel)?;
        return read(&built);
    }
    if !metadata.is_file() {
        return Err(Failure::new(codes::PROGRAM_NOT_WASM)
            .because(format!("{} is not a file", path.display())));
    }
    read(path)
}

fn not_found(path: &Path, error: &std::io::Error) -> Failure {
    let failure =
        Failure::new(codes::PROGRAM_NOT_FOUND).because(format!("{}: {error}", path.display()));
    match error.kind() {
        std::io::ErrorKind::NotFound if is_name(path) => {
            failure.next("mc runs files and folders, not installed commands; `mc run ./FILE.wasm`")
        }
        std::io::ErrorKind::PermissionDenied => failure.exit(126),
        _ => failure,
    }
}

fn is_name(path: &Path) -> bool {
    path.components().count() == 1 && path.extension().is_none()
}

fn read(path: &Path) -> Result<Program, Failure> {
    let unreadable = |e: std::io::Error| not_found(path, &e).exit(126);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limits::PROGRAM_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::PROGRAM_BYTES_MAX {
        let most = bytesize::ByteSize(limits::PROGRAM_BYTES_MAX);
        return Err(Failure::new(codes::PROGRAM_TOO_LARGE)
            .because(format!("{} is over {most}", path.display())));
    }
    let name = path.file_stem().map_or_else(
        || "program".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(Program {
        name,
        bytes: to_binary(path, bytes)?,
    })
}

/// Text becomes binary; binaries stay as they are, and are told apart by their header later.
fn to_binary(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let is_text = path.extension().is_some_and(|extension| extension == "wat");
    if !is_text || bytes.starts_with(b"\0asm") {
        return Ok(bytes);
    }
    wat::parse_bytes(&bytes)
        .map(std::borrow::Cow::into_owned)
        .map_err(|mut e| {
            e.set_path(path);
            Failure::new(codes::PROGRAM_WAT).because(e.to_string())
        })
}
