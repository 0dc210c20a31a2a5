//! The witness: keeps the registers of jobs, lets one holder at a time through, and never goes back on its word.

mod book;
mod entry;
mod rules;
mod subject;

use crate::context::{BootNanos, Context};
use crate::message::{Reply, VerifiedRequest};
use crate::register::RegisterState;
use crate::violation::Violation;
use book::Book;
use mutual_protocol::lease::ResultCert;
use mutual_protocol::lease::cert::Rules;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{
    Cid, FencingToken, Generation, JobId, NodeId, PublicKey, RegisterId, Signed, Verified, limits,
};
use rules::Case;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use subject::Subject;

/// Names one write of one life of a witness. Later writes have greater ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub u64);

/// What a witness must not forget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A job was accepted. Written once.
    Job(Signed<JobSpec>),
    /// A register's state. Replaces the earlier record of that register.
    Register(RegisterId, Box<RegisterState>),
}

/// Why a witness cannot start from its records. It must not start empty instead: it comes back under a new key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A spec in the records is not valid.
    #[error("a stored spec is not valid")]
    Spec(#[source] Violation),
    /// A register without its job: records are missing.
    #[error("the record of job {job} is missing")]
    JobMissing {
        /// The job.
        job: JobId,
    },
}

/// What a witness is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WitnessInput {
    /// Take a job in. The signature was checked, the spec's own rules are checked here.
    Accept(Arc<Verified<JobSpec>>),
    /// Every block of this output manifest is held here. Needed before a vote when the spec asks no storage node.
    Held(Cid),
    /// A request came.
    Request(VerifiedRequest),
    /// The timer rang.
    Tick,
}

/// What the driver of a witness must do, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum WitnessEffect {
    /// Write the record. A failed write is fatal: stop the process.
    Persist {
        /// Named by sends that wait for it.
        id: PersistId,
        /// What to write.
        record: Record,
    },
    /// Sign and send.
    Send {
        /// Key of a host or owner.
        to: PublicKey,
        /// The body.
        message: Reply,
        /// Must be durable before the message leaves.
        after: Option<PersistId>,
    },
    /// Call with [`WitnessInput::Tick`] at this time; replaces the earlier timer.
    Timer(BootNanos),
    /// Whoever sent this step's input broke the protocol.
    Violation(Violation),
    /// Something that others may want to know. To be passed on when the writes before it are durable, or else they may
    /// hear of what a power cut undoes.
    Fact(WitnessFact),
}

/// What happened at a witness. Advice for owner and people: nothing that is safe depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WitnessFact {
    /// A job was accepted.
    Accepted {
        /// The job.
        job: JobId,
    },
    /// A token was promised.
    Leased {
        /// The token.
        token: FencingToken,
        /// To whom.
        host: NodeId,
    },
    /// A lease or hold is over: it lapsed, was released or was pre-empted. The register may be claimed.
    Ended {
        /// The token.
        token: FencingToken,
    },
    /// A vote waits for blocks: fetch them, then give [`WitnessInput::Held`]. The holder asks again by itself.
    BlocksWanted {
        /// The register.
        register: RegisterId,
        /// The output manifest.
        manifest: Cid,
    },
    /// The register is decided.
    Decided {
        /// The register.
        register: RegisterId,
        /// The proof.
        cert: Box<ResultCert>,
    },
}

/// One witness with all its jobs.
///
/// **Order of calls.** [`Witness::new`], or [`Witness::restore`] with every record ever written (the newest of each
/// register). [`WitnessInput::Accept`] for a job before requests about it; other requests are answered with a refusal.
/// Then any request at any time, each with one call; and a [`WitnessInput::Tick`] when the timer rings.
///
/// **Obligations on time.** `ctx.now` never goes back within one life, and starts anywhere in the next one: after
/// [`Witness::restore`] each lease is taken to run for its whole length from then on.
///
/// **Obligations on writes.** [`WitnessEffect::Send`] with `after` leaves when that write is durable. An attached witness
/// lives in memory, ends with its process, and may therefore drop the records: its key is never used again.
///
/// **Resending.** A repeated claim is answered with the stored body of the first promise. Ed25519 is deterministic, so
/// signing it again gives the same bytes.
#[derive(Clone, Debug)]
pub struct Witness {
    key: PublicKey,
    jobs: BTreeMap<(JobId, Generation), Arc<Verified<JobSpec>>>,
    held: BTreeSet<Cid>,
    book: Book,
    timer: Option<BootNanos>,
}

