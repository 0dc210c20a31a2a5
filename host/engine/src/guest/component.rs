//! Components: WASI 0.2, with every call of the network refused.

mod interfaces;

use super::ending::CallError;
use super::{Order, World, run, started, wasi};
use crate::inspect::interface;
use interfaces::{COMMON, INTERFACES};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// The state behind WASI 0.2.
pub(crate) struct Context {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    refusal: Refusal,
    table: ResourceTable,
}

impl WasiView for World<Context> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context.wasi,
            table: &mut self.context.table,
        }
    }
}

impl WasiHttpView for World<Context> {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.context.http,
            table: &mut self.context.table,
            hooks: &mut self.context.refusal,
        }
    }
}

/// Answers every request with `HTTP-request-denied`.
struct Refusal;

type Sent = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Refusal {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

/// What a component can import: interfaces are added as they are asked for.
pub(crate) struct ComponentLinker {
    linker: Linker<World<Context>>,
    added: Vec<&'static str>,
}

impl ComponentLinker {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self {
            linker: Linker::new(engine),
            added: Vec::new(),
        }
    }

    /// Adds what nearly every program imports, so that it is there before the program is.
    pub(crate) fn prepare(&mut self) -> wasmtime::Result<()> {
        COMMON.iter().try_for_each(|interface| self.add(interface))
    }

    /// Adds what `component` imports. Names that nobody knows are left to linking, which then says so.
    fn add_imports(&mut self, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
        let ty = component.component_type();
        let names = ty.imports(engine).filter_map(|(name, _)| interface(name));
        names.into_iter().try_for_each(|name| self.add(name))
    }

    fn add(&mut self, name: &str) -> wasmtime::Result<()> {
        let known = INTERFACES.binary_search_by_key(&name, |(interface, _)| interface);
        let Some((interface, add)) = known.ok().and_then(|idx| INTERFACES.get(idx)) else {
            return Ok(());
        };
        if !self.added.contains(interface) {
            self.added.push(interface);
            add(&mut self.linker)?;
        }
        Ok(())
    }

    /// Checks names and types of imports and the entry point, without running anything.
    pub(crate) fn check(mut self, engine: &Engine, component: &Component) -> Result<(), CallError> {
        self.link(engine, component).map(drop)
    }

    fn link(
        &mut self,
        engine: &Engine,
        component: &Component,
    ) -> Result<CommandPre<World<Context>>, CallError> {
        self.add_imports(engine, component)
            .map_err(CallError::Import)?;
        let linked = self
            .linker
            .instantiate_pre(component)
            .map_err(CallError::Import)?;
        CommandPre::new(linked).map_err(CallError::Entry)
    }

    pub(crate) async fn run(
        mut self,
        order: Order<'_>,
        component: Component,
    ) -> wasmtime::Result<()> {
        let wasi = wasi::builder(order.load, order.parent)?.build();
        let context = Context {
            wasi,
            http: WasiHttpCtx::new(),
            refusal: Refusal,
            table: ResourceTable::new(),
        };
        run(order, context, async |store| {
            let command = self.link(order.engine, &component)?;
            started();
            let command = command
                .instantiate_async(&mut *store)
                .await
                .map_err(CallError::Run)?;
            command
                .wasi_cli_run()
                .call_run(store)
                .await
                .map_err(CallError::Run)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::inspect::PREVIEW2_INTERFACES;
    use mutual_runner::Metering;

    /// One member of each interface. Instances are looked up member by member, so an empty one proves nothing.
    #[rustfmt::skip]
    const MEMBERS: [(&str, &str); PREVIEW2_INTERFACES.len()] = [
        ("wasi:cli/environment", "get-environment"), ("wasi:cli/exit", "exit"),
        ("wasi:cli/stderr", "get-stderr"), ("wasi:cli/stdin", "get-stdin"), ("wasi:cli/stdout", "get-stdout"),
        ("wasi:cli/terminal-input", "terminal-input"), ("wasi:cli/terminal-output", "terminal-output"),
        ("wasi:cli/terminal-stderr", "get-terminal-stderr"), ("wasi:cli/terminal-stdin", "get-terminal-stdin"),
        ("wasi:cli/terminal-stdout", "get-terminal-stdout"),
        ("wasi:clocks/monotonic-clock", "now"), ("wasi:clocks/wall-clock", "now"),
        ("wasi:filesystem/preopens", "get-directories"), ("wasi:filesystem/types", "descriptor"),
        ("wasi:http/outgoing-handler", "handle"), ("wasi:http/types", "fields"),
        ("wasi:io/error", "error"), ("wasi:io/poll", "pollable"), ("wasi:io/streams", "input-stream"),
        ("wasi:random/insecure", "get-insecure-random-u64"), ("wasi:random/insecure-seed", "insecure-seed"),
        ("wasi:random/random", "get-random-u64"),
        ("wasi:sockets/instance-network", "instance-network"), ("wasi:sockets/ip-name-lookup", "resolve-addresses"),
        ("wasi:sockets/network", "network"), ("wasi:sockets/tcp", "tcp-socket"),
        ("wasi:sockets/tcp-create-socket", "create-tcp-socket"), ("wasi:sockets/udp", "udp-socket"),
        ("wasi:sockets/udp-create-socket", "create-udp-socket"),
    ];

    /// Whether linking finds something under this name, of whatever type.
    fn has(engine: &Engine, import: &str, member: &str) -> bool {
        ["(func)", "(type (sub resource))"].iter().any(|kind| {
            let text =
                format!(r#"(component (import "{import}" (instance (export "{member}" {kind}))))"#);
            let component = Component::new(engine, wat::parse_str(text).unwrap()).unwrap();
            match ComponentLinker::new(engine).link(engine, &component) {
                Ok(_) | Err(CallError::Entry(_)) => true,
                Err(CallError::Import(error) | CallError::Run(error)) => !is_absent(&error),
            }
        })
    }

    fn is_absent(error: &wasmtime::Error) -> bool {
        let text = format!("{error:#}");
        text.contains("implementation is missing")
            || text.contains("expected func")
            || text.contains("expected resource")
    }

    #[test]
    fn the_linker_has_every_interface_of_the_table_in_any_0_2_version() {
        let engine = config::compiling(Metering::None).unwrap();
        for (interface, (named, member)) in PREVIEW2_INTERFACES.into_iter().zip(MEMBERS) {
            assert_eq!(interface, named);
            for version in ["0.2.0", "0.2.6", "0.2.99"] {
                let import = format!("{interface}@{version}");
                assert!(has(&engine, &import, member), "{import}");
            }
            assert!(
                !has(&engine, &format!("{interface}@0.3.0"), member),
                "{interface}"
            );
        }
        let handler = "wasi:http/incoming-handler@0.2.0";
        assert!(!has(&engine, handler, "handle"));
    }
}
