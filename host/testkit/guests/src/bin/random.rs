//! `random`: sixteen bytes of the host's randomness, and its wall clock in seconds.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::SystemTime,
};

fn main() {
    // The standard library keys its hash maps from the host's randomness, once for each thread, then counts up.
    let state = RandomState::new();
    println!(
        "random {:016x}{:016x}",
        state.hash_one(0),
        state.hash_one(1)
    );
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    println!("seconds {}", now.map_or(0, |now| now.as_secs()));
}
