//! Transfer of content, protocol `/mutual/blob/1`: a client asks for blocks on a stream, and the server answers in order.
//!
//! [`serve`] answers from a [`BlockSource`]; [`fetch`] brings whole DAGs into a [`BlockSink`], from several providers
//! at once. Neither knows what carries the stream, who is at the other end, or what the content means.

mod fetch;
mod serve;
mod wire;

pub use fetch::{
    BlockSink, FetchError, FetchLimits, Fetched, PROVIDERS_MAX, Provider, UNVERIFIED_BYTES_MAX,
    fetch,
};
pub use serve::{BlockSource, ServeBudget, ServeError, ServeLimits, Served, Sourced, serve};
pub use wire::{STALL_TIME_MAX, WANTS_MAX, block_bytes_max};

#[cfg(test)]
mod tests;
