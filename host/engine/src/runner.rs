//! The runner's part: one guest, from the order to the report.

use crate::config;
use crate::guest::{ComponentLinker, ModuleLinker, Order, not_run};
use crate::load::{self, Program};
use crate::parent::{Parent, make_stoppable, socket};
use mutual_runner::frame::Kind;
use mutual_runner::message::{self, Load};
use mutual_runner::{Link, LinkError, Metering, SealedFile, walls};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::BorrowedFd;
use wasmtime::Engine;

/// What a spare makes while it waits. Everything here would cost the same later, on the way to the guest.
struct Kit {
    engine: Engine,
    modules: Option<ModuleLinker>,
    components: ComponentLinker,
}

/// Waits for an order, runs it, reports, and waits to be killed.
pub(crate) fn play() -> Result<(), LinkError> {
    let kit = Kit::prepare();
    let mut link = Link::new(socket());
    let (kind, body) = link.receive()?;
    if kind != Kind::Load {
        return Err(LinkError::Closed);
    }
    let load = message::decode_order::<Load>(body);
    let run = match (kit, load) {
        (Ok(kit), Ok(load)) => run(kit, &load, link),
        (Err(error), _) => Err(error),
        (_, Err(error)) => Err(error.into()),
    };
    if let Err(error) = run {
        Parent::report(&not_run(&error));
    }
    Ok(())
}

/// Runs the guest; how it ended is reported from within, before anything is torn down.
fn run(kit: Kit, load: &Load, mut link: Link<BorrowedFd<'static>>) -> wasmtime::Result<()> {
    let code = link.take_descriptor();
    let code = code.ok_or_else(|| wasmtime::format_err!("the order came without a program"))?;
    // A runner that is given fuel to count needs another engine than the one that it made in advance.
    let kit = match load.metering {
        Metering::None => kit,
        Metering::Fuel => Kit::new(config::running(Metering::Fuel)?),
    };
    let engine = &kit.engine;
    let program = load::load(engine, load.kind, SealedFile::from_descriptor(code)?)?;
    walls::limit_runner(load.memory_bytes_max, load.file_bytes_max)?;
    make_stoppable(engine)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let within = runtime.enter();
    let parent = Parent::new(link, load.credit, load.has_stdin)?;
    drop(within);
    let order = Order {
        engine,
        load,
        parent: &parent,
    };
    match program {
        Program::Module(module) => {
            let linker = kit.modules.map_or_else(|| ModuleLinker::new(engine), Ok)?;
            runtime.block_on(linker.run(order, module))
        }
        Program::Component(component) => runtime.block_on(kit.components.run(order, component)),
    }
}

impl Kit {
    fn new(engine: Engine) -> Self {
        let components = ComponentLinker::new(&engine);
        Self {
            engine,
            modules: None,
            components,
        }
    }

    fn prepare() -> wasmtime::Result<Self> {
        let mut kit = Self::new(config::running(Metering::None)?);
        // Only while nobody waits: an order that is there needs one of the two at most.
        if !is_ordered() {
            kit.components.prepare()?;
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
