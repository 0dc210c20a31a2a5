//! Ends the program with an exit code, and knows the one thing about it that the standard library does not.

use std::io::Write as _;

/// Ends the program at once with this exit code; destructors do not run.
///
/// Use it instead of [`std::process::exit`]: in a WASI 0.2 program that one turns every code but 0 into 1.
/// What was printed with `print!` is flushed. Prefer to return an [`ExitCode`](crate::ExitCode) from `main`.
///
/// Codes from 124 on are those by which `mc run` says how a program ended that did not end by itself.
pub fn exit(code: u8) -> ! {
    // A closed stdout does not change how the program ends.
    let _ = std::io::stdout().flush();
    #[cfg(all(target_os = "wasi", target_env = "p2"))]
    component::exit_with_code(code);
    std::process::exit(code.into())
}

/// Imports `wasi:cli/exit.exit-with-code`, stable since WASI 0.2.12.
///
/// The standard library calls the older `exit`, which knows success and failure only. Bindings are written out here
/// since one function is worth no dependency. A program that never calls this does not import it.
#[cfg(all(target_os = "wasi", target_env = "p2"))]
#[expect(
    unsafe_code,
    reason = "a WASI function that the standard library does not wrap"
)]
mod component {
    #[link(wasm_import_module = "wasi:cli/exit@0.2.12")]
    unsafe extern "C" {
        #[link_name = "exit-with-code"]
        fn import(code: i32);
    }

    pub(super) fn exit_with_code(code: u8) {
        // SAFETY: the signature is the canonical lowering of `func(status-code: u8)`; it takes no pointers.
        unsafe { import(code.into()) }
    }

    /// Tells the component linker the type of the import. It is the encoding of this text:
    ///
    /// ```wit
    /// package mutual:guest;
    /// package wasi:cli@0.2.12 {
    ///     interface exit {
    ///         exit: func(status: result);
    ///         exit-with-code: func(status-code: u8);
    ///     }
    /// }
    /// world exit-code { import wasi:cli/exit@0.2.12; }
    /// ```
    ///
    /// The older function is part of it because the linker merges this interface with libc's older version of it.
    #[used]
    #[unsafe(link_section = "component-type:mutual-guest-exit-code")]
    static TYPE: [u8; 178] = *b"\
        \0asm\x0d\0\x01\0\
        \0\x19\x16wit-component-encoding\x04\0\
        \x07\x7c\x01A\x02\x01A\x02\x01B\x05\
        \x01j\0\0\x01@\x01\x06status\0\x01\0\x04\0\x04exit\x01\x01\
        \x01@\x01\x0bstatus-code\x7d\x01\0\x04\0\x0eexit-with-code\x01\x02\
        \x03\0\x14wasi:cli/exit@0.2.12\x05\0\
        \x04\0\x16mutual:guest/exit-code\x04\0\
        \x0b\x0f\x01\0\x09exit-code\x03\0\0";
}
