//! Specs that are signed well and not acted upon: each rule broken once.

use crate::sample;
use mutual_protocol::ids::SpecHash;
use mutual_protocol::manifest::GuestPath;
use mutual_protocol::spec::{Audience, JobSpec, Preopen, ProgramKind, SpecError};
use mutual_protocol::{NodeId, OwnerId, PublicKey, limits};

type Change = fn(&mut JobSpec);

fn check(change: impl FnOnce(&mut JobSpec)) -> Result<(), SpecError> {
    let mut body = sample::spec_body();
    change(&mut body);
    sample::owner().sign(body).check()
}

#[test]
fn whole_specs_pass() {
    assert_eq!(sample::spec().check(), Ok(()));
    assert_eq!(
        sample::owner().sign(sample::next_spec_body()).check(),
        Ok(())
    );
    let first = sample::spec();
    let next = sample::owner().sign(sample::next_spec_body());
    assert_eq!(next.job(), first.job(), "a job keeps its id");
    assert_ne!(next.spec_hash(), first.spec_hash());
}

#[test]
fn a_spec_is_signed_by_its_owner() {
    let verdict = sample::stranger().sign(sample::spec_body()).check();
    assert_eq!(verdict, Err(SpecError::Signer));
    let verdict = check(|s| s.owner = OwnerId::from(sample::host().public()));
    assert_eq!(verdict, Err(SpecError::Signer));
}

#[test]
fn generation_0_has_no_predecessor_and_others_have_one() {
    let zero: [Change; 4] = [
        |s| s.previous = Some(SpecHash::from_bytes([1; 32])),
        |s| s.job = Some(sample::spec().job()),
        |s| s.seal_cert = Some(Vec::new()),
        |s| s.generation.0 = 1,
    ];
    for change in zero {
        assert!(matches!(check(change), Err(SpecError::Chain { .. })));
    }
    let one: [Change; 4] = [
        |s| s.previous = None,
        |s| s.job = None,
        |s| s.seal_cert = None,
        |s| s.generation.0 = 0,
    ];
    for change in one {
        let mut body = sample::next_spec_body();
        change(&mut body);
        let verdict = sample::owner().sign(body).check();
        assert!(matches!(verdict, Err(SpecError::Chain { .. })));
    }
}

#[test]
fn witness_sets_are_those_that_are_safe() {
    for n in 0..=7 {
        for q in 0..=8 {
            let known = [(1, 1), (3, 2), (5, 3), (4, 3), (7, 5)].contains(&(n, q));
            let verdict = check(|s| s.witnesses = sample::witness_set(n, q));
            let want = if known {
                Ok(())
            } else {
                Err(SpecError::Witnesses { n, q })
            };
            assert_eq!(verdict, want);
        }
    }
    let twice = check(|s| s.witnesses.keys[1] = s.witnesses.keys[0]);
    assert_eq!(twice, Err(SpecError::Witnesses { n: 3, q: 2 }));
    let unsorted = check(|s| s.witnesses.keys.reverse());
    assert_eq!(unsorted, Err(SpecError::Witnesses { n: 3, q: 2 }));
}

#[test]
fn tasks_shards_and_replicas_fit_together() {
    let broken: [Change; 10] = [
        |s| s.shape.tasks = 0,
        |s| s.shape.tasks_per_shard = 0,
        |s| s.shape.shards = 3,
        |s| s.shape.shards = 5,
        |s| (s.shape.tasks, s.shape.shards) = (u64::MAX, u32::MAX),
        |s| {
            s.shape.tasks_per_shard = 1;
            s.shape.shards = limits::SHARDS_MAX + 1;
            s.shape.tasks = u64::from(s.shape.shards);
        },
        |s| s.shape.replicas = 0,
        |s| s.shape.replicas = limits::REPLICAS_MAX + 1,
        |s| s.shape.agree = 0,
        |s| s.shape.agree = 3,
    ];
    for change in broken {
        assert_eq!(check(change), Err(SpecError::Shape));
    }
}

#[test]
fn numbers_lie_within_their_limits() {
    let broken: [(&str, Change); 14] = [
        ("lease_ttl_ms", |s| {
            s.lease_ttl_ms = limits::LEASE_TTL_MS_MIN - 1
        }),
        ("lease_ttl_ms", |s| {
            s.lease_ttl_ms = limits::LEASE_TTL_MS_MAX + 1
        }),
        ("not_after_ms", |s| s.not_after_ms = s.not_before_ms),
        ("attempt_ms_max", |s| {
            s.attempt_ms_max = u64::from(s.lease_ttl_ms) - 1
        }),
        ("memory_bytes_max", |s| s.limits.memory_bytes_max = 0),
        ("memory_bytes_max", |s| {
            s.limits.memory_bytes_max = limits::MEMORY_BYTES_MAX + 1
        }),
        ("files_max", |s| s.limits.files_max = limits::FILES_MAX + 1),
        ("program size", |s| s.program.size = 7),
        ("program size", |s| {
            s.program.size = limits::PROGRAM_BYTES_MAX + 1
        }),
        ("retries", |s| s.retries = 16),
        ("regen", |s| s.regen.threshold = 0),
        ("regen", |s| s.regen.threshold = 2),
        ("regen", |s| s.regen.keys.clear()),
        ("regen", |s| {
            s.regen.keys = sample::witness_set(4, 3).keys;
            s.regen.threshold = 2; // half is not more than half
        }),
    ];
    for (field, change) in broken {
        assert_eq!(check(change), Err(SpecError::Range { field }));
    }
}

