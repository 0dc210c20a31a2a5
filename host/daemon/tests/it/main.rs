//! The command `mc-host` as a donor meets it: real processes on loopback, each in a home of its own.

#![cfg(test)]

mod bad_input;
mod harness;
mod help;
mod namespaces;
mod pools;
mod readme;
mod remote;
mod start;
mod steering;
mod tickets;
