//! What the compiler says about a wrong entry: one error, in words, at the right place.

use crate::cargo;

/// A wrong program, the message, and the source it points at.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "fn main() -> u32 { 3 }",
        "`main` cannot return `u32`",
        "u32",
    ),
    (
        "fn main() -> std::process::ExitCode { std::process::ExitCode::SUCCESS }",
        "`main` cannot return `std::process::ExitCode`",
        "std",
    ),
    ("async fn main() {}", "`main` cannot be `async`", "async"),
    (
        "fn main(code: u8) {}",
        "`main` takes no arguments: `std::env::args()`",
        "(code: u8)",
    ),
    ("fn main<T>() {}", "`main` cannot be generic", "<"),
    (
        "pub(crate) fn start() {}",
        "the entry of a program is called `main`",
        "start",
    ),
    (
        "struct Main;",
        "`#[mutual_guest::main]` belongs on `fn main()`",
        "struct",
    ),
    (
        "unsafe fn main() {}",
        "`main` is a plain function",
        "unsafe",
    ),
];

/// All programs are binaries of one package, so that one cargo command checks them.
#[test]
fn a_wrong_entry_is_explained() {
    let folder = cargo::folder("compile-errors");
    let dependency = format!("mutual-guest = {{ path = {:?} }}", cargo::sdk());
    let manifest = "[package]\nname = \"wrong\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n";
    cargo::write(
        &folder.join("Cargo.toml"),
        &format!("{manifest}{dependency}\n"),
    );
    for (number, (source, ..)) in WRONG.iter().enumerate() {
        let text = format!("#[mutual_guest::main]\n{source}\n");
        cargo::write(&folder.join(format!("src/bin/wrong{number}.rs")), &text);
    }

    let output = cargo::cargo(&folder, &["check", "--quiet", "--keep-going", "--bins"]);
    let said = String::from_utf8(output.stderr).unwrap();
    for (number, (source, message, at)) in WRONG.iter().enumerate() {
        let column = source.find(at).unwrap() + 1;
        let place = format!("--> src/bin/wrong{number}.rs:2:{column}\n");
        let found = said.split("\n\n").find(|error| error.contains(&place));
        let found = found.unwrap_or_else(|| panic!("no error at {place}{said}"));
        assert!(found.contains(message), "{source}: {found}");
    }
}
