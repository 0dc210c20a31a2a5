//! The runner's part: one guest, from the order to the report.

use crate::config;
use crate::guest::{ComponentLinker, ModuleLinker, Order, not_run};
use crate::load::{self, Program};
use crate::parent::{Parent, socket};
use mutual_runner::frame::Kind;
use mutual_runner::message::{self, Ended, Load};
use mutual_runner::{Link, LinkError, Metering, SealedFile, send, walls};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::BorrowedFd;
use wasmtime::Engine;

/// What a spare makes while it waits. Everything here would cost the same later, on the way to the guest.
struct Kit {
    engine: Engine,
    modules: Option<ModuleLinker>,
    components: Option<ComponentLinker>,
}

/// Waits for an order, runs it, reports.
pub(crate) fn play() -> Result<(), LinkError> {
    let kit = Kit::prepare();
    let mut link = Link::new(socket());
    let (kind, body) = link.receive()?;
    if kind != Kind::Load {
        return Err(LinkError::Closed);
    }
    let load = message::decode_order::<Load>(body);
    let ended = match (kit, load) {
        (Ok(kit), Ok(load)) => run(kit, &load, link).unwrap_or_else(|error| not_run(&error)),
        (Err(error), _) => not_run(&error),
        (_, Err(error)) => not_run(&wasmtime::Error::new(error)),
    };
    Ok(send(socket(), Kind::Ended, &message::encode(&ended))?)
}

fn run(kit: Kit, load: &Load, mut link: Link<BorrowedFd<'static>>) -> wasmtime::Result<Ended> {
    let code = link.take_descriptor();
    let code = code.ok_or_else(|| wasmtime::format_err!("the order came without a program"))?;
    // A runner that is given fuel to count needs another engine than the one that it made in advance.
    let engine = match load.metering {
        Metering::None => kit.engine,
        Metering::Fuel => config::engine(Metering::Fuel)?,
    };
    let counts = load.metering == Metering::Fuel;
    let program = load::load(&engine, load.kind, SealedFile::from_descriptor(code)?)?;
    walls::limit_runner(load.memory_bytes_max, load.file_bytes_max)?;
    let parent = Parent::new(load.credit, load.has_stdin);
    parent.listen(link, engine.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let order = Order {
        engine: &engine,
        load,
        parent: &parent,
    };
    let ended = match program {
        Program::Module(module) => {
            let linker = kit.modules.filter(|_| !counts);
            let linker = linker.map_or_else(|| ModuleLinker::new(&engine), Ok)?;
            runtime.block_on(linker.run(order, module))
        }
        Program::Component(component) => {
            let linker = kit.components.filter(|_| !counts);
            let linker = linker.map_or_else(|| ComponentLinker::new(&engine), Ok)?;
            runtime.block_on(linker.run(order, component))
        }
    };
    Ok(ended)
}

impl Kit {
    fn prepare() -> wasmtime::Result<Self> {
        let engine = config::engine(Metering::None)?;
        let mut kit = Self {
            engine,
            modules: None,
            components: None,
        };
        // Only while nobody waits: an order that is there needs one of the two at most.
        if !is_ordered() {
            kit.components = Some(ComponentLinker::new(&kit.engine)?);
        }
        if !is_ordered() {
            kit.modules = Some(ModuleLinker::new(&kit.engine)?);
        }
        Ok(kit)
    }
}

/// Whether an order has come in.
fn is_ordered() -> bool {
    let socket = socket();
    let mut sockets = [PollFd::new(&socket, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    !matches!(poll(&mut sockets, Some(&now)), Ok(0))
}
