//! `alloc MEBIBYTES`: allocates and touches memory, a mebibyte at a time, and prints how many it got.

const MEBIBYTE: usize = 1 << 20;

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted: usize = std::env::args()
        .nth(1)
        .ok_or("no mebibytes given")?
        .parse()?;
    let mut held: Vec<Vec<u8>> = Vec::with_capacity(wanted);
    while held.len() < wanted {
        let mut block = Vec::new();
        if block.try_reserve_exact(MEBIBYTE).is_err() {
            break;
        }
        block.resize(MEBIBYTE, 1);
        held.push(block);
    }
    println!("{} of {wanted} MiB", std::hint::black_box(&held).len());
    Ok(())
}
