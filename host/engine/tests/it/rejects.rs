//! Programs that are refused before they run, by name.

use crate::harness::{block_on, tests};
use crate::lab::{compiled, compiled_bytes, job, run, spawner};
use mutual_protocol::codes::{self, Code};
use mutual_protocol::ids::{Cid, Codec};
use mutual_protocol::outcome::Outcome;
use mutual_runner::{
    BuildId, CompileCache, CompileLimits, CompileRequest, Metering, ProgramKey, SealedFile, compile,
};
use std::time::Duration;

tests! {
    each_kind_of_bad_program_has_its_code,
    a_function_of_the_wrong_type_is_refused,
    a_compile_over_its_time_is_the_programs_fault,
    a_compile_over_its_cpu_time_is_the_programs_fault,
    a_compile_over_its_memory_is_the_programs_fault,
    compiled_code_survives_the_cache,
    code_of_another_build_is_not_run,
}

fn check(result: Result<mutual_runner::CompiledProgram, Outcome>, code: Code, part: &str) {
    match result {
        Err(Outcome::Rejected { code: got, detail }) => {
            assert_eq!(got, code.code);
            assert!(detail.contains(part), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

fn each_kind_of_bad_program_has_its_code() {
    block_on(async {
        let bytes = async |bytes: &[u8]| compiled_bytes(bytes, Metering::None).await;
        let text = async |text: &str| compiled(text, Metering::None).await;
        check(bytes(b"#!/bin/sh").await, codes::PROGRAM_NOT_WASM, "");
        check(
            bytes(b"\0asm\x01\0\0\0\x01").await,
            codes::PROGRAM_MALFORMED,
            "byte",
        );
        check(
            text("(module (memory i64 1))").await,
            codes::PROGRAM_FEATURE,
            "64-bit memory",
        );
        check(
            text(r#"(module (import "env" "f" (func)))"#).await,
            codes::PROGRAM_IMPORT,
            "env.f",
        );
        check(text("(module)").await, codes::PROGRAM_NO_ENTRY, "");
        check(text("(component)").await, codes::PROGRAM_NO_ENTRY, "");
    });
}

fn a_function_of_the_wrong_type_is_refused() {
    block_on(async {
        let import = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)) (func (export "_start")))"#;
        check(
            compiled(import, Metering::None).await,
            codes::PROGRAM_IMPORT,
            "fd_write",
        );
        let entry = r#"(module (func (export "_start") (param i32)))"#;
        check(
            compiled(entry, Metering::None).await,
            codes::PROGRAM_NO_ENTRY,
            "_start",
        );
        let component = r#"(component
            (import "wasi:cli/exit@0.2.0" (instance (export "no-such" (func))))
            (core module $m (func (export "run") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $run (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $run)))"#;
        check(
            compiled(component, Metering::None).await,
            codes::PROGRAM_IMPORT,
            "wasi:cli/exit",
        );
    });
}

/// One function that keeps the compiler busy for seconds.
fn bomb() -> SealedFile {
    let body = "(local.set 0 (i32.add (local.get 0) (i32.load (local.get 0))))".repeat(300_000);
    let text = format!(r#"(module (memory 1) (func (export "_start") (local i32) {body}))"#);
    SealedFile::from_bytes(&wat::parse_str(text).unwrap()).unwrap()
}

fn a_compile_over_its_time_is_the_programs_fault() {
    block_on(async {
        let limits = CompileLimits {
            wall: Duration::ZERO,
            ..CompileLimits::default()
        };
        let request = CompileRequest {
            program: bomb(),
            metering: Metering::None,
            limits,
        };
        check(
            compile(spawner(), request).await,
            codes::PROGRAM_COMPILE,
            "more than 0 s",
        );
    });
}

fn a_compile_over_its_cpu_time_is_the_programs_fault() {
    block_on(async {
        let limits = CompileLimits {
            cpu: Duration::from_secs(1),
            ..CompileLimits::default()
        };
        let request = CompileRequest {
            program: bomb(),
            metering: Metering::None,
            limits,
        };
        check(
            compile(spawner(), request).await,
            codes::PROGRAM_COMPILE,
            "signal",
        );
    });
}

fn a_compile_over_its_memory_is_the_programs_fault() {
    block_on(async {
        let limits = CompileLimits {
            memory_bytes_max: 40 << 20,
            ..CompileLimits::default()
        };
        let request = CompileRequest {
            program: bomb(),
            metering: Metering::None,
            limits,
        };
        check(
            compile(spawner(), request).await,
            codes::PROGRAM_COMPILE,
            "signal",
        );
    });
}

fn compiled_code_survives_the_cache() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let cache =
            CompileCache::open(&folder.path().join("c"), mutual_engine::build_id()).unwrap();
        let program = compiled(crate::ends::HELLO, Metering::None).await.unwrap();
        let key = ProgramKey {
            program: Cid::of(Codec::Raw, b"hello"),
            kind: program.kind(),
            metering: Metering::None,
        };
        cache.keep(&key, &program).unwrap();
        let ran = run(job(cache.find(&key).unwrap()), async |_, _| ()).await;
        assert_eq!(ran.text(), "hello\n");
    });
}

fn code_of_another_build_is_not_run() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let build = BuildId("same".to_owned());
        let cache = CompileCache::open(&folder.path().join("c"), build).unwrap();
        let program = compiled(crate::ends::HELLO, Metering::Fuel).await.unwrap();
        let key = ProgramKey {
            program: Cid::of(Codec::Raw, b"hello"),
            kind: program.kind(),
            metering: Metering::None,
        };
        cache.keep(&key, &program).unwrap();
        let ran = run(job(cache.find(&key).unwrap()), async |_, _| ()).await;
        assert!(
            matches!(ran.report.outcome, Outcome::RunnerFailed { .. }),
            "{ran:?}"
        );
        assert!(ran.stdout.is_empty());
    });
}
