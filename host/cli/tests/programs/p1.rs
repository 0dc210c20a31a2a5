//! A WASI 0.1 module of another toolchain (C, clang, wasi-libc), compared with the native build of the same source:
//! arguments, environment, standard streams, files and exit codes.

use crate::harness::Mc;
use crate::{Seen, program};
use mutual_testkit::repository_root;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

const POEM: &str = "first line\nsecond, with  spaces\n\nfourth without an end";

/// A working folder with the input and with the native build.
fn folder() -> Mc {
    let mc = Mc::new();
    mc.write("poem.txt", POEM);
    let source = repository_root().join("host/testkit/programs/p1.c");
    let built = Command::new("cc")
        .arg("-o")
        .arg(mc.work().join("native"))
        .arg(source)
        .status();
    assert!(built.unwrap().success());
    mc
}

struct Case {
    args: [&'static str; 3],
    greeting: Option<&'static str>,
    stdin: &'static [u8],
}

impl Case {
    fn run(&self, mc: &Mc, command: &mut Command) -> (Seen, Option<String>) {
        use std::io::Write as _;
        command
            .args(self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(self.stdin).unwrap();
        let seen = Seen::from(child.wait_with_output().unwrap());
        let output = mc.work().join("reversed.txt");
        let text = std::fs::read_to_string(&output).ok();
        if text.is_some() {
            std::fs::remove_file(output).unwrap();
        }
        (seen, text)
    }

    fn native(&self, mc: &Mc) -> (Seen, Option<String>) {
        let mut command = Command::new(mc.work().join("native"));
        command.arg0("p1").current_dir(mc.work()).env_clear();
        command.envs(self.greeting.map(|text| ("GREETING", text)));
        self.run(mc, &mut command)
    }

    fn sandboxed(&self, mc: &Mc) -> (Seen, Option<String>) {
        let mut command = mc.command(["run", "-i", "poem.txt"]);
        if self.args[1] == "reversed.txt" {
            command.args(["-O", "/reversed.txt"]);
        }
        if let Some(text) = self.greeting {
            command.arg("-e").arg(format!("GREETING={text}"));
        }
        command.arg(program("p1.wasm"));
        self.run(mc, &mut command)
    }
}

#[test]
fn it_does_what_its_native_build_does() {
    let mc = folder();
    let cases = [
        Case {
            args: ["poem.txt", "reversed.txt", "0"],
            greeting: None,
            stdin: b"",
        },
        Case {
            args: ["poem.txt", "reversed.txt", "42"],
            greeting: Some("hello, wörld"),
            stdin: b"some words\non stdin\n",
        },
        Case {
            args: ["poem.txt", "reversed.txt", "255"],
            greeting: Some(""),
            stdin: b"\0\x01 \x02",
        },
    ];
    for case in cases {
        let (seen, reversed) = case.native(&mc);
        assert_eq!(seen.code.unwrap().to_string(), case.args[2]);
        assert_eq!(
            reversed.as_deref(),
            Some("fourth without an end\n\nsecond, with  spaces\nfirst line\n")
        );
        assert_eq!(case.sandboxed(&mc), (seen, reversed), "{:?}", case.args);
    }
}

#[test]
fn it_fails_as_its_native_build_fails() {
    let mc = folder();
    for args in [
        ["missing.txt", "/x/reversed", "0"],
        ["poem.txt", "no-folder/reversed", "0"],
    ] {
        let case = Case {
            args,
            greeting: None,
            stdin: b"",
        };
        let expected = case.native(&mc);
        assert_eq!(expected.0.code, Some(3), "{expected:?}");
        assert_eq!(case.sandboxed(&mc), expected, "{args:?}");
    }
    let mut native = Command::new(mc.work().join("native"));
    let expected = Seen::of(native.arg0("p1"));
    assert_eq!(expected.code, Some(2));
    assert_eq!(
        Seen::of(mc.command(["run"]).arg(program("p1.wasm"))),
        expected
    );
}

/// docs/guest.md shows a C program, how to build it, and how to run it.
#[test]
fn the_c_program_of_the_guide_builds_and_runs() {
    let mc = Mc::new();
    let page = std::fs::read_to_string(repository_root().join("docs/guest.md")).unwrap();
    let (before, rest) = page.split_once("\n```c\n").unwrap();
    let (program, after) = rest.split_once("```\n").unwrap();
    let build = before.rsplit_once("Built by `").unwrap().1;
    let build = build.split_once('`').unwrap().0;
    let run = after
        .lines()
        .find_map(|line| line.strip_prefix("    "))
        .unwrap();
    mc.write("tally.c", program);
    let ran = mc.bash(&format!(
        "{build} && {}",
        run.replace("mc run", "mc run --progress plain")
    ));
    let line = format!("{} /tally.c\n", program.len());
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), line.as_str()),
        "{ran:#?}"
    );
    assert!(
        ran.stderr.contains("0/1 /tally.c\n") && ran.stderr.contains("task 0 done\n"),
        "{ran:#?}"
    );
    assert_eq!(mc.read("results/sizes.txt"), line);
}
