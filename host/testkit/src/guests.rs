//! Guest programs, by name: built ones in `target/guests`, written ones beside their sources.

use crate::repository_root;
use std::path::PathBuf;

/// Where a guest program lies: `guest("echo")` is built, `guest("p1-hello.wat")` is text.
///
/// The examples are there too: `guest("primes")`.
///
/// # Panics
/// When there is no such program, or it has not been built.
pub fn guest(name: &str) -> PathBuf {
    let root = repository_root();
    let path = if name.ends_with(".wat") {
        root.join("host/testkit/guests/wat").join(name)
    } else {
        root.join("target/guests").join(format!("{name}.wasm"))
    };
    assert!(
        path.is_file(),
        "the guest program {name} is missing: run `cargo xtask guests`"
    );
    path
}

/// Calls a macro with the identifier and the name of each test guest.
///
/// With it a crate proves that it has a test for every guest: where the macro names a function after the identifier,
/// a guest without its test does not compile.
///
/// ```
/// macro_rules! has_test {
///     ($test:ident $name:literal) => {
///         let _: fn() = tests::$test;
///     };
/// }
/// # macro_rules! define { ($test:ident $name:literal) => { pub(super) fn $test() {} }; }
/// # mod tests { mutual_testkit::for_each_guest!(define); }
/// mutual_testkit::for_each_guest!(has_test);
/// ```
#[macro_export]
macro_rules! for_each_guest {
    ($call:ident) => {
        $call!(alloc "alloc");
        $call!(big_file "big-file");
        $call!(cat_env "cat-env");
        $call!(connect "connect");
        $call!(echo "echo");
        $call!(exit_code "exit-code");
        $call!(files "files");
        $call!(flood "flood");
        $call!(infinite_memory "infinite-memory.wat");
        $call!(no_entry "no-entry.wat");
        $call!(p1_exit42 "p1-exit42.wat");
        $call!(p1_hello "p1-hello.wat");
        $call!(p1_no_entry "p1-no-entry.wat");
        $call!(p1_unknown_import "p1-unknown-import.wat");
        $call!(progress "progress");
        $call!(random "random");
        $call!(sleep "sleep");
        $call!(spin "spin");
        $call!(too_much_memory "too-much-memory.wat");
        $call!(trap "trap");
        $call!(unknown_import "unknown-import.wat");
        $call!(write_out "write-out");
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs};

    /// File names in a folder of the guests' package, without their ending.
    fn sources(folder: &str, ending: &str) -> Vec<String> {
        let folder = repository_root().join("host/testkit/guests").join(folder);
        let names = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        names
            .map(|name| name.strip_suffix(ending).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_list_has_every_guest() {
        let mut listed = BTreeSet::new();
        macro_rules! collect {
            ($test:ident $name:literal) => {
                let stem = $name.split('.').next().unwrap();
                assert_eq!(stringify!($test), stem.replace('-', "_"));
                assert!(listed.insert($name.to_owned()), "{} is listed twice", $name);
            };
        }
        for_each_guest!(collect);
        let mut found = sources("src/bin", ".rs");
        found.extend(sources("wat", ""));
        assert_eq!(listed, found.into_iter().collect());
    }

    #[test]
    fn texts_need_no_build() {
        assert!(
            fs::read_to_string(guest("p1-hello.wat"))
                .unwrap()
                .contains("hello from p1")
        );
    }

    #[test]
    #[should_panic(expected = "nobody is missing: run `cargo xtask guests`")]
    fn a_missing_guest_says_what_to_do() {
        guest("nobody");
    }
}
