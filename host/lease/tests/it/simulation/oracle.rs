//! Watches what witnesses sign, and says when an invariant of the protocol is broken.

use mutual_lease::Reply;
use mutual_protocol::lease::{Promise, ResultCert, Value};
use mutual_protocol::{Digest, Epoch, NodeId, RegisterId};
use std::collections::{BTreeMap, BTreeSet};

type Ballot = (RegisterId, Epoch);
type Choice = (NodeId, Digest);
/// Who promised, and which lock it told.
type Promisers = BTreeMap<usize, Option<(Epoch, Digest)>>;

/// Everything signed so far, by register and epoch.
#[derive(Default)]
pub(crate) struct Oracle {
    quorum: usize,
    lies: bool,
    promises: BTreeMap<Ballot, BTreeMap<NodeId, Promisers>>,
    votes: BTreeMap<Ballot, BTreeMap<Choice, BTreeSet<usize>>>,
    commits: BTreeMap<Ballot, BTreeMap<Choice, BTreeSet<usize>>>,
    promised_by: BTreeMap<(usize, RegisterId), Epoch>,
    decided: BTreeMap<RegisterId, (Epoch, Digest)>,
    pub(crate) tally: Tally,
    pub(crate) cancelled: BTreeSet<RegisterId>,
    pub(crate) violations: Vec<String>,
}

/// What was decided, as often as somebody learned it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) results: u64,
    pub(crate) failures: u64,
    pub(crate) cancels: u64,
    /// Results that another host brought to their decision than the one that computed them.
    pub(crate) inherited: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.results += other.results;
        self.failures += other.failures;
        self.cancels += other.cancels;
        self.inherited += other.inherited;
    }

    fn count(&mut self, cert: &ResultCert) {
        match &cert.value {
            Value::Ok { attempt, .. } => {
                let commit = cert.commits[0].verify(&super::Trusting).unwrap();
                self.results += 1;
                self.inherited += u64::from(attempt.signer() != commit.value().host.key());
            }
            Value::Failed { .. } => self.failures += 1,
            Value::Cancelled { .. } => self.cancels += 1,
        }
    }
}

impl Oracle {
    /// The word of witness 0 counts for nothing when it `lies`, as long as it is only its own.
    pub(crate) fn new(quorum: usize, lies: bool) -> Self {
        Self {
            quorum,
            lies,
            ..Self::default()
        }
    }

    pub(crate) fn decided(&self) -> usize {
        self.decided.len()
    }

    /// A witness's reply leaves it.
    pub(crate) fn signed(&mut self, witness: usize, reply: &Reply) {
        match reply {
            Reply::Promise(promise) => self.promised(witness, promise),
            Reply::Vote(vote) => {
                let ballot = (vote.token.register, vote.token.epoch);
                self.raise(witness, ballot);
                let choice = (vote.host, vote.value);
                let choices = self.votes.entry(ballot).or_default();
                choices.entry(choice).or_default().insert(witness);
                let own = choices
                    .values()
                    .filter(|who| who.contains(&witness))
                    .count();
                let certified = choices
                    .values()
                    .filter(|who| who.len() >= self.quorum)
                    .count();
                self.check(own == 1 || self.is_liar(witness), || {
                    format!("I9: witness {witness} voted twice at {ballot:?}")
                });
                self.check(certified <= 1, || {
                    format!("two certified values at {ballot:?}")
                });
            }
            Reply::Committed(commit) => {
                let ballot = (commit.token.register, commit.token.epoch);
                self.raise(witness, ballot);
                let choices = self.commits.entry(ballot).or_default();
                let who = choices.entry((commit.host, commit.value)).or_default();
                who.insert(witness);
                if who.len() >= self.quorum {
                    self.decide(ballot, commit.value);
                }
            }
            Reply::RenewAck(_) | Reply::Nack(_) => {}
        }
    }

