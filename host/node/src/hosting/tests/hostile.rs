//! Members that break the protocol: their connection ends, everybody else is served.

use super::failures::bring;
use super::house::House;
use super::network::Out;
use crate::attempt::Phase as Stands;
use crate::hosting::Request;
use crate::link::PeerEvent;
use crate::tasks::TaskGroup;
use mutual_protocol::bounded::List;
use mutual_protocol::lease::{Nack, NackReason, RenewAck, ResultCert, Value};
use mutual_protocol::membership::Role;
use mutual_protocol::message::{
    AttemptEvent, AttemptOrder, Chunk, DeclineReason, GoodbyeReason, LeaseReply, LeaseRequest,
    NodeMessage, Phase,
};
use mutual_protocol::{NodeId, SigningKey};
use mutual_runner::frame::Kind;
use mutual_testkit::seeds;
use std::time::Duration;

fn stranger() -> SigningKey {
    SigningKey::from_seed(&seeds::STRANGER)
}

async fn still_runs(house: &House) {
    let status = house.ask(Request::Status).await;
    assert_eq!(status.jobs.len(), 1);
    assert_eq!(status.jobs[0].phase, Stands::Running);
}

#[tokio::test(start_paused = true)]
async fn strangers_have_no_say() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    bring(&mut house, &mut owner, Phase::Running).await;
    let node = NodeId::from(stranger().public());
    house.up(node, Role::Submit).await;
    house.settled().await;
    let token = owner.token.unwrap();
    let nack = Nack {
        asked: token,
        reason: NackReason::StaleToken,
        promised: Some(token.epoch),
        wait_ms: 0,
        decided: None,
    };
    let nack = LeaseReply::Nack(stranger().sign(nack).signed().clone());
    let order = |order| NodeMessage::Order { token, order };
    for message in [
        order(AttemptOrder::Stop { now: true }),
        order(AttemptOrder::Taken),
        order(AttemptOrder::Credit { bytes: 9 }),
        NodeMessage::Stale {
            token,
            current: token,
        },
        NodeMessage::Reply(nack.clone()),
    ] {
        house.says(node, message).await;
        assert_eq!(house.settled().await, []);
    }
    still_runs(&house).await;
    // The same through the owner's own connection is a violation: no witness signed it.
    house.says(owner.node, NodeMessage::Reply(nack)).await;
    let outs = house.settled().await;
    assert!(
        matches!(&outs[..], [Out::Dropped(n, _)] if *n == owner.node),
        "{outs:?}"
    );
    still_runs(&house).await;
}

#[tokio::test(start_paused = true)]
async fn messages_for_others_end_the_connection() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    bring(&mut house, &mut owner, Phase::Running).await;
    let node = NodeId::from(stranger().public());
    let token = owner.token.unwrap();
    let reasons = List::new(vec![DeclineReason::NoSlot]).unwrap();
    let value = Value::Failed {
        attempts: Vec::new(),
    };
    let empty = ResultCert {
        value,
        commits: Vec::new(),
    };
    let wrong = RenewAck {
        token,
        number: 1,
        ttl_ms: 9,
    };
    let wrong = stranger().sign(wrong).signed().encode();
    let mut wrong_bytes = wrong.clone();
    let last = wrong_bytes.len() - 1;
    wrong_bytes[last] ^= 1;
    let mut cases = vec![
        NodeMessage::Decline {
            register: token.register,
            reasons,
        },
        NodeMessage::Request(LeaseRequest::Decided(empty)),
        NodeMessage::Attempt {
            token,
            event: AttemptEvent::Started,
        },
    ];
    if let Ok(ack) = mutual_protocol::Signed::decode(&wrong_bytes) {
        cases.push(NodeMessage::Reply(LeaseReply::RenewAck(ack)));
    }
    for message in cases {
        house.up(node, Role::Submit).await;
        house.settled().await;
        house.says(node, message.clone()).await;
        let outs = house.settled().await;
        assert!(
            matches!(&outs[..], [Out::Dropped(n, _)] if *n == node),
            "{message:?}: {outs:?}"
        );
    }
    still_runs(&house).await;
}

#[tokio::test(start_paused = true)]
async fn input_that_nobody_asked_for_ends_the_connection() {
    let bytes = || Chunk::new(b"psst".to_vec()).unwrap();
    let input = |offset| AttemptOrder::Input {
        offset,
        bytes: bytes(),
    };
    for (is_wanted, orders) in [
        (false, vec![input(0)]),
        (true, vec![input(1)]),
        (true, vec![input(0), input(4)]),
        (true, vec![AttemptOrder::InputEnd, AttemptOrder::InputEnd]),
        (true, vec![AttemptOrder::InputEnd, input(0)]),
    ] {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, Phase::Running).await;
        if is_wanted {
            house.guest(&[(Kind::InputWanted, &9_u32.to_le_bytes())]);
            house.next().await;
        }
        for order in orders.clone() {
            owner.orders(&house, order).await;
        }
        let outs = house.settled().await;
        assert!(
            matches!(&outs[..], [Out::Dropped(n, _)] if *n == owner.node),
            "{orders:?}: {outs:?}"
        );
        still_runs(&house).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_keep_leases_from_being_renewed() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    bring(&mut house, &mut owner, Phase::Running).await;
    let node = NodeId::from(stranger().public());
    house.up(node, Role::Submit).await;
    let events = house.events.clone();
    let tasks = TaskGroup::new();
    tasks.spawn("flood", async move {
        let reason = GoodbyeReason::Unused;
        loop {
            let message = Box::new(NodeMessage::Goodbye { reason });
            if events
                .send(PeerEvent::Said { node, message })
                .await
                .is_err()
            {
                return;
            }
        }
    });
    let before = owner.requests.len();
    for _ in 0..6 {
        tokio::time::advance(Duration::from_millis(3400)).await;
        house.quiet(&mut owner).await;
    }
    still_runs(&house).await;
    assert_eq!(owner.requests[before..], ["renew"; 6]);
    tasks.end().await;
}
