//! Stubs of the sandbox: a shell script for its process, a cache file for its code.

use mutual_runner::{BuildId, CompileCache, CompiledProgram, ProgramKey};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An executable script: descriptor 0 is its end of the socket, and USR1 is how the parent asks it to end.
pub(crate) fn child(folder: &Path, script: &str) -> PathBuf {
    let (text, path) = (folder.join("text"), folder.join("child"));
    let script = format!("#!/bin/sh\ntrap '' USR1\n{script}\nexec sleep 1000\n");
    std::fs::write(&text, script).unwrap();
    // A file that this process had open for writing may be "busy" for a child of another test.
    let install = Command::new("install")
        .args(["-m", "700"])
        .args([&text, &path])
        .status();
    assert!(install.unwrap().success());
    path
}

/// "Compiled code": the one way to have some is a cache file with its MAC, whose secret lies beside it.
pub(crate) fn code(folder: &Path, key: &ProgramKey) -> CompiledProgram {
    let cache = CompileCache::open(folder, BuildId("test".to_owned())).unwrap();
    let secret = std::fs::read(folder.join("secret")).unwrap();
    let secret: [u8; 32] = secret.try_into().unwrap();
    let text = format!("{}\n{:?}\n{:?}\ntest", key.program, key.kind, key.metering);
    let name = blake3::hash(text.as_bytes());
    let mac = blake3::Hasher::new_keyed(&secret)
        .update(name.as_bytes())
        .update(b"code")
        .finalize();
    let file = [&b"mccode1\n"[..], mac.as_bytes(), b"code"].concat();
    std::fs::write(folder.join(format!("{}.code", name.to_hex())), file).unwrap();
    cache.find(key).unwrap()
}
