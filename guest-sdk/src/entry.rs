//! How a program ends: what its `main` may return, and what becomes of it.

use std::{error::Error, io::Write as _, process};

/// The exit code that `main` returns: [`std::process::ExitCode`], but whole.
///
/// In a WASI 0.2 program the standard library's own type turns every code but 0 into 1.
///
/// ```
/// use mutual_guest::ExitCode;
///
/// #[mutual_guest::main]
/// fn main() -> ExitCode {
///     if std::env::args().count() > 9 {
///         return ExitCode::from(2);
///     }
///     ExitCode::SUCCESS
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(u8);

impl ExitCode {
    /// The program did what it was asked to do.
    pub const SUCCESS: Self = Self(0);
    /// It did not.
    pub const FAILURE: Self = Self(1);
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> Self {
        Self(code)
    }
}

/// What a [`main`](macro@crate::main) may return: `()`, [`ExitCode`], or a `Result` of those.
///
/// An error is anything that converts into `Box<dyn Error>`. It goes to stderr together with its causes.
#[diagnostic::on_unimplemented(
    message = "`main` cannot return `{Self}`",
    label = "no ending for a guest program",
    note = "`main` returns `()`, `mutual_guest::ExitCode`, or a `Result` of those with an error that converts into `Box<dyn Error>`"
)]
pub trait Ending {
    /// Ends the program: says what went wrong, and gives the code to `std`'s entry or, where that would lose it, to
    /// the host at once.
    fn end(self) -> process::ExitCode;
}

impl Ending for () {
    fn end(self) -> process::ExitCode {
        process::ExitCode::SUCCESS
    }
}

impl Ending for ExitCode {
    fn end(self) -> process::ExitCode {
        match self {
            Self::SUCCESS => process::ExitCode::SUCCESS,
            Self::FAILURE => process::ExitCode::FAILURE,
            Self(code) => crate::exit(code),
        }
    }
}

impl<T: Ending, E: Into<Box<dyn Error>>> Ending for Result<T, E> {
    fn end(self) -> process::ExitCode {
        match self {
            Ok(ending) => ending.end(),
            Err(error) => {
                // Nobody is left to tell when stderr is closed.
                let _ = std::io::stderr().write_all(chain(&*error.into()).as_bytes());
                process::ExitCode::FAILURE
            }
        }
    }
}

/// A line for the error, and one for each of its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = format!("error: {error}\n");
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!("caused by: {cause}\n"));
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn every_cause_has_its_line() {
        let disk = Layer("the disk is full", None);
        let error = Layer(
            "no report",
            Some(Box::new(Layer("a.txt", Some(Box::new(disk))))),
        );
        assert_eq!(
            chain(&error),
            "error: no report\ncaused by: a.txt\ncaused by: the disk is full\n"
        );
    }

    #[test]
    fn the_usual_errors_end_a_program() {
        fn accepts<T: Ending>(ending: T) -> String {
            format!("{:?}", ending.end())
        }
        let failure = format!("{:?}", process::ExitCode::FAILURE);
        assert_eq!(accepts(Err::<(), _>("text")), failure);
        assert_eq!(accepts(Err::<ExitCode, _>(String::from("text"))), failure);
        assert_eq!(accepts(Err::<(), _>(Layer("own", None))), failure);
        assert_eq!(accepts(Err::<(), Box<dyn Error>>("boxed".into())), failure);
        assert_eq!(accepts(Ok::<_, Layer>(ExitCode::from(1))), failure);
        assert_ne!(accepts(Ok::<(), Layer>(())), failure);
    }
}
