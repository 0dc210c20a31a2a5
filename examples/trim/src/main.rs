//! Removes spaces and tabs at the ends of lines, in place, and says which files changed.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for source in std::env::args().skip(1) {
        find(source.clone().into(), &mut files).map_err(|error| format!("{source}: {error}"))?;
    }
    if files.is_empty() {
        return Err("no file to trim: usage: trim FILE or FOLDER…".into());
    }
    files.sort();
    for (done, path) in files.iter().enumerate() {
        let name = path.display().to_string();
        mutual_guest::progress(done, files.len(), &name);
        let lines = trim_file(path).map_err(|error| format!("{name}: {error}"))?;
        if lines > 0 {
            println!("{name}: trimmed {lines}");
        }
    }
    Ok(())
}

/// The file itself, or all files in the folder.
fn find(source: PathBuf, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !source.is_dir() {
        files.push(source);
        return Ok(());
    }
    for entry in fs::read_dir(source)? {
        find(entry?.path(), files)?;
    }
    Ok(())
}

/// Writes the file only when something changes, and gives the number of lines that did.
fn trim_file(path: &Path) -> io::Result<usize> {
    let (text, lines) = trim(&fs::read(path)?);
    if lines > 0 {
        fs::write(path, text)?;
    }
    Ok(lines)
}

fn trim(text: &[u8]) -> (Vec<u8>, usize) {
    let mut trimmed = Vec::with_capacity(text.len());
    let mut lines = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let (line, end) = match line.strip_suffix(b"\n") {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        let kept = line.trim_ascii_end();
        lines += usize::from(kept.len() < line.len());
        trimmed.extend_from_slice(kept);
        trimmed.extend_from_slice(end.as_bytes());
    }
    (trimmed, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ends_of_lines_change() {
        for (text, expected, lines) in [
            ("", "", 0),
            ("a\n b\n\nc", "a\n b\n\nc", 0),
            ("a \n\t\nb\t \nc", "a\n\nb\nc", 3),
            ("last ", "last", 1),
        ] {
            assert_eq!(trim(text.as_bytes()), (expected.into(), lines), "{text:?}");
        }
    }
}
