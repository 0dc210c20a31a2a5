//! `mc run`: a program runs exactly as if it had been run by hand, and ends with its own exit code.

mod background;
mod document;
mod endings;
mod kinds;
mod streams;
mod words;
