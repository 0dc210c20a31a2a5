//! Hostile peers, before the gate and behind it: refused or dropped, while others are served.

use crate::rig::{Node, PASSWORD, QUIC4, REFUSAL, TCP4, assert_alive, pair, run, settings};
use crate::wire::{Wire, frame, negotiation};
use futures::{AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{StreamProtocol, SwarmBuilder, identify, kad, noise, ping, tcp, yamux};
use mutual_net::{Event, GATE_BYTES_MAX, Violation};
use std::time::Duration;
use tokio_util::task::TaskTracker;

const MESSAGE: &str = "/mutual/p-test/message/1";
const KAD: &str = "/mutual/p-test/kad/1";

/// Goal: a non-member that knows all of our protocols gets the refusal, and not one byte of anything else.
#[test]
fn a_non_member_gets_the_refusal_and_not_a_byte_more() {
    run(async {
        for listen in [TCP4, QUIC4] {
            let (mut first, mut second) = pair(listen).await;
            let address = first.net.listening().await.remove(0);
            let mut wire = Wire::dial(&address).await.unwrap();
            let mut gate = wire.open(&frame(b"?")).await.unwrap();
            let answer = wire.take(&mut gate, 6 + REFUSAL.len()).await;
            assert_eq!(answer[..6], [1, 2, 0, 0, 0, 11]);
            assert_eq!(answer[6..], *REFUSAL);
            // Before the refused connection ends, the stranger tries everything.
            let mut others = Vec::new();
            for protocol in ["/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", KAD, MESSAGE] {
                others.extend(wire.open(&negotiation(protocol)).await);
            }
            for mut stream in others {
                assert_eq!(wire.rest(&mut stream).await, b"");
            }
            assert_eq!(wire.rest(&mut gate).await, b"");
            wire.ended().await;
            assert_eq!(wire.inbound.len(), 0, "nothing was opened to a stranger");
            let refused = |event| matches!(event, Event::Refused { .. }).then_some(());
            first.next(refused).await;
            assert_alive(&mut first, &mut second).await;
        }
    });
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Ordinary {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    kad: kad::Behaviour<kad::store::MemoryStore>,
}

/// Goal: an ordinary libp2p node with the pool's own protocol names learns nothing, whoever dials.
#[test]
fn an_ordinary_libp2p_node_negotiates_no_protocol() {
    run(async {
        let (mut first, mut second) = pair(TCP4).await;
        let address = first.net.listening().await.remove(0);
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(
                tcp::Config::new(),
                noise::Config::new,
                yamux::Config::default,
            )
            .unwrap()
            .with_behaviour(|key| {
                let peer = key.public().to_peer_id();
                let config = kad::Config::new(StreamProtocol::new(KAD));
                let store = kad::store::MemoryStore::new(peer);
                Ordinary {
                    identify: identify::Behaviour::new(identify::Config::new(
                        "mutual/1".to_owned(),
                        key.public(),
                    )),
                    ping: ping::Behaviour::new(
                        ping::Config::new().with_interval(Duration::from_millis(1)),
                    ),
                    kad: kad::Behaviour::with_config(peer, store, config),
                }
            })
            .unwrap()
            .build();
        swarm.listen_on(TCP4.parse().unwrap()).unwrap();
        swarm
            .dial(address.to_string().parse::<libp2p::Multiaddr>().unwrap())
            .unwrap();
        let mut closed = false;
        let mut dialed_back = false;
        while !(closed && dialed_back) {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(OrdinaryEvent::Identify(identify::Event::Received {
                    ..
                })) => panic!("identify"),
                SwarmEvent::Behaviour(OrdinaryEvent::Ping(ping::Event {
                    result: Ok(_), ..
                })) => {
                    panic!("ping");
                }
                SwarmEvent::Behaviour(OrdinaryEvent::Kad(kad::Event::RoutingUpdated {
                    ..
                })) => {
                    panic!("kad");
                }
                SwarmEvent::ConnectionClosed { .. } if closed => dialed_back = true,
                SwarmEvent::ConnectionClosed { .. } => {
                    closed = true;
                    let back = swarm.listeners().next().unwrap().to_string();
                    let net = second.net.clone();
                    drop(TaskTracker::new().spawn(async move {
                        net.dial(back.parse().unwrap()).await.unwrap_err();
                    }));
                }
                _ => {}
            }
        }
        assert_alive(&mut first, &mut second).await;
    });
}

#[test]
fn malformed_hellos_end_the_connection() {
    run(async {
        let (mut first, mut second) = pair(TCP4).await;
        let address = first.net.listening().await.remove(0);
        let giant = frame(&[b'x'; GATE_BYTES_MAX + 1]);
        let endless = [&[1], &u32::MAX.to_be_bytes()[..]].concat();
        for hello in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            vec![2, 0, 0, 0, 0],
            giant,
            endless,
        ] {
            let mut wire = Wire::dial(&address).await.unwrap();
            let opened = wire.open(&hello).await;
            if let Some(mut stream) = opened {
                assert_eq!(wire.rest(&mut stream).await, b"");
            }
            wire.ended().await;
        }
        assert_alive(&mut first, &mut second).await;
    });
}

