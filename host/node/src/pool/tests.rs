//! Pools on disk: made, found, renewed, left; and what is said about files that cannot be used.

use super::membership::founder_cert;
use super::*;
use crate::clock::Clock;
use crate::home::HomeEnv;
use mutual_lease::BootNanos;
use mutual_protocol::bounded::{Address, List};
use mutual_protocol::limits::{CLOCK_SLACK_MS, MEMBERSHIP_MS_MAX};
use mutual_protocol::membership::{ProofError, Role, verify_cert};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::ticket::Ticket;
use mutual_protocol::{SigningKey, limits::ADDRESSES_MAX};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Some day of 2023.
pub(super) const NOW: u64 = 1_700_000_000_000;

#[derive(Debug)]
pub(super) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(super) fn set(&self, wall_ms: u64) {
        self.0.store(wall_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn boot(&self) -> BootNanos {
        BootNanos(0)
    }

    fn wall_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An account on a machine of its own.
pub(super) struct Machine {
    folder: TempDir,
    pub(super) pools: Pools,
    pub(super) key: Arc<SigningKey>,
    pub(super) clock: Arc<ManualClock>,
}

impl Machine {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            pools: open(&folder),
            folder,
            key: Arc::new(SigningKey::from_seed(&seed)),
            clock: Arc::new(ManualClock(AtomicU64::new(NOW))),
        }
    }

    pub(super) fn node(&self) -> NodeId {
        self.key.public().into()
    }

    pub(super) fn create(&self, name: &str) -> Pool {
        let name = PoolName::new(name).unwrap();
        self.pools.create(self.node(), name, NOW).unwrap()
    }

    /// What another process of the account has.
    pub(super) fn again(&self) -> Pools {
        open(&self.folder)
    }
}

fn open(folder: &TempDir) -> Pools {
    let home = Home::locate(&HomeEnv {
        mc_home: Some(folder.path().to_owned()),
        ..HomeEnv::default()
    });
    Pools::open(&home.unwrap())
}

pub(super) fn founder() -> Machine {
    Machine::new(mutual_testkit::seeds::OWNER)
}

/// A ticket for `uses` hosts, good for an hour, redeemed by `admitter`.
pub(super) fn order(admitter: NodeId, uses: u16) -> TicketOrder {
    TicketOrder {
        admitters: List::new(vec![admitter]).unwrap(),
        addresses: List::new(vec![Address::new("/ip4/192.0.2.1/tcp/4001").unwrap()]).unwrap(),
        roles: [Role::Submit, Role::Host].into(),
        uses,
        life: Duration::from_hours(1),
    }
}

