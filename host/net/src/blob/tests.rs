//! scratch
#[cfg(test)] mod t{}
