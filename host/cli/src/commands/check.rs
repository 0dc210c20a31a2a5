//! `mc check`: what a program is, and whether it can run, without running it.

use crate::args::CheckArgs;
use crate::failure::Failure;
use crate::program::{self, Talk};
use crate::{output, show};
use mutual_engine::{Import, ProgramError, ProgramInfo, Verdict, inspect};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(crate) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let talk = if args.format.is_json() {
        Talk::Quiet
    } else {
        Talk::Normal
    };
    let program = program::load(&args.program, talk, None)?;
    let info = inspect(&program.bytes).map_err(|e| explain(&e))?;
    let verdict = info.check();
    if args.format.is_json() {
        output::json(&document(&info, verdict.as_ref().err()))?;
    } else {
        output::data(page(&info, verdict.is_ok()).as_bytes())?;
    }
    verdict.map(|()| 0).map_err(|e| explain(&e))
}

/// A program that is refused, for a person.
pub(crate) fn explain(error: &ProgramError) -> Failure {
    Failure::new(error.code()).because(error.to_string())
}

fn page(info: &ProgramInfo, runs: bool) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {}", show::printable(value));
    };
    row("kind", kind(info));
    row("wasi", info.wasi.as_deref().unwrap_or("none"));
    row("size", &bytesize::ByteSize(info.bytes).to_string());
    row("functions", &info.functions.to_string());
    row("memory", &memory(info));
    row("entry", info.entry.as_deref().unwrap_or("none"));
    for producer in &info.producers {
        let made_by = format!("{} {}", producer.name, producer.version);
        row("made by", made_by.trim_end());
    }
    for import in &info.imports {
        row("import", &format!("{}{}", import.name, note(import)));
    }
    row("runs", if runs { "yes" } else { "no" });
    text
}

const fn kind(info: &ProgramInfo) -> &'static str {
    match info.kind {
        mutual_protocol::spec::ProgramKind::Component => "component",
        _ => "module",
    }
}

const fn note(import: &Import) -> &'static str {
    match import.verdict {
        Verdict::Known => "",
        Verdict::DeniedAtCall => "  (refused when called)",
        _ => "  (unknown: cannot run)",
    }
}

fn memory(info: &ProgramInfo) -> String {
    let Some(memory) = info.memory else {
        return "none".to_owned();
    };
    let least = bytesize::ByteSize(memory.bytes_min);
    match memory.bytes_max {
        Some(most) => format!("{least} at the start, at most {}", bytesize::ByteSize(most)),
        None => format!("{least} at the start"),
    }
}

fn document(info: &ProgramInfo, error: Option<&ProgramError>) -> Value {
    let imports: Vec<_> = info
        .imports
        .iter()
        .map(|import| {
            let verdict = match import.verdict {
                Verdict::Known => "granted",
                Verdict::DeniedAtCall => "denied",
                _ => "unknown",
            };
            json!({"name": import.name, "verdict": verdict})
        })
        .collect();
    let producers: Vec<_> = info
        .producers
        .iter()
        .map(|p| json!({"field": p.field, "name": p.name, "version": p.version}))
        .collect();
    json!({
        "schema": "mc.v1/program", "kind": kind(info), "wasi": info.wasi, "size": info.bytes,
        "functions": info.functions, "entry": info.entry, "exports": info.exports,
        "memory": info.memory.map(|m| json!({"bytes_min": m.bytes_min, "bytes_max": m.bytes_max})),
        "producers": producers, "imports": imports, "runs": error.is_none(), "error": error.map(|e| e.code().code),
    })
}