#[test]
fn lists_are_sorted_and_bounded() {
    let broken: [(&str, Change); 21] = [
        ("arguments", |s| {
            s.arguments = vec![String::new(); limits::ARGUMENTS_MAX + 1]
        }),
        ("arguments", |s| s.arguments = vec!["a\0".to_owned()]),
        ("arguments", |s| s.argv0 = "\0".to_owned()),
        ("arguments", |s| {
            s.argv0 = "x".repeat(limits::ARGUMENT_BYTES_MAX)
        }),
        ("arguments", |s| {
            s.environment[1].1 = "x".repeat(limits::ARGUMENT_BYTES_MAX)
        }),
        ("environment", |s| s.environment.reverse()),
        ("environment", |s| {
            s.environment[1] = s.environment[0].clone()
        }),
        ("environment", |s| s.environment[0].0.clear()),
        ("environment", |s| s.environment[0].0 = "A=B".to_owned()),
        ("environment", |s| s.environment[0].0 = "A\0".to_owned()),
        ("environment", |s| s.environment[0].1 = "\0".to_owned()),
        ("environment", |s| {
            s.environment = numbered(limits::ARGUMENTS_MAX + 1)
        }),
        ("preopens", |s| s.preopens.push(s.preopens[0].clone())),
        ("preopens", |s| {
            s.preopens = preopens(limits::PREOPENS_MAX + 1)
        }),
        ("audience", |s| s.audience = hosts(&[2, 1])),
        ("audience", |s| s.audience = hosts(&[1, 1])),
        ("audience", |s| {
            s.audience = hosts(&first(limits::ALLOWED_HOSTS_MAX + 1))
        }),
        ("regen", |s| s.regen.keys = keys(&[2, 1])),
        ("regen", |s| {
            s.regen.keys = keys(&first(limits::REGEN_KEYS_MAX + 1))
        }),
        ("result paths", |s| s.result.paths.reverse()),
        ("result paths", |s| {
            s.result.paths = paths(limits::PREOPENS_MAX + 1)
        }),
    ];
    for (field, change) in broken {
        let verdict = check(|s| {
            change(s);
            let n = u16::try_from(s.regen.keys.len()).unwrap();
            s.regen.threshold = s.regen.threshold.max(n / 2 + 1);
        });
        assert_eq!(verdict, Err(SpecError::List { field }));
    }
}

/// The longest lists that pass, so that the lists above are refused for their length alone.
#[test]
fn full_lists_pass() {
    let verdict = check(|s| {
        s.preopens = preopens(limits::PREOPENS_MAX);
        s.environment = numbered(limits::ARGUMENTS_MAX);
        s.result.paths = paths(limits::PREOPENS_MAX);
        s.arguments = vec![String::new(); limits::ARGUMENTS_MAX];
        s.audience = hosts(&first(limits::ALLOWED_HOSTS_MAX));
        s.regen.keys = keys(&first(limits::REGEN_KEYS_MAX));
        s.regen.threshold = 9;
    });
    assert_eq!(verdict, Ok(()));
}

#[test]
fn programs_are_told_apart_by_their_header() {
    assert_eq!(
        ProgramKind::of(b"\0asm\x01\0\0\0..."),
        Some(ProgramKind::Module)
    );
    assert_eq!(
        ProgramKind::of(b"\0asm\x0d\0\x01\0..."),
        Some(ProgramKind::Component)
    );
    for other in [
        &b"\0asm\x01\0\0"[..],
        b"\0asm\x02\0\0\0",
        b"\x7fELF\x02\x01\x01\0",
        b"",
    ] {
        assert_eq!(ProgramKind::of(other), None);
    }
}

fn numbered(count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|i| (format!("V{i:05}"), String::new()))
        .collect()
}

fn preopens(count: usize) -> Vec<Preopen> {
    let preopen = |i| Preopen {
        name: format!("{i:03}"),
        path: None,
        writable: false,
    };
    (0..count).map(preopen).collect()
}

fn paths(count: usize) -> Vec<GuestPath> {
    (0..count)
        .map(|i| GuestPath::parse(&format!("{i:03}")).unwrap())
        .collect()
}

/// Names of that many keys, in order.
fn first(count: usize) -> Vec<u16> {
    (0..u16::try_from(count).unwrap()).collect()
}

fn keys(names: &[u16]) -> Vec<PublicKey> {
    let key = |name: &u16| {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&name.to_be_bytes());
        PublicKey::from_bytes(bytes)
    };
    names.iter().map(key).collect()
}

fn hosts(names: &[u16]) -> Audience {
    Audience::Hosts(keys(names).into_iter().map(NodeId::from).collect())
}
