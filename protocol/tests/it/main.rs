//! The protocol as others see it: generated pages, golden vectors, refusals, round trips.

#![cfg(test)]

mod golden;
mod pages;
