//! How the engine compiles and runs. The text of this file is part of the build's identity: any change of it makes
//! cached code another build's code.

use crate::features::PINNED;
use mutual_runner::Metering;
use mutual_runner::bounds::GUEST_STACK_BYTES;
use std::num::NonZeroUsize;
use wasmtime::{Config, Engine, OptLevel, Strategy};

/// Host functions run on the guest's stack, above what the guest itself may use.
const HOST_STACK_BYTES: usize = 1 << 20;
/// Frames of a backtrace: enough to see a recursion and where it began to.
const BACKTRACE_FRAMES_MAX: usize = 32;

/// An engine that compiles.
pub(crate) fn compiling(metering: Metering) -> wasmtime::Result<Engine> {
    Engine::new(&config(metering))
}

/// An engine that only runs what is compiled: made in half the time.
pub(crate) fn running(metering: Metering) -> wasmtime::Result<Engine> {
    Engine::new(config(metering).enable_compiler(false))
}

/// The same for compiling and for running: compiled code depends on it.
fn config(metering: Metering) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_features(PINNED.complement(), false)
        .wasm_features(PINNED, true)
        .concurrency_support(false)
        // A stop raises the epoch: a spinning guest traps at its next loop or call.
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::Fuel)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(GUEST_STACK_BYTES + HOST_STACK_BYTES)
        // Nothing but our own traps walks the guest's frames; names are enough without offsets.
        .native_unwind_info(false)
        .generate_address_map(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        .memory_init_cow(true);
    config
}