/// Goal: who opens a second substream before the hello is whole is not let in, whatever the hello says.
#[test]
fn nothing_but_the_hello_is_heard_before_the_answer() {
    run(async {
        let (mut first, mut second) = pair(TCP4).await;
        let address = first.net.listening().await.remove(0);
        let hello = frame(PASSWORD);
        let mut wire = Wire::dial(&address).await.unwrap();
        let mut gate = wire.open(&hello[..8]).await.unwrap();
        let other = wire.open(&negotiation(KAD)).await;
        drop(wire.drive(gate.write_all(&hello[8..])).await);
        drop(wire.drive(gate.flush()).await);
        assert_eq!(wire.rest(&mut gate).await, b"");
        wire.ended().await;
        drop(other);
        assert_alive(&mut first, &mut second).await;
    });
}

/// Goal: connections that stop in the middle of the gate are few, are ended by us, and make way for members.
#[test]
fn half_open_connections_are_bounded_and_end() {
    run(async {
        let mut settings_first = settings(1, &[TCP4]);
        settings_first.limits.half_open = 4;
        let mut first = Node::start(&settings_first);
        let address = first.address().await;
        let mut second = Node::start(&settings(2, &[]));
        second.net.dial(address.clone()).await.unwrap();
        let mut wires = Vec::new();
        for _ in 0..4 {
            let mut wire = Wire::dial(&address).await.unwrap();
            let stream = wire.open(&frame(PASSWORD)[..8]).await.unwrap();
            wires.push((wire, stream));
        }
        assert!(
            Wire::dial(&address).await.is_none(),
            "one more is not heard"
        );
        let third = Node::start(&settings(3, &[]));
        assert!(third.net.dial(address.clone()).await.is_err());
        assert_alive(&mut first, &mut second).await;
        for (mut wire, mut stream) in wires {
            assert_eq!(wire.rest(&mut stream).await, b"");
            wire.ended().await;
        }
        third.net.dial(address).await.unwrap();
    });
}

#[test]
fn a_flood_of_hellos_leaves_members_in_peace() {
    run(async {
        let (mut first, mut second) = pair(TCP4).await;
        let address = first.net.listening().await.remove(0);
        let flood = TaskTracker::new().spawn(async move {
            for _ in 0..200 {
                let mut wire = Wire::dial(&address).await.unwrap();
                drop(wire.open(&frame(&[b'x'; 4096])).await);
            }
        });
        while !flood.is_finished() {
            assert_alive(&mut first, &mut second).await;
        }
        flood.await.unwrap();
        assert_alive(&mut first, &mut second).await;
    });
}

async fn violation(node: &mut Node) -> Violation {
    let violation = |event| match event {
        Event::Violation { violation, .. } => Some(violation),
        Event::Message { bytes, .. } => panic!("a message came: {} bytes", bytes.len()),
        _ => None,
    };
    node.next(violation).await
}

