//! The members that are connected, by the key of their connection. Bounded; knows nothing of how they were admitted.

use mutual_protocol::NodeId;
use mutual_protocol::limits::CLOCK_SLACK_MS;
use mutual_protocol::membership::Member;
use std::collections::{BTreeMap, BTreeSet};

/// Connections that are remembered: twice what the network lets in at once.
pub(super) const MEMBERS_MAX: usize = 1024;
/// Of one member: a process of `mc` each. One member cannot drive the others out.
pub(super) const TRANSPORTS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Members {
    by_transport: BTreeMap<NodeId, Entry>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    member: Member,
    used: u64,
}

impl Members {
    /// Takes a member in, in place of the one that was not asked for the longest when there is no room.
    pub(super) fn insert(&mut self, member: Member) {
        self.by_transport.remove(&member.transport);
        let siblings = |entry: &Entry| entry.member.node == member.node;
        let crowded = self.by_transport.values().filter(|e| siblings(e)).count() >= TRANSPORTS_MAX;
        if crowded || self.by_transport.len() >= MEMBERS_MAX {
            let entries = self.by_transport.values();
            let oldest = entries
                .filter(|entry| !crowded || siblings(entry))
                .min_by_key(|entry| entry.used)
                .map(|entry| entry.member.transport);
            oldest.and_then(|transport| self.by_transport.remove(&transport));
        }
        self.uses += 1;
        let used = self.uses;
        self.by_transport
            .insert(member.transport, Entry { member, used });
    }

    /// Who connects with this key, while its proof holds.
    pub(super) fn get(&mut self, transport: NodeId, now_ms: u64) -> Option<Member> {
        let entry = self.by_transport.get_mut(&transport)?;
        self.uses += 1;
        entry.used = self.uses;
        holds(&entry.member, now_ms).then(|| entry.member.clone())
    }

    pub(super) fn remove(&mut self, transport: NodeId) {
        self.by_transport.remove(&transport);
    }

    /// Removes everybody; the keys of their connections.
    pub(super) fn sift_all(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.by_transport).into_keys().collect()
    }

    /// Removes those whose proof no longer holds; the keys of their connections.
    pub(super) fn sift(&mut self, revoked: &BTreeSet<u64>, now_ms: u64) -> Vec<NodeId> {
        let stays = |member: &Member| holds(member, now_ms) && !revoked.contains(&member.serial);
        self.by_transport
            .extract_if(.., |_, entry| !stays(&entry.member))
            .map(|(transport, _)| transport)
            .collect()
    }
}

const fn holds(member: &Member, now_ms: u64) -> bool {
    member.not_after_ms.saturating_add(CLOCK_SLACK_MS) >= now_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u16) -> NodeId {
        let [a, b] = n.to_be_bytes();
        NodeId::from_bytes([[a; 16], [b; 16]].concat().try_into().unwrap())
    }

    fn member(node: u16, transport: u16) -> Member {
        Member {
            node: id(node),
            roles: BTreeSet::new(),
            serial: u64::from(node),
            transport: id(transport),
            not_after_ms: 1000,
        }
    }

    #[test]
    fn one_member_drives_out_nobody_but_itself() {
        let mut members = Members::default();
        members.insert(member(7, 7));
        for transport in 1000..1000 + u16::try_from(TRANSPORTS_MAX).unwrap() + 1 {
            members.insert(member(8, transport));
        }
        assert_eq!(members.by_transport.len(), 1 + TRANSPORTS_MAX);
        assert!(members.get(id(7), 0).is_some());
        assert!(
            members.get(id(1000), 0).is_none(),
            "its own oldest one went"
        );
        assert!(members.get(id(1001), 0).is_some());
    }

    #[test]
    fn who_was_asked_for_stays_when_there_is_no_room() {
        let mut members = Members::default();
        let full = u16::try_from(MEMBERS_MAX).unwrap();
        (0..full).for_each(|n| members.insert(member(n, n)));
        assert!(members.get(id(0), 0).is_some());
        members.insert(member(full, full));
        assert_eq!(members.by_transport.len(), MEMBERS_MAX);
        assert!(members.get(id(0), 0).is_some());
        assert!(members.get(id(1), 0).is_none());
    }

    #[test]
    fn who_ended_or_was_revoked_is_sifted_out() {
        let mut members = Members::default();
        (1..=3).for_each(|n| members.insert(member(n, n)));
        assert_eq!(members.sift(&BTreeSet::from([2]), 0), [id(2)]);
        members.remove(id(3));
        let late = 1000 + CLOCK_SLACK_MS + 1;
        assert!(members.get(id(1), late - 1).is_some());
        assert!(members.get(id(1), late).is_none());
        assert_eq!(members.sift(&BTreeSet::new(), late), [id(1)]);
    }
}
