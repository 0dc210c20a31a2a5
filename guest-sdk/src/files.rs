//! Inputs and outputs: files in the guest's root.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// The guest's root: where inputs lie, and `out` beside them. Natively the working directory stands for it.
const ROOT: &str = if cfg!(target_os = "wasi") { "/" } else { "" };

/// Names in the root that are no inputs: what this program writes, and what it says to the host.
const NO_INPUTS: [&str; 2] = ["out", ".mc"];

/// The path of one input: `/NAME`, or natively `NAME` in the working directory.
///
/// The path need not exist. `mc run -i data/words.txt` makes it `input("words.txt")`.
pub fn input(name: impl AsRef<Path>) -> PathBuf {
    Path::new(ROOT).join(below_root(name.as_ref()))
}

/// All input files, in the folders that were given too, sorted by path.
///
/// These are the files of the guest's root without `/out` and `/.mc`; natively those of the working directory.
///
/// # Errors
/// When a folder cannot be read. A program that was given no files at all has none: that is no error.
pub fn inputs() -> io::Result<Vec<PathBuf>> {
    files_below(Path::new(ROOT))
}

/// The path of one output, `/out/NAME`, or natively `out/NAME`; the folders above it exist afterwards.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// std::fs::write(mutual_guest::output("plots/first.csv")?, "x,y\n")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for a name that leads out of the folder; else when the folder cannot be made.
pub fn output(name: impl AsRef<Path>) -> io::Result<PathBuf> {
    output_below(Path::new(ROOT), name.as_ref())
}

fn files_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let is_root = folder == root;
        // An empty path is no folder to read, but joined to names it keeps them short.
        let readable = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &folder
        };
        let entries = match fs::read_dir(readable) {
            // A WASI program without any files has no root either.
            Err(_) if is_root && !root.is_dir() && cfg!(target_os = "wasi") => return Ok(files),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if is_root && NO_INPUTS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let path = folder.join(entry.file_name());
            // A link to a folder may lead in a circle; a link to a file is as good as the file.
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn output_below(root: &Path, name: &Path) -> io::Result<PathBuf> {
    let name = below_root(name);
    let leaves = name.components().any(|part| part == Component::ParentDir);
    if leaves || name.file_name().is_none() {
        let message = format!(
            "{:?} is no name for a file in the output folder",
            name.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let path = root.join("out").join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(path)
}

/// `/a/b` and `a/b` are the same name in the guest's root.
fn below_root(name: &Path) -> &Path {
    name.strip_prefix("/").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for each test, empty.
    fn folder(test: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("mutual-guest-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn inputs_are_all_files_but_those_of_the_program_itself() {
        let root = folder("inputs");
        for (name, is_input) in [
            ("b.txt", true),
            ("a/deep/er.txt", true),
            ("a/out/kept.txt", true),
            ("out/result.txt", false),
            (".mc/progress", false),
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, [u8::from(is_input)]).unwrap();
        }
        let found = files_below(&root).unwrap();
        let expected = ["a/deep/er.txt", "a/out/kept.txt", "b.txt"];
        assert_eq!(found, expected.map(|name| root.join(name)));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_output_has_its_folder_made() {
        let root = folder("outputs");
        let path = output_below(&root, Path::new("/plots/first.csv")).unwrap();
        assert_eq!(path, root.join("out/plots/first.csv"));
        fs::write(path, "x,y\n").unwrap();
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_output_stays_in_its_folder() {
        let root = folder("escape");
        for name in ["", "/", "..", "../a", "a/../../b"] {
            let error = output_below(&root, Path::new(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert!(!root.join("out").exists());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_working_directory_stands_for_the_root() {
        assert_eq!(input("/words.txt"), Path::new("words.txt"));
        let sources = inputs().unwrap();
        assert!(
            sources.contains(&PathBuf::from("src/files.rs")),
            "{sources:?}"
        );
    }
}
