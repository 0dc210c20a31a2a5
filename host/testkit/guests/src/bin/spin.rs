//! `spin`: says so, then computes for ever.

fn main() {
    println!("spinning");
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}
