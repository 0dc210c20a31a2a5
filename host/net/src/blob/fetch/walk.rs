//! Which blocks come next: a walk through the DAG, depth first, whose memory does not grow with the DAG.
//!
//! The links of a node are kept while there is room; after that they are forgotten from the bottom of the stack, and
//! the node is read from the sink again when its turn comes.

use super::error::{FetchError, Outcome};
use mutual_protocol::Cid;
use mutual_protocol::ids::Codec;
use std::collections::{BTreeSet, VecDeque};

/// Nodes above a block. A folder may be 64 deep, a shard of it and a file's nodes some more.
const DEPTH_MAX: u16 = 512;
/// Links kept at once, at about 100 bytes each: those of the largest manifest (100,000) fit.
const LINKS_KEPT_MAX: usize = 128 << 10;
/// Nodes whose links are being followed. Depth first, there are about as many as wants are open on each level.
const FRAMES_MAX: usize = 64 << 10;
/// Nodes remembered as seen: a file of 64 GiB has 65. Leaves are not remembered.
const SEEN_MAX: usize = 64 << 10;

/// A block to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    pub(super) cid: Cid,
    /// Nodes above it.
    pub(super) depth: u16,
}

/// What the walk wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Look for this block, and [`Walk::enter`] it once it is here.
    Visit(Visit),
    /// Read this node again, for [`Walk::handle_reload`].
    Reload(Cid),
    /// Nothing, until another node is entered.
    End,
}

#[derive(Debug)]
pub(super) struct Walk {
    frames: Vec<Frame>,
    /// Links in all frames.
    kept: usize,
    /// Nodes that were visited, so that what is repeated is not walked again. Forgotten when it is full.
    seen: BTreeSet<Cid>,
    links: u64,
    links_max: u64,
}

/// A node whose links are being followed.
#[derive(Debug)]
struct Frame {
    /// None for the roots, whose links are never forgotten.
    node: Option<Cid>,
    depth: u16,
    /// Links of the node that were taken.
    taken: usize,
    count: usize,
    /// The next links; empty when they were forgotten.
    links: VecDeque<Cid>,
}

impl Walk {
    pub(super) fn new(roots: &[Cid], links_max: u64) -> Self {
        let roots = Frame {
            node: None,
            depth: 0,
            taken: 0,
            count: roots.len(),
            links: roots.iter().copied().collect(),
        };
        Self {
            frames: vec![roots],
            kept: 0,
            seen: BTreeSet::new(),
            links: 0,
            links_max,
        }
    }

    /// The next block.
    pub(super) fn step(&mut self) -> Outcome<Step> {
        while let Some(frame) = self.frames.last_mut() {
            let Some(cid) = frame.links.pop_front() else {
                if let Some(node) = frame.node
                    && frame.taken < frame.count
                {
                    return Ok(Step::Reload(node));
                }
                self.frames.pop();
                continue;
            };
            frame.taken += 1;
            let depth = frame.depth;
            if frame.node.is_some() {
                self.kept -= 1;
            }
            self.count_link()?;
            if cid.codec() == Codec::Raw || self.see(cid) {
                return Ok(Step::Visit(Visit { cid, depth }));
            }
        }
        Ok(Step::End)
    }

    /// Follows the links of a node that is in the sink now.
    pub(super) fn enter(&mut self, node: Cid, depth: u16, links: Vec<Cid>) -> Outcome<()> {
        if links.is_empty() {
            return Ok(());
        }
        if depth == DEPTH_MAX || self.frames.len() == FRAMES_MAX {
            return Err(Box::new(FetchError::TooDeep { cid: node }));
        }
        self.frames.push(Frame {
            node: Some(node),
            depth: depth + 1,
            taken: 0,
            count: 0,
            links: VecDeque::new(),
        });
        self.fill(self.frames.len() - 1, links);
        Ok(())
    }

    /// Takes the links of a node that was read again.
    pub(super) fn handle_reload(&mut self, node: Cid, links: Vec<Cid>) {
        let wants = |frame: &Frame| frame.node == Some(node) && frame.links.is_empty();
        if let Some(index) = self.frames.iter().rposition(wants) {
            self.fill(index, links);
        }
    }

    /// Keeps the links of one frame that were not taken, as many as there is room for, and forgets those of the lowest
    /// frames.
    fn fill(&mut self, index: usize, mut links: Vec<Cid>) {
        let Some(frame) = self.frames.get_mut(index) else {
            return;
        };
        frame.count = links.len();
        links.truncate(frame.taken.saturating_add(LINKS_KEPT_MAX));
        frame.links = links.into_iter().skip(frame.taken).collect();
        self.kept += frame.links.len();
        for lower in self.frames.iter_mut().take(index) {
            if self.kept <= LINKS_KEPT_MAX {
                return;
            }
            if lower.node.is_some() {
                self.kept -= lower.links.len();
                lower.links = VecDeque::new();
            }
        }
    }

    /// Whether this node was not seen before.
    fn see(&mut self, node: Cid) -> bool {
        if self.seen.len() == SEEN_MAX {
            self.seen.clear();
        }
        self.seen.insert(node)
    }

    fn count_link(&mut self) -> Outcome<()> {
        self.links += 1;
        if self.links > self.links_max {
            return Err(Box::new(FetchError::TooManyLinks {
                max: self.links_max,
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn node(number: usize) -> Cid {
        Cid::of(Codec::DagCbor, &number.to_be_bytes())
    }

    fn leaves(node: usize, count: usize) -> Vec<Cid> {
        (0..count)
            .map(|leaf| Cid::of(Codec::Raw, &(node * 1_000_000 + leaf).to_be_bytes()))
            .collect()
    }

    /// Goal: every link is visited once though far fewer are kept. Method: three nodes above each other, each with as
    /// many links as are kept at all and a node behind the first of them.
    #[test]
    fn what_is_forgotten_is_read_again() {
        let mut blocks = BTreeMap::new();
        for number in 0..3 {
            let mut links = leaves(number, LINKS_KEPT_MAX + 10);
            if number < 2 {
                links.insert(5, node(number + 1));
            }
            blocks.insert(node(number), links);
        }
        let (mut walk, mut visited, mut reloads) = (Walk::new(&[node(0)], u64::MAX), 0, 0);
        loop {
            assert!(walk.kept <= LINKS_KEPT_MAX);
            match walk.step().unwrap() {
                Step::End => break,
                Step::Reload(node) => {
                    reloads += 1;
                    walk.handle_reload(node, blocks[&node].clone());
                }
                Step::Visit(visit) => {
                    visited += 1;
                    if let Some(links) = blocks.get(&visit.cid) {
                        walk.enter(visit.cid, visit.depth, links.clone()).unwrap();
                    }
                }
            }
        }
        assert_eq!(visited, 3 * (LINKS_KEPT_MAX + 10) + 3);
        assert!((3..10).contains(&reloads), "{reloads}");
        assert_eq!(walk.kept, 0);
    }
}
