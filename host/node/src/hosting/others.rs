//! Hosts that are connected with this one: members that do not know them yet hear of them, and dial them.

use super::event_loop::Loop;
use mutual_protocol::discovery::HostRecord;
use mutual_protocol::membership::Member;
use mutual_protocol::message::NodeMessage;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{NodeId, Signed};

/// Hosts that are passed on: as many connections as a node has.
const OTHERS_MAX: usize = 512;

impl Loop {
    /// A host says how it stands. What others say of a host is the network's affair, which dials it.
    pub(super) fn heard_of(
        &mut self,
        (node, member): (NodeId, &Member),
        record: Signed<HostRecord>,
    ) {
        let now_ms = self.site.clock.wall_ms();
        let verified = record.verify(&Ed25519).ok();
        let is_own = verified.is_some_and(|record| {
            record.value().host == member.node
                && record.check(&Ed25519, self.host.pool, now_ms).is_ok()
        });
        if !is_own || (self.others.len() >= OTHERS_MAX && !self.others.contains_key(&node)) {
            return;
        }
        if self.others.insert(node, record.clone()).is_some() {
            return;
        }
        let members: Vec<NodeId> = self.members.keys().copied().collect();
        for other in members.into_iter().filter(|other| *other != node) {
            self.site.send(other, NodeMessage::Host(record.clone()));
        }
    }

    /// A member is here: it hears of everybody.
    pub(super) fn introduce(&mut self, node: NodeId) {
        let others = self.others.iter().filter(|(other, _)| **other != node);
        for record in others.map(|(_, record)| record.clone()).collect::<Vec<_>>() {
            self.site.send(node, NodeMessage::Host(record));
        }
    }
}
