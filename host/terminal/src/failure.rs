//! How a command fails in front of a person: a code, a cause, the next step, and an exit code.

use mutual_node::record::Unplaced;
use mutual_protocol::codes::{self, Code};
use serde_json::json;
use std::fmt::Write as _;

/// An error that ends a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: Code,
    /// What exactly: a path, a name, the operating system's word.
    detail: Vec<String>,
    next: Option<String>,
    exit: u8,
}

impl Failure {
    /// A failure with its code's own meaning and next step.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: Vec::new(),
            next: None,
            exit: code.exit,
        }
    }

    /// Adds a line of cause.
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail.push(detail.into());
        self
    }

    /// Adds an error and everything below it as causes.
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.detail.last() != Some(&text) {
                self.detail.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Replaces the code's next step by a better one.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Replaces the code's exit code.
    pub fn exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// Its causes on one line.
    pub fn causes(&self) -> String {
        self.detail.join(": ")
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        self.exit
    }

    /// The code's text.
    pub fn code(&self) -> &'static str {
        self.code.code
    }

    /// For the record of a run whose outputs are not in their places.
    pub fn unplaced(&self) -> Unplaced {
        Unplaced {
            code: self.code.code.to_owned(),
            detail: self.causes(),
            next: self.next.clone(),
        }
    }

    /// The same failure again, from the record.
    pub fn on_record(unplaced: &Unplaced, exit: u8) -> Self {
        let code = Code::find(&unplaced.code).unwrap_or(&codes::OUTPUT_PLACE);
        Self {
            code: *code,
            detail: vec![unplaced.detail.clone()],
            next: unplaced.next.clone(),
            exit,
        }
    }

    /// For a person.
    pub fn human(&self) -> String {
        let mut text = format!("error[{}]: {}\n", self.code.code, self.code.meaning);
        // Causes may quote untrusted text: control characters must not reach the terminal.
        let cause: String = self.causes().chars().map(visible).collect();
        if !cause.is_empty() {
            let indented = cause.trim_end().replace('\n', "\n         ");
            let _ = writeln!(text, "  cause: {indented}");
        }
        let _ = writeln!(
            text,
            "  help:  {}",
            self.next.as_deref().unwrap_or(self.code.next)
        );
        text
    }

    /// For a program: one line of JSON.
    pub fn json(&self) -> String {
        let message =
            std::iter::once(self.code.meaning).chain(self.detail.iter().map(String::as_str));
        let message = message.collect::<Vec<_>>().join(": ");
        let help = self.next.as_deref().unwrap_or(self.code.next);
        format!(
            "{}\n",
            json!({"error": {"code": self.code.code, "message": message, "help": help}})
        )
    }
}

fn visible(c: char) -> char {
    if c.is_control() && c != '\n' {
        '\u{fffd}'
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mutual_protocol::codes;

    #[test]
    fn a_failure_names_code_cause_and_next_step() {
        let failure = Failure::new(codes::PROGRAM_IMPORT).because("`nobody:knows/this`");
        let human = failure.human();
        assert!(
            human.starts_with("error[mc::program::import]: the program imports"),
            "{human}"
        );
        assert!(
            human.contains("  cause: `nobody:knows/this`\n  help:  build it for"),
            "{human}"
        );
        let json: serde_json::Value = serde_json::from_str(&failure.json()).unwrap();
        assert_eq!(json["error"]["code"], "mc::program::import");
        assert_eq!(failure.exit_code(), 126);
    }

    #[test]
    fn a_failure_on_record_is_told_as_it_was() {
        let failure = Failure::new(codes::RUN_NO_OUTPUT)
            .because("out")
            .because("nothing there")
            .next("check the path")
            .exit(125);
        let again = Failure::on_record(&failure.unplaced(), 125);
        assert_eq!(again.human(), failure.human());
        assert_eq!(again.json(), failure.json());
        assert_eq!(again.exit_code(), 125);
    }

    #[test]
    fn untrusted_text_cannot_drive_the_terminal() {
        let human = Failure::new(codes::PROGRAM_IMPORT)
            .because("a\x1b[2Jb")
            .human();
        assert!(!human.contains('\x1b'), "{human:?}");
    }
}
