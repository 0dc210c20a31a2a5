//! The compiler's part: one program in, compiled code or a refusal out.

use crate::config;
use crate::guest::{CallError, ComponentLinker, ModuleLinker, refusal};
use crate::inspect::{ProgramError, inspect};
use crate::parent::socket;
use mutual_protocol::codes;
use mutual_protocol::spec::ProgramKind;
use mutual_runner::bounds::COMPILED_BYTES_MAX;
use mutual_runner::frame::Kind;
use mutual_runner::message::{self, Compile, Compiled, cut};
use mutual_runner::{Link, LinkError, Metering, SealedFile, send, walls};
use std::fs::File;
use std::io::Write;
use wasmtime::Module;
use wasmtime::component::Component;

/// Waits for a program, compiles it, reports.
pub(crate) fn play() -> Result<(), LinkError> {
    let mut link = Link::new(socket());
    let (kind, body) = link.receive()?;
    if kind != Kind::Compile {
        return Err(LinkError::Closed);
    }
    let order = message::decode_order::<Compile>(body);
    let files = link.take_descriptor().zip(link.take_descriptor());
    let compiled = match (order, files) {
        (Ok(order), Some((program, output))) => serve(
            order,
            SealedFile::from_descriptor(program),
            File::from(output),
        ),
        _ => failed("the order cannot be read"),
    };
    Ok(send(socket(), Kind::Compiled, &message::encode(&compiled))?)
}

fn serve(
    order: Compile,
    program: Result<SealedFile, mutual_runner::SealedFileError>,
    mut output: File,
) -> Compiled {
    let walls = walls::limit_compiler(order.cpu_s_max, order.memory_bytes_max, COMPILED_BYTES_MAX);
    if let Err(error) = walls {
        return failed(&error.to_string());
    }
    let program = program
        .map_err(std::io::Error::other)
        .and_then(|program| program.read());
    let program = match program {
        Ok(program) => program,
        Err(error) => return failed(&error.to_string()),
    };
    match compile(order.metering, &program) {
        Ok((kind, code)) => match output.write_all(&code) {
            Ok(()) => Compiled::Done { kind },
            Err(error) => failed(&error.to_string()),
        },
        Err(CompileError::Program(error)) => rejected(error.code().code, error.to_string()),
        Err(CompileError::Link(error)) => {
            let (code, detail) = refusal(error);
            rejected(code, detail)
        }
        Err(CompileError::Compile(error)) => {
            rejected(codes::PROGRAM_COMPILE.code, format!("{error:#}"))
        }
    }
}

/// Why there is no compiled code.
enum CompileError {
    /// Not a program that is taken.
    Program(ProgramError),
    /// Its imports or its entry point do not fit.
    Link(CallError),
    /// The compiler does not manage it.
    Compile(wasmtime::Error),
}

fn compile(metering: Metering, program: &[u8]) -> Result<(ProgramKind, Vec<u8>), CompileError> {
    use CompileError::{Compile, Link, Program};
    let info = inspect(program).map_err(Program)?;
    info.check().map_err(Program)?;
    let engine = config::compiling(metering).map_err(Compile)?;
    let code = match info.kind {
        ProgramKind::Component => {
            let component = Component::from_binary(&engine, program).map_err(Compile)?;
            ComponentLinker::new(&engine)
                .check(&engine, &component)
                .map_err(Link)?;
            component.serialize()
        }
        _ => {
            let module = Module::from_binary(&engine, program).map_err(Compile)?;
            ModuleLinker::new(&engine)
                .map_err(Compile)?
                .check(&module)
                .map_err(Link)?;
            module.serialize()
        }
    };
    Ok((info.kind, code.map_err(Compile)?))
}

fn rejected(code: &str, detail: String) -> Compiled {
    Compiled::Rejected {
        code: code.to_owned(),
        detail: cut(detail),
    }
}

fn failed(detail: &str) -> Compiled {
    Compiled::Failed {
        detail: cut(detail.to_owned()),
    }
}
