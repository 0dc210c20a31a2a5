//! The protocols that members speak with each other, and the swarm around them.

use crate::dht::{self, Store};
use crate::settings::{Limits, Settings};
use crate::streams::{self, Names};
use crate::swarm::Tasks;
use crate::transport::transport;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{Config, InvalidProtocol, NetworkBehaviour, StreamProtocol};
use libp2p::{PeerId, Swarm, identify, kad, noise, ping};
use std::sync::Arc;
use std::time::Duration;

/// Longest name of a pool: it is part of protocol names, of which libp2p takes 140 characters.
const POOL_NAME_MAX: usize = 112;
/// How often each connection is asked for a sign of life. A peer that is gone is noticed after twice this time.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Addresses of a peer that are taken from its word.
const ADDRESSES_MAX: usize = 16;

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) kad: Toggle<kad::Behaviour<Store>>,
    pub(super) streams: streams::Behaviour,
}

impl Behaviour {
    /// Puts a peer that serves the DHT into its table.
    pub(super) fn learn_addresses(&mut self, peer: PeerId, info: identify::Info) {
        let Some(kad) = self.kad.as_mut() else {
            return;
        };
        let names = kad.protocol_names();
        if names.iter().any(|name| info.protocols.contains(name)) {
            for address in info.listen_addrs.into_iter().take(ADDRESSES_MAX) {
                kad.add_address(&peer, address);
            }
        }
    }
}

/// Why no swarm could be built.
#[derive(Debug)]
pub(crate) enum BuildError {
    PoolName,
    Handshake(noise::Error),
}

impl From<InvalidProtocol> for BuildError {
    fn from(_: InvalidProtocol) -> Self {
        Self::PoolName
    }
}

/// Builds the swarm, with its tasks among `tasks`. It does not listen yet.
pub(crate) fn build(settings: &Settings, tasks: &Tasks) -> Result<Swarm<Behaviour>, BuildError> {
    let pool = pool_name(&settings.pool)?;
    let name = |part| StreamProtocol::try_from_owned(format!("/mutual/{pool}/{part}/1"));
    let names = Names {
        message: name("message")?,
        blob: name("blob")?,
    };
    let kad_name = name("kad")?;
    let identity = &settings.identity;
    let kad = settings.dht.as_ref();
    let kad = kad.map(|dht| dht::behaviour(identity, kad_name, dht.mode));
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(connection_limits(&settings.limits)),
        identify: identify::Behaviour::new(
            identify::Config::new("mutual/1".to_owned(), identity.keypair().public())
                .with_agent_version(concat!("mutual/", env!("CARGO_PKG_VERSION")).to_owned())
                .with_push_listen_addr_updates(true)
                .with_cache_size(0),
        ),
        ping: ping::Behaviour::new(
            ping::Config::new()
                .with_interval(PING_INTERVAL)
                .with_timeout(PING_INTERVAL),
        ),
        kad: Toggle::from(kad),
        streams: streams::Behaviour::new(names),
    };
    let transport =
        transport(identity, Arc::clone(&settings.gate)).map_err(BuildError::Handshake)?;
    let tracker = tasks.tracker.clone();
    let config = Config::with_executor(move |task| drop(tracker.spawn(task)));
    Ok(Swarm::new(transport, behaviour, identity.peer(), config))
}

fn pool_name(name: &str) -> Result<&str, BuildError> {
    let fits = (1..=POOL_NAME_MAX).contains(&name.len());
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !fits || !name.chars().all(plain) {
        return Err(BuildError::PoolName);
    }
    Ok(name)
}

fn connection_limits(limits: &Limits) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.half_open))
        .with_max_pending_outgoing(Some(limits.half_open))
        .with_max_established(Some(limits.connections))
        .with_max_established_per_peer(Some(limits.connections_per_peer))
}
