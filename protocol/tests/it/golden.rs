//! Golden files: compared by default, written anew when `MC_BLESS` is 1.

use std::path::Path;

/// Compares `text` with the file at `path` below the repository's root.
pub(crate) fn check(path: &str, text: &str) {
    let file = mutual_testkit::repository_root().join(path);
    if is_blessing() {
        return write(&file, text);
    }
    let found = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
    let same = found.lines().eq(text.lines());
    assert!(
        same,
        "{path} is stale: run `cargo xtask golden -p mutual-protocol` and look at the difference"
    );
}

/// Bytes of a file of hexadecimal digits; white space does not count.
pub(crate) fn read_hex(path: &str) -> Vec<u8> {
    let file = mutual_testkit::repository_root().join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Hexadecimal digits, 64 bytes a line.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(64) {
        text.extend(line.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    text
}

fn is_blessing() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "golden files are written anew on the caller's word, as `cargo xtask golden` gives it"
    )]
    let wish = std::env::var("MC_BLESS");
    wish.is_ok_and(|wish| wish == "1")
}

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}
