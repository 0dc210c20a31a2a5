//! Addresses of nodes: `/ip4/…/tcp/…` or `/ip6/…/udp/…/quic-v1`, with `/p2p/NODE` behind them or not.

use crate::identity::{node_of, peer_of};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use mutual_protocol::ids::NodeId;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Longest text that is looked at. The longest address there is (IPv6, QUIC, peer id) takes 130 characters.
pub const ADDRESS_TEXT_MAX: usize = 256;

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP with Noise and Yamux.
    Tcp,
    /// QUIC version 1.
    Quic,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        })
    }
}

/// Where a node can be reached, or where one listens. In text it is a multiaddr.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    socket: SocketAddr,
    transport: Transport,
    node: Option<NodeId>,
}

impl Address {
    /// Names a socket, with no node expected behind it.
    pub const fn new(socket: SocketAddr, transport: Transport) -> Self {
        Self {
            socket,
            transport,
            node: None,
        }
    }

    /// IP address and port.
    pub const fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// What carries connections there.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The node that is expected there. A connection to anybody else fails.
    pub const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// The same place with `node` expected there.
    #[must_use]
    pub const fn with_node(mut self, node: NodeId) -> Self {
        self.node = Some(node);
        self
    }

    pub(crate) fn to_multiaddr(&self) -> Multiaddr {
        let base = Multiaddr::from(self.socket.ip());
        let place = match self.transport {
            Transport::Tcp => base.with(Protocol::Tcp(self.socket.port())),
            Transport::Quic => base
                .with(Protocol::Udp(self.socket.port()))
                .with(Protocol::QuicV1),
        };
        match self.node {
            Some(node) => place.with(Protocol::P2p(peer_of(node))),
            None => place,
        }
    }

    /// `None` for anything but the two shapes above.
    pub(crate) fn from_multiaddr(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter().peekable();
        let ip = match parts.next()? {
            Protocol::Ip4(ip) => IpAddr::from(ip),
            Protocol::Ip6(ip) => IpAddr::from(ip),
            _ => return None,
        };
        let (port, transport) = match (parts.next()?, parts.peek()) {
            (Protocol::Tcp(port), _) => (port, Transport::Tcp),
            (Protocol::Udp(port), Some(Protocol::QuicV1)) => {
                parts.next();
                (port, Transport::Quic)
            }
            _ => return None,
        };
        let node = match parts.next() {
            None => None,
            Some(Protocol::P2p(peer)) => Some(node_of(&peer)?),
            Some(_) => return None,
        };
        parts.next().is_none().then_some(Self {
            socket: SocketAddr::new(ip, port),
            transport,
            node,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_multiaddr().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_multiaddr().fmt(f)
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAddressError {
    /// It is longer than [`ADDRESS_TEXT_MAX`].
    #[error("an address has at most {ADDRESS_TEXT_MAX} characters")]
    TooLong,
    /// It is no multiaddr at all.
    #[error("not a multiaddr such as /ip4/192.0.2.1/tcp/4001")]
    Malformed,
    /// It is a multiaddr of another kind, or one with a key that is not Ed25519.
    #[error(
        "only /ip4 and /ip6 with /tcp or /udp/…/quic-v1, and /p2p with an Ed25519 key, are supported"
    )]
    Unsupported,
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        if text.len() > ADDRESS_TEXT_MAX {
            return Err(ParseAddressError::TooLong);
        }
        match text.parse::<Multiaddr>() {
            Ok(address) => Self::from_multiaddr(&address).ok_or(ParseAddressError::Unsupported),
            Err(_) => Err(ParseAddressError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn check(text: &str, expected: Result<(Transport, u16), ParseAddressError>) {
        let parsed = text.parse::<Address>();
        let seen = parsed.as_ref().map(|a| (a.transport(), a.socket().port()));
        assert_eq!(seen.map_err(|e| *e), expected, "{text}");
        if let Ok(address) = parsed {
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn addresses_are_read_and_written_back() {
        check("/ip4/127.0.0.1/tcp/4001", Ok((Transport::Tcp, 4001)));
        check("/ip6/::1/udp/7/quic-v1", Ok((Transport::Quic, 7)));
        let node = Identity::from_seed(&[1; 32]).node();
        let address = "/ip6/::1/tcp/9".parse::<Address>().unwrap().with_node(node);
        let again: Address = address.to_string().parse().unwrap();
        assert_eq!(again.node(), Some(node));
        assert_eq!(again, address);
    }

    #[test]
    fn other_texts_are_refused_by_kind() {
        use ParseAddressError::{Malformed, TooLong, Unsupported};
        check("", Err(Unsupported));
        check("127.0.0.1:4001", Err(Malformed));
        check("/ip4/127.0.0.1", Err(Unsupported));
        check("/ip4/127.0.0.1/udp/1", Err(Unsupported));
        check("/dns/example.org/tcp/1", Err(Unsupported));
        check("/ip4/127.0.0.1/tcp/1/ws", Err(Unsupported));
        let rsa = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        check(&format!("/ip4/127.0.0.1/tcp/1/p2p/{rsa}"), Err(Unsupported));
        check(&"/".repeat(ADDRESS_TEXT_MAX + 1), Err(TooLong));
    }
}
