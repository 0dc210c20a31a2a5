//! Rounds of ballots: claiming, backing off, asking again, until a value is decided or the token is lost.
//!
//! Holder and owner both propose this way; only the holder renews and runs.

use crate::ballot::{Ballot, Stage};
use crate::context::{BootNanos, Context};
use crate::message::{Request, VerifiedReply};
use crate::violation::Violation;
use mutual_protocol::ids::Nonce;
use mutual_protocol::lease::cert::{Lease, Rules};
use mutual_protocol::lease::{
    Claim, LeaseCert, Nack, NackReason, Release, ResultCert, Stored, Value,
};
use mutual_protocol::membership::MembershipCert;
use mutual_protocol::outcome::Blame;
use mutual_protocol::spec::WitnessSet;
use mutual_protocol::{Digest, Epoch, FencingToken, NodeId, PublicKey, RegisterId, Signed, limits};
use std::collections::BTreeMap;

/// Who claims, and what it shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// The host; its key signs every message of its holder.
    pub host: NodeId,
    /// X25519 key for data keys of confidential jobs.
    pub key_exchange: Option<Digest>,
    /// Membership of the job's pool.
    pub membership: Option<Signed<MembershipCert>>,
    /// Price asked.
    pub quote: Option<u64>,
}

impl Claimant {
    /// A claimant that shows only its key: enough for a job without a pool.
    pub const fn key_only(host: NodeId) -> Self {
        Self {
            host,
            key_exchange: None,
            membership: None,
            quote: None,
        }
    }
}

/// A request and the witnesses that it goes to.
pub(crate) type Outgoing = (Vec<PublicKey>, Request);

/// What an answer led to.
#[derive(Debug)]
pub(crate) enum Progress {
    Nothing,
    /// The lease certificate is complete.
    Leased,
    /// The value is certified: nothing else can be decided at this epoch.
    Certified,
    /// Decided, by this ballot or by another one.
    Decided(Box<ResultCert>),
    /// So many witnesses refuse the token that it will never have a quorum again.
    Lost(NackReason),
}

/// Proposes for one register.
#[derive(Clone, Debug)]
pub(crate) struct Proposer {
    me: Claimant,
    register: RegisterId,
    ballot: Option<Ballot>,
    claim: Option<Claim>,
    /// When the claim of this ballot was first sent: a hold lasts from then on at most.
    claimed_at: BootNanos,
    /// The epoch that the next claim names.
    next_epoch: Epoch,
    /// The epoch that each witness spoke of last.
    reported: BTreeMap<PublicKey, Epoch>,
    refused: BTreeMap<PublicKey, (NackReason, u32)>,
    /// When to ask again, or to claim anew.
    next_at: Option<BootNanos>,
    /// Set while nothing may leave the host: votes are not asked for then.
    muted: bool,
}

impl Proposer {
    /// Will claim `epoch` first when it is started.
    pub(crate) fn new(me: Claimant, register: RegisterId, epoch: Epoch) -> Self {
        Self {
            me,
            register,
            ballot: None,
            claim: None,
            claimed_at: BootNanos(0),
            next_epoch: epoch.max(Epoch(1)),
            reported: BTreeMap::new(),
            refused: BTreeMap::new(),
            next_at: None,
            muted: false,
        }
    }

    pub(crate) const fn register(&self) -> RegisterId {
        self.register
    }

    pub(crate) fn token(&self) -> Option<FencingToken> {
        self.ballot.as_ref().map(Ballot::token)
    }

    pub(crate) const fn next_at(&self) -> Option<BootNanos> {
        self.next_at
    }

    /// When the claim of the present token was first sent.
    pub(crate) const fn claimed_at(&self) -> BootNanos {
        self.claimed_at
    }

    /// The lease, once its certificate is complete.
    pub(crate) fn lease(&self) -> Option<(&Lease, &LeaseCert)> {
        let (lease, cert) = self.ballot.as_ref()?.lease()?;
        Some((lease, cert))
    }

    /// Claims the register.
    pub(crate) fn claim(&mut self, ctx: &Context<'_>, set: &WitnessSet, out: &mut Vec<Outgoing>) {
        let token = FencingToken {
            register: self.register,
            epoch: self.next_epoch,
        };
        let claim = Claim {
            token,
            host: self.me.host,
            key_exchange: self.me.key_exchange,
            membership: self.me.membership.clone(),
            nonce: Nonce::from_bytes(ctx.random),
            quote: self.me.quote,
        };
        self.ballot = Some(Ballot::new(token, self.me.host));
        self.claimed_at = ctx.now;
        self.refused.clear();
        self.next_at = Some(ctx.now.plus_ms(limits::RETRY_MS));
        out.push((set.keys.clone(), claim.clone().into()));
        self.claim = Some(claim);
    }

