//! One ballot: what the witnesses answered to one token, and the certificates that their answers make.
//!
//! Does not know about time: who asks again, and when, is the proposer's business.

use crate::violation::Violation;
use mutual_protocol::lease::cert::{Lease, Rules};
use mutual_protocol::lease::{
    Commit, Committed, LeaseCert, Promise, QuorumCert, ResultCert, Stored, Value, Vote, VoteReq,
};
use mutual_protocol::{Digest, FencingToken, NodeId, PublicKey, Signed, Verified};
use std::collections::BTreeMap;

/// How far the ballot is.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Waiting for promises.
    Claiming {
        promises: BTreeMap<PublicKey, Signed<Promise>>,
    },
    /// The lease is certified; nothing was proposed yet.
    Leased,
    /// Waiting for votes.
    Voting {
        request: Box<VoteReq>,
        digest: Digest,
        votes: BTreeMap<PublicKey, Signed<Vote>>,
    },
    /// Waiting for the witnesses to store the certified value.
    Committing {
        cert: Box<QuorumCert>,
        digest: Digest,
        commits: BTreeMap<PublicKey, Signed<Committed>>,
    },
}

/// One token's ballot.
#[derive(Clone, Debug)]
pub(crate) struct Ballot {
    token: FencingToken,
    host: NodeId,
    lease: Option<(Lease, LeaseCert)>,
    stage: Stage,
}

impl Ballot {
    pub(crate) fn new(token: FencingToken, host: NodeId) -> Self {
        let promises = BTreeMap::new();
        Self {
            token,
            host,
            lease: None,
            stage: Stage::Claiming { promises },
        }
    }

    pub(crate) const fn token(&self) -> FencingToken {
        self.token
    }

    pub(crate) const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// What the quorum of promises proves, and the proof.
    pub(crate) const fn lease(&self) -> Option<&(Lease, LeaseCert)> {
        self.lease.as_ref()
    }

    /// Whether the present request still waits for an answer of `witness`.
    pub(crate) fn misses(&self, witness: &PublicKey) -> bool {
        match &self.stage {
            Stage::Claiming { promises } => !promises.contains_key(witness),
            Stage::Leased => false,
            Stage::Voting { votes, .. } => !votes.contains_key(witness),
            Stage::Committing { commits, .. } => !commits.contains_key(witness),
        }
    }

    /// Takes a promise in. True when it completes the lease certificate.
    pub(crate) fn promised(
        &mut self,
        rules: &Rules<'_>,
        promise: &Verified<Promise>,
    ) -> Result<bool, Violation> {
        let Stage::Claiming { promises } = &mut self.stage else {
            return Ok(false);
        };
        if promise.value().host != self.host {
            return Err(Violation::Unasked);
        }
        rules.promise_lock(promise.value())?;
        promises.insert(promise.signer(), promise.signed().clone());
        if promises.len() < quorum(rules) {
            return Ok(false);
        }
        let cert = LeaseCert {
            promises: promises.values().cloned().collect(),
        };
        self.lease = Some((rules.lease(&cert)?, cert));
        self.stage = Stage::Leased;
        Ok(true)
    }

    /// Proposes a value. The lock, when there is one, takes the place of what the caller had in mind.
    pub(crate) fn propose(&mut self, value: Value, stored: Vec<Signed<Stored>>) {
        let Some((lease, cert)) = &self.lease else {
            return;
        };
        let (value, stored) = match &lease.lock {
            Some(lock) => (lock.value.clone(), Vec::new()),
            None => (value, stored),
        };
        self.stage = Stage::Voting {
            digest: value.digest(),
            request: Box::new(VoteReq {
                token: self.token,
                value,
                lease: cert.clone(),
                stored,
            }),
            votes: BTreeMap::new(),
        };
    }

    /// Takes a vote in. True when it completes the quorum certificate.
    pub(crate) fn voted(
        &mut self,
        rules: &Rules<'_>,
        vote: &Verified<Vote>,
    ) -> Result<bool, Violation> {
        let Stage::Voting {
            request,
            digest,
            votes,
        } = &mut self.stage
        else {
            return Ok(false);
        };
        if (vote.value().host, vote.value().value) != (self.host, *digest) {
            return Err(Violation::Unasked);
        }
        votes.insert(vote.signer(), vote.signed().clone());
        if votes.len() < quorum(rules) {
            return Ok(false);
        }
        self.stage = Stage::Committing {
            cert: Box::new(QuorumCert {
                value: request.value.clone(),
                votes: votes.values().cloned().collect(),
            }),
            digest: *digest,
            commits: BTreeMap::new(),
        };
        Ok(true)
    }

    /// Takes a witness's word that it stored the value in. Some when that decides.
    pub(crate) fn committed(
        &mut self,
        rules: &Rules<'_>,
        commit: &Verified<Committed>,
    ) -> Result<Option<ResultCert>, Violation> {
        let Stage::Committing {
            cert,
            digest,
            commits,
        } = &mut self.stage
        else {
            return Ok(None);
        };
        if (commit.value().host, commit.value().value) != (self.host, *digest) {
            return Err(Violation::Unasked);
        }
        commits.insert(commit.signer(), commit.signed().clone());
        if commits.len() < quorum(rules) {
            return Ok(None);
        }
        Ok(Some(ResultCert {
            value: cert.value.clone(),
            commits: commits.values().cloned().collect(),
        }))
    }

    /// The body to send in the present stage, but for the claim.
    pub(crate) fn request(&self) -> Option<crate::Request> {
        match &self.stage {
            Stage::Claiming { .. } | Stage::Leased => None,
            Stage::Voting { request, .. } => Some((**request).clone().into()),
            Stage::Committing { cert, .. } => Some(
                Commit {
                    cert: (**cert).clone(),
                }
                .into(),
            ),
        }
    }
}

fn quorum(rules: &Rules<'_>) -> usize {
    usize::from(rules.spec().value().witnesses.quorum)
}
