//! Host records, job ads and the keys of the DHT.

use crate::pool_sample::{NOW_MS, contacts, host_record_body, job_ad_body};
use crate::sample::{host, membership, node, owner, pool, stranger, witnesses};
use mutual_protocol::bounded::List;
use mutual_protocol::discovery::{
    Contact, DhtKey, HostRecord, Issue, JobAd, RecordError, WorkShard,
};
use mutual_protocol::ids::Codec;
use mutual_protocol::limits::{CLOCK_SLACK_MS, HOST_RECORD_LIFE_MS_MAX, JOB_AD_LIFE_MS_MAX};
use mutual_protocol::membership::{ProofError, Role};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{Cid, JobId, NodeId, PoolId, SigningKey, Verified};
use std::collections::BTreeSet;

fn record(signer: &SigningKey, change: impl FnOnce(&mut HostRecord)) -> Result<(), RecordError> {
    let mut body = host_record_body();
    change(&mut body);
    signer.sign(body).check(&Ed25519, pool(), NOW_MS)
}

fn ad(signer: &SigningKey, change: impl FnOnce(&mut JobAd)) -> Result<(), RecordError> {
    let mut body = job_ad_body();
    change(&mut body);
    signer.sign(body).check(&Ed25519, pool(), NOW_MS)
}

macro_rules! refused {
    ($verdict:expr, $error:pat) => {
        let verdict = $verdict;
        assert!(matches!(verdict, Err($error)), "{verdict:?}");
    };
}

fn life(max: u64) -> u32 {
    u32::try_from(max).unwrap()
}

#[test]
fn a_host_record_is_its_hosts() {
    let theirs = PoolId::from(stranger().public());
    record(&host(), |_| ()).unwrap();
    refused!(record(&stranger(), |_| ()), RecordError::Signer);
    refused!(
        record(&host(), |record| record.pool = theirs),
        RecordError::OtherPool { .. }
    );
    refused!(
        record(&host(), |record| record.slots = 2),
        RecordError::Slots
    );
    refused!(
        record(&host(), |record| record.membership =
            membership(&owner(), Role::Host).signed().clone()),
        RecordError::Member { .. }
    );
    refused!(
        record(&host(), |record| record.membership =
            membership(&host(), Role::Submit).signed().clone()),
        RecordError::Role
    );
    let forged = membership(&host(), Role::Host).value().clone();
    refused!(
        record(&host(), |record| record.membership =
            host().sign(forged).signed().clone()),
        RecordError::Membership(ProofError::CertSigner { .. })
    );
}

#[test]
fn an_ad_is_the_owners_or_a_witnesses() {
    ad(&owner(), |_| ()).unwrap();
    let witness = witnesses(1).remove(0);
    let of_witness = |role| membership(&witness, role).signed().clone();
    ad(&witness, |ad| ad.membership = of_witness(Role::Witness)).unwrap();
    refused!(
        ad(&witness, |ad| ad.membership = of_witness(Role::Submit)),
        RecordError::Role
    );
    refused!(ad(&witness, |_| ()), RecordError::Member { .. });
    refused!(ad(&stranger(), |_| ()), RecordError::Signer);
    let theirs = PoolId::from(stranger().public());
    refused!(
        ad(&owner(), |ad| ad.pool = theirs),
        RecordError::OtherPool { .. }
    );
}

#[test]
fn an_ad_has_sorted_witnesses_and_few_addresses() {
    let with = |change: fn(&mut Vec<Contact>)| {
        let mut all = contacts();
        change(&mut all);
        ad(&owner(), |ad| ad.witnesses = List::new(all).unwrap())
    };
    refused!(with(|all| all.reverse()), RecordError::Witnesses);
    refused!(with(|all| all[1] = all[0].clone()), RecordError::Witnesses);
    let many = |all: &mut Vec<Contact>| {
        let address = all[0].addresses[0].clone();
        all[0].addresses = List::new(vec![address; 13]).unwrap();
    };
    refused!(with(many), RecordError::Addresses { found: 17 });
    with(|all| all[0].addresses = List::cut([])).unwrap();
}

