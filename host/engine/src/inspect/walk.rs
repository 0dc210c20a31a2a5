//! One pass over the sections of a valid program.

use super::interfaces::{self, PREVIEW1, Verdict};
use super::{COMPONENT_ENTRY, Import, MODULE_ENTRY, Memory, Producer, ProgramInfo};
use mutual_protocol::spec::ProgramKind;
use wasmparser::{
    BinaryReaderError, ComponentExternalKind, ComponentTypeRef, ExternalKind, KnownCustom,
    MemoryType, Parser, Payload, ProducersSectionReader,
};

/// Bytes of a page: custom sizes are not offered.
const PAGE_BYTES: u64 = 64 << 10;

pub(super) fn walk(bytes: &[u8], kind: ProgramKind) -> Result<ProgramInfo, BinaryReaderError> {
    let mut info = ProgramInfo {
        kind,
        wasi: None,
        bytes: bytes.len() as u64,
        producers: Vec::new(),
        imports: Vec::new(),
        exports: Vec::new(),
        entry: None,
        memory: None,
        functions: 0,
    };
    // 0 inside the program itself, more inside modules and components that it contains.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            payload if depth == 0 => own(&mut info, payload)?,
            payload => inner(&mut info, payload)?,
        }
    }
    Ok(info)
}

/// A section of the program itself.
fn own(info: &mut ProgramInfo, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
    match payload {
        Payload::ImportSection(imports) => {
            for import in imports.into_imports() {
                let import = import?;
                let function = matches!(import.ty, wasmparser::TypeRef::Func(_));
                let verdict = interfaces::of_function(import.module, import.name);
                let verdict = if function { verdict } else { Verdict::Unknown };
                if import.module == PREVIEW1 {
                    info.wasi = Some("0.1".to_owned());
                }
                add_import(info, format!("{}.{}", import.module, import.name), verdict);
            }
        }
        Payload::ComponentImportSection(imports) => {
            for import in imports {
                let import = import?;
                let name = import.name.name;
                let instance = matches!(import.ty, ComponentTypeRef::Instance(_));
                let verdict = if instance {
                    interfaces::of_interface(name)
                } else {
                    Verdict::Unknown
                };
                note_version(info, name);
                add_import(info, name.to_owned(), verdict);
            }
        }
        Payload::ExportSection(exports) => {
            for export in exports {
                let export = export?;
                if export.name == MODULE_ENTRY && export.kind == ExternalKind::Func {
                    info.entry = Some(export.name.to_owned());
                }
                info.exports.push(export.name.to_owned());
            }
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports {
                let export = export?;
                let name = export.name.name;
                let instance = export.kind == ComponentExternalKind::Instance;
                if instance && interfaces::interface(name) == Some(COMPONENT_ENTRY) {
                    info.entry = Some(name.to_owned());
                }
                note_version(info, name);
                info.exports.push(name.to_owned());
            }
        }
        payload => inner(info, payload)?,
    }
    Ok(())
}

/// A section that counts wherever it stands.
fn inner(info: &mut ProgramInfo, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
    match payload {
        Payload::MemorySection(memories) => {
            for memory in memories {
                add_memory(info, &memory?);
            }
        }
        Payload::CodeSectionStart { count, .. } => {
            info.functions = info.functions.saturating_add(count)
        }
        Payload::CustomSection(section) => {
            if let KnownCustom::Producers(producers) = section.as_known() {
                // A custom section means nothing: one that cannot be read says nothing.
                let _unreadable = add_producers(info, producers);
            }
        }
        _ => {}
    }
    Ok(())
}

fn add_import(info: &mut ProgramInfo, name: String, verdict: Verdict) {
    let import = Import { name, verdict };
    if !info.imports.contains(&import) {
        info.imports.push(import);
    }
}

fn add_memory(info: &mut ProgramInfo, memory: &MemoryType) {
    let bytes = |pages: u64| pages.saturating_mul(PAGE_BYTES);
    let (min, max) = (bytes(memory.initial), memory.maximum.map(bytes));
    info.memory = Some(match info.memory {
        None => Memory {
            bytes_min: min,
            bytes_max: max,
        },
        Some(sum) => Memory {
            bytes_min: sum.bytes_min.saturating_add(min),
            bytes_max: sum
                .bytes_max
                .zip(max)
                .map(|(sum, max)| sum.saturating_add(max)),
        },
    });
}

fn add_producers(
    info: &mut ProgramInfo,
    producers: ProducersSectionReader<'_>,
) -> Result<(), BinaryReaderError> {
    for field in producers {
        let field = field?;
        for value in field.values {
            let value = value?;
            let producer = Producer {
                field: field.name.to_owned(),
                name: value.name.to_owned(),
                version: value.version.to_owned(),
            };
            if !info.producers.contains(&producer) {
                info.producers.push(producer);
            }
        }
    }
    Ok(())
}

/// Keeps the newest 0.2 version that a WASI interface is named with.
fn note_version(info: &mut ProgramInfo, name: &str) {
    let Some((interface, version)) = name.split_once('@') else {
        return;
    };
    let Some(patch) = interfaces::patch(version).filter(|_| interface.starts_with("wasi:")) else {
        return;
    };
    let newest = info.wasi.as_deref().and_then(interfaces::patch);
    if newest.is_none_or(|newest| newest < patch) {
        info.wasi = Some(version.to_owned());
    }
}
