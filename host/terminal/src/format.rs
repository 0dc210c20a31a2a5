//! Flags that every command spells alike: the form of output, sizes and times.

use bytesize::ByteSize;
use clap::builder::EnumValueParser;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Forms of commands that print a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people on a terminal, plain lines in a pipe
    #[default]
    Auto,
    /// A table
    Table,
    /// One JSON document
    Json,
    /// One JSON document a line
    Jsonl,
    /// Ids only
    Id,
}

/// Forms of commands that print one thing and not a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DocumentFormat {
    /// For people
    #[default]
    Auto,
    /// One JSON document
    Json,
}

/// In which form a command prints what it has to say.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct FormatArgs<F: ValueEnum + Send + Sync + 'static> {
    /// Form of what is printed
    #[arg(
        help_heading = "Output",
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "auto",
        value_parser = EnumValueParser::<F>::new()
    )]
    output: F,
    /// Short for -o json
    #[arg(long, conflicts_with = "output", help_heading = "Output")]
    json: bool,
}

/// For a list.
pub type ListArgs = FormatArgs<Format>;
/// For one thing.
pub type DocumentArgs = FormatArgs<DocumentFormat>;

impl ListArgs {
    /// The form.
    pub fn format(self) -> Format {
        if self.json { Format::Json } else { self.output }
    }

    /// Whether it is JSON; failures are printed as JSON too then.
    pub fn is_json(self) -> bool {
        matches!(self.format(), Format::Json | Format::Jsonl)
    }
}

impl DocumentArgs {
    /// Whether it is JSON; failures are printed as JSON too then.
    pub fn is_json(self) -> bool {
        self.json || self.output == DocumentFormat::Json
    }
}

/// `512MiB`.
///
/// # Errors
/// When it is no size.
pub fn parse_size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_without_example: String| {
        "give a number with a unit, for example 512MiB".to_owned()
    })
}

/// `90s`, or a number of seconds.
///
/// # Errors
/// When it is no time.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string());
    }
    humantime::parse_duration(text).map_err(|e| format!("{e}; for example 90s, 5m or 2h"))
}
