//! `files COMMAND PATH [MORE] [, COMMAND …]`: what a program does to files, one command after the other.
//!
//! `list`, `read`, `write PATH TEXT`, `append PATH TEXT`, `rename PATH TO`, `remove`, `mkdir`, `size`, `link PATH TO`.
//! A command that fails prints `COMMAND PATH: KIND` to stdout, and the program ends with 1 after the last one.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
};

#[mutual_guest::main]
fn main() -> Result<(), &'static str> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut all_went_well = true;
    for command in arguments.split(|argument| argument == ",") {
        let (name, path, more) = match command {
            [name, path] => (name, path, ""),
            [name, path, more] => (name, path, more.as_str()),
            _ => return Err("usage: files COMMAND PATH [MORE] [, COMMAND …]"),
        };
        if let Err(error) = run(name, path, more) {
            println!("{name} {path}: {:?}", error.kind());
            all_went_well = false;
        }
    }
    all_went_well.then_some(()).ok_or("a command failed")
}

fn run(name: &str, path: &str, more: &str) -> io::Result<()> {
    match name {
        "list" => list(path),
        "read" => io::stdout().write_all(&fs::read(path)?),
        "write" => fs::write(path, more),
        "append" => OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?
            .write_all(more.as_bytes()),
        "rename" => fs::rename(path, more),
        "remove" if fs::symlink_metadata(path)?.is_dir() => fs::remove_dir_all(path),
        "remove" => fs::remove_file(path),
        "mkdir" => fs::create_dir_all(path),
        "size" => fs::metadata(path).map(|metadata| println!("{}", metadata.len())),
        "link" => fs::hard_link(path, more),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Names in order; folders end in a slash.
fn list(path: &str) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    names.iter().for_each(|name| println!("{name}"));
    Ok(())
}