    /// Asks for votes on `value`, or on the lock when the lease certificate holds one.
    pub(crate) fn propose(
        &mut self,
        ctx: &Context<'_>,
        rules: &Rules<'_>,
        value: Value,
        stored: Vec<Signed<Stored>>,
        out: &mut Vec<Outgoing>,
    ) {
        if let Some(ballot) = &mut self.ballot {
            ballot.propose(value, stored);
            self.refused.clear();
            self.ask(ctx, rules, out);
        }
    }

    /// Takes one answer in.
    pub(crate) fn handle(
        &mut self,
        ctx: &Context<'_>,
        rules: &Rules<'_>,
        reply: &VerifiedReply,
        out: &mut Vec<Outgoing>,
    ) -> Result<Progress, Violation> {
        let (witness, token) = (reply.signer(), reply.token());
        let asked = &rules.spec().value().witnesses.keys;
        if token.register != self.register {
            return Ok(Progress::Nothing); // late, for another proposer of this node
        }
        if !asked.contains(&witness) {
            return Err(Violation::Unasked);
        }
        if let VerifiedReply::Nack(nack) = reply {
            return self.refused_by(ctx, rules, witness, nack.value(), out);
        }
        let Some(ballot) = self.ballot.as_mut().filter(|b| b.token() == token) else {
            return Ok(Progress::Nothing); // an answer to an earlier round, or to another proposer under the same key
        };
        let progress = match reply {
            VerifiedReply::Promise(promise) if ballot.promised(rules, promise)? => {
                self.next_at = None;
                Progress::Leased
            }
            VerifiedReply::Vote(vote) if ballot.voted(rules, vote)? => Progress::Certified,
            VerifiedReply::Committed(commit) => match ballot.committed(rules, commit)? {
                Some(cert) => {
                    out.push((asked.clone(), Request::Decided(Box::new(cert.clone()))));
                    Progress::Decided(Box::new(cert))
                }
                None => Progress::Nothing,
            },
            _ => Progress::Nothing,
        };
        self.reported.insert(witness, token.epoch);
        match progress {
            Progress::Leased | Progress::Certified => self.refused.clear(),
            _ => {
                self.refused.remove(&witness);
            }
        }
        if matches!(progress, Progress::Certified) {
            self.ask(ctx, rules, out);
        }
        Ok(progress)
    }

    /// Votes are not asked for until [`Proposer::unmute`].
    pub(crate) const fn mute(&mut self) {
        self.muted = true;
    }

    /// Votes may be asked for; those that wait for it are.
    pub(crate) fn unmute(&mut self, ctx: &Context<'_>, rules: &Rules<'_>, out: &mut Vec<Outgoing>) {
        self.muted = false;
        let stage = self.ballot.as_ref().map(Ballot::stage);
        if matches!(stage, Some(Stage::Voting { .. })) {
            self.ask(ctx, rules, out);
        }
    }

    /// Asks again, or claims anew, when it is time.
    pub(crate) fn tick(&mut self, ctx: &Context<'_>, rules: &Rules<'_>, out: &mut Vec<Outgoing>) {
        if self.next_at.is_none_or(|at| at > ctx.now) {
            return;
        }
        let set = &rules.spec().value().witnesses;
        match self.ballot.as_ref().map(Ballot::stage) {
            None => self.claim(ctx, set, out),
            Some(Stage::Claiming { .. }) if self.is_round_over(ctx.now) => {
                self.back_off(ctx, set, out)
            }
            Some(_) => self.ask(ctx, rules, out),
        }
    }

    /// Sends the present request to every witness that has not answered it.
    fn ask(&mut self, ctx: &Context<'_>, rules: &Rules<'_>, out: &mut Vec<Outgoing>) {
        let Some(ballot) = &self.ballot else {
            return;
        };
        let request = match ballot.stage() {
            Stage::Claiming { .. } => self.claim.clone().map(Request::from),
            Stage::Voting { .. } if self.muted => None,
            _ => ballot.request(),
        };
        let keys = &rules.spec().value().witnesses.keys;
        let to: Vec<_> = keys.iter().copied().filter(|w| ballot.misses(w)).collect();
        out.extend(request.map(|request| (to, request)));
        self.next_at = Some(ctx.now.plus_ms(limits::RETRY_MS));
    }

