//! `mc new`: a program package with the guest library's source beside it, so that nothing is fetched from elsewhere.

use crate::args::NewArgs;
use crate::failure::Failure;
use crate::output;
use mutual_protocol::codes;
use std::path::Path;

macro_rules! sdk {
    ($path:literal) => {
        include_str!(concat!("../../../../guest-sdk/", $path))
    };
}

/// Files of the new package: where, and what. `{{name}}` is filled in.
const TEMPLATE: &[(&str, &str)] = &[
    ("Cargo.toml", sdk!("template/Cargo.toml.in")),
    ("README.md", sdk!("template/README.md")),
    ("rust-toolchain.toml", sdk!("template/rust-toolchain.toml")),
    (".gitignore", sdk!("template/.gitignore")),
    ("src/main.rs", sdk!("template/src/main.rs")),
];

/// The guest library, as it is in the repository.
const LIBRARY: &[(&str, &str)] = &[
    ("Cargo.toml", sdk!("Cargo.toml")),
    ("src/lib.rs", sdk!("src/lib.rs")),
    ("src/entry.rs", sdk!("src/entry.rs")),
    ("src/exit.rs", sdk!("src/exit.rs")),
    ("src/files.rs", sdk!("src/files.rs")),
    ("src/identity.rs", sdk!("src/identity.rs")),
    ("src/progress.rs", sdk!("src/progress.rs")),
    ("macros/Cargo.toml", sdk!("macros/Cargo.toml")),
    ("macros/src/lib.rs", sdk!("macros/src/lib.rs")),
];

pub(crate) fn new(args: &NewArgs) -> Result<u8, Failure> {
    let folder = Path::new(&args.name);
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !is_package_name(name) {
        return Err(Failure::new(codes::NEW_NAME).because(format!("`{}`", args.name)));
    }
    if folder.symlink_metadata().is_ok() {
        return Err(Failure::new(codes::NEW_EXISTS).because(format!("{}", folder.display())));
    }
    for (path, text) in TEMPLATE {
        write(&folder.join(path), &text.replace("{{name}}", name))?;
    }
    for (path, text) in LIBRARY {
        write(&folder.join("mutual-guest").join(path), text)?;
    }
    output::say(&format!(
        "made {0}\nrun it: mc run -i {0}/README.md {0}\n",
        folder.display()
    ));
    Ok(0)
}

/// Cargo's rule for a package name, ASCII only, and not a name that rustc keeps for itself.
fn is_package_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        && ![
            "test",
            "core",
            "std",
            "alloc",
            "proc-macro",
            "proc_macro",
            "mutual-guest",
        ]
        .contains(&name)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, text)).map_err(|e| {
        Failure::new(codes::OUTPUT_PLACE)
            .because(format!("{}: {e}", path.display()))
            .exit(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn names_that_cargo_refuses_are_refused_here() {
        for good in ["hello", "my-job_2"] {
            assert!(is_package_name(good), "{good}");
        }
        for bad in ["", "2fast", "a b", "über", "test", "-x"] {
            assert!(!is_package_name(bad), "{bad}");
        }
    }

    /// A source file that is added to the guest library must ride along, or new packages do not build.
    #[test]
    fn every_source_of_the_guest_library_rides_along() {
        let sdk = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../guest-sdk");
        for folder in ["src", "macros/src"] {
            for entry in std::fs::read_dir(sdk.join(folder)).unwrap() {
                let name = format!("{folder}/{}", entry.unwrap().file_name().display());
                assert!(
                    LIBRARY.iter().any(|(path, _)| *path == name),
                    "{name} is missing in LIBRARY"
                );
            }
        }
    }
}
