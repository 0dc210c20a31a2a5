//! Eight nodes that know one of them: values and providers found, invalid ones refused where they would be kept.

use crate::rig::{Node, Numbered, TCP4, run, settings};
use mutual_net::{
    DHT_KEY_BYTES_MAX, DHT_VALUE_BYTES_MAX, Dht, DhtError, DhtMode, Event, Net, RecordCheck,
};
use mutual_protocol::ids::NodeId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(600);

/// Believes everything: for hostile publishers, and to see what nodes hold.
struct Gullible;

impl RecordCheck for Gullible {
    fn accept(&self, _: &[u8], _: &[u8], _: Option<NodeId>, _: Option<&[u8]>) -> bool {
        true
    }
}

fn node(number: u8, check: Arc<dyn RecordCheck>) -> Node {
    let mut settings = settings(number, &[TCP4]);
    let mode = DhtMode::Server;
    settings.dht = Some(Dht { mode, check });
    Node::start(&settings)
}

/// Eight nodes, of which all but the first have been told of the first alone. `gullible` ones believe everything.
async fn eight(gullible: &[u8]) -> Vec<Net> {
    let mut nodes = Vec::new();
    for number in 1..=8 {
        nodes.push(match gullible.contains(&number) {
            true => node(number, Arc::new(Gullible)),
            false => node(number, Arc::new(Numbered)),
        });
    }
    let address = nodes[0].address().await;
    for node in &mut nodes[1..] {
        node.net.dial(address.clone()).await.unwrap();
    }
    // The first one has heard from all others what they serve, and they from it.
    let mut known = BTreeSet::new();
    while known.len() < 7 {
        known.insert(dht_peer(&mut nodes[0]).await);
    }
    for node in &mut nodes[1..] {
        dht_peer(node).await;
    }
    let nets: Vec<_> = nodes.into_iter().map(Node::drain).collect();
    for net in &nets[1..] {
        net.bootstrap().await.unwrap();
    }
    nets
}

async fn dht_peer(node: &mut Node) -> NodeId {
    let peer = |event| match event {
        Event::DhtPeer { node } => Some(node),
        _ => None,
    };
    node.next(peer).await
}

#[test]
fn a_value_is_found_through_one_node_that_both_know() {
    run(async {
        let nets = eight(&[]).await;
        nets[3]
            .put(b"job".to_vec(), vec![1, 7], LIFE)
            .await
            .unwrap();
        for net in &nets {
            let lookup = net.get(b"job".to_vec()).await.unwrap();
            assert_eq!(lookup.found.len(), 1);
            assert_eq!(lookup.found[0].value, [1, 7]);
        }
        // Its publisher is gone, and it is still there.
        nets[3].clone().close().await;
        let lookup = nets[6].get(b"job".to_vec()).await.unwrap();
        assert_eq!(lookup.found[0].value, [1, 7]);
        let nothing = nets[6].get(b"no job".to_vec()).await.unwrap();
        assert_eq!(nothing.found, []);
        assert!(nothing.requests >= 6, "{} requests", nothing.requests);
    });
}

#[test]
fn the_newest_value_wins() {
    run(async {
        let nets = eight(&[]).await;
        let key = b"job".to_vec();
        nets[1].put(key.clone(), vec![5], LIFE).await.unwrap();
        // Others hold a newer one: this one stays with its publisher, if anywhere.
        nets[2].put(key.clone(), vec![3], LIFE).await.ok();
        nets[1].put(key.clone(), vec![6], LIFE).await.unwrap();
        for net in &nets {
            let lookup = net.get(key.clone()).await.unwrap();
            assert_eq!(lookup.found[0].value, [6]);
        }
        let older = nets[1].put(key, vec![6], LIFE).await;
        assert_eq!(older, Err(DhtError::Invalid));
    });
}

