//! Whom to ask for what: wants, the providers, and who was asked. It decides without waiting.

use super::error::{Fault, FetchError, Outcome};
use super::session::Answer;
use crate::blob::wire::WANTS_MAX;
use mutual_protocol::Cid;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Wants that a new provider gets. Each answer adds one, so that a slow one does not hoard.
const WINDOW_START: usize = 8;
/// A provider that has answered nothing for so long is asked for nothing more, and others for what it owes: two blocks of 1 MiB at 16 Mbit/s.
const SLOW_TIME: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Desk {
    /// By CID: what is wanted and not in the sink yet.
    wants: BTreeMap<Cid, Want>,
    /// Wants that somebody has to be asked for. Those that have come meanwhile are skipped.
    queue: VecDeque<Cid>,
    providers: Vec<Desked>,
}

#[derive(Debug)]
struct Want {
    depth: u16,
    /// Who was asked and has not answered.
    asked: BTreeSet<usize>,
    /// Who is not asked again.
    tried: BTreeSet<usize>,
    refused_by: Option<usize>,
    /// Copies that are being verified.
    arrived: usize,
}

#[derive(Debug)]
struct Desked {
    name: String,
    state: State,
    /// Wants that it has not answered, and how many these may be.
    open: usize,
    window: usize,
    last_answer: Instant,
}

#[derive(Debug)]
enum State {
    Opening(mpsc::Sender<Cid>),
    Open(mpsc::Sender<Cid>),
    Gone(Fault, Option<Cid>),
}

impl Desk {
    pub(super) fn add(&mut self, name: String, asks: mpsc::Sender<Cid>, now: Instant) {
        self.providers.push(Desked {
            name,
            state: State::Opening(asks),
            open: 0,
            window: WINDOW_START,
            last_answer: now,
        });
    }

    pub(super) fn want(&mut self, cid: Cid, depth: u16) {
        if let Entry::Vacant(entry) = self.wants.entry(cid) {
            entry.insert(Want {
                depth,
                asked: BTreeSet::new(),
                tried: BTreeSet::new(),
                refused_by: None,
                arrived: 0,
            });
            self.queue.push_back(cid);
        }
    }

