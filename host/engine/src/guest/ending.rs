//! What an ended call means: exit codes, traps by stable names, memory that was refused.

mod symbols;

use super::Returned;
use mutual_protocol::codes;
use mutual_runner::message::{Ended, Ending, cut};
use wasmtime::{Error, Trap};
use wasmtime_wasi::I32Exit;

/// Exit code by which C libraries tell an abort: 128 + SIGABRT.
const ABORT_CODE: i32 = 134;

/// Why a program did not return from its entry point.
#[derive(Debug)]
pub(crate) enum CallError {
    /// An import is missing or has another type.
    Import(Error),
    /// The entry point is missing or has another type.
    Entry(Error),
    /// It ran, and ended by an exit, a trap, or a host function's error.
    Run(Error),
}

/// Reads the result of a call.
///
/// `memory_refused`: a program that traps or aborts after it was refused memory died of that. It is a guess, and the
/// best one: allocators trap when there is no memory (Rust, C, C++, AssemblyScript), and nothing else tells.
pub(super) fn of(
    result: Result<Returned, CallError>,
    memory_refused: bool,
) -> (Ending, Option<String>) {
    match result {
        Ok(Ok(())) => (Ending::Exited { code: 0 }, None),
        Ok(Err(())) => (Ending::Exited { code: 1 }, None),
        Err(CallError::Run(error)) => ran(&error, memory_refused),
        Err(CallError::Import(error)) => (rejected(codes::PROGRAM_IMPORT.code, &error), None),
        Err(CallError::Entry(error)) => (rejected(codes::PROGRAM_NO_ENTRY.code, &error), None),
    }
}

fn ran(error: &Error, memory_refused: bool) -> (Ending, Option<String>) {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        if *code == ABORT_CODE && memory_refused {
            return (Ending::MemoryRefused, None);
        }
        // The low eight bits, as a shell would see them.
        let [code, ..] = code.to_le_bytes();
        return (Ending::Exited { code }, None);
    }
    let message = Some(cut(symbols::demangle(&format!("{error:?}"))));
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => (Ending::Interrupted, None),
        Some(Trap::OutOfFuel) => (Ending::OutOfFuel, None),
        _ if memory_refused => (Ending::MemoryRefused, message),
        trap => (
            Ending::Trapped {
                trap: name(trap).to_owned(),
            },
            message,
        ),
    }
}

/// The stable name of a trap; `host-call` is a host function that refused to go on.
fn name(trap: Option<&Trap>) -> &'static str {
    let Some(trap) = trap else { return "host-call" };
    match trap {
        Trap::StackOverflow => "stack-overflow",
        Trap::MemoryOutOfBounds => "memory-out-of-bounds",
        Trap::TableOutOfBounds => "table-out-of-bounds",
        Trap::IndirectCallToNull => "indirect-call-to-null",
        Trap::BadSignature => "indirect-call-type-mismatch",
        Trap::IntegerOverflow => "integer-overflow",
        Trap::IntegerDivisionByZero => "integer-divide-by-zero",
        Trap::BadConversionToInteger => "bad-conversion-to-integer",
        Trap::UnreachableCodeReached => "unreachable",
        Trap::NullReference => "null-reference",
        Trap::CannotEnterComponent => "cannot-enter-component",
        Trap::CannotLeaveComponent => "cannot-leave-component",
        Trap::InvalidChar | Trap::InvalidDiscriminant | Trap::UnalignedPointer => "invalid-value",
        Trap::StringOutOfBounds | Trap::ListOutOfBounds => "value-out-of-bounds",
        // Of features that are not offered.
        _ => "other",
    }
}

/// The error that a check before the run gives.
pub(crate) fn refusal(error: CallError) -> (&'static str, String) {
    match error {
        CallError::Import(error) => (codes::PROGRAM_IMPORT.code, cut(format!("{error:#}"))),
        CallError::Entry(error) => (codes::PROGRAM_NO_ENTRY.code, cut(format!("{error:#}"))),
        CallError::Run(error) => (codes::PROGRAM_COMPILE.code, cut(format!("{error:#}"))),
    }
}

fn rejected(code: &str, error: &Error) -> Ending {
    Ending::Rejected {
        code: code.to_owned(),
        detail: cut(format!("{error:#}")),
    }
}

/// The guest has not run, and is not to blame.
pub(crate) fn not_run(error: &Error) -> Ended {
    let ending = Ending::Failed {
        detail: cut(format!("{error:#}")),
    };
    Ended {
        ending,
        message: None,
        fuel: 0,
        memory_bytes_peak: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32, memory_refused: bool) -> Ending {
        of(
            Err(CallError::Run(wasmtime::format_err!(I32Exit(code)))),
            memory_refused,
        )
        .0
    }

    #[test]
    fn exit_codes_are_cut_like_a_shell_cuts_them() {
        assert_eq!(exit(0, false), Ending::Exited { code: 0 });
        assert_eq!(exit(42, true), Ending::Exited { code: 42 });
        assert_eq!(exit(256, false), Ending::Exited { code: 0 });
        assert_eq!(exit(-1, false), Ending::Exited { code: 255 });
        assert_eq!(of(Ok(Err(())), false).0, Ending::Exited { code: 1 });
    }

    #[test]
    fn a_trap_or_abort_after_refused_memory_is_the_refusal() {
        let trap = || Err(CallError::Run(Trap::UnreachableCodeReached.into()));
        assert_eq!(
            of(trap(), false).0,
            Ending::Trapped {
                trap: "unreachable".to_owned()
            }
        );
        assert_eq!(of(trap(), true).0, Ending::MemoryRefused);
        assert_eq!(exit(134, true), Ending::MemoryRefused);
        assert_eq!(exit(134, false), Ending::Exited { code: 134 });
    }

    #[test]
    fn stops_are_not_traps_of_the_guest() {
        let ending = |trap: Trap| of(Err(CallError::Run(trap.into())), true).0;
        assert_eq!(ending(Trap::Interrupt), Ending::Interrupted);
        assert_eq!(ending(Trap::OutOfFuel), Ending::OutOfFuel);
    }

    #[test]
    fn an_error_of_a_host_function_is_a_trap_with_a_name() {
        let error = wasmtime::format_err!("unknown handle index 7");
        let (ending, message) = of(Err(CallError::Run(error)), false);
        assert_eq!(
            ending,
            Ending::Trapped {
                trap: "host-call".to_owned()
            }
        );
        assert!(message.unwrap().contains("unknown handle index 7"));
    }
}
