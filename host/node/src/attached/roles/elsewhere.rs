//! The holder is another host of the pool: owner and witness stay here, and what they say to it leaves by an outbox.
//!
//! What a host says is checked before a role hears of it: who signed, and that what it puts to the vote is what it
//! told before. A host that breaks the protocol gives a [`Breach`], never an error of this run.

use super::{Asker, Breach, Fact, Mail, Roles, RunError};
use crate::wire;
use mutual_lease::{
    OwnerInput, Reply, VerifiedReply, VerifiedRequest, Violation, WitnessFact, WitnessInput,
};
use mutual_protocol::lease::{LeaseCert, Offer, Promise, ResultCert, Value};
use mutual_protocol::message::{LeaseRequest, NodeMessage};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::{AttemptRecord, Receipt, Usage};
use mutual_protocol::{FencingToken, NodeId, PublicKey, RegisterId, Signed, Verified};

/// What the roles know of a holder elsewhere.
#[derive(Debug)]
pub(super) struct Elsewhere {
    /// Program and inputs, which a host fetches.
    inputs_bytes: u64,
    outbox: Vec<(NodeId, NodeMessage)>,
    /// The ending that the present holder told, with the proof of its lease.
    told: Option<(Verified<Receipt>, LeaseCert)>,
    /// The owner's own claim, by which it ends the job.
    own: Option<(FencingToken, LeaseCert)>,
    /// How the run ends when its owner ends it.
    ending: Outcome,
    /// The value of the commit that is in hand.
    committing: Option<Value>,
    breach: Option<Breach>,
    is_decided: bool,
}

impl Roles {
    /// Has other hosts hold the lease, which fetch `inputs_bytes` first.
    pub(in super::super) fn elsewhere(mut self, inputs_bytes: u64) -> Self {
        self.elsewhere = Some(Elsewhere {
            inputs_bytes,
            outbox: Vec::new(),
            told: None,
            own: None,
            ending: Outcome::Cancelled,
            committing: None,
            breach: None,
            is_decided: false,
        });
        self
    }

    /// Offers the job to `host`. Nothing happens while somebody has it.
    pub(in super::super) fn offer(&mut self, host: NodeId) -> Result<(), RunError> {
        self.mail
            .push_back(Mail::Owner(OwnerInput::HostReady(host)));
        self.deliver()
    }

    /// Takes the job away from whoever has it, or was offered it.
    pub(in super::super) fn preempt(&mut self) -> Result<(), RunError> {
        self.mail
            .push_back(Mail::Owner(OwnerInput::Preempt(self.register())));
        self.deliver()
    }

