//! How a run is named: the beginning of its id, `last`, `@NAME`.

use super::text;
use crate::harness::Mc;
use mutual_testkit::guest;

#[test]
fn a_run_goes_by_its_id_its_beginning_last_and_its_name() {
    let mc = Mc::new();
    let program = text(guest("exit-code"));
    let run = |name: &str, code: &str| {
        assert_eq!(
            mc.run(["run", "--name", name, &program, code]).code,
            code.parse().ok()
        );
        mc.last()
    };
    let (first, second, third) = (run("a", "1"), run("b", "2"), run("a", "3"));
    let code = |selector: &str| mc.run(["wait", selector]).code;
    assert_eq!(code(&first), Some(1));
    assert_eq!(code(&second[..12]), Some(2));
    assert_eq!(
        code(&third.to_uppercase()),
        Some(3),
        "as somebody may read it out"
    );
    assert_eq!(
        code(&second["j-".len()..14]),
        Some(2),
        "without the sign of a run"
    );
    assert_eq!(
        (code("last"), code("@b"), code("@a")),
        (Some(3), Some(2), Some(3)),
        "the newest of that name"
    );
}

#[test]
fn an_ambiguous_beginning_asks_for_more() {
    let mc = Mc::new();
    let hello = text(guest("p1-hello.wat"));
    // 33 ids begin with one of 32 letters: two of them begin alike.
    for _ in 0..33 {
        mc.run(["run", &hello]).clean();
    }
    let ids = mc.run(["ps", "-a", "-o", "id"]).clean().stdout;
    let mut letters: Vec<_> = ids.lines().map(|id| &id[..3]).collect();
    letters.sort_unstable();
    let twice = letters.windows(2).find(|pair| pair[0] == pair[1]).unwrap()[0];
    for command in ["logs", "wait", "stop", "inspect", "get"] {
        let ran = mc.run([command, twice]).fails(5, "mc::job::ambiguous");
        assert!(
            ran.stderr.contains(&format!("{twice} is short for")),
            "{ran:#?}"
        );
        assert_eq!(ran.stdout, "");
    }
    mc.run(["wait", "j-"]).fails(5, "mc::job::not-found");
}

#[test]
fn unknown_runs() {
    let mc = Mc::new();
    for selector in [
        "last",
        "@nobody",
        "j-zzzzzzzz",
        "",
        "@",
        "../../etc/passwd",
        "j-7k2m/../x",
    ] {
        for command in ["logs", "wait", "stop", "inspect", "get"] {
            let ran = mc.run([command, selector]).fails(5, "mc::job::not-found");
            assert!(ran.stderr.contains("mc ps -a"), "{ran:#?}");
        }
    }
    let ran = mc.run(["inspect", "--json", "last"]);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["code"], "mc::job::not-found");
}