    pub(super) fn wants(&self, cid: Cid) -> bool {
        self.wants.contains_key(&cid)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Providers that are connected.
    pub(super) fn open(&self) -> usize {
        let is_open = |provider: &&Desked| matches!(provider.state, State::Open(_));
        self.providers.iter().filter(is_open).count()
    }

    pub(super) fn handle_opened(&mut self, provider: usize, now: Instant) {
        if let Some(provider) = self.providers.get_mut(provider) {
            provider.last_answer = now;
            provider.state.handle_opened();
        }
    }

    pub(super) fn handle_answer(
        &mut self,
        provider: usize,
        cid: Cid,
        answer: &Answer,
        now: Instant,
    ) {
        if let Some(provider) = self.providers.get_mut(provider) {
            provider.open = provider.open.saturating_sub(1);
            provider.window = (provider.window + 1).min(WANTS_MAX);
            provider.last_answer = now;
        }
        let Some(want) = self.wants.get_mut(&cid) else {
            return;
        };
        want.asked.remove(&provider);
        want.tried.insert(provider);
        match answer {
            Answer::Block { .. } => want.arrived += 1,
            Answer::Missing => {}
            Answer::Refused => want.refused_by = Some(provider),
        }
        if want.is_idle() {
            self.queue.push_back(cid);
        }
    }

    /// The provider is asked no more; others are, for what it owes. `cid` is what it failed with; when that had
    /// arrived, it was wrong.
    pub(super) fn handle_end(&mut self, provider: usize, fault: Fault, cid: Option<Cid>) {
        let Some(gone) = self.providers.get_mut(provider) else {
            return;
        };
        let is_wrong = matches!(fault, Fault::Wrong);
        if !matches!(gone.state, State::Gone(..)) {
            gone.state = State::Gone(fault, cid);
            gone.open = 0;
        }
        for (wanted, want) in &mut self.wants {
            let was_wrong = is_wrong && cid == Some(*wanted);
            if was_wrong {
                want.arrived = want.arrived.saturating_sub(1);
            }
            if (want.asked.remove(&provider) || was_wrong) && want.is_idle() {
                self.queue.push_back(*wanted);
            }
        }
    }

    /// The block is in the sink. Its depth, when it was still wanted.
    pub(super) fn handle_stored(&mut self, cid: Cid) -> Option<u16> {
        self.wants.remove(&cid).map(|want| want.depth)
    }

    /// Gives what is queued to providers with room.
    pub(super) fn ask(&mut self, now: Instant) -> Outcome<()> {
        for _ in 0..self.queue.len() {
            let Some(cid) = self.queue.pop_front() else {
                break;
            };
            let Some(want) = self.wants.get_mut(&cid).filter(|want| want.is_idle()) else {
                continue;
            };
            if let Some(provider) = freest(&self.providers, &want.tried, now) {
                give(&mut self.providers, provider, want, cid, now);
                continue;
            }
            let may_come = |(index, provider): (usize, &Desked)| {
                !want.tried.contains(&index) && !matches!(provider.state, State::Gone(..))
            };
            if !self.providers.iter().enumerate().any(may_come) {
                return Err(Box::new(self.give_up(cid)));
            }
            self.queue.push_back(cid);
        }
        Ok(())
    }

    /// Asks others for what slow providers owe. The first answer counts.
    pub(super) fn ask_again(&mut self, now: Instant) {
        if !self.queue.is_empty() {
            return;
        }
        for (cid, want) in &mut self.wants {
            let is_slow = |index: usize| {
                self.providers
                    .get(index)
                    .is_some_and(|asked| asked.is_slow(now))
            };
            if want.is_idle() || want.arrived > 0 || !want.asked.iter().copied().all(is_slow) {
                continue;
            }
            let besides = want.tried.union(&want.asked).copied().collect();
            if let Some(provider) = freest(&self.providers, &besides, now) {
                give(&mut self.providers, provider, want, *cid, now);
            }
        }
    }

    /// Why nobody can be asked for `cid` any more.
    fn give_up(&mut self, cid: Cid) -> FetchError {
        let want = self.wants.remove(&cid);
        if let Some(provider) = want.and_then(|want| want.refused_by) {
            let provider = self
                .providers
                .get(provider)
                .map(|provider| provider.name.clone());
            return FetchError::Refused {
                provider: provider.unwrap_or_default(),
                cid,
            };
        }
        if self.providers.is_empty() {
            return FetchError::NoProvider { cid };
        }
        while let Some(provider) = self.providers.pop() {
            if let State::Gone(fault, about) = provider.state {
                return fault.error(provider.name, about.unwrap_or(cid));
            }
        }
        FetchError::Missing { cid }
    }
}

impl Want {
    /// Nobody is asked for it, and it has not come.
    fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.arrived == 0
    }
}

impl Desked {
    /// It owes answers, and gives none.
    fn is_slow(&self, now: Instant) -> bool {
        self.open > 0 && now.saturating_duration_since(self.last_answer) >= SLOW_TIME
    }
}

impl State {
    fn handle_opened(&mut self) {
        if let Self::Opening(asks) = self {
            *self = Self::Open(asks.clone());
        }
    }
}

/// The provider with the fewest open wants, among those with room that are neither slow nor in `besides`.
fn freest(providers: &[Desked], besides: &BTreeSet<usize>, now: Instant) -> Option<usize> {
    (providers.iter().enumerate())
        .filter(|(index, provider)| {
            matches!(provider.state, State::Open(_))
                && provider.open < provider.window
                && !provider.is_slow(now)
                && !besides.contains(index)
        })
        .min_by_key(|(_, provider)| provider.open)
        .map(|(index, _)| index)
}

fn give(providers: &mut [Desked], index: usize, want: &mut Want, cid: Cid, now: Instant) {
    let Some(provider) = providers.get_mut(index) else {
        return;
    };
    let State::Open(asks) = &provider.state else {
        return;
    };
    // There is room for as many as may be open. A session that has just ended tells so: then it is asked in vain.
    let _sent = asks.try_send(cid);
    if provider.open == 0 {
        provider.last_answer = now;
    }
    provider.open += 1;
    want.asked.insert(index);
}