    fn promised(&mut self, witness: usize, promise: &Promise) {
        let ballot = (promise.token.register, promise.token.epoch);
        self.raise(witness, ballot);
        let lock = promise.lock.as_ref().map(|lock| {
            let vote = lock.votes[0].verify(&super::Trusting).unwrap();
            (vote.value().token.epoch, lock.value.digest())
        });
        let hosts = self.promises.entry(ballot).or_default();
        hosts.entry(promise.host).or_default().insert(witness, lock);
        let own = hosts
            .values()
            .filter(|who| who.contains_key(&witness))
            .count();
        let holders = hosts
            .values()
            .filter(|who| who.len() >= self.quorum)
            .count();
        self.check(own == 1 || self.is_liar(witness), || {
            format!("I9: witness {witness} promised {ballot:?} twice")
        });
        self.check(holders <= 1, || format!("I2: two holders of {ballot:?}"));
    }

    fn decide(&mut self, (register, epoch): Ballot, value: Digest) {
        let first = *self.decided.entry(register).or_insert((epoch, value));
        self.check(first.1 == value, || {
            format!(
                "I1: {register:?} decided at {} and, with another value, at {epoch}",
                first.0
            )
        });
        if epoch < first.0 {
            self.decided.insert(register, (epoch, value));
        }
    }

    /// A machine believes that a register is decided.
    pub(crate) fn believed(&mut self, register: RegisterId, cert: &ResultCert) {
        let known = self.decided.get(&register).map(|(_, value)| *value);
        self.check(known == Some(cert.value.digest()), || {
            format!("{register:?}: a result that no quorum stored")
        });
        let ordered = self.cancelled.contains(&register);
        let cancelled = matches!(cert.value, Value::Cancelled { .. });
        self.check(!cancelled || ordered, || {
            format!("{register:?}: cancelled by nobody")
        });
        self.tally.count(cert);
    }

    /// I3: what a witness showed of a register never falls, in no life.
    pub(crate) fn holds(&mut self, witness: usize, register: RegisterId, promised: Epoch) {
        let shown = self.promised_by.get(&(witness, register)).copied();
        let shown = shown.unwrap_or_default();
        self.check(promised >= shown || self.is_liar(witness), || {
            format!("I3: witness {witness} showed {shown} for {register:?} and is at {promised}")
        });
    }

    /// I5: an effect left a holder. Nobody else may have a lease certificate of a later epoch by then.
    pub(crate) fn emitted(&mut self, (register, epoch): Ballot) {
        let later = (register, Epoch(epoch.0 + 1))..=(register, Epoch(u32::MAX));
        let superseded = self
            .promises
            .range(later)
            .any(|(_, hosts)| hosts.values().any(|who| who.len() >= self.quorum));
        self.check(!superseded, || {
            format!("I5: {register:?} emitted at {epoch} after its end")
        });
    }

    /// I4: every lease certificate above a decision shows the decided value, whichever promises make it up.
    pub(crate) fn finish(&mut self) {
        let mut broken = vec![];
        for (register, (epoch, value)) in &self.decided {
            let later = (*register, Epoch(epoch.0 + 1))..=(*register, Epoch(u32::MAX));
            let certs = self.promises.range(later);
            for ((_, later), who) in
                certs.flat_map(|(ballot, hosts)| hosts.values().map(move |who| (ballot, who)))
            {
                let shows = |(at, locked): &(Epoch, Digest)| at >= epoch && locked == value;
                let hides = who
                    .values()
                    .filter(|lock| !lock.as_ref().is_some_and(shows))
                    .count();
                if hides >= self.quorum {
                    broken.push(format!(
                        "I4: {register:?} at {later} hides what {epoch} decided"
                    ));
                }
            }
        }
        self.violations.append(&mut broken);
    }

    const fn is_liar(&self, witness: usize) -> bool {
        self.lies && witness == 0
    }

    fn raise(&mut self, witness: usize, (register, epoch): Ballot) {
        let shown = self.promised_by.entry((witness, register)).or_default();
        *shown = epoch.max(*shown);
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }
}
