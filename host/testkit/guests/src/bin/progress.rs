//! `progress STEPS`: that many steps, each reported; then a line from stdin for which it waits, so that a test can look.

use std::io;

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps: usize = std::env::args().nth(1).ok_or("no steps given")?.parse()?;
    for step in 1..=steps {
        mutual_guest::progress(step, steps, &format!("step {step}"));
    }
    println!("{steps} steps");
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}
