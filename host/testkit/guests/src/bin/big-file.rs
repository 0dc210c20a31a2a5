//! `big-file PATH BYTES`: writes until it has them all or is stopped; prints how many, and what stopped it.

use std::{fs::File, io::Write as _};

const BLOCK: usize = 64 << 10;

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("no path given")?;
    let wanted: u64 = arguments.next().ok_or("no bytes given")?.parse()?;
    let mut file = File::create(path)?;
    let block = [b'x'; BLOCK];
    let mut written = 0;
    while written < wanted {
        let next = usize::try_from(wanted - written).map_or(BLOCK, |rest| rest.min(BLOCK));
        match file.write(&block[..next]) {
            Ok(bytes) => written += bytes as u64,
            Err(error) => {
                println!("{written} of {wanted} bytes: {:?}", error.kind());
                return Err(error.into());
            }
        }
    }
    println!("{written} of {wanted} bytes");
    Ok(())
}
