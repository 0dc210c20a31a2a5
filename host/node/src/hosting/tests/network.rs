//! A network that is not there: what a host says is looked at, what it fetches comes as the test wants it.

use crate::link::{Fetch, FetchFailure, Fetching, Peers};
use mutual_protocol::message::NodeMessage;
use mutual_protocol::{Cid, NodeId};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// More than a host does while the test looks elsewhere.
const OUTS_MAX: usize = 4096;

/// What a host did to its network.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most are the large one")]
pub(super) enum Out {
    Said(NodeId, NodeMessage),
    Dropped(NodeId, String),
    Shared(Cid),
}

/// Passes everything on to the test, but what goes to nodes that are cut off.
#[derive(Debug)]
pub(super) struct Wire {
    out: mpsc::Sender<Out>,
    cut: Mutex<BTreeSet<NodeId>>,
    refused: AtomicUsize,
}

impl Wire {
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Out>) {
        let (out, outs) = mpsc::channel(OUTS_MAX);
        let cut = Mutex::default();
        let refused = AtomicUsize::new(0);
        (Arc::new(Self { out, cut, refused }), outs)
    }

    pub(super) fn cut(&self, node: NodeId) {
        self.cut.lock().unwrap().insert(node);
    }

    /// Messages that did not leave.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn mend(&self, node: NodeId) {
        self.cut.lock().unwrap().remove(&node);
    }
}

impl Peers for Wire {
    fn send(&self, to: NodeId, message: &NodeMessage) -> bool {
        if self.cut.lock().unwrap().contains(&to) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        // What cannot be decoded again would never arrive.
        let came = NodeMessage::decode(&message.encode()).unwrap();
        assert_eq!(came, *message);
        self.out.try_send(Out::Said(to, came)).unwrap();
        true
    }

    fn redial(&self, _: NodeId) {
        unreachable!("hosts wait");
    }

    fn drop_peer(&self, node: NodeId, why: &str) {
        let _test_is_over = self.out.try_send(Out::Dropped(node, why.to_owned()));
    }

    fn share(&self, root: Cid) {
        let _test_is_over = self.out.try_send(Out::Shared(root));
    }
}

/// How one fetch ends.
#[derive(Debug)]
pub(super) enum Answer {
    Fails(FetchFailure),
    Never,
}

/// Content is there already, unless the test says otherwise. Counts the fetches that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Content {
    answers: Mutex<VecDeque<Answer>>,
    waiting: Arc<AtomicUsize>,
}

impl Content {
    pub(super) fn answer(&self, answer: Answer) {
        self.answers.lock().unwrap().push_back(answer);
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Fetch for Content {
    fn fetch(&self, _: NodeId, roots: Vec<Cid>, _: u64) -> Fetching {
        assert!(!roots.is_empty());
        let answer = self.answers.lock().unwrap().pop_front();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self.waiting.clone());
        Box::pin(async move {
            let _counted = counted;
            match answer {
                None => Ok(()),
                Some(Answer::Fails(failure)) => Err(failure),
                Some(Answer::Never) => std::future::pending().await,
            }
        })
    }
}
