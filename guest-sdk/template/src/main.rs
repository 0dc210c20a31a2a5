//! Counts the lines of every input file, and writes the counts to a report.

use std::{
    error::Error,
    fs::{self, File},
    io::{self, BufRead, BufReader},
};

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn Error>> {
    let inputs = mutual_guest::inputs()?;
    let mut report = String::new();
    for (done, path) in inputs.iter().enumerate() {
        let name = path.display();
        mutual_guest::progress(done, inputs.len(), &name.to_string());
        let lines = File::open(path)
            .and_then(|file| count_lines(BufReader::new(file)))
            .map_err(|error| format!("{name}: {error}"))?;
        report.push_str(&format!("{lines} {name}\n"));
    }
    print!("{report}");
    println!("{} files read", inputs.len());
    fs::write(mutual_guest::output("report.txt")?, report)?;
    Ok(())
}

/// Lines of any bytes, text or not; a last line without its end counts too.
fn count_lines(from: impl BufRead) -> io::Result<usize> {
    from.split(b'\n')
        .try_fold(0, |lines, line| line.map(|_| lines + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_counts() {
        assert_eq!(count_lines(&b""[..]).unwrap(), 0);
        assert_eq!(count_lines(&b"one\n"[..]).unwrap(), 1);
        assert_eq!(count_lines(&b"one\n\nthree"[..]).unwrap(), 3);
    }
}
