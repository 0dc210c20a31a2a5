//! The command line as a person meets it: the real `mc`, real programs, whole output.

#![cfg(test)]

mod authors;
mod bad_input;
mod console;
mod examples;
mod files;
mod guide;
mod harness;
mod help;
mod lifecycle;
mod masks;
mod own_account;
mod processes;
mod readme;
mod run;
mod terminals;
