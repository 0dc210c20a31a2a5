//! What can be run: a WASI 0.1 module, a WASI 0.2 component, text, and a folder.

use crate::harness::Mc;
use mutual_testkit::{guest, repository_root};

#[test]
fn text_runs_as_it_is() {
    let mc = Mc::new();
    let ran = mc.run([
        "run".into(),
        repository_root()
            .join("examples/hello.wat")
            .into_os_string(),
    ]);
    assert_eq!(ran.clean().stdout, "hello from mutual cloud\n");
}

#[test]
fn a_module_and_a_component_are_told_apart_by_their_header() {
    let mc = Mc::new();
    let module = wat::parse_file(guest("p1-hello.wat")).unwrap();
    // Names say nothing: neither of these two ends in `.wasm`.
    let module = mc.write("module", module);
    let component = mc.work().join("component");
    std::fs::copy(guest("echo"), &component).unwrap();
    assert_eq!(
        mc.run(["run".into(), module]).clean().stdout,
        "hello from p1\n"
    );
    let component = mc.run(["run".into(), component, "--args".into()]).clean();
    assert_eq!(component.stdout, "arg 0: component\narg 1: --args\n");
}

#[test]
fn a_folder_is_built_and_run() {
    let mc = Mc::new();
    assert_eq!(mc.run(["new", "hello"]).code, Some(0));
    mc.pin_toolchain("hello");
    let input = mc.write("notes.txt", "one\ntwo\n");
    let ran = mc.run([
        "run".as_ref(),
        "-i".as_ref(),
        input.as_os_str(),
        "hello".as_ref(),
    ]);
    // stderr is cargo's.
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(ran.stdout, "2 /notes.txt\n1 files read\n");
    let broken = mc.write("hello/src/main.rs", "fn main() { nonsense }\n");
    assert!(broken.is_file());
    let ran = mc.run(["run", "hello"]).fails(126, "mc::build::failed");
    assert!(
        ran.stderr.contains("cannot find value `nonsense`"),
        "{ran:#?}"
    );
}
