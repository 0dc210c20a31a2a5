//! Programs of every shape, and bytes that are none.

use super::*;

const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_shutdown" (func (param i32 i32) (result i32)))
    (memory (export "memory") 2 10)
    (func (export "_start")))"#;

fn look(text: &str) -> Result<ProgramInfo, ProgramError> {
    inspect(&wat::parse_str(text).unwrap())
}

#[test]
fn a_module_is_described() {
    let info = look(HELLO).unwrap();
    assert_eq!(info.kind, ProgramKind::Module);
    assert_eq!(info.wasi.as_deref(), Some("0.1"));
    assert_eq!(info.entry.as_deref(), Some("_start"));
    assert_eq!(info.exports, ["memory", "_start"]);
    assert_eq!(
        info.memory,
        Some(Memory {
            bytes_min: 128 << 10,
            bytes_max: Some(640 << 10)
        })
    );
    assert_eq!(info.functions, 1);
    let verdicts: Vec<_> = info
        .imports
        .iter()
        .map(|i| (i.name.as_str(), i.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("wasi_snapshot_preview1.fd_write", Verdict::Known),
            (
                "wasi_snapshot_preview1.sock_shutdown",
                Verdict::DeniedAtCall
            ),
        ]
    );
    assert_eq!(info.check(), Ok(()));
}

#[test]
fn a_component_is_described_with_what_it_contains() {
    let info = look(
        r#"(component
            (import "wasi:sockets/tcp@0.2.3" (instance))
            (import "wasi:cli/exit@0.2.6" (instance))
            (core module (memory 1) (func) (func))
            (core module (memory 2 3) (func))
            (instance $run)
            (export "wasi:cli/run@0.2.0" (instance $run)))"#,
    )
    .unwrap();
    assert_eq!(info.kind, ProgramKind::Component);
    assert_eq!(info.wasi.as_deref(), Some("0.2.6"));
    assert_eq!(info.entry.as_deref(), Some("wasi:cli/run@0.2.0"));
    assert_eq!(
        info.memory,
        Some(Memory {
            bytes_min: 192 << 10,
            bytes_max: None
        })
    );
    assert_eq!(info.functions, 3);
    assert_eq!(info.imports[0].verdict, Verdict::DeniedAtCall);
    assert_eq!(info.check(), Ok(()));
}

#[test]
fn producers_are_read_and_a_broken_section_says_nothing() {
    let section = |bytes: &str| {
        format!(r#"(module (@custom "producers" "{bytes}") (func (export "_start")))"#)
    };
    let good = section(r"\01\0cprocessed-by\01\05rustc\041.95");
    let producer = Producer {
        field: "processed-by".to_owned(),
        name: "rustc".to_owned(),
        version: "1.95".to_owned(),
    };
    assert_eq!(look(&good).unwrap().producers, [producer]);
    assert!(look(&section(r"\ff\ff")).unwrap().producers.is_empty());
}

#[test]
fn unknown_imports_are_named() {
    let info = look(
        r#"(module (import "env" "f" (func)) (import "env" "memory" (memory 1))
            (import "wasi_snapshot_preview1" "no_such" (func)))"#,
    )
    .unwrap();
    let error = info.check().unwrap_err();
    assert_eq!(
        error.to_string(),
        "env.f, env.memory, wasi_snapshot_preview1.no_such"
    );
    assert_eq!(error.code(), codes::PROGRAM_IMPORT);
    let many: String = (0..10)
        .map(|n| format!(r#"(import "e" "{n}" (func))"#))
        .collect();
    let error = look(&format!("(module {many})"))
        .unwrap()
        .check()
        .unwrap_err();
    assert!(error.to_string().ends_with("e.7 and 2 more"), "{error}");
    let component = look(r#"(component (import "wasi:nn/graph@0.2.0" (instance)))"#).unwrap();
    assert_eq!(
        component.check().unwrap_err().to_string(),
        "wasi:nn/graph@0.2.0"
    );
}

#[test]
fn a_function_import_of_a_component_is_unknown() {
    let info = look(r#"(component (import "f" (func)))"#).unwrap();
    assert_eq!(info.imports[0].verdict, Verdict::Unknown);
}

#[test]
fn libraries_have_no_entry() {
    for text in [
        "(module)",
        "(component)",
        r#"(module (func (export "_initialize")))"#,
        r#"(module (memory (export "_start") 1))"#,
    ] {
        assert_eq!(
            look(text).unwrap().check(),
            Err(ProgramError::NoEntry),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_a_program_is_told_apart() {
    assert_eq!(inspect(b""), Err(ProgramError::NotWasm));
    assert_eq!(inspect(b"#!/bin/sh\n"), Err(ProgramError::NotWasm));
    assert_eq!(inspect(b"\0asm\x01\0\0"), Err(ProgramError::NotWasm));
    let whole = wat::parse_str(HELLO).unwrap();
    for length in 9..whole.len() {
        let cut = inspect(&whole[..length]);
        // A cut between two sections leaves a valid, smaller module.
        assert!(
            !matches!(
                cut,
                Err(ProgramError::NotWasm | ProgramError::Feature { .. })
            ),
            "{length}"
        );
    }
    let error = inspect(&whole[..whole.len() - 1]).unwrap_err();
    assert!(
        matches!(error, ProgramError::Malformed { offset, .. } if offset > 8),
        "{error:?}"
    );
    let error = look("(module (func (result i32)))").unwrap_err();
    assert_eq!(error.code(), codes::PROGRAM_MALFORMED);
}

#[test]
fn a_feature_that_is_not_offered_is_named() {
    let error = look("(module (memory i64 1))").unwrap_err();
    assert_eq!(
        error,
        ProgramError::Feature {
            name: "64-bit memory"
        }
    );
    assert_eq!(error.code(), codes::PROGRAM_FEATURE);
    assert_eq!(
        ProgramError::TooLarge { bytes: 2, max: 1 }.code(),
        codes::PROGRAM_TOO_LARGE
    );
}