    /// Ends the job by its owner's order. For its owner it ended with `outcome`.
    pub(in super::super) fn end(&mut self, outcome: Outcome) -> Result<(), RunError> {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.ending = outcome;
        }
        self.cancel(self.register());
        self.deliver()
    }

    /// Every output of the ending that was told is here: it may be voted for.
    pub(in super::super) fn hold_outputs(&mut self) -> Result<(), RunError> {
        let told = self.elsewhere.as_ref().and_then(|e| e.told.as_ref());
        if let Some(manifest) = told.and_then(|(receipt, _)| receipt.value().manifest) {
            self.mail
                .push_back(Mail::Witness(None, WitnessInput::Held(manifest)));
        }
        self.deliver()
    }

    /// What a host says to the witness or to the owner; gives how it broke the protocol, if it did.
    pub(in super::super) fn request(
        &mut self,
        from: NodeId,
        request: LeaseRequest,
    ) -> Result<Option<Breach>, RunError> {
        let request = match self.admit(from, request) {
            Ok(request) => request,
            Err(breach) => return Ok(Some(breach)),
        };
        if let (VerifiedRequest::Commit(commit), Some(elsewhere)) = (&request, &mut self.elsewhere)
        {
            elsewhere.committing = Some(commit.value().cert.value.clone());
        }
        if matches!(
            request,
            VerifiedRequest::Release(_) | VerifiedRequest::Decided(_)
        ) {
            self.mail
                .push_back(Mail::Owner(OwnerInput::Request(request.clone())));
        }
        let request = WitnessInput::Request(request);
        self.mail
            .push_back(Mail::Witness(Some(Asker::Holder), request));
        self.deliver()?;
        Ok(self.elsewhere.as_mut().and_then(|elsewhere| {
            elsewhere.committing = None;
            elsewhere.breach.take()
        }))
    }

    /// The holder tells how its attempt ended.
    ///
    /// # Errors
    /// When receipt and record are not the holder's own, or not about this attempt.
    pub(in super::super) fn told(
        &mut self,
        (receipt, attempt): (Signed<Receipt>, Signed<AttemptRecord>),
    ) -> Result<Receipt, Breach> {
        let receipt = receipt.verify(&self.keys.memory)?;
        let attempt = attempt.verify(&self.keys.memory)?;
        let Some((token, lease)) = &self.lease else {
            return Err(Breach::Untold);
        };
        let held = self.promised().map(|(_, host)| host);
        let (value, record) = (receipt.value(), attempt.value());
        let key = held.map(|host| host.key());
        if key != Some(receipt.signer()) || key != Some(attempt.signer()) {
            return Err(Breach::Signer);
        }
        let spec = self.spec.value();
        let rules = [
            ("token", value.token == *token && record.token == *token),
            (
                "host",
                Some(value.host) == held && Some(record.host) == held,
            ),
            ("program", value.program == spec.program.cid),
            ("profile", value.profile == spec.profile.digest()),
            ("outcome", value.outcome == record.outcome),
            ("blame", record.blame == record.outcome.blame()),
            ("digest", record.receipt == receipt.digest()),
            (
                "manifest",
                value.manifest == record.manifest
                    && value.manifest.is_some() == value.outcome.is_finished(),
            ),
        ];
        if let Some((rule, _)) = rules.into_iter().find(|(_, holds)| !holds) {
            return Err(Breach::Receipt { rule });
        }
        let told = value.clone();
        let lease = lease.clone();
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.told = Some((receipt, lease));
        }
        Ok(told)
    }

    /// What is to be sent, to hosts by their own names.
    pub(in super::super) fn take_outbox(&mut self) -> Vec<(NodeId, NodeMessage)> {
        let outbox = self.elsewhere.as_mut().map(|e| &mut e.outbox);
        outbox.map(std::mem::take).unwrap_or_default()
    }

    /// The token that counts, for those that are fenced off; none before the first one.
    pub(in super::super) fn current(&self) -> Option<FencingToken> {
        let register = self.register();
        self.promised()
            .map(|(epoch, _)| FencingToken { register, epoch })
    }

    /// The one register of the job.
    pub(in super::super) fn register(&self) -> RegisterId {
        self.register
    }

    fn promised(&self) -> Option<(mutual_protocol::Epoch, NodeId)> {
        self.witness.register(&self.register())?.promised()
    }

    /// Lets a request in: it is signed by the host that sends it, and proposes nothing that it did not tell.
    fn admit(&self, from: NodeId, request: LeaseRequest) -> Result<VerifiedRequest, Breach> {
        let request = wire::verify_request(request, &self.keys.memory)?;
        if signer(&request).is_some_and(|key| key != from.key()) {
            return Err(Breach::Signer);
        }
        let proposed = match &request {
            VerifiedRequest::VoteReq(vote) if self.is_current(&vote.value().token) => {
                Some(&vote.value().value)
            }
            VerifiedRequest::Release(release) => {
                let attempt = release.value().attempt.as_ref();
                let attempt = attempt.filter(|_| self.is_current(&release.value().token));
                let attempt = attempt.map(|a| a.verify(&self.keys.memory)).transpose()?;
                // Only these can end a job; the reasons of the others are heard without proof.
                let is_final = attempt.filter(|a| a.value().blame.is_final());
                if is_final.is_some_and(|a| !self.is_told(a.value())) {
                    return Err(Breach::Untold);
                }
                None
            }
            _ => None,
        };
        let attempt = match proposed {
            Some(Value::Ok { attempt, .. }) => Some(attempt),
            Some(Value::Failed { attempts }) => attempts.last(),
            Some(Value::Cancelled { .. }) => return Err(Breach::Untold),
            None => None,
        };
        let attempt = attempt.map(|a| a.verify(&self.keys.memory)).transpose()?;
        if attempt.is_some_and(|a| !self.is_told(a.value())) {
            return Err(Breach::Untold);
        }
        Ok(request)
    }

    fn is_current(&self, token: &FencingToken) -> bool {
        self.lease.as_ref().is_some_and(|(held, _)| held == token)
    }

    fn is_told(&self, record: &AttemptRecord) -> bool {
        let told = self.elsewhere.as_ref().and_then(|e| e.told.as_ref());
        told.is_some_and(|(receipt, _)| record.receipt == receipt.digest())
    }

    /// The owner offers: the offer goes to its host.
    pub(super) fn send_offer(&mut self, to: NodeId, offer: Offer) {
        let offer = self.keys.account.sign(offer);
        self.keys.memory.learn(&offer);
        if let Some(elsewhere) = &mut self.elsewhere {
            let message = NodeMessage::Offer {
                spec: self.spec.signed().clone(),
                offer: offer.signed().clone(),
                inputs_bytes: elsewhere.inputs_bytes,
            };
            elsewhere.outbox.push((to, message));
        }
    }

    /// The witness answers. Owner and host may be one account: what the owner asked itself stays here, but for the
    /// notice to a host that is fenced off by it.
    pub(super) fn answer(
        &mut self,
        asker: Option<Asker>,
        to: PublicKey,
        message: Reply,
    ) -> Result<(), RunError> {
        let reply = self.keys.carry_reply(message.clone())?;
        let is_own = matches!(asker, Some(Asker::Owner)) && to == self.keys.account.public();
        match &reply {
            VerifiedReply::Promise(promise) => self.keep_promise(is_own, promise),
            VerifiedReply::Committed(committed) if !is_own => {
                // The quorum is one: what this witness has stored is decided.
                let value = self.elsewhere.as_mut().and_then(|e| e.committing.take());
                if let Some(value) = value {
                    let commits = vec![committed.signed().clone()];
                    self.spread(ResultCert { value, commits });
                }
            }
            VerifiedReply::RenewAck(_) => self.renewals = self.renewals.saturating_add(1),
            _ => {}
        }
        if is_own {
            self.mail
                .push_back(Mail::Owner(OwnerInput::Reply(reply.clone())));
        }
        if (!is_own || self.is_current(&reply.token()))
            && let Some(elsewhere) = &mut self.elsewhere
        {
            let message = NodeMessage::Reply(wire::sign_reply(message, &self.keys.witness));
            elsewhere.outbox.push((NodeId::from(to), message));
        }
        Ok(())
    }

    fn spread(&mut self, cert: ResultCert) {
        let decided = VerifiedRequest::Decided(Box::new(cert));
        let request = WitnessInput::Request(decided.clone());
        self.mail.push_back(Mail::Witness(None, request));
        self.mail
            .push_back(Mail::Owner(OwnerInput::Request(decided)));
    }

    fn keep_promise(&mut self, is_own: bool, promise: &Verified<Promise>) {
        let lease = LeaseCert {
            promises: vec![promise.signed().clone()],
        };
        let held = (promise.value().token, lease);
        let Some(elsewhere) = &mut self.elsewhere else {
            return;
        };
        if is_own {
            elsewhere.own = Some(held);
        } else if self
            .lease
            .as_ref()
            .is_none_or(|(token, _)| *token != held.0)
        {
            elsewhere.told = None;
            self.renewals = 0;
            self.lease = Some(held);
        }
    }

    /// What the witness saw, as far as the loop acts upon it.
    pub(super) fn note(&mut self, asker: Option<Asker>, fact: &WitnessFact) {
        match fact {
            WitnessFact::Leased { token, host } if !matches!(asker, Some(Asker::Owner)) => {
                let (token, host) = (*token, *host);
                self.facts.push_back(Fact::LeasedTo { token, host });
            }
            WitnessFact::Ended { token } => self.facts.push_back(Fact::Lost(*token)),
            _ => {}
        }
    }

    /// A role refuses what came: the sender's doing, when it came from elsewhere.
    pub(super) fn breached(&mut self, violation: Violation) {
        tracing::debug!("{violation}");
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.breach.get_or_insert(violation.into());
        }
    }

    /// The job is decided, by its holder or by its owner. Nothing that came before counts any more.
    pub(super) fn decided_elsewhere(&mut self, result: ResultCert) -> Result<(), RunError> {
        let Some(elsewhere) = &mut self.elsewhere else {
            return Ok(());
        };
        if std::mem::replace(&mut elsewhere.is_decided, true) {
            return Ok(());
        }
        let is_cancel = matches!(result.value, Value::Cancelled { .. });
        let told = elsewhere.told.take();
        let told = told.filter(|(receipt, _)| {
            let by_owner = receipt.value().outcome.blame() == Blame::Owner;
            by_owner == is_cancel
        });
        let own = elsewhere.own.take();
        let ending = elsewhere.ending.clone();
        let (receipt, lease) = match (told, own) {
            (Some(told), _) => told,
            (None, Some((token, lease))) if is_cancel => (self.own_receipt(token, ending), lease),
            _ => return Err(super::unknown()),
        };
        self.facts.clear();
        let decision = super::Decision {
            lease,
            result,
            receipt,
        };
        self.facts.push_back(Fact::Decided(Box::new(decision)));
        Ok(())
    }

    /// Nothing ran that would have a receipt of its own: the owner's says how its own claim ended.
    fn own_receipt(&self, token: FencingToken, outcome: Outcome) -> Verified<Receipt> {
        let spec = self.spec.value();
        let now_ms = self.clock.wall_ms();
        self.keys.account.sign(Receipt {
            token,
            host: self.host(),
            program: spec.program.cid,
            profile: spec.profile.digest(),
            build: None,
            outcome,
            usage: Usage::default(),
            manifest: None,
            started_at_ms: now_ms,
            ended_at_ms: now_ms,
        })
    }
}

/// Who signed; certificates need nobody.
fn signer(request: &VerifiedRequest) -> Option<PublicKey> {
    Some(match request {
        VerifiedRequest::Claim(m) => m.signer(),
        VerifiedRequest::Renew(m) => m.signer(),
        VerifiedRequest::VoteReq(m) => m.signer(),
        VerifiedRequest::Commit(m) => m.signer(),
        VerifiedRequest::Release(m) => m.signer(),
        VerifiedRequest::Preempt(m) => m.signer(),
        VerifiedRequest::Decided(_) => return None,
    })
}
