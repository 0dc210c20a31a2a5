//! Counts lines, words and bytes of text files, and the words that come up most.

mod arguments;
mod count;

use arguments::Arguments;
use count::{Counts, Words};
use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let files = if arguments.files.is_empty() {
        mutual_guest::inputs()?
    } else {
        arguments.files
    };
    if files.is_empty() {
        return Err(
            "no text to count: add files with `-i FILE`, or name `-` for standard input".into(),
        );
    }

    let mut words = Words::default();
    let mut total = Counts::default();
    if !arguments.bytes_only {
        println!("{}", Counts::HEAD);
    }
    let print = |counts: &Counts, name: &str| match arguments.bytes_only {
        true => println!("{:>9}  {name}", counts.bytes),
        false => println!("{}", counts.row(name)),
    };
    for (done, path) in files.iter().enumerate() {
        let name = path.display().to_string();
        mutual_guest::progress(done, files.len(), &name);
        let counts = count_file(path, &mut words).map_err(|error| format!("{name}: {error}"))?;
        print(&counts, &name);
        total += counts;
    }
    if files.len() > 1 {
        print(&total, "total");
    }
    if !arguments.bytes_only {
        print_top(&words, arguments.top);
    }
    Ok(())
}

fn count_file(path: &Path, words: &mut Words) -> io::Result<Counts> {
    if path == Path::new("-") {
        return count(io::stdin().lock(), words);
    }
    count(BufReader::new(File::open(path)?), words)
}

/// Reads line by line: a text may be larger than memory.
fn count(mut reader: impl BufRead, words: &mut Words) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        counts.add_line(&line, words);
        line.clear();
    }
    Ok(counts)
}

fn print_top(words: &Words, top: usize) {
    if top == 0 {
        return;
    }
    println!("\n  count  word");
    for (word, count) in words.top(top) {
        println!("{count:>7}  {word}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_counted_with_its_last_line() {
        let mut words = Words::default();
        let text = Path::new("texts/sonnet-18.txt");
        let counts = count_file(text, &mut words).unwrap();
        assert_eq!((counts.lines, counts.words, counts.bytes), (14, 114, 621));
    }
}
