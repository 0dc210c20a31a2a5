//! Two members that are connected: messages, streams, and the end of it, over each transport.

use crate::rig::{
    Node, PASSWORD, Password, QUIC4, QUIC6, TCP4, TCP6, assert_alive, has_ipv6, pair, refusal, run,
    settings,
};
use mutual_net::{
    DialError, Direction, Event, MESSAGE_BYTES_MAX, Net, OpenError, SendError, StartError,
    Transport,
};
use mutual_protocol::ids::Digest;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn transports() -> Vec<(&'static str, Transport)> {
    let mut all = vec![(TCP4, Transport::Tcp), (QUIC4, Transport::Quic)];
    if has_ipv6() {
        all.extend([(TCP6, Transport::Tcp), (QUIC6, Transport::Quic)]);
    }
    all
}

#[test]
fn members_connect_over_each_transport_and_say_so() {
    run(async {
        for (listen, transport) in transports() {
            let (mut first, mut second) = pair(listen).await;
            let dialed = second.connected().await;
            assert_eq!(dialed.node, first.net.node());
            assert_eq!(dialed.direction, Direction::Outbound);
            assert_eq!(dialed.transport(), transport);
            let taken = first.connected().await;
            assert_eq!(taken.node, second.net.node());
            assert_eq!(taken.direction, Direction::Inbound);
            assert_eq!(taken.transport(), transport);
            assert_alive(&mut first, &mut second).await;
            let peers = second.net.peers().await;
            assert_eq!(peers.len(), 1);
            assert_eq!(peers[0].address, first.net.listening().await[0]);
            second.net.close().await;
            assert_eq!(first.disconnected().await, taken.node);
        }
    });
}

