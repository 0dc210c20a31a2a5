//! Components: WASI 0.2, with every call of the network refused.

use super::ending::{self, CallError};
use super::{Order, World, run, started, wasi};
use mutual_runner::message::Ended;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::p2::{add_to_linker_async, bindings::CommandPre};
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

/// Everything that a component can import.
pub(crate) struct ComponentLinker(Linker<World<Context>>);

impl ComponentLinker {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        Ok(Self(linker))
    }

    /// Checks names and types of imports and the entry point, without running anything.
    pub(crate) fn check(&self, component: &Component) -> Result<(), CallError> {
        let linked = self
            .0
            .instantiate_pre(component)
            .map_err(CallError::Import)?;
        CommandPre::new(linked).map_err(CallError::Entry)?;
        Ok(())
    }

    pub(crate) async fn run(self, order: Order<'_>, component: Component) -> Ended {
        let wasi = match wasi::builder(order.load, order.parent) {
            Ok(mut builder) => builder.build(),
            Err(error) => return ending::not_run(&error),
        };
        let context = Context {
            wasi,
            http: WasiHttpCtx::new(),
            refusal: Refusal,
            table: ResourceTable::new(),
        };
        run(order, context, async |store| {
            let linked = self
                .0
                .instantiate_pre(&component)
                .map_err(CallError::Import)?;
            let command = CommandPre::new(linked).map_err(CallError::Entry)?;
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

    /// Whether the linker has something under this name, of whatever type.
    fn has(linker: &ComponentLinker, engine: &Engine, import: &str, member: &str) -> bool {
        ["(func)", "(type (sub resource))"].iter().any(|kind| {
            let text =
                format!(r#"(component (import "{import}" (instance (export "{member}" {kind}))))"#);
            let component = Component::new(engine, wat::parse_str(text).unwrap()).unwrap();
            let linked = linker.0.instantiate_pre(&component);
            linked.err().is_none_or(|error| !is_absent(&error))
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
        let engine = config::engine(Metering::None).unwrap();
        let linker = ComponentLinker::new(&engine).unwrap();
        for (interface, (named, member)) in PREVIEW2_INTERFACES.into_iter().zip(MEMBERS) {
            assert_eq!(interface, named);
            for version in ["0.2.0", "0.2.6", "0.2.99"] {
                let import = format!("{interface}@{version}");
                assert!(has(&linker, &engine, &import, member), "{import}");
            }
            assert!(
                !has(&linker, &engine, &format!("{interface}@0.3.0"), member),
                "{interface}"
            );
        }
        let handler = "wasi:http/incoming-handler@0.2.0";
        assert!(!has(&linker, &engine, handler, "handle"));
    }
}