    /// Somebody else holds a part of the witnesses, and the holds of this round are over.
    fn is_round_over(&self, now: BootNanos) -> bool {
        let hold_over = self.claimed_at.plus_ms(u64::from(limits::HOLD_MS)) <= now;
        hold_over && !self.refused.is_empty()
    }

    fn refused_by(
        &mut self,
        ctx: &Context<'_>,
        rules: &Rules<'_>,
        witness: PublicKey,
        nack: &Nack,
        out: &mut Vec<Outgoing>,
    ) -> Result<Progress, Violation> {
        if let Some(cert) = &nack.decided {
            if rules.decided(cert)?.token.register != self.register {
                return Err(Violation::Unasked);
            }
            return Ok(Progress::Decided(Box::new(cert.clone())));
        }
        let promised = nack.promised.unwrap_or(Epoch(0));
        self.reported.insert(witness, promised);
        let Some(ballot) = self.ballot.as_ref().filter(|b| b.token() == nack.asked) else {
            return Ok(Progress::Nothing);
        };
        let claiming = matches!(ballot.stage(), Stage::Claiming { .. });
        let counts = match nack.reason {
            _ if claiming => ballot.misses(&witness),
            NackReason::StaleToken => promised >= nack.asked.epoch, // a lower one: it missed our claim
            reason => is_final(reason),
        };
        if counts {
            self.refused.insert(witness, (nack.reason, nack.wait_ms));
        }
        let set = &rules.spec().value().witnesses;
        if self.refused.len() < set.blocking() {
            return Ok(Progress::Nothing);
        }
        let finals = self.refused.values().filter(|(r, _)| is_final(*r)).count();
        if !claiming || finals >= set.blocking() {
            return Ok(Progress::Lost(nack.reason));
        }
        self.back_off(ctx, set, out);
        Ok(Progress::Nothing)
    }

    /// Gives this round up: lets go of the witnesses that promised, and claims a later epoch after a while.
    pub(crate) fn back_off(
        &mut self,
        ctx: &Context<'_>,
        set: &WitnessSet,
        out: &mut Vec<Outgoing>,
    ) {
        let Some(ballot) = self.ballot.take() else {
            return;
        };
        let token = ballot.token();
        let to: Vec<_> = set
            .keys
            .iter()
            .copied()
            .filter(|w| !ballot.misses(w))
            .collect();
        if !to.is_empty() {
            let release = Release {
                token,
                blame: Blame::Unknown,
                attempt: None,
                checkpoint: None,
            };
            out.push((to, release.into()));
        }
        let hints = self
            .refused
            .values()
            .filter(|(reason, _)| matches!(reason, NackReason::Leased | NackReason::TooManyHolds));
        let wait_ms = hints
            .map(|(_, wait_ms)| u64::from(*wait_ms))
            .min()
            .unwrap_or(0);
        self.next_epoch = self.epoch_after(token.epoch, set);
        self.next_at = Some(ctx.now.plus_ms(wait_ms + ctx.jitter(limits::RETRY_MS)));
    }

    /// One more than the highest epoch seen, where a lying minority cannot push it up. A witness that lags too far
    /// behind to accept that is led up in steps.
    fn epoch_after(&self, claimed: Epoch, set: &WitnessSet) -> Epoch {
        let lagging = self
            .refused
            .iter()
            .filter(|(_, (reason, _))| *reason == NackReason::EpochTooHigh)
            .filter_map(|(witness, _)| self.reported.get(witness))
            .min();
        if let Some(lagging) = lagging {
            return Epoch(lagging.0.saturating_add(limits::EPOCH_JUMP_MAX));
        }
        let mut reported: Vec<Epoch> = self.reported.values().copied().collect();
        reported.sort_unstable_by(|a, b| b.cmp(a));
        let seen = reported.get(set.liars()).copied().unwrap_or(claimed);
        Epoch(seen.max(claimed).0.saturating_add(1))
    }
}

/// Whether asking again would not help.
const fn is_final(reason: NackReason) -> bool {
    matches!(
        reason,
        NackReason::NotEntitled
            | NackReason::UnknownJob
            | NackReason::Overlaps
            | NackReason::Inadmissible
    )
}
