//! The protocol as others see it: generated pages, golden vectors, refusals, round trips.

#![cfg(test)]

mod cbor;
mod certificates;
mod golden;
mod pages;
mod refusals;
mod round_trips;
mod sample;
mod sizes;
mod spec;
mod values;
mod vectors;
