//! Counting on a small file, and the arithmetic of the table.

use super::{count::Counts, per, percent, ranks};

const FILE: &str = "\
//! What it is.

/// Documented.
pub struct A;

pub fn bare(x: Option<u8>) -> u8 {
    // why
    let y = x.unwrap();

    y + x.expect(\"set\")
}

/// Documented.
pub enum OpenError {
    Missing,
    Broken,
}

impl A {
    fn short(&self) -> u8 { 1 }
    fn empty(&self) {}
}

#[cfg(test)]
mod tests {
    #[test]
    fn missing() {
        assert!(matches!(Some(1).unwrap(), 1));
        let _ = OpenError::Missing;
    }
}
";

#[test]
fn a_file_is_counted_without_its_tests() {
    let mut counts = Counts::default();
    counts.add_file("a.rs", FILE).unwrap();
    assert_eq!(counts.file_lines, [13]);
    assert_eq!(counts.comment_lines, 4);
    assert_eq!(counts.unwraps, 2);
    assert_eq!((counts.public, counts.documented), (3, 2));
    let functions: Vec<_> = counts
        .functions
        .iter()
        .map(|f| (f.name.as_str(), f.lines))
        .collect();
    assert_eq!(functions, [("bare", 2), ("short", 1), ("empty", 0)]);
    assert_eq!(
        counts.untested_variants(super::count::test_part(FILE)),
        ["OpenError::Broken"]
    );
}

#[test]
fn a_file_that_does_not_parse_is_an_error() {
    assert!(Counts::default().add_file("a.rs", "fn (").is_err());
}

#[test]
fn ranks_are_nearest_rank() {
    let values: Vec<usize> = (1..=100).rev().collect();
    assert_eq!(ranks(&values, &[50, 95, 99, 100]), "50 / 95 / 99 / 100");
    assert_eq!(ranks(&[7], &[50, 100]), "7 / 7");
    assert_eq!(ranks(&[], &[50]), "-");
}

#[test]
fn shares_are_rounded_down_and_never_divide_by_zero() {
    assert_eq!(per(1, 300, 1000), "3.3");
    assert_eq!(per(0, 0, 1000), "-");
    assert_eq!(percent(2, 3), "66 %");
    assert_eq!(percent(0, 0), "-");
}
