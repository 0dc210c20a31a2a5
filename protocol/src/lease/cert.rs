//! Verification of certificates against a spec. Pure, offline, the same for every reader.

use super::{Committed, LeaseCert, Promise, QuorumCert, ResultCert, Value, Vote};
use crate::ids::{Epoch, FencingToken, NodeId, OwnerId, PublicKey, RegisterId, Slot};
use crate::receipt::AttemptRecord;
use crate::sign::{Message, Signed, Verified, Verifier, VerifyError};
use crate::spec::{Audience, JobSpec, WitnessSet};

/// Why a certificate or value proves nothing. Whoever sent it is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertError {
    /// A part's signature or body is not valid.
    #[error("a part of the certificate is not valid")]
    Part(#[from] VerifyError),
    /// Fewer parts than the quorum.
    #[error("{got} signatures are fewer than the quorum of {quorum}")]
    Quorum {
        /// Parts given.
        got: usize,
        /// Parts needed.
        quorum: u16,
    },
    /// Signed by a key that is not a witness of the spec.
    #[error("{signer} is not a witness of this job")]
    Foreign {
        /// The signer.
        signer: PublicKey,
    },
    /// One witness twice.
    #[error("{signer} is counted twice")]
    Duplicate {
        /// The signer.
        signer: PublicKey,
    },
    /// The parts do not say the same, or speak of another register.
    #[error("the parts of the certificate contradict each other")]
    Mixed,
    /// The value is not one that may be decided for this spec.
    #[error("the value is not admissible: {rule}")]
    Inadmissible {
        /// The broken rule.
        rule: &'static str,
    },
}

/// What a valid lease certificate proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The token.
    pub token: FencingToken,
    /// Its holder.
    pub host: NodeId,
    /// Shortest T among the promises, milliseconds.
    pub ttl_ms: u32,
    /// The certified value of the highest epoch among the promises: the holder must propose it again.
    pub lock: Option<Certified>,
}

/// What a valid quorum or result certificate proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// At which token.
    pub token: FencingToken,
    /// By which holder.
    pub host: NodeId,
    /// Which value.
    pub value: Value,
}

/// A spec as the rules here need it: its register names and its witness set.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    spec: &'a Verified<JobSpec>,
    verifier: &'a dyn Verifier,
}

impl std::fmt::Debug for dyn Verifier + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl<'a> Rules<'a> {
    /// Rules of `spec`, with signatures checked by `verifier`. The spec has passed [`Verified::check`].
    pub const fn new(spec: &'a Verified<JobSpec>, verifier: &'a dyn Verifier) -> Self {
        Self { spec, verifier }
    }

