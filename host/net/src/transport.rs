//! TCP with Noise and Yamux, and QUIC, each of them with the gate at its end.

use crate::gate::{Gate, GateError, exchange};
use crate::identity::Identity;
use either::Either;
use futures::FutureExt as _;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, Transport as _, upgrade::Version};
use libp2p::{PeerId, noise, quic, tcp, yamux};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// TCP's handshake, Noise and the choice of Yamux, or QUIC's handshake: three to four round trips.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Substreams of one connection, of both sides and all protocols together. Ours need: 2 for messages, 64 for blobs
/// each way, 32 for Kademlia each way, and a few for identify and ping.
pub(crate) const SUBSTREAMS_MAX: u32 = 256;

/// Builds the transport of a node.
///
/// # Errors
/// When the key pair cannot sign its own handshake key, which no key of ours does.
pub(crate) fn transport(
    identity: &Identity,
    gate: Arc<dyn Gate>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(usize::try_from(SUBSTREAMS_MAX).unwrap_or(usize::MAX));
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .map_err(SocketError)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(identity.keypair())?)
        .multiplex(yamux)
        .timeout(HANDSHAKE_TIME_MAX)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let mut config = quic::Config::new(identity.keypair());
    config.handshake_timeout = HANDSHAKE_TIME_MAX;
    config.max_concurrent_stream_limit = SUBSTREAMS_MAX;
    let quic = quic::tokio::Transport::new(config)
        .map_err(|error| match error {
            quic::Error::Io(error) => SocketError(error),
            quic::Error::HandshakeTimedOut => SocketError(io::ErrorKind::TimedOut.into()),
            other => SocketError(io::Error::other(other)),
        })
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok(tcp
        .or_transport(quic)
        .map(|either, _| either.into_inner())
        .and_then(move |connection, point| exchange(gate, connection, point).boxed())
        .map_err(|error| match error {
            Either::Left(transport) => io::Error::other(transport),
            Either::Right(gate) => io::Error::other(gate),
        })
        .boxed())
}

/// A socket's error, made visible: the unions that transports make of their errors hide what is directly in them.
#[derive(Debug, thiserror::Error)]
#[error("the socket failed")]
struct SocketError(#[source] io::Error);

/// The gate's error inside an error of the transport above, if it is one.
pub(crate) fn gate_error(error: &io::Error) -> Option<&GateError> {
    let inner = error.get_ref()?;
    if let Some(gate) = inner.downcast_ref() {
        return Some(gate);
    }
    // Boxing a transport wraps its error once more.
    inner.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}
