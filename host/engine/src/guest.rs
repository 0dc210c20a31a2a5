//! One run of one guest: its world, its bounds, how it ends.

mod component;
mod ending;
mod limiter;
mod module;
mod stdio;
mod wasi;

pub(crate) use component::ComponentLinker;
pub(crate) use ending::{CallError, not_run, refusal};
pub(crate) use module::ModuleLinker;

use crate::parent::{Parent, socket};
use limiter::Limiter;
use mutual_runner::frame::Kind;
use mutual_runner::message::{Ended, Ending, Load};
use mutual_runner::send;
use wasmtime::{Engine, Store};

/// What a store holds: the WASI context of the program's kind, and the bounds of its memory.
pub(crate) struct World<C> {
    context: C,
    limiter: Limiter,
}

/// One run: what was ordered, and by whom.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) load: &'a Load,
    pub(crate) parent: &'a Parent,
}

/// What the entry point gave: `Err(())` is a component's way to say 1.
type Returned = Result<(), ()>;

/// Calls the guest inside its bounds until it ends or STOP comes, and reports.
///
/// Reports while everything is still standing: what is torn down afterwards is nobody's business.
async fn run<C: Send + 'static>(
    order: Order<'_>,
    context: C,
    call: impl AsyncFnOnce(&mut Store<World<C>>) -> Result<Returned, CallError>,
) -> wasmtime::Result<()> {
    let Order {
        engine,
        load,
        parent,
    } = order;
    let limiter = Limiter::new(load.memory_bytes_max);
    let mut store = Store::new(engine, World { context, limiter });
    store.limiter(|world| &mut world.limiter);
    store.epoch_deadline_trap();
    store.set_epoch_deadline(1);
    if let Some(fuel) = load.fuel_max {
        store.set_fuel(fuel)?;
    }
    // A guest that spins is ended by the epoch, a guest that waits by the first branch.
    let result = tokio::select! {
        biased;
        () = parent.stopped() => None,
        result = call(&mut store) => Some(result),
    };
    let fuel_left = load.fuel_max.and_then(|_counted| store.get_fuel().ok());
    let fuel = load
        .fuel_max
        .zip(fuel_left)
        .map_or(0, |(max, left)| max.saturating_sub(left));
    let limiter = &store.data().limiter;
    let (ending, message) = match result {
        None => (Ending::Interrupted, None),
        Some(result) => ending::of(result, limiter.has_refused()),
    };
    Parent::report(&Ended {
        ending,
        message,
        fuel,
        memory_bytes_peak: limiter.peak(),
    });
    Ok(())
}

/// The next instruction is the guest's own: instantiating runs start functions.
fn started() {
    let _a_parent_that_is_gone_ends_this_process = send(socket(), Kind::Started, &[]);
}
