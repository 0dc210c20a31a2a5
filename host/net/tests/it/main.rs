//! Nodes on this machine's loopback: what they say to each other, and what hostile peers cannot make them do.

#![cfg(test)]

mod dht;
mod hostile;
mod join;
mod pair;
mod rig;
mod wire;