#[test]
fn a_member_that_announces_a_giant_message_is_disconnected() {
    run(async {
        for listen in [TCP4, QUIC4] {
            let (mut first, mut second) = pair(listen).await;
            let address = first.net.listening().await.remove(0);
            let mut wire = Wire::admitted(&address, PASSWORD).await;
            let mut stream = wire.negotiated(MESSAGE).await;
            let bytes = u32::MAX;
            wire.drive(stream.write_all(&bytes.to_be_bytes()))
                .await
                .unwrap()
                .unwrap();
            wire.drive(stream.flush()).await.unwrap().unwrap();
            wire.ended().await;
            assert_eq!(
                violation(&mut first).await,
                Violation::GiantMessage { bytes }
            );
            first.disconnected().await;
            assert_alive(&mut first, &mut second).await;
        }
    });
}

/// Goal: half a message is no message, and the next stream of the same member is read.
#[test]
fn a_truncated_message_is_dropped() {
    run(async {
        let (mut first, mut second) = pair(TCP4).await;
        first.connected().await;
        let address = first.net.listening().await.remove(0);
        let mut wire = Wire::admitted(&address, PASSWORD).await;
        let member = first.connected().await.node;
        let mut stream = wire.negotiated(MESSAGE).await;
        wire.drive(stream.write_all(&[0, 0, 0, 9, 1, 2]))
            .await
            .unwrap()
            .unwrap();
        wire.drive(stream.close()).await.unwrap().unwrap();
        wire.rest(&mut stream).await;
        let mut stream = wire.negotiated(MESSAGE).await;
        wire.drive(stream.write_all(&[0, 0, 0, 1, 7]))
            .await
            .unwrap()
            .unwrap();
        wire.drive(stream.flush()).await.unwrap().unwrap();
        let message = async { first.message().await };
        assert_eq!(wire.drive(message).await, Some((member, vec![7])));
        assert_alive(&mut first, &mut second).await;
    });
}

#[test]
fn a_member_that_floods_messages_is_disconnected() {
    run(async {
        let mut strict = settings(1, &[TCP4]);
        strict.limits.messages_per_second = 1;
        strict.limits.messages_at_once = 100;
        let mut first = Node::start(&strict);
        let address = first.address().await;
        let mut calm = Node::start(&settings(2, &[]));
        calm.net.dial(address.clone()).await.unwrap();
        let flooder = Node::start(&settings(3, &[]));
        flooder.net.dial(address).await.unwrap();
        for _ in 0..200 {
            flooder.net.send(first.net.node(), vec![1]).unwrap();
        }
        let mut count = 0;
        let violation = |event| match event {
            Event::Violation { node, violation } => Some((node, violation)),
            Event::Message { .. } => {
                count += 1;
                None
            }
            _ => None,
        };
        let (node, violation) = first.next(violation).await;
        assert_eq!(
            (node, violation),
            (flooder.net.node(), Violation::MessageFlood)
        );
        // A second or two may pass on a busy machine, and each allows one more.
        assert!((100..150).contains(&count), "{count} messages came through");
        assert_eq!(first.disconnected().await, flooder.net.node());
        assert_alive(&mut first, &mut calm).await;
    });
}

#[test]
fn a_member_that_floods_streams_is_disconnected() {
    run(async {
        let mut strict = settings(1, &[TCP4]);
        strict.limits.streams_per_peer = 2;
        let mut first = Node::start(&strict);
        let address = first.address().await;
        let mut calm = Node::start(&settings(2, &[]));
        calm.net.dial(address.clone()).await.unwrap();
        let flooder = Node::start(&settings(3, &[]));
        flooder.net.dial(address).await.unwrap();
        let mut open = Vec::new();
        for _ in 0..5 {
            open.extend(flooder.net.open(first.net.node()).await);
        }
        let mut taken = Vec::new();
        let violation = |event| match event {
            Event::Violation { node, violation } => Some((node, violation)),
            Event::Stream { stream } => {
                taken.push(stream);
                None
            }
            _ => None,
        };
        let (node, violation) = first.next(violation).await;
        assert_eq!(
            (node, violation),
            (flooder.net.node(), Violation::StreamFlood)
        );
        assert_eq!(taken.len(), 4);
        assert_eq!(first.disconnected().await, flooder.net.node());
        assert_alive(&mut first, &mut calm).await;
    });
}