/// Goal: ten thousand messages arrive whole and in order, while as many go the other way.
#[test]
fn ten_thousand_messages_arrive_in_order_both_ways() {
    run(async {
        for listen in [TCP4, QUIC4] {
            let (first, second) = pair(listen).await;
            tokio::join!(count(first, 2), count(second, 1));
        }
    });

    async fn count(mut node: Node, other: u8) {
        let other = settings(other, &[]).identity.node();
        assert_eq!(node.connected().await.node, other);
        let send = send_numbers(node.net.clone(), other);
        let take = async {
            for number in 0..10_000_u32 {
                let (from, bytes) = node.message().await;
                assert_eq!(from, other);
                assert_eq!(bytes, message(number));
            }
        };
        tokio::join!(send, take);
    }

    async fn send_numbers(net: Net, to: mutual_protocol::ids::NodeId) {
        for number in 0..10_000 {
            while let Err(error) = net.send(to, message(number)) {
                assert_eq!(error, SendError::QueueFull);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Of 4 to 503 bytes.
    fn message(number: u32) -> Vec<u8> {
        let length = usize::try_from(number % 500).unwrap();
        [&number.to_be_bytes()[..], &vec![7; length]].concat()
    }
}

/// Goal: what was sent before the end arrives, although the sender is gone when it is read.
#[test]
fn what_was_sent_before_the_end_arrives() {
    run(async {
        for (listen, _) in transports() {
            let (mut first, second) = pair(listen).await;
            let one = first.net.node();
            for number in 0..2000_u32 {
                let message = [&number.to_be_bytes()[..], &[0; 1000]].concat();
                second.net.send(one, message).unwrap();
            }
            let take = async {
                for number in 0..2000_u32 {
                    let (_, bytes) = first.message().await;
                    assert_eq!(bytes[..4], number.to_be_bytes());
                }
                first.disconnected().await;
            };
            tokio::join!(second.net.close(), take);
        }
    });
}

/// Goal: 32 MiB go through a stream unharmed, an echo comes back, and both ends see the end.
#[test]
fn streams_carry_much_and_end() {
    run(async {
        for (listen, _) in transports() {
            let (mut first, second) = pair(listen).await;
            let bytes: Vec<u8> = (0..8_u32 << 20)
                .flat_map(|i| (i ^ (i >> 9)).to_be_bytes())
                .collect();
            let digest = Digest::of(&bytes);
            let mut stream = second.net.open(first.net.node()).await.unwrap();
            let send = async {
                stream.write_all(&bytes).await.unwrap();
                stream.shutdown().await.unwrap();
                let mut echo = Vec::new();
                stream.read_to_end(&mut echo).await.unwrap();
                assert_eq!(echo, digest.as_bytes());
            };
            let take = async {
                let stream = |event| match event {
                    Event::Stream { stream } => Some(stream),
                    _ => None,
                };
                let mut stream = first.next(stream).await;
                assert_eq!(stream.node(), second.net.node());
                let mut taken = Vec::new();
                stream.read_to_end(&mut taken).await.unwrap();
                let echo = Digest::of(&taken);
                stream.write_all(echo.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            };
            tokio::join!(send, take);
        }
    });
}

#[test]
fn the_longest_message_arrives_and_a_longer_one_is_not_sent() {
    run(async {
        let (mut first, second) = pair(TCP4).await;
        let longest = vec![3; MESSAGE_BYTES_MAX];
        second.net.send(first.net.node(), longest.clone()).unwrap();
        assert_eq!(first.message().await.1, longest);
        let bytes = MESSAGE_BYTES_MAX + 1;
        let sent = second.net.send(first.net.node(), vec![3; bytes]);
        assert_eq!(sent, Err(SendError::TooLarge { bytes }));
    });
}

/// Goal: who takes nothing fills a queue of its sender, and no memory. When it takes again, all that was taken into
/// the queue arrives, and a third node's message does not wait for the end of it.
#[test]
fn who_takes_nothing_fills_a_queue() {
    run(async {
        let (mut first, second) = pair(TCP4).await;
        let third = Node::start(&settings(3, &[]));
        let address = first.net.listening().await.remove(0);
        third.net.dial(address).await.unwrap();
        let one = first.net.node();
        let mut sent = 0;
        // The queue takes 16 of these, the events of `first` 64, and the connection between them some more.
        let mut full = 0;
        while full < 1000 {
            match second.net.send(one, vec![0; MESSAGE_BYTES_MAX]) {
                Ok(()) => (sent, full) = (sent + 1, 0),
                Err(error) => {
                    assert_eq!(error, SendError::QueueFull);
                    full += 1;
                }
            }
            assert!(sent < 1000, "the queue has no end");
            tokio::task::yield_now().await;
        }
        third.net.send(one, b"third".to_vec()).unwrap();
        let (mut taken, mut before_third) = (0, None);
        while taken < sent || before_third.is_none() {
            let (from, _) = first.message().await;
            match from == second.net.node() {
                true => taken += 1,
                false => before_third = Some(taken),
            }
        }
        assert!(
            before_third < Some(sent),
            "the third one waited for all of {sent}"
        );
    });
}

#[test]
fn both_sides_learn_of_a_disconnect_and_may_meet_again() {
    run(async {
        for listen in [TCP4, QUIC4] {
            let (mut first, mut second) = pair(listen).await;
            let (one, two) = (first.net.node(), second.net.node());
            second.net.disconnect(one).await;
            assert_eq!(second.disconnected().await, one);
            assert_eq!(first.disconnected().await, two);
            assert_eq!(second.net.send(one, vec![1]), Err(SendError::NotConnected));
            let stream = second.net.open(one).await;
            assert_eq!(stream.unwrap_err(), OpenError::NotConnected);
            let address = first.net.listening().await.remove(0);
            second.net.dial_node(one, vec![address]).await.unwrap();
            assert_alive(&mut first, &mut second).await;
        }
    });
}

#[test]
fn a_peer_that_is_dropped_is_gone() {
    run(async {
        let (mut first, second) = pair(TCP4).await;
        let two = second.net.node();
        first.connected().await;
        drop(second);
        assert_eq!(first.disconnected().await, two);
        assert_eq!(first.net.peers().await, []);
    });
}

#[test]
fn a_second_dial_finds_the_first_connection() {
    run(async {
        let (first, second) = pair(TCP4).await;
        let address = first.net.listening().await.remove(0);
        second.net.dial(address).await.unwrap();
        assert_eq!(second.net.peers().await.len(), 1);
    });
}

#[test]
fn dials_that_fail_say_why() {
    run(async {
        let mut first = Node::start(&settings(1, &[TCP4]));
        let address = first.address().await;
        let node = Node::start(&settings(2, &[]));
        let dial = |address| node.net.dial(address);
        let nobody = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let kind = std::io::ErrorKind::ConnectionRefused;
        assert_eq!(dial(nobody).await, Err(DialError::Unreachable { kind }));
        let found = Some(first.net.node());
        let other = settings(9, &[]).identity.node();
        let wrong = address.clone().with_node(other);
        assert_eq!(dial(wrong).await, Err(DialError::WrongNode { found }));
        let unknown = node.net.dial_node(other, Vec::new()).await;
        assert_eq!(unknown, Err(DialError::NoAddress));
        let oneself = first.net.dial(address.clone()).await;
        assert_eq!(oneself, Err(DialError::Oneself));

        // A stranger, and one who is a stranger to us while we are none to it.
        let mut stranger = settings(3, &[]);
        stranger.gate = Arc::new(Password(b"?"));
        let stranger = Node::start(&stranger);
        let answer = crate::rig::REFUSAL.to_vec();
        let refused = stranger.net.dial(address.clone()).await;
        assert_eq!(refused, Err(DialError::Refused { answer }));
        let refused = |event| match event {
            Event::Refused { node, refusal, .. } => Some((node, refusal)),
            _ => None,
        };
        let told = first.next(refused).await;
        assert_eq!(told, (stranger.net.node(), refusal()));
        let mut wary = settings(4, &[]);
        wary.gate = Arc::new(Wary);
        let wary = Node::start(&wary);
        let refusal = refusal();
        let distrusted = wary.net.dial(address).await;
        assert_eq!(distrusted, Err(DialError::Distrusted { refusal }));
        let net = node.net.clone();
        node.net.close().await;
        let gone = net.dial("/ip4/127.0.0.1/tcp/1".parse().unwrap()).await;
        assert_eq!(gone, Err(DialError::Closed));
    });

    struct Wary;

    impl mutual_net::Gate for Wary {
        fn hello(&self, _: mutual_protocol::ids::NodeId) -> Vec<u8> {
            PASSWORD.to_vec()
        }

        fn receive(&self, _: mutual_protocol::ids::NodeId, _: &[u8]) -> mutual_net::Verdict {
            unreachable!("nobody dials it")
        }

        fn confirm(
            &self,
            _: mutual_protocol::ids::NodeId,
            _: &[u8],
        ) -> Result<(), mutual_net::Refusal> {
            Err(refusal())
        }
    }
}

#[test]
fn what_cannot_start_says_why() {
    run(async {
        let mut first = Node::start(&settings(1, &[TCP4]));
        let taken = first.address().await.to_string();
        let start = |settings| Net::start(&settings).unwrap_err();
        let error = start(settings(2, &[&taken]));
        assert!(matches!(error, StartError::Listen { .. }), "{error}");
        for name in ["", "a/b", &"x".repeat(113)] {
            let mut settings = settings(2, &[]);
            settings.pool = name.to_owned();
            assert!(matches!(start(settings), StartError::PoolName), "{name}");
        }
    });
}
