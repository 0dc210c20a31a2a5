//! Files: a builder that cuts bytes into blocks, and a reader that puts them together again.

mod builder;
mod reader;
#[cfg(test)]
mod tests;

pub use builder::{FileBuilder, FileRoot};
pub use reader::{FileReader, ReadFileError, Want};