/// Goal: an invalid value is with its publisher alone. The gullible publisher leaves; a gullible reader finds nothing.
#[test]
fn invalid_values_are_refused_where_they_would_be_kept() {
    run(async {
        let nets = eight(&[2, 8]).await;
        nets[1]
            .put(b"bad".to_vec(), vec![0, 1], LIFE)
            .await
            .unwrap();
        nets[1]
            .put(b"good".to_vec(), vec![1, 1], LIFE)
            .await
            .unwrap();
        let bad = nets[4].get(b"bad".to_vec()).await.unwrap();
        assert_eq!(bad.found, [], "readers check as well");
        let holders = nets[7].get(b"bad".to_vec()).await.unwrap().found;
        let holders: Vec<_> = holders.iter().map(|found| found.holder).collect();
        // The two gullible ones believe it: the publisher, and the reader itself.
        let gullible = [None, Some(nets[1].node())];
        assert!(
            holders.iter().all(|holder| gullible.contains(holder)),
            "{holders:?}"
        );
        nets[1].clone().close().await;
        let good = nets[4].get(b"good".to_vec()).await.unwrap();
        assert_eq!(good.found[0].value, [1, 1]);
        let own = nets[0].put(b"bad".to_vec(), vec![0], LIFE).await;
        assert_eq!(own, Err(DhtError::Invalid));
    });
}

#[test]
fn providers_are_found_and_their_addresses() {
    run(async {
        let nets = eight(&[]).await;
        nets[2].provide(b"cid".to_vec()).await.unwrap();
        nets[5].provide(b"cid".to_vec()).await.unwrap();
        let mut expected = vec![nets[2].node(), nets[5].node()];
        expected.sort();
        for net in &nets {
            assert_eq!(net.providers(b"cid".to_vec()).await.unwrap(), expected);
        }
        assert_eq!(nets[1].providers(b"other".to_vec()).await.unwrap(), []);
        // A node finds the provider's address, and connects.
        let addresses = nets[7].find(nets[5].node()).await.unwrap();
        let listening = nets[5].listening().await.remove(0);
        let sockets: Vec<_> = addresses.iter().map(|a| a.socket()).collect();
        assert!(sockets.contains(&listening.socket()), "{addresses:?}");
        nets[7].dial_node(nets[5].node(), addresses).await.unwrap();
        nets[5].unprovide(b"cid".to_vec()).await.unwrap();
    });
}

/// Goal: a node that only asks finds and publishes, and no table has it.
#[test]
fn a_client_asks_and_is_not_asked() {
    run(async {
        let nets = eight(&[]).await;
        let mut settings = settings(9, &[TCP4]);
        let check = Arc::new(Numbered);
        let mode = DhtMode::Client;
        settings.dht = Some(Dht { mode, check });
        let mut client = Node::start(&settings);
        let address = nets[0].listening().await.remove(0);
        client.net.dial(address).await.unwrap();
        assert_eq!(dht_peer(&mut client).await, nets[0].node());
        let client = client.drain();
        client.bootstrap().await.unwrap();
        client.put(b"job".to_vec(), vec![1], LIFE).await.unwrap();
        let found = nets[5].get(b"job".to_vec()).await.unwrap().found;
        assert_eq!(found[0].value, [1]);
        assert_ne!(found[0].holder, Some(client.node()));
        assert_eq!(nets[5].find(client.node()).await.unwrap(), []);
    });
}

#[test]
fn queries_that_cannot_be_made_say_why() {
    run(async {
        let alone = node(1, Arc::new(Numbered)).drain();
        assert_eq!(alone.bootstrap().await, Err(DhtError::NoPeers));
        let put = |key: usize, value: usize| alone.put(vec![1; key], vec![1; value], LIFE);
        assert_eq!(put(1, 1).await, Err(DhtError::NoPeers));
        assert_eq!(put(DHT_KEY_BYTES_MAX + 1, 1).await, Err(DhtError::TooLong));
        assert_eq!(
            put(2, DHT_VALUE_BYTES_MAX + 1).await,
            Err(DhtError::TooLong)
        );
        let long = vec![0; DHT_KEY_BYTES_MAX + 1];
        assert_eq!(alone.get(long).await, Err(DhtError::TooLong));
        let mut settings = settings(2, &[]);
        settings.dht = None;
        let without = Node::start(&settings).net;
        assert_eq!(without.get(vec![1]).await, Err(DhtError::Off));
        alone.clone().close().await;
        assert_eq!(alone.bootstrap().await, Err(DhtError::Closed));
    });
}
