//! The protocol as others see it: generated pages, golden vectors, refusals, round trips.

#![cfg(test)]

mod admission;
mod cbor;
mod certificates;
mod discovery;
mod golden;
mod hostile;
mod membership;
mod messages;
mod pages;
mod pool_sample;
mod refusals;
mod round_trips;
mod sample;
mod sizes;
mod spec;
mod ticket;
mod values;
mod vectors;