/// The last moment that is taken and the first one that is not, on both sides.
#[test]
fn records_and_ads_live_for_a_while() {
    let host_record = host().sign(host_record_body());
    let job_ad = owner().sign(job_ad_body());
    for (life, check) in [
        (
            HOST_RECORD_LIFE_MS_MAX,
            &(|now| host_record.check(&Ed25519, pool(), now)) as &dyn Fn(u64) -> _,
        ),
        (JOB_AD_LIFE_MS_MAX, &|now| {
            job_ad.check(&Ed25519, pool(), now)
        }),
    ] {
        check(NOW_MS - CLOCK_SLACK_MS).unwrap();
        refused!(
            check(NOW_MS - CLOCK_SLACK_MS - 1),
            RecordError::Future { .. }
        );
        check(NOW_MS + life + CLOCK_SLACK_MS).unwrap();
        refused!(
            check(NOW_MS + life + CLOCK_SLACK_MS + 1),
            RecordError::Expired { .. }
        );
    }
    for life_ms in [0, life(HOST_RECORD_LIFE_MS_MAX) + 1, u32::MAX] {
        let change = |record: &mut HostRecord| record.issue.life_ms = life_ms;
        refused!(record(&host(), change), RecordError::Life { .. });
    }
    let change = |ad: &mut JobAd| ad.issue.life_ms = life(JOB_AD_LIFE_MS_MAX) + 1;
    refused!(ad(&owner(), change), RecordError::Life { .. });
    let change = |ad: &mut JobAd| ad.issue.issued_at_ms = u64::MAX;
    refused!(ad(&owner(), change), RecordError::Future { .. });
}

#[test]
fn a_receiver_drops_by_its_own_clock() {
    let issue = Issue {
        sequence: 1,
        issued_at_ms: 1_000,
        life_ms: 500,
    };
    assert_eq!(issue.drop_at_ms(3_000), 3_500);
    let late = 1_500 + CLOCK_SLACK_MS;
    assert_eq!(issue.drop_at_ms(late - 100), late, "replayed");
    assert_eq!(issue.drop_at_ms(u64::MAX), late);
}

#[test]
fn the_greater_sequence_of_the_same_publisher_is_newer() {
    let first = host_record_body();
    let mut second = first.clone();
    second.issue.sequence += 1;
    second.issue.issued_at_ms -= 1;
    assert!(second.newer(&first) && !first.newer(&second) && !first.newer(&first));
    second.host = node(&stranger());
    assert!(!second.newer(&first));

    let sign = |key: &SigningKey, sequence, withdrawn| -> Verified<JobAd> {
        let mut ad = job_ad_body();
        (ad.issue.sequence, ad.withdrawn) = (sequence, withdrawn);
        key.sign(ad)
    };
    let first = sign(&owner(), 1, false);
    assert!(sign(&owner(), 2, true).newer(&first));
    assert!(!sign(&owner(), 1, true).newer(&first));
    assert!(!sign(&witnesses(1)[0], u64::MAX, true).newer(&first));
}

#[test]
fn keys_of_the_dht_are_of_one_kind_and_read_back() {
    let bytes = [7; 32];
    let job = JobId::from_bytes(bytes);
    let pool = PoolId::from_bytes(bytes);
    let mut keys = vec![
        DhtKey::Host(NodeId::from_bytes(bytes)),
        DhtKey::Job(job),
        DhtKey::Content(Cid::of(Codec::Raw, b"x")),
        DhtKey::Content(Cid::of(Codec::DagPb, b"x")),
    ];
    keys.extend(WorkShard::all().map(|shard| DhtKey::Work(pool, shard)));
    assert!(WorkShard::all().any(|shard| shard == WorkShard::of(job)));
    let distinct: BTreeSet<_> = keys.iter().map(DhtKey::to_bytes).collect();
    assert_eq!((distinct.len(), keys.len()), (20, 20));
    for key in keys {
        let bytes = key.to_bytes();
        assert_eq!(DhtKey::parse(&bytes), Some(key));
        for end in 0..bytes.len() {
            assert_eq!(DhtKey::parse(&bytes[..end]), None, "{key:?} at {end}");
        }
        let longer = [bytes, vec![0]].concat();
        assert_eq!(DhtKey::parse(&longer), None, "{key:?}");
    }
    let seventeenth = [&b"/mutual/work/"[..], &bytes, &[16]].concat();
    assert_eq!(DhtKey::parse(&seventeenth), None);
    let text = DhtKey::Host(NodeId::from_bytes(bytes)).to_bytes();
    assert!(text.starts_with(b"/mutual/host/"));
}

#[test]
fn jobs_spread_over_all_shards() {
    let shards: BTreeSet<_> = (0..=255)
        .map(|first| WorkShard::of(JobId::from_bytes([first; 32])))
        .collect();
    assert_eq!(
        shards.into_iter().collect::<Vec<_>>(),
        WorkShard::all().collect::<Vec<_>>()
    );
}
