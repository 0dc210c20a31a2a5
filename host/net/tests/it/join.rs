//! The exchange at the gate alone, as it redeems a ticket.

use crate::rig::{Node, PASSWORD, QUIC4, REFUSAL, TCP4, run, settings};
use mutual_net::{Identity, JoinError, join};

#[test]
fn a_ticket_is_redeemed_over_each_transport_without_a_connection() {
    run(async {
        for listen in [TCP4, QUIC4] {
            let mut first = Node::start(&settings(1, &[listen]));
            let address = first.address().await;
            let me = Identity::from_seed(&[5; 32]);
            let answer = join(&me, &address, b"ticket".to_vec()).await;
            assert_eq!(answer.unwrap(), b"redeemed icket");
            // One who is a member already gets the answer that members get.
            let answer = join(&me, &address, PASSWORD.to_vec()).await;
            assert_eq!(answer.unwrap(), PASSWORD);
        }
    });
}

#[test]
fn joins_that_fail_say_why() {
    run(async {
        let mut first = Node::start(&settings(1, &[TCP4]));
        let address = first.address().await;
        let me = Identity::from_seed(&[5; 32]);
        let refused = join(&me, &address, b"?".to_vec()).await.unwrap_err();
        assert!(matches!(refused, JoinError::Refused { answer } if answer == REFUSAL));
        let wrong = address.with_node(me.node());
        let wrong = join(&me, &wrong, Vec::new()).await.unwrap_err();
        assert!(matches!(wrong, JoinError::WrongNode { found, .. } if found == first.net.node()));
        let nobody = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let nobody = join(&me, &nobody, Vec::new()).await.unwrap_err();
        assert!(matches!(nobody, JoinError::Unreachable { .. }));
    });
}
