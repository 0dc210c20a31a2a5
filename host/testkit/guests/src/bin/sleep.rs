//! `sleep SECONDS`: says so, waits inside the host, says that it is awake. Fractions are allowed.

use std::{thread, time::Duration};

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: f64 = std::env::args().nth(1).ok_or("no seconds given")?.parse()?;
    println!("sleeping");
    thread::sleep(Duration::try_from_secs_f64(seconds)?);
    println!("awake");
    Ok(())
}
