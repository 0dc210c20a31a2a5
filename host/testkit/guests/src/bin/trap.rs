//! `trap unreachable|panic|stack|bounds`: ends in each of the ways that no program ends in by itself.

#[expect(unconditional_recursion, reason = "that is what this program is for")]
fn descend(depth: u64) -> u64 {
    std::hint::black_box([depth; 64]).len() as u64 + descend(depth + 1)
}

fn main() {
    println!("about to trap");
    match std::env::args().nth(1).as_deref() {
        Some("panic") => panic!("as asked"),
        Some("stack") => println!("{}", descend(0)),
        // The last byte of a 32-bit memory, which nobody has grown to.
        // SAFETY: not sound, on purpose; the sandbox has to catch it.
        Some("bounds") => println!("{}", unsafe {
            std::ptr::read_volatile(0xffff_ffff_usize as *const u8)
        }),
        _ => std::process::abort(),
    }
}
