//! Keys of the roles: what one role says to another in this process is signed and verified as between machines.

use super::memory::Memory;
use super::{RunError, disagree};
use mutual_lease::{Reply, Request, VerifiedReply, VerifiedRequest};
use mutual_protocol::sign::Message;
use mutual_protocol::{Signed, SigningKey, Verified};

/// Keys of the roles, and the memory of what they signed.
#[derive(Debug)]
pub(super) struct Keys {
    /// Signs as owner and as host.
    pub(super) account: SigningKey,
    /// Signs as witness of this one run.
    pub(super) witness: SigningKey,
    pub(super) memory: Memory,
}

impl Keys {
    /// A message of owner or holder on its way.
    pub(super) fn carry_request(&self, message: Request) -> Result<VerifiedRequest, RunError> {
        let key = &self.account;
        Ok(match message {
            Request::Claim(body) => self.wire(key, *body)?.into(),
            Request::Renew(body) => self.wire(key, *body)?.into(),
            Request::VoteReq(body) => self.wire(key, *body)?.into(),
            Request::Commit(body) => self.wire(key, *body)?.into(),
            Request::Release(body) => self.wire(key, *body)?.into(),
            Request::Preempt(body) => self.wire(key, *body)?.into(),
            Request::Decided(cert) => VerifiedRequest::Decided(cert),
        })
    }

    /// An answer of the witness on its way.
    pub(super) fn carry_reply(&self, message: Reply) -> Result<VerifiedReply, RunError> {
        let key = &self.witness;
        Ok(match message {
            Reply::Promise(body) => self.wire(key, *body)?.into(),
            Reply::RenewAck(body) => self.wire(key, *body)?.into(),
            Reply::Vote(body) => self.wire(key, *body)?.into(),
            Reply::Committed(body) => self.wire(key, *body)?.into(),
            Reply::Nack(body) => self.wire(key, *body)?.into(),
        })
    }

    /// Signs, encodes, decodes and verifies: what a network would do to a message.
    pub(super) fn wire<T: Message>(
        &self,
        key: &SigningKey,
        body: T,
    ) -> Result<Verified<T>, RunError> {
        let sent = key.sign(body);
        self.memory.learn(&sent);
        let received = Signed::<T>::decode(&sent.signed().encode()).map_err(|e| disagree(&e))?;
        received.verify(&self.memory).map_err(|e| disagree(&e))
    }
}
