//! Each rule meets an input that breaks it, and one that does not.

use super::{
    links,
    ratchet::Ratchet,
    rules::{Source, check, code_lines},
};

/// Messages of the findings of one file.
fn findings(path: &str, text: &str) -> Vec<String> {
    check(&Source { path, text })
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Exactly one finding, on that line, whose message contains `part`.
#[track_caller]
fn broken(path: &str, text: &str, line: usize, part: &str) {
    let found = findings(path, text);
    let [one] = &found[..] else {
        panic!("{path}: {found:?}")
    };
    assert!(
        one.starts_with(&format!("{path}:{line}: ")) && one.contains(part),
        "{one}"
    );
}

#[track_caller]
fn clean(path: &str, text: &str) {
    assert_eq!(findings(path, text), Vec::<String>::new());
}

fn rust(body: &str) -> String {
    format!("//! What it is.\n{body}\n")
}

#[test]
fn a_source_file_begins_with_its_doc() {
    broken(
        "host/a/src/lib.rs",
        "use std::fs;\n//! late\n",
        1,
        "what this file is",
    );
    broken("host/a/src/lib.rs", "", 1, "what this file is");
    clean("host/a/src/lib.rs", &rust("use std::fs;"));
}

#[test]
fn names_that_say_nothing_are_refused() {
    for path in [
        "host/a/src/utils.rs",
        "host/a/src/helpers/x.rs",
        "host/a/src/x/mod.rs",
        "host/a/tests/common/y.rs",
    ] {
        broken(path, &rust(""), 1, "says nothing");
    }
    clean("host/a/src/model.rs", &rust(""));
    clean("host/a/src/typesetting.rs", &rust(""));
}

#[test]
fn marks_left_behind_are_found_in_code_and_not_in_prose() {
    let code = "host/a/src/lib.rs";
    broken(code, &rust(concat!("// FIX", "ME: later")), 2, "mend it");
    broken(code, &rust(concat!("    dbg", "!(x);")), 2, "debugging");
    broken(code, &rust(concat!("#[", "ignore]")), 2, "ignored test");
    broken(code, &rust(concat!("// TO", "DO: later")), 2, "issue");
    broken(code, &rust(concat!("// TO", "DO(#): later")), 2, "issue");
    broken(".ci/run", concat!("# TO", "DO(me)\n"), 1, "issue");
    clean(code, &rust(concat!("// TO", "DO(#12): later")));
    clean(code, &rust(concat!("const TO", "DOS: u8 = 0;")));
    clean("docs/a.md", concat!("# A\nno FIX", "ME in code\n"));
}

#[test]
fn a_page_has_one_title() {
    broken("docs/a.md", "text\n", 1, "0 titles");
    broken("docs/a.md", "# A\n# B\n", 1, "2 titles");
    clean(
        "docs/a.md",
        "# A\n```sh\n# a comment of the shell\n```\n## B\n",
    );
}

#[test]
fn tests_do_not_sleep() {
    let call = concat!("std::thread::sleep", "(x);");
    broken("host/a/tests/it/main.rs", &rust(call), 2, "not for time");
    broken("host/a/src/x/tests.rs", &rust(call), 2, "not for time");
    broken(
        "host/a/src/x.rs",
        &rust(&format!("#[cfg(test)]\nmod tests {{ {call} }}")),
        3,
        "not for time",
    );
    clean(
        "host/a/src/x.rs",
        &rust(&format!("{call}\n#[cfg(test)]\nmod tests {{}}")),
    );
    clean(
        "host/a/tests/it/main.rs",
        &rust(concat!("poll_sleep", "(x)")),
    );
    clean(
        "host/a/tests/it/main.rs",
        &rust(concat!("fn sleep", "() {}")),
    );
}

#[test]
fn secrets_and_places_are_found_in_any_text() {
    for place in [
        concat!("/ho", "me/ann/x"),
        concat!("/ro", "ot/.ssh"),
        concat!("\"/wo", "rk/x\""),
    ] {
        broken("a.snap", place, 1, "one machine");
    }
    broken(
        "a.txt",
        concat!("-----BEGIN PRIVATE ", "KEY-----"),
        1,
        "key material",
    );
    broken(
        "docs/a.md",
        concat!("# A\nsee ../", "shared/design\n"),
        2,
        "outside",
    );
    clean("a.txt", "merkle/root/path and host/home/page");
}

#[test]
fn code_lines_leave_out_blank_lines_and_comments() {
    assert_eq!(
        code_lines("//! doc\n\nfn a() {\n    // why\n    b(); // tail\n}\n"),
        3
    );
    assert_eq!(
        code_lines("/* one */\nfn a() {}\n/* two\nlines\n*/\nfn b() {}\n"),
        2
    );
}

/// Findings for one file of `lines` code lines under a list that allows it `listed`, if it is listed at all.
fn ratchet(lines: usize, listed: Option<usize>) -> Vec<String> {
    let path = "host/a/src/long.rs";
    let entry = listed
        .map(|listed| format!("\"{path}\" = {listed}\n"))
        .unwrap_or_default();
    let ratchet = Ratchet::parse(&format!("[long-files]\n{entry}").parse().unwrap()).unwrap();
    let text = "x;\n".repeat(lines);
    ratchet
        .check(&[Source { path, text: &text }])
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn long_files_may_only_shrink() {
    assert_eq!(ratchet(400, None), Vec::<String>::new());
    assert!(ratchet(401, None)[0].contains("split it, or list it"));
    assert_eq!(ratchet(500, Some(500)), Vec::<String>::new());
    assert_eq!(ratchet(481, Some(500)), Vec::<String>::new());
    assert!(ratchet(480, Some(500))[0].contains("say so"));
    assert!(ratchet(501, Some(500))[0].contains("grew to 501"));
    assert!(ratchet(400, Some(410))[0].contains("remove it"));
    assert!(ratchet(801, Some(900))[0].contains("more than 800"));
}

#[test]
fn the_list_names_only_files_that_exist() {
    let ratchet = Ratchet::parse(&"[long-files]\n\"gone.rs\" = 500\n".parse().unwrap()).unwrap();
    assert!(
        ratchet.check(&[])[0]
            .to_string()
            .contains("gone.rs does not exist")
    );
    assert!(Ratchet::parse(&toml::Table::new()).is_err());
    assert!(Ratchet::parse(&"[long-files]\na = \"x\"\n".parse().unwrap()).is_err());
}

#[test]
fn links_lead_somewhere() {
    let links = |path, text| -> Vec<String> {
        let exists = |path: &str| matches!(path, "README.md" | "docs/a.md" | "docs");
        let found = links::check(&Source { path, text }, exists);
        found.iter().map(ToString::to_string).collect()
    };
    let good =
        "[a](a.md#part) [b](../README.md) [c](./a.md) [d](https://example.org/x) [e](#here) [f](.)";
    assert_eq!(links("docs/b.md", good), Vec::<String>::new());
    let bad = links("docs/b.md", "# B\n[a](README.md) and [b](../../README.md)");
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert!(bad[0].contains("docs/b.md:2: the link to README.md"));
    assert_eq!(links("src/lib.rs", "[a](gone.md)"), Vec::<String>::new());
}