impl Witness {
    /// An empty witness. `key` signs its replies and is named in the specs.
    pub const fn new(key: PublicKey) -> Self {
        Self {
            key,
            jobs: BTreeMap::new(),
            held: BTreeSet::new(),
            book: Book::new(),
            timer: None,
        }
    }

    /// Comes back with what an earlier life wrote. Every undecided lease is taken to run for its whole length from now.
    ///
    /// # Errors
    /// When the records are damaged or incomplete. The witness is out then for all its jobs.
    pub fn restore(
        key: PublicKey,
        ctx: &Context<'_>,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, RestoreError> {
        let mut witness = Self::new(key);
        let mut registers = BTreeMap::new();
        for record in records {
            match record {
                Record::Job(spec) => {
                    let spec = spec
                        .verify(ctx.verifier)
                        .map_err(|e| RestoreError::Spec(e.into()))?;
                    witness.check_spec(&spec).map_err(RestoreError::Spec)?;
                    let id = (spec.job(), spec.value().generation);
                    witness.jobs.insert(id, Arc::new(spec));
                }
                Record::Register(id, state) => {
                    registers.insert(id, *state);
                }
            }
        }
        for (id, state) in registers {
            let spec = witness
                .jobs
                .get(&(id.job, id.generation))
                .ok_or(RestoreError::JobMissing { job: id.job })?;
            witness.book.restore(ctx.now, spec.value(), id, state);
        }
        Ok(witness)
    }

    /// Handles one input. See the type for the driver's part.
    pub fn step(&mut self, ctx: &Context<'_>, input: WitnessInput) -> Vec<WitnessEffect> {
        let mut out = Vec::new();
        self.book.lapse(ctx.now, &mut out);
        match input {
            WitnessInput::Accept(spec) => self.accept(spec, &mut out),
            WitnessInput::Held(manifest) => {
                self.held.insert(manifest);
            }
            WitnessInput::Request(request) => self.request(ctx, &request, &mut out),
            WitnessInput::Tick => {}
        }
        let timer = self.book.next_deadline();
        if let Some(at) = timer.filter(|_| timer != self.timer) {
            out.push(WitnessEffect::Timer(at));
        }
        self.timer = timer;
        out
    }

    /// The durable state of a register, if it was ever touched.
    pub fn register(&self, id: &RegisterId) -> Option<&RegisterState> {
        self.book.state(id)
    }

    fn check_spec(&self, spec: &Verified<JobSpec>) -> Result<(), Violation> {
        spec.check()?;
        if spec.value().generation > Generation(0) {
            return Err(Violation::Generation);
        }
        if !spec.value().witnesses.keys.contains(&self.key) {
            return Err(Violation::NotWitness);
        }
        Ok(())
    }

    fn accept(&mut self, spec: Arc<Verified<JobSpec>>, out: &mut Vec<WitnessEffect>) {
        let id = (spec.job(), spec.value().generation);
        if self.jobs.contains_key(&id) {
            return; // the same spec: a job's id is its digest
        }
        match self.check_spec(&spec) {
            Ok(()) => {
                self.book.write(Record::Job(spec.signed().clone()), out);
                out.push(WitnessEffect::Fact(WitnessFact::Accepted { job: id.0 }));
                self.jobs.insert(id, spec);
            }
            Err(what) => out.push(WitnessEffect::Violation(what)),
        }
    }

    fn request(
        &mut self,
        ctx: &Context<'_>,
        request: &VerifiedRequest,
        out: &mut Vec<WitnessEffect>,
    ) {
        let subject = match Subject::of(ctx, request) {
            Ok(subject) => subject,
            Err(what) => return out.push(WitnessEffect::Violation(what)),
        };
        let register = subject.token.register;
        let spec = self
            .jobs
            .get(&(register.job, register.generation))
            .filter(|spec| {
                ctx.wall_ms
                    <= spec
                        .value()
                        .not_after_ms
                        .saturating_add(limits::WALL_SLACK_MS)
            });
        let Some(spec) = spec else {
            out.extend(subject.refuse_unknown());
            return;
        };
        let rules = Rules::new(spec, ctx.verifier);
        if rules.check_register(&register).is_err() {
            return out.push(WitnessEffect::Violation(Violation::Register));
        }
        let case = Case {
            ctx,
            rules,
            held: &self.held,
        };
        self.book.handle(&case, &subject, request, out);
    }
}
