//! `flood BYTES [stdout|stderr]`: that many bytes, in lines of 64; the numbers in them run on.

use std::io::{self, BufWriter, Write};

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let bytes: u64 = arguments.get(1).ok_or("no bytes given")?.parse()?;
    let out: Box<dyn Write> = match arguments.get(2).map(String::as_str) {
        Some("stderr") => Box::new(io::stderr()),
        _ => Box::new(io::stdout()),
    };
    let mut out = BufWriter::with_capacity(64 << 10, out);
    for number in 0..bytes / 64 {
        writeln!(out, "{number:063}")?;
    }
    write!(out, "{}", ".".repeat((bytes % 64) as usize))?;
    out.flush()?;
    Ok(())
}
