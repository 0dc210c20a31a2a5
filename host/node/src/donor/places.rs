//! Where a host takes connections: a port that stays the same, and the addresses that others are told.

use mutual_net::{Address, StartError, Transport};
use mutual_protocol::bounded;
use mutual_protocol::codes::{self, Code};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Ports that are tried at the first start: the second is free nearly always.
const PORT_TRIES: usize = 32;
/// How long the network may take to tell where it is, and how long it is quiet when it has told all.
const SETTLE_MAX: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_millis(200);

/// Every address of this machine, of the kinds that it has. IPv6 comes first: its port is looked at while no other
/// socket of ours has it.
pub fn everywhere() -> Vec<IpAddr> {
    let all: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
    let is_there = |ip: &IpAddr| UdpSocket::bind((*ip, 0)).is_ok();
    all.into_iter().filter(is_there).collect()
}

/// A port that is free at all of `ips`, for TCP and UDP.
///
/// # Errors
/// When one of them is not this machine's, or nothing is free.
pub fn free_port(ips: &[IpAddr]) -> io::Result<u16> {
    let first = ips
        .first()
        .copied()
        .ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORT_TRIES {
        let port = UdpSocket::bind((first, 0))?.local_addr()?.port();
        match check_free(ips, port) {
            Ok(()) => return Ok(port),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

/// Whether `port` is free at all of `ips`.
///
/// # Errors
/// When somebody has it, or one of them is not this machine's.
pub fn check_free(ips: &[IpAddr], port: u16) -> io::Result<()> {
    ips.iter().try_for_each(|ip| is_free(*ip, port))
}

/// The code for a network that did not start.
pub fn code_of(error: &StartError) -> &'static Code {
    match error {
        StartError::Listen { source, .. } => listen_code(source),
        _ => &codes::HOST_NETWORK,
    }
}

/// The code for an address where connections cannot be taken.
pub fn listen_code(error: &io::Error) -> &'static Code {
    match error.kind() {
        io::ErrorKind::AddrInUse => &codes::HOST_PORT,
        _ => &codes::HOST_LISTEN,
    }
}

fn is_free(ip: IpAddr, port: u16) -> io::Result<()> {
    let at = SocketAddr::new(ip, port);
    drop(TcpListener::bind(at)?);
    drop(UdpSocket::bind(at)?);
    Ok(())
}

/// Where connections are taken.
pub type Places = Vec<Address>;

/// TCP and QUIC at each of `ips`.
pub fn listen(ips: &[IpAddr], port: u16) -> Places {
    let both = |ip: &IpAddr| {
        let at = SocketAddr::new(*ip, port);
        [Transport::Tcp, Transport::Quic].map(|transport| Address::new(at, transport))
    };
    ips.iter().flat_map(both).collect()
}

/// What others are told: the addresses that lead here from another machine, IPv4 and TCP first. Those that lead here
/// from this machine alone only when there are no others.
pub fn reachable(all: &[bounded::Address]) -> Vec<bounded::Address> {
    let parsed = all.iter().filter_map(|text| {
        let address: Address = text.as_str().parse().ok()?;
        Some((address, text.clone()))
    });
    let mut found: Vec<_> = parsed
        .filter(|(address, _)| !is_link_local(address.socket().ip()))
        .collect();
    if found
        .iter()
        .any(|(address, _)| !address.socket().ip().is_loopback())
    {
        found.retain(|(address, _)| !address.socket().ip().is_loopback());
    }
    found.sort_by_key(|(address, _)| (address.socket().is_ipv6(), address.transport()));
    found.into_iter().map(|(_, text)| text).collect()
}

/// Such an address means another interface on each machine.
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Waits until the network has told where it is: `expected` places, or all that it finds.
pub async fn settled(
    addresses: &mut watch::Receiver<Vec<bounded::Address>>,
    expected: Option<usize>,
) {
    let all = async {
        loop {
            let count = addresses.borrow_and_update().len();
            if expected.is_some_and(|expected| count >= expected) {
                return;
            }
            let changed = addresses.changed();
            let ended = match count {
                0 => changed.await.is_err(),
                _ => !matches!(timeout(QUIET, changed).await, Ok(Ok(()))),
            };
            if ended {
                return;
            }
        }
    };
    let _what_is_there_must_do = timeout(SETTLE_MAX, all).await;
}

/// Passes on the addresses that others are told, as they change.
pub async fn pass_on(
    mut from: watch::Receiver<Vec<bounded::Address>>,
    to: watch::Sender<Vec<bounded::Address>>,
) {
    loop {
        let now = reachable(&from.borrow_and_update());
        to.send_if_modified(|told| {
            let is_new = *told != now;
            *told = now;
            is_new
        });
        if from.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<bounded::Address> {
        all.iter().map(|text| bounded::Address::cut(text)).collect()
    }

    #[test]
    fn others_are_told_what_leads_here() {
        let own = [
            "/ip6/::1/tcp/7",
            "/ip4/127.0.0.1/tcp/7",
            "/ip4/127.0.0.1/udp/7/quic-v1",
        ];
        let sorted = [
            "/ip4/127.0.0.1/tcp/7",
            "/ip4/127.0.0.1/udp/7/quic-v1",
            "/ip6/::1/tcp/7",
        ];
        assert_eq!(
            reachable(&texts(&own)),
            texts(&sorted),
            "nothing else is there"
        );
        let more = [
            "/ip6/fe80::1/tcp/7",
            "/ip6/2001:db8::2/tcp/7",
            "/ip4/192.0.2.1/udp/7/quic-v1",
            "/ip4/192.0.2.1/tcp/7",
        ];
        let all = [own.as_slice(), more.as_slice()].concat();
        let others = [
            "/ip4/192.0.2.1/tcp/7",
            "/ip4/192.0.2.1/udp/7/quic-v1",
            "/ip6/2001:db8::2/tcp/7",
        ];
        assert_eq!(reachable(&texts(&all)), texts(&others));
        assert_eq!(reachable(&texts(&["nonsense", ""])), Vec::new());
    }

    #[test]
    fn a_free_port_is_free_for_both_transports() {
        let ips = [Ipv4Addr::LOCALHOST.into()];
        let port = free_port(&ips).unwrap();
        let _tcp = TcpListener::bind((ips[0], port)).unwrap();
        let _udp = UdpSocket::bind((ips[0], port)).unwrap();
        assert!(is_free(ips[0], port).is_err());
    }

    #[test]
    fn an_address_of_another_machine_is_an_error() {
        let error = free_port(&["192.0.2.1".parse().unwrap()]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_waited_for_all_places_and_not_for_ever() {
        let (tell, mut told) = watch::channel(Vec::new());
        settled(&mut told, Some(2)).await;
        tell.send_replace(texts(&["/ip4/127.0.0.1/tcp/7"]));
        settled(&mut told, None).await;
        settled(&mut told, Some(1)).await;
    }
}
