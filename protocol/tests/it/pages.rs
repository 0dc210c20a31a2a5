//! Pages that are printed from the tables of error codes and limits.

use crate::sample::{self, Visitor};
use crate::{cbor, golden};
use mutual_protocol::sign::Message;
use mutual_protocol::{Verified, codes, limits};
use std::fmt::Write as _;

const NOTE: &str = "This page is printed from a table in the code: `cargo xtask golden -p mutual-protocol` writes it anew.\n\n";

#[test]
fn page_of_error_codes_is_fresh() {
    let mut page = format!("# Error codes\n\n{NOTE}");
    page +=
        "Every code that a person, a guest or a peer can meet. A code never changes its meaning.\n";
    page += "The exit code is that of the `mc` command that ends with the error.\n\n";
    page += "| Code | Meaning | Next step | Exit code |\n|---|---|---|---|\n";
    for row in codes::TABLE {
        let cells = [row.code, row.meaning, row.next];
        assert!(
            cells.iter().all(|cell| !cell.contains(['|', '\n'])),
            "{} would break the table",
            row.code
        );
        writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            row.code, row.meaning, row.next, row.exit
        )
        .unwrap();
    }
    golden::check("docs/generated/errors.md", &page);
}

#[test]
fn page_of_limits_is_fresh() {
    let mut page = format!("# Limits\n\n{NOTE}");
    page += "Every bound of the protocol. The reason for each stands beside its constant in `protocol/src/limits.rs`.\n\n";
    page += "| Limit | Value | Unit | In words |\n|---|---|---|---|\n";
    for row in limits::TABLE {
        let words = in_words(row.value, row.unit);
        writeln!(
            page,
            "| `{}` | {} | {} | {words} |",
            row.name, row.value, row.unit
        )
        .unwrap();
    }
    golden::check("docs/generated/limits.md", &page);
}

#[test]
fn every_limit_is_in_the_table() {
    let source =
        std::fs::read_to_string(mutual_testkit::repository_root().join("protocol/src/limits.rs"))
            .unwrap();
    let constants = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .filter_map(|rest| rest.split(':').next())
        .filter(|name| *name != "TABLE");
    let missing: Vec<_> = constants
        .filter(|name| limits::TABLE.iter().all(|row| row.name != *name))
        .collect();
    assert_eq!(missing, [""; 0], "not in limits::TABLE");
}

/// The normative page has a row with tag, version, cap and vector of every message, and one with all its fields.
#[test]
fn page_of_the_protocol_knows_every_message() {
    struct Rows(Vec<String>);
    impl Rows {
        fn has(&self, start: &str, parts: &[String]) -> bool {
            let mut rows = self.0.iter().filter(|row| row.contains(start));
            rows.any(|row| parts.iter().all(|part| row.contains(part)))
        }
    }
    impl Visitor for Rows {
        fn visit<T: Message + PartialEq>(&mut self, name: &str, sample: Verified<T>) {
            let row = format!("| `{}` | {} | {} |", T::TAG, T::VERSION, T::SIZE_MAX);
            assert!(self.has(&row, &[format!("`{name}`")]), "{row} `{name}`");
            let pairs = cbor::pairs(sample.signed().body());
            let fields: Vec<_> = pairs
                .iter()
                .map(|pair| format!("`{}`", cbor::key(pair)))
                .collect();
            assert!(
                self.has(&format!("| `{}` |", T::TAG), &fields),
                "{name}: {fields:?}"
            );
        }
    }
    let page = mutual_testkit::repository_root().join("docs/protocol.md");
    let page = std::fs::read_to_string(page).unwrap();
    sample::visit_all(&mut Rows(page.lines().map(str::to_owned).collect()));
}

/// Sizes in MiB (or KiB, below one), times in seconds; nothing for counts.
fn in_words(value: u64, unit: &str) -> String {
    match unit {
        "bytes" if value >= 1 << 20 => decimal(value, 1 << 20, "MiB"),
        "bytes" if value >= 1 << 10 => decimal(value, 1 << 10, "KiB"),
        "ms" if value >= 1_000 => decimal(value, 1_000, "s"),
        _ => String::new(),
    }
}

fn decimal(value: u64, per: u64, unit: &str) -> String {
    match (value / per, value % per * 10 / per) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenths) => format!("{whole}.{tenths} {unit}"),
    }
}
