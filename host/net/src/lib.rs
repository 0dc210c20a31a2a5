//! Connections among the members of a pool: libp2p behind a gate, messages, streams, and the pool's own DHT.
//!
//! It does not know what a member is (the [`Gate`] does), what messages say, or what a DHT value means (the
//! [`RecordCheck`] does). No type of libp2p is part of its interface.
//!
//! [`Net::start`] gives a handle and the [`Events`]. [`join`] redeems a ticket without being a member yet.

mod address;
pub mod blob;
mod dht;
mod event;
mod gate;
mod identity;
mod join;
mod messages;
mod net;
mod rate;
mod settings;
mod stream;
mod streams;
mod swarm;
mod transport;

pub use address::{ADDRESS_TEXT_MAX, Address, ParseAddressError, Transport};
pub use dht::{
    DHT_KEY_BYTES_MAX, DHT_LIFE_MAX, DHT_VALUE_BYTES_MAX, DhtError, Found, Lookup, RecordCheck,
};
pub use event::{DialError, Direction, Event, Events, PeerInfo, SendError, Violation};
pub use gate::{GATE_BYTES_MAX, Gate, Refusal, Verdict};
pub use identity::Identity;
pub use join::{JoinError, join};
pub use messages::MESSAGE_BYTES_MAX;
pub use net::{Net, StartError};
pub use settings::{Dht, DhtMode, Limits, Settings};
pub use stream::NetStream;
pub use streams::OpenError;
