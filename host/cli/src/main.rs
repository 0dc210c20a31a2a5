//! The command `mc`.
fn main() {}
