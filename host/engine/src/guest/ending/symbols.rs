//! Names in backtraces as their authors wrote them: Rust and C++ compilers mangle them.
//!
//! They come from the guest, so that length and work are bounded, and what is not understood stays as it is.

use cpp_demangle::{DemangleOptions, Symbol};
use std::fmt::{self, Write};

/// Longest name, mangled or not, in bytes: longer ones help nobody, and a few bytes of C++ can stand for gigabytes.
const NAME_BYTES_MAX: usize = 1 << 10;

/// Makes the names in a backtrace readable: each line of one ends with `MODULE!NAME`.
pub(super) fn demangle(backtrace: &str) -> String {
    let lines = backtrace.split('\n').map(|line| {
        let readable = line
            .split_once('!')
            .and_then(|(front, name)| Some(format!("{front}!{}", readable(name)?)));
        readable.unwrap_or_else(|| line.to_owned())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The name as it was written; `None` when it is not mangled, or too long.
fn readable(name: &str) -> Option<String> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut text = Short::default();
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        // The alternate form leaves out the hash.
        write!(text, "{rust:#}").ok()?;
    } else {
        // Without this prefix short names would be read as types: `f` is `float`.
        let symbol = Symbol::new(name.starts_with("_Z").then_some(name)?).ok()?;
        let written = symbol.structured_demangle(&mut text, &DemangleOptions::new());
        written.ok()?;
    }
    Some(text.0)
}

/// A text that takes no more than [`NAME_BYTES_MAX`].
#[derive(Default)]
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > NAME_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_and_cpp_are_readable() {
        let cases = [
            (
                "_ZN4core9panicking5panic17h0123456789abcdefE",
                "core::panicking::panic",
            ),
            ("_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate::example"),
            (
                "_ZN5space3fooEibPKc.llvm.123",
                "space::foo(int, bool, char const*) [clone .llvm.123]",
            ),
        ];
        for (name, written) in cases {
            assert_eq!(readable(name).as_deref(), Some(written), "{name}");
        }
    }

    #[test]
    fn other_names_stay() {
        for name in [
            "main",
            "f",
            "i",
            "_start",
            "_Z",
            "_ZN",
            "_R",
            "",
            "<wasm function 3>",
        ] {
            assert_eq!(readable(name), None, "{name}");
        }
    }

    /// Each parameter is a pair of the one before it, so that it stands for twice as much.
    #[test]
    fn names_that_grow_without_end_stay() {
        let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let name = |pairs: usize| {
            let pairs = digits.chars().take(pairs);
            let pairs: String = pairs.map(|n| format!("S_IS{n}_S{n}_E")).collect();
            format!("_Z1fSt4pairIiiE{pairs}")
        };
        let two = "f(std::pair<int, int>, std::pair<std::pair<int, int>, std::pair<int, int> >)";
        assert_eq!(readable(&name(1)).as_deref(), Some(two));
        assert_eq!(readable(&name(36)), None);
        let long = |letters: usize| format!("_ZN{letters}{}E", "a".repeat(letters));
        assert_eq!(readable(&long(900)).map(|name| name.len()), Some(900));
        assert_eq!(readable(&long(NAME_BYTES_MAX)), None);
    }

    #[test]
    fn only_names_of_a_backtrace_change() {
        let text = "error while executing at wasm backtrace:\n    0: m!_ZN1a1bEv\n    1: m!_start\n\nCaused by:\n    wasm trap: _ZN1a1bEv\n";
        let readable = text.replacen("_ZN1a1bEv", "a::b()", 1);
        assert_eq!(demangle(text), readable);
    }
}
