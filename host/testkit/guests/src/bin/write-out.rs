//! `write-out FILES BYTES`: that many files of that many bytes, `/out/0` and so on; prints how many, and what stopped it.

use std::{fs, io};

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<String> = std::env::args().skip(1).collect();
    let [files, bytes] = numbers.as_slice() else {
        return Err("usage: write-out FILES BYTES".into());
    };
    let (files, bytes): (usize, usize) = (files.parse()?, bytes.parse()?);
    for number in 0..files {
        if let Err(error) = write(number, bytes) {
            println!("{number} of {files} files: {:?}", error.kind());
            return Err(error.into());
        }
    }
    println!("{files} of {files} files");
    Ok(())
}

fn write(number: usize, bytes: usize) -> io::Result<()> {
    fs::write(mutual_guest::output(number.to_string())?, vec![b'x'; bytes])
}