pub(super) fn ticket(pool: &Pool, admitter: NodeId, uses: u16) -> Ticket {
    pool.issue_ticket(order(admitter, uses), NOW).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_pool_is_made_once_and_found_again() {
    let machine = founder();
    assert!(matches!(machine.pools.get(None), Err(FindPoolError::None)));
    let lab = machine.create("lab");
    assert!(lab.is_founder());
    let membership = lab.membership();
    assert_eq!(membership.roles.len(), 6);
    assert_eq!(membership.not_after_ms, NOW + MEMBERSHIP_MS_MAX);
    verify(&lab, NOW).unwrap();
    assert_eq!(mode(&lab.folder), 0o700);
    for name in [KEY, "membership", "tickets", "name"] {
        assert_eq!(mode(&lab.folder.join(name)), 0o600, "{name}");
    }
    let pools = machine.again();
    let id = lab.id().to_string();
    for given in [None, Some("lab"), Some(&id[..6]), Some(id.as_str())] {
        assert_eq!(pools.get(given).unwrap().id(), lab.id(), "{given:?}");
    }
    assert_eq!(pools.list().unwrap().pools.len(), 1);
    let unknown = pools.get(Some("p-none")).unwrap_err();
    assert!(matches!(&unknown, FindPoolError::Unknown { given } if given == "p-none"));
    machine.create("home");
    for given in [None, Some("p-")] {
        let error = pools.get(given).unwrap_err();
        assert!(matches!(error, FindPoolError::Ambiguous { found: 2 }));
    }
    assert!(pools.leave(lab.id()).unwrap());
    assert!(!pools.leave(lab.id()).unwrap());
    assert_eq!(pools.get(None).unwrap().name().unwrap().as_str(), "home");
    assert!(machine.pools.get(Some("lab")).is_err());
}

fn verify(pool: &Pool, now_ms: u64) -> Result<(), ProofError> {
    verify_cert(pool.certificate(), &Ed25519, pool.id(), now_ms).map(drop)
}

#[test]
fn there_are_only_so_many_pools() {
    let machine = founder();
    for _ in 0..POOLS_MAX {
        machine.create("one of many");
    }
    let more = machine
        .pools
        .create(machine.node(), PoolName::default(), NOW);
    assert!(matches!(more, Err(CreatePoolError::Full)));
}

#[test]
fn a_founder_renews_its_own_membership() {
    let machine = founder();
    let mut pool = machine.create("lab");
    let first = pool.membership().clone();
    let third = NOW + MEMBERSHIP_MS_MAX / 3 * 2;
    assert!(!pool.needs_renewal(third - 1));
    assert!(pool.needs_renewal(third));
    pool.renew(third).unwrap();
    assert!(!pool.needs_renewal(third));
    let renewed = pool.membership();
    assert_eq!(renewed.not_after_ms, third + MEMBERSHIP_MS_MAX);
    assert!(renewed.serial > first.serial);
    assert_eq!(machine.again().get(None).unwrap().membership(), renewed);
    let late = third + MEMBERSHIP_MS_MAX + CLOCK_SLACK_MS + 1;
    assert!(verify(&pool, late).is_err());
    assert!(
        machine.pools.get(None).is_ok(),
        "an ended membership is no damage"
    );
    fs::remove_file(pool.folder.join(KEY)).unwrap();
    assert!(matches!(pool.renew(third), Err(KeepCertError::NotFounder)));
}

#[test]
fn only_the_pools_word_for_this_account_is_kept() {
    let machine = founder();
    let (mut pool, other) = (machine.create("lab"), machine.create("other"));
    let before = pool.certificate().clone();
    let foreign = pool.store_certificate(other.certificate().clone(), NOW);
    assert!(matches!(
        foreign,
        Err(KeepCertError::Proof(ProofError::OtherPool { .. }))
    ));
    let key = pool.key().unwrap().unwrap();
    let somebody = NodeId::from_bytes([7; 32]);
    let theirs = pool.store_certificate(founder_cert(&key, somebody, 9, NOW), NOW);
    assert!(matches!(theirs, Err(KeepCertError::Member { member }) if member == somebody));
    let ended = NOW + MEMBERSHIP_MS_MAX + CLOCK_SLACK_MS + 1;
    let late = pool.store_certificate(before.clone(), ended);
    assert!(matches!(
        late,
        Err(KeepCertError::Proof(ProofError::CertExpired { .. }))
    ));
    assert_eq!(pool.certificate(), &before);
    let newer = founder_cert(&key, machine.node(), 9, NOW + 1);
    pool.store_certificate(newer.clone(), NOW).unwrap();
    assert_eq!(
        machine.again().get(Some("lab")).unwrap().certificate(),
        &newer
    );
}

#[test]
fn peers_are_remembered_the_newest_first() {
    let machine = founder();
    let pool = machine.create("lab");
    let longest = format!("/dns/{}/tcp/1", "a".repeat(245));
    let peer = |n: u8| KnownPeer {
        node: NodeId::from_bytes([n; 32]),
        addresses: List::new(vec![Address::new(longest.clone()).unwrap(); ADDRESSES_MAX]).unwrap(),
    };
    assert_eq!(pool.known_peers(), []);
    pool.remember_peers((0..100).map(peer).collect()).unwrap();
    pool.remember_peers(vec![peer(200), peer(7)]).unwrap();
    let known = machine.again().get(None).unwrap().known_peers();
    assert_eq!(known.len(), PEERS_MAX);
    assert_eq!(known[..3], [peer(200), peer(7), peer(0)]);
    fs::write(pool.folder.join("peers"), "torn").unwrap();
    assert_eq!(pool.known_peers(), []);
    pool.remember_peers(vec![peer(1)]).unwrap();
    assert_eq!(pool.known_peers(), [peer(1)]);
}

/// Each file is cut off, garbled, made too long and of a later version. The error must name the file and the next step.
#[test]
fn damaged_files_are_named_with_the_next_step() {
    let machine = founder();
    let (pool, sound) = (machine.create("lab"), machine.create("sound"));
    pool.revoke(1).unwrap();
    let read = |name: &str| -> Result<(), PoolFileError> {
        match name {
            "tickets" => pool.uses_left(&ticket_secret(), NOW).map(drop),
            "revoked" => pool.revoked().map(drop),
            KEY => pool.key().map(drop),
            _ => Pool::read(&pool.root, pool.id()).map(drop),
        }
    };
    for name in ["tickets", "revoked", "membership", "name", KEY] {
        let path = pool.folder.join(name);
        let whole = fs::read(&path).unwrap();
        let cut = whole.split_last().unwrap().1.to_vec();
        let mut later = whole.clone();
        let version = later.iter().position(|byte| *byte == b'\n').unwrap() - 1;
        later[version] = b'2';
        let long = [whole.clone(), vec![0; 1 << 21]].concat();
        for bad in [Vec::new(), cut, later, long] {
            fs::write(&path, bad).unwrap();
            let error = read(name).unwrap_err();
            assert!(matches!(&error, PoolFileError::Damaged { path: named, .. } if *named == path));
            let text = error.to_string();
            assert!(
                text.contains(path.to_str().unwrap()) && text.contains(": "),
                "{text}"
            );
        }
        if name == "membership" {
            let list = machine.pools.list().unwrap();
            assert_eq!((list.pools.len(), list.damaged.len()), (1, 1));
            assert_eq!(list.pools[0].id(), sound.id());
            fs::remove_file(&path).unwrap();
            assert!(read(name).is_err(), "a pool without a membership is none");
        }
        fs::write(&path, whole).unwrap();
        read(name).unwrap();
    }
}

fn ticket_secret() -> mutual_protocol::ticket::TicketSecret {
    mutual_protocol::ticket::TicketSecret::from_bytes([1; 16])
}

#[test]
fn the_key_of_another_pool_and_an_exposed_key_are_refused() {
    let machine = founder();
    let (pool, other) = (machine.create("lab"), machine.create("other"));
    let path = pool.folder.join(KEY);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = pool.clone().renew(NOW).unwrap_err();
    assert_eq!(error.code().code, "mc::identity::damaged");
    assert!(
        error.to_string().ends_with("(mode 640): chmod 600"),
        "{error}"
    );
    fs::copy(other.folder.join(KEY), &path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(pool.key(), Err(PoolFileError::Damaged { .. })));
}

#[test]
fn what_a_crash_left_is_in_nobodys_way() {
    let machine = founder();
    let pool = machine.create("lab");
    fs::write(pool.folder.join(".tickets.new"), "torn").unwrap();
    for left in [".new", ".old"] {
        fs::create_dir_all(pool.root.join(left).join("deep")).unwrap();
    }
    ticket(&pool, machine.node(), 1);
    machine.create("home");
    machine.pools.leave(pool.id()).unwrap();
    let mut names = files::names(&machine.pools.root).unwrap();
    names.sort();
    let home = machine.pools.get(None).unwrap().id().to_string();
    assert_eq!(names, ["lock".to_owned(), home]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let machine = founder();
    let root = &machine.pools.root;
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    fs::write(root, "in the way").unwrap();
    let error = machine
        .pools
        .create(machine.node(), PoolName::default(), NOW)
        .unwrap_err();
    assert_eq!(error.code().code, "mc::store::io");
    assert!(
        error.to_string().contains(root.to_str().unwrap()),
        "{error}"
    );
}