    /// The spec.
    pub const fn spec(&self) -> &'a Verified<JobSpec> {
        self.spec
    }

    /// Checks a lease certificate.
    ///
    /// # Errors
    /// When it does not prove that a quorum promised one token to one host.
    pub fn lease(&self, cert: &LeaseCert) -> Result<Lease, CertError> {
        let promises = self.quorum(&cert.promises)?;
        let first = promises.first().ok_or(CertError::Mixed)?.value();
        let (token, host) = (first.token, first.host);
        self.check_register(&token.register)?;
        let mut lease = Lease {
            token,
            host,
            ttl_ms: first.ttl_ms,
            lock: None,
        };
        for promise in promises.iter().map(Verified::value) {
            if (promise.token, promise.host) != (token, host) {
                return Err(CertError::Mixed);
            }
            lease.ttl_ms = lease.ttl_ms.min(promise.ttl_ms);
            lease.lock = later(lease.lock, self.promise_lock(promise)?);
        }
        Ok(lease)
    }

    /// Checks the certified value that a promise carries. Its register must be the promise's own and its epoch lower.
    ///
    /// # Errors
    /// When the lock is not a valid certificate of an earlier epoch.
    pub fn promise_lock(&self, promise: &Promise) -> Result<Option<Certified>, CertError> {
        let Some(lock) = &promise.lock else {
            return Ok(None);
        };
        let certified = self.certified(lock)?;
        if certified.token.register != promise.token.register
            || certified.token.epoch >= promise.token.epoch
        {
            return Err(CertError::Mixed);
        }
        Ok(Some(certified))
    }

    /// Checks a quorum certificate.
    ///
    /// # Errors
    /// When it does not prove that a quorum voted for one value at one token.
    pub fn certified(&self, cert: &QuorumCert) -> Result<Certified, CertError> {
        let votes = self.quorum(&cert.votes)?;
        self.agreed(
            &cert.value,
            votes.iter().map(|vote| {
                let Vote { token, host, value } = *vote.value();
                (token, host, value)
            }),
        )
    }

    /// Checks a result certificate.
    ///
    /// # Errors
    /// When it does not prove that a quorum stored one value at one token.
    pub fn decided(&self, cert: &ResultCert) -> Result<Certified, CertError> {
        let commits = self.quorum(&cert.commits)?;
        self.agreed(
            &cert.value,
            commits.iter().map(|commit| {
                let Committed { token, host, value } = *commit.value();
                (token, host, value)
            }),
        )
    }

    /// Checks that `value` may be decided: who signed its records, whose fault, how many attempts.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn admissible(&self, value: &Value, register: &RegisterId) -> Result<(), CertError> {
        let refuse = |rule| Err(CertError::Inadmissible { rule });
        if register.slot == Slot::Pick && !matches!(value, Value::Cancelled { .. }) {
            return refuse("a pick needs result certificates, which no value carries yet");
        }
        match value {
            Value::Ok {
                manifest,
                receipt,
                attempt,
            } => {
                let record = self.attempt(attempt, register)?;
                match record.manifest == Some(*manifest) && record.receipt == *receipt {
                    _ if !record.outcome.is_finished() => {
                        refuse("an Ok value needs a finished attempt")
                    }
                    false => refuse("manifest and receipt are those of the attempt"),
                    true => Ok(()),
                }
            }
            Value::Failed { attempts } => {
                if attempts.len() != usize::from(self.spec.value().retries) + 1 {
                    return refuse("a failed value holds one record per allowed attempt");
                }
                let mut last = Epoch(0);
                for attempt in attempts {
                    let record = self.failure(attempt, register)?;
                    if record.token.epoch <= last {
                        return refuse("attempts are of rising epochs");
                    }
                    last = record.token.epoch;
                }
                Ok(())
            }
            Value::Cancelled { order } => {
                let order = order.verify(self.verifier)?;
                if OwnerId::from(order.signer()) != self.spec.value().owner
                    || order.value().register != *register
                {
                    return refuse("a job is cancelled by its owner's order for this register");
                }
                Ok(())
            }
        }
    }

    /// Checks that a record counts towards a failed value of `register`: signed by its host, unfinished, by guest or owner.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn failure(
        &self,
        attempt: &Signed<AttemptRecord>,
        register: &RegisterId,
    ) -> Result<AttemptRecord, CertError> {
        let record = self.attempt(attempt, register)?;
        if record.outcome.is_finished() || !record.blame.is_final() {
            return Err(CertError::Inadmissible {
                rule: "only failures by guest or owner are values",
            });
        }
        Ok(record)
    }

    /// Checks that a register belongs to this spec.
    ///
    /// # Errors
    /// [`CertError::Mixed`] when job, generation, shards or replica are not the spec's.
    pub fn check_register(&self, register: &RegisterId) -> Result<(), CertError> {
        let spec = self.spec.value();
        let replica = match register.slot {
            Slot::Replica(replica) => replica.0 < spec.shape.replicas,
            Slot::Pick => spec.shape.replicas > 1,
        };
        let own = register.job == self.spec.job() && register.generation == spec.generation;
        if own && replica && register.shards.is_within(spec.shape.shards) {
            Ok(())
        } else {
            Err(CertError::Mixed)
        }
    }

    fn attempt(
        &self,
        signed: &Signed<AttemptRecord>,
        register: &RegisterId,
    ) -> Result<AttemptRecord, CertError> {
        let record = signed.verify(self.verifier)?;
        let value = record.value();
        if NodeId::from(record.signer()) != value.host || value.token.register != *register {
            return Err(CertError::Inadmissible {
                rule: "an attempt is recorded by its host, for this register",
            });
        }
        if let Audience::Hosts(hosts) = &self.spec.value().audience
            && !hosts.contains(&value.host)
        {
            return Err(CertError::Inadmissible {
                rule: "an attempt is recorded by a host that the spec allows",
            });
        }
        // Otherwise a host could end a job by blaming guest or owner for its own failure.
        if value.blame.is_final() && value.blame != value.outcome.blame() {
            return Err(CertError::Inadmissible {
                rule: "the blame does not fit the outcome",
            });
        }
        Ok(value.clone())
    }

    /// At least a quorum of parts, each signed by another witness of the spec.
    fn quorum<T: Message>(&self, parts: &[Signed<T>]) -> Result<Vec<Verified<T>>, CertError> {
        let WitnessSet { keys, quorum } = &self.spec.value().witnesses;
        if parts.len() < usize::from(*quorum) {
            return Err(CertError::Quorum {
                got: parts.len(),
                quorum: *quorum,
            });
        }
        let mut seen: Vec<PublicKey> = Vec::with_capacity(keys.len());
        let mut verified = Vec::with_capacity(parts.len());
        for part in parts {
            let signer = part.signer();
            if keys.binary_search(&signer).is_err() {
                return Err(CertError::Foreign { signer });
            }
            if seen.contains(&signer) {
                return Err(CertError::Duplicate { signer });
            }
            seen.push(signer);
            verified.push(part.verify(self.verifier)?);
        }
        Ok(verified)
    }

    fn agreed(
        &self,
        value: &Value,
        parts: impl Iterator<Item = (FencingToken, NodeId, crate::Digest)>,
    ) -> Result<Certified, CertError> {
        let digest = value.digest();
        let mut agreed: Option<(FencingToken, NodeId)> = None;
        for (token, host, part_digest) in parts {
            if part_digest != digest || agreed.is_some_and(|agreed| agreed != (token, host)) {
                return Err(CertError::Mixed);
            }
            agreed = Some((token, host));
        }
        let (token, host) = agreed.ok_or(CertError::Mixed)?;
        self.check_register(&token.register)?;
        Ok(Certified {
            token,
            host,
            value: value.clone(),
        })
    }
}

/// The certified value of the higher epoch.
pub fn later(a: Option<Certified>, b: Option<Certified>) -> Option<Certified> {
    match (a, b) {
        (Some(a), Some(b)) if a.token.epoch >= b.token.epoch => Some(a),
        (a, None) => a,
        (_, b) => b,
    }
}
