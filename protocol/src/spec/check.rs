//! Rules of a valid spec: checked once, by every node that takes one in.

use super::{Audience, JobSpec, Regen, Shape, WitnessSet};
use crate::ids::{OwnerId, PublicKey};
use crate::limits;
use crate::sign::Verified;

/// Why a correctly signed spec is not acted upon. The owner is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Signed by another key than the owner's.
    #[error("the spec is not signed by its owner")]
    Signer,
    /// Generation, previous spec and seal certificate do not fit together.
    #[error("generation {generation} needs its predecessor, and generation 0 has none")]
    Chain {
        /// The generation.
        generation: u64,
    },
    /// n and q are not one of the sets that are safe, or keys repeat.
    #[error("{n} witnesses with a quorum of {q} are not a witness set")]
    Witnesses {
        /// Keys given.
        n: usize,
        /// Quorum given.
        q: u16,
    },
    /// Shards, tasks or replicas contradict each other or pass a limit.
    #[error("tasks, shards and replicas do not fit together")]
    Shape,
    /// A number lies outside its limits.
    #[error("{field} lies outside its limits")]
    Range {
        /// The field.
        field: &'static str,
    },
    /// A list is not sorted, repeats something, or is too long.
    #[error("{field} is not sorted, repeats itself, or is too long")]
    List {
        /// The field.
        field: &'static str,
    },
}

impl JobSpec {
    /// Checks chain, witness set, shape, ranges and lists: what its owner does before signing. A spec that keeps to
    /// these rules fits its size cap.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), SpecError> {
        check_chain(self)?;
        check_witnesses(&self.witnesses)?;
        check_shape(&self.shape)?;
        check_ranges(self)?;
        check_lists(self)
    }
}

impl Verified<JobSpec> {
    /// Checks everything that a signature cannot: that the owner signed, and the rules of [`JobSpec::check`].
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), SpecError> {
        if OwnerId::from(self.signer()) != self.value().owner {
            return Err(SpecError::Signer);
        }
        self.value().check()
    }
}

fn check_chain(spec: &JobSpec) -> Result<(), SpecError> {
    let generation = spec.generation.0;
    let follows = generation > 0;
    let has = [
        spec.previous.is_some(),
        spec.job.is_some(),
        spec.seal_cert.is_some(),
    ];
    if has.iter().all(|has| *has == follows) {
        Ok(())
    } else {
        Err(SpecError::Chain { generation })
    }
}

/// (1,1), (3,2), (5,3) survive crashes; (4,3), (7,5) survive liars too.
fn check_witnesses(set: &WitnessSet) -> Result<(), SpecError> {
    let (n, q) = (set.keys.len(), set.quorum);
    let known = matches!((n, q), (1, 1) | (3, 2) | (5, 3) | (4, 3) | (7, 5));
    if known && is_strictly_sorted(&set.keys) {
        Ok(())
    } else {
        Err(SpecError::Witnesses { n, q })
    }
}

fn check_shape(shape: &Shape) -> Result<(), SpecError> {
    let per_shard = u64::from(shape.tasks_per_shard);
    let fits = shape.tasks > 0
        && per_shard > 0
        && u64::from(shape.shards) == shape.tasks.div_ceil(per_shard)
        && shape.shards <= limits::SHARDS_MAX
        && (1..=limits::REPLICAS_MAX).contains(&shape.replicas)
        && (1..=shape.replicas).contains(&shape.agree);
    if fits { Ok(()) } else { Err(SpecError::Shape) }
}

fn check_ranges(spec: &JobSpec) -> Result<(), SpecError> {
    let ttl = limits::LEASE_TTL_MS_MIN..=limits::LEASE_TTL_MS_MAX;
    let rules = [
        ("lease_ttl_ms", ttl.contains(&spec.lease_ttl_ms)),
        ("not_after_ms", spec.not_before_ms < spec.not_after_ms),
        (
            "attempt_ms_max",
            spec.attempt_ms_max >= u64::from(spec.lease_ttl_ms),
        ),
        (
            "memory_bytes_max",
            (1..=limits::MEMORY_BYTES_MAX).contains(&spec.limits.memory_bytes_max),
        ),
        ("files_max", spec.limits.files_max <= limits::FILES_MAX),
        (
            "program size",
            (8..=limits::PROGRAM_BYTES_MAX).contains(&spec.program.size),
        ),
        ("retries", usize::from(spec.retries) < limits::ATTEMPTS_MAX),
        ("regen", is_majority(&spec.regen)),
    ];
    match rules.iter().find(|(_, holds)| !holds) {
        Some((field, _)) => Err(SpecError::Range { field }),
        None => Ok(()),
    }
}

fn is_majority(regen: &Regen) -> bool {
    let (n, t) = (regen.keys.len(), usize::from(regen.threshold));
    if n == 0 { t == 0 } else { t * 2 > n && t <= n }
}

fn check_lists(spec: &JobSpec) -> Result<(), SpecError> {
    let names: Vec<_> = spec.environment.iter().map(|(name, _)| name).collect();
    let text_bytes = spec.argv0.len()
        + spec.arguments.iter().map(|a| a.len() + 1).sum::<usize>()
        + spec
            .environment
            .iter()
            .map(|(k, v)| k.len() + v.len() + 2)
            .sum::<usize>();
    let arguments = spec.arguments.len() <= limits::ARGUMENTS_MAX
        && !spec.argv0.contains('\0')
        && is_nul_free(&spec.arguments);
    let environment = names.len() <= limits::ARGUMENTS_MAX
        && is_strictly_sorted(&names)
        && spec
            .environment
            .iter()
            .all(|(k, v)| !k.is_empty() && !k.contains(['=', '\0']) && !v.contains('\0'));
    let preopens: Vec<_> = spec.preopens.iter().map(|p| &p.name).collect();
    let hosts = match &spec.audience {
        Audience::Hosts(hosts) => {
            hosts.len() <= limits::ALLOWED_HOSTS_MAX && is_strictly_sorted(hosts)
        }
        Audience::Members => true,
    };
    let regen = spec.regen.keys.len() <= limits::REGEN_KEYS_MAX
        && is_strictly_sorted::<PublicKey>(&spec.regen.keys);
    let rules = [
        (
            "arguments",
            arguments && text_bytes <= limits::ARGUMENT_BYTES_MAX,
        ),
        ("environment", environment),
        (
            "preopens",
            preopens.len() <= limits::PREOPENS_MAX && is_strictly_sorted(&preopens),
        ),
        ("audience", hosts),
        ("regen", regen),
        (
            "result paths",
            spec.result.paths.len() <= limits::PREOPENS_MAX
                && is_strictly_sorted(&spec.result.paths),
        ),
    ];
    match rules.iter().find(|(_, holds)| !holds) {
        Some((field, _)) => Err(SpecError::List { field }),
        None => Ok(()),
    }
}

fn is_nul_free(texts: &[String]) -> bool {
    texts.iter().all(|text| !text.contains('\0'))
}

fn is_strictly_sorted<T: Ord>(list: &[T]) -> bool {
    list.is_sorted_by(|a, b| a < b)
}
