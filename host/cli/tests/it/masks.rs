//! Masks for what differs from run to run: ids, times, durations, sizes of memory.
//!
//! | In the text | Mask |
//! |---|---|
//! | `j-7k2m9x4a`, `o-…`, `n-…`: eight letters and digits or more | `j-*` |
//! | `2026-01-31T12:00:00.123Z` | `TIME` |
//! | `1.5s`, `2m3s`, `0.001 s` | `SPAN` |
//! | `16.5 MiB` and the like | `SIZE` |
//!
//! In a line with a mask, runs of spaces become two: columns are as wide as what was masked. In a JSON document values
//! are masked by the names of their fields, and it is indented with its keys sorted.

use serde_json::Value;

/// Masks lines, or one JSON document.
pub(crate) fn mask(text: &str) -> String {
    if text.starts_with('{') && serde_json::from_str::<Value>(text).is_ok() {
        return masked_json(text);
    }
    text.split_inclusive('\n').map(mask_line).collect()
}

/// Masks one JSON document and prints it indented.
fn masked_json(text: &str) -> String {
    let mut document: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    mask_value(&mut document, "");
    serde_json::to_string_pretty(&document).unwrap() + "\n"
}

/// Masks content identifiers too, for content that differs from compiler to compiler.
pub(crate) fn mask_cids(text: &str) -> String {
    map_words(text, |word| {
        (word.starts_with("baf") && word.len() > 50).then(|| "CID".to_owned())
    })
}

fn mask_value(value: &mut Value, field: &str) {
    match value {
        Value::Object(fields) => fields
            .iter_mut()
            .for_each(|(name, value)| mask_value(value, name)),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(item, field)),
        Value::Number(_) if field.ends_with("_seconds") => *value = "SPAN".into(),
        Value::Number(_) if field == "memory_bytes_peak" => *value = "SIZE".into(),
        Value::String(text) if field == "command" && text.contains('/') => {
            // Where the repository lies is nobody's matter.
            *text = text.rsplit('/').next().unwrap_or_default().to_owned();
        }
        Value::String(text) => *text = mask_line(text),
        _ => {}
    }
}

fn mask_line(line: &str) -> String {
    let masked = map_words(line, mask_word);
    let masked = ["s", "KiB", "MiB", "GiB"]
        .iter()
        .fold(masked, |line, unit| mask_units(&line, unit));
    if masked == line {
        return masked;
    }
    let mut narrow = String::new();
    for c in masked.chars() {
        if c != ' ' || !narrow.ends_with("  ") {
            narrow.push(c);
        }
    }
    narrow
}

fn map_words(text: &str, map: impl Fn(&str) -> Option<String>) -> String {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
    let mut mapped = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_inside) {
        let (before, tail) = rest.split_at(start);
        let end = tail.find(|c| !is_inside(c)).unwrap_or(tail.len());
        let (word, tail) = tail.split_at(end);
        mapped.push_str(before);
        mapped.push_str(&map(word).unwrap_or_else(|| word.to_owned()));
        rest = tail;
    }
    mapped + rest
}

fn mask_word(word: &str) -> Option<String> {
    let (bare, end) = match word.strip_suffix(['.', ':']) {
        Some(bare) => (bare, &word[bare.len()..]),
        None => (word, ""),
    };
    let mask = if is_id(bare) {
        format!("{}*", &bare[..2])
    } else if is_time(bare) {
        "TIME".to_owned()
    } else if is_span(bare) {
        "SPAN".to_owned()
    } else {
        return None;
    };
    Some(mask + end)
}

fn is_id(word: &str) -> bool {
    let kind = ["j-", "o-", "n-"]
        .iter()
        .find_map(|kind| word.strip_prefix(kind));
    kind.is_some_and(|rest| {
        rest.len() >= 8
            && rest
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

fn is_time(word: &str) -> bool {
    let shape: String = word
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z')
}

/// `1.5s`, `12s`, `2m3s`, `1h2m`, `3d4h`.
fn is_span(word: &str) -> bool {
    let units: String = word
        .chars()
        .filter(|c| !c.is_ascii_digit() && *c != '.')
        .collect();
    word.starts_with(|c: char| c.is_ascii_digit())
        && ["s", "ms", "hm", "dh"].contains(&units.as_str())
}

/// Masks a number that stands before a unit.
fn mask_units(line: &str, unit: &str) -> String {
    let mask = if unit == "s" { "SPAN" } else { "SIZE" };
    let words: Vec<&str> = line.split(' ').collect();
    let mut masked: Vec<&str> = Vec::new();
    for word in words {
        let is_unit = word.trim_end_matches([',', '\n', '.']) == unit;
        let after_number = masked
            .last()
            .is_some_and(|last| last.parse::<f64>().is_ok());
        if is_unit && after_number {
            masked.pop();
            masked.push(mask);
            let end = &word[unit.len()..];
            if !end.is_empty() {
                masked.push(end);
            }
        } else {
            masked.push(word);
        }
    }
    masked.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_masked_and_nothing_else() {
        let masked = [
            ("RUN         STATE\n", "RUN         STATE\n"),
            (
                "j-7k2m9x4a  ok      1.5s ago  0.0s  x.wasm 42\n",
                "j-*  ok  SPAN ago  SPAN  x.wasm 42\n",
            ),
            ("started   2026-11-21T14:46:42.433Z\n", "started  TIME\n"),
            (
                "used      0.001 s, CPU 0.007 s, 16.5 MiB of memory\n",
                "used  SPAN , CPU SPAN , SIZE of memory\n",
            ),
            (
                "3 files in /out: mc get j-gj2zdpk9\n",
                "3 files in /out: mc get j-*\n",
            ),
            (
                "j-short stays, so do 5 files, 42 and v1.5\n",
                "j-short stays, so do 5 files, 42 and v1.5\n",
            ),
        ];
        for (text, expected) in masked {
            assert_eq!(mask(text), expected);
        }
        let document = r#"{"id":"j-7k2m9x4a","b":{"wall_seconds":0.5},"a":[1]}"#;
        let expected = "{\n  \"a\": [\n    1\n  ],\n  \"b\": {\n    \"wall_seconds\": \"SPAN\"\n  },\n  \"id\": \"j-*\"\n}\n";
        assert_eq!(mask(document), expected);
    }
}
