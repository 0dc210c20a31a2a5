//! Each interface of WASI 0.2, and how it gets into a linker. `inspect` has the same names, without an engine.

use super::{Context, World};
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random, sockets};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

type W = World<Context>;
type L = Linker<W>;
type Add = fn(&mut L) -> wasmtime::Result<()>;

/// Streams, errors and pollables live in the table itself.
struct WasiIo;

impl HasData for WasiIo {
    type Data<'a> = &'a mut ResourceTable;
}

/// What a program of most languages imports even when it only prints a line.
pub(super) const COMMON: [&str; 12] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
];

/// All interfaces, sorted by name. Sockets and http are refused by their own state, call by call.
#[rustfmt::skip]
pub(super) const INTERFACES: [(&str, Add); 29] = [
    ("wasi:cli/environment", |l: &mut L| cli::environment::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/exit", |l: &mut L| cli::exit::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/stderr", |l: &mut L| cli::stderr::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/stdin", |l: &mut L| cli::stdin::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/stdout", |l: &mut L| cli::stdout::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/terminal-input", |l: &mut L| cli::terminal_input::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/terminal-output", |l: &mut L| cli::terminal_output::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/terminal-stderr", |l: &mut L| cli::terminal_stderr::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/terminal-stdin", |l: &mut L| cli::terminal_stdin::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:cli/terminal-stdout", |l: &mut L| cli::terminal_stdout::add_to_linker::<W, WasiCli>(l, W::cli)),
    ("wasi:clocks/monotonic-clock", |l: &mut L| clocks::monotonic_clock::add_to_linker::<W, WasiClocks>(l, W::clocks)),
    ("wasi:clocks/wall-clock", |l: &mut L| clocks::wall_clock::add_to_linker::<W, WasiClocks>(l, W::clocks)),
    ("wasi:filesystem/preopens", |l: &mut L| filesystem::preopens::add_to_linker::<W, WasiFilesystem>(l, W::filesystem)),
    ("wasi:filesystem/types", |l: &mut L| filesystem::types::add_to_linker::<W, WasiFilesystem>(l, W::filesystem)),
    ("wasi:http/outgoing-handler", |l: &mut L| http::outgoing_handler::add_to_linker::<W, WasiHttp>(l, W::http)),
    ("wasi:http/types", |l: &mut L| http::types::add_to_linker::<W, WasiHttp>(l, &http::types::LinkOptions::default(), W::http)),
    ("wasi:io/error", |l: &mut L| io::error::add_to_linker::<W, WasiIo>(l, |w| w.ctx().table)),
    ("wasi:io/poll", |l: &mut L| io::poll::add_to_linker::<W, WasiIo>(l, |w| w.ctx().table)),
    ("wasi:io/streams", |l: &mut L| io::streams::add_to_linker::<W, WasiIo>(l, |w| w.ctx().table)),
    ("wasi:random/insecure", |l: &mut L| random::insecure::add_to_linker::<W, WasiRandom>(l, |w| w.ctx().ctx.random())),
    ("wasi:random/insecure-seed", |l: &mut L| random::insecure_seed::add_to_linker::<W, WasiRandom>(l, |w| w.ctx().ctx.random())),
    ("wasi:random/random", |l: &mut L| random::random::add_to_linker::<W, WasiRandom>(l, |w| w.ctx().ctx.random())),
    ("wasi:sockets/instance-network", |l: &mut L| sockets::instance_network::add_to_linker::<W, WasiSockets>(l, W::sockets)),
    ("wasi:sockets/ip-name-lookup", |l: &mut L| sockets::ip_name_lookup::add_to_linker::<W, WasiSockets>(l, W::sockets)),
    ("wasi:sockets/network", |l: &mut L| sockets::network::add_to_linker::<W, WasiSockets>(l, &sockets::network::LinkOptions::default(), W::sockets)),
    ("wasi:sockets/tcp", |l: &mut L| sockets::tcp::add_to_linker::<W, WasiSockets>(l, W::sockets)),
    ("wasi:sockets/tcp-create-socket", |l: &mut L| sockets::tcp_create_socket::add_to_linker::<W, WasiSockets>(l, W::sockets)),
    ("wasi:sockets/udp", |l: &mut L| sockets::udp::add_to_linker::<W, WasiSockets>(l, W::sockets)),
    ("wasi:sockets/udp-create-socket", |l: &mut L| sockets::udp_create_socket::add_to_linker::<W, WasiSockets>(l, W::sockets)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::PREVIEW2_INTERFACES;

    #[test]
    fn the_names_are_those_of_inspection() {
        assert_eq!(INTERFACES.map(|(name, _)| name), PREVIEW2_INTERFACES);
        assert!(COMMON.iter().all(|name| PREVIEW2_INTERFACES.contains(name)));
    }
}
