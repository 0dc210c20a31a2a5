//! What is encoded is decoded again, and no bytes or texts do harm. Inputs are random; proptest prints the failing one.

use crate::sample::{self, Trusting, Visitor};
use mutual_protocol::codec;
use mutual_protocol::ids::{Codec, Nonce, SealId, Signature};
use mutual_protocol::lease::{CheckpointHead, Renew};
use mutual_protocol::manifest::{Entry, GuestPath, Manifest, Node};
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::{AttemptRecord, Usage};
use mutual_protocol::sign::{Ed25519, Message};
use mutual_protocol::{
    Cid, Digest, Epoch, FencingToken, Generation, JobId, NodeId, OwnerId, PoolId, PublicKey,
    RegisterId, ReplicaIndex, ShardIndex, ShardRange, Signed, Slot, SpecHash, Verified,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::{Debug, Display};
use std::str::FromStr;

fn text_round_trip<T: Display + FromStr<Err: Debug> + PartialEq + Debug>(id: &T) {
    assert_eq!(&id.to_string().parse::<T>().unwrap(), id);
}

/// Whatever is taken as a `T` is spelled in one way only.
fn parses_only_itself<T: Display + FromStr>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string(), text);
    }
}

fn path_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c/.]{0,12}", "\\PC{0,40}", any::<String>()]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let node = prop_oneof![
        Just(Node::Directory),
        (any::<u64>(), any::<bool>()).prop_map(|(size, executable)| Node::File {
            cid: Cid::of(Codec::Raw, &size.to_be_bytes()),
            size,
            executable,
        })
    ];
    let path = "[a-c]{1,2}(/[a-c]{1,2}){0,3}".prop_map(|text| GuestPath::parse(&text).unwrap());
    vec(
        (path, node).prop_map(|(path, node)| Entry { path, node }),
        0..12,
    )
}

prop_compose! {
    fn token()(
        job: [u8; 32], generation: u64, first: u32, count: u32, replica: Option<u16>, epoch: u32,
    ) -> FencingToken {
        let slot = replica.map_or(Slot::Pick, |replica| Slot::Replica(ReplicaIndex(replica)));
        let shards = ShardRange { first: ShardIndex(first), count };
        let (job, generation) = (JobId::from_bytes(job), Generation(generation));
        let register = RegisterId { job, generation, shards, slot };
        FencingToken { register, epoch: Epoch(epoch) }
    }
}

proptest! {
    #[test]
    fn ids_survive_their_text_form(bytes: [u8; 32], half: [u8; 16], double in vec(any::<u8>(), 64)) {
        text_round_trip(&PublicKey::from_bytes(bytes));
        text_round_trip(&Digest::from_bytes(bytes));
        text_round_trip(&JobId::from_bytes(bytes));
        text_round_trip(&SpecHash::from_bytes(bytes));
        text_round_trip(&NodeId::from_bytes(bytes));
        text_round_trip(&OwnerId::from_bytes(bytes));
        text_round_trip(&PoolId::from_bytes(bytes));
        text_round_trip(&SealId::from_bytes(bytes));
        text_round_trip(&Nonce::from_bytes(half));
        text_round_trip(&Signature::from_bytes(double.try_into().unwrap()));
        for codec in [Codec::Raw, Codec::DagPb, Codec::DagCbor] {
            let cid = Cid::of(codec, &bytes);
            text_round_trip(&cid);
            prop_assert_eq!(Cid::from_bytes(&cid.to_bytes()).unwrap(), cid);
        }
    }

    #[test]
    fn an_id_has_one_spelling(text in "j-[0-9a-z]{52}", other: String) {
        parses_only_itself::<JobId>(&text);
        parses_only_itself::<JobId>(&other);
        parses_only_itself::<Nonce>(&other);
        drop(other.parse::<Cid>());
    }

    #[test]
    fn paths_have_a_normal_form_that_stays_below_the_root(text in path_text()) {
        let Ok(path) = GuestPath::parse(&text) else { return Ok(()) };
        prop_assert_eq!(&GuestPath::parse(path.as_str()).unwrap(), &path);
        prop_assert_eq!(&GuestPath::parse(&path.to_string()).unwrap(), &path);
        prop_assert!(path.names().all(|name| !matches!(name, "" | "." | "..")));
        let bytes = codec::encode(&path);
        prop_assert_eq!(codec::decode::<GuestPath>(&bytes, bytes.len()).unwrap(), path);
        if text != GuestPath::parse(&text).unwrap().as_str() {
            let raw = codec::encode(&text);
            prop_assert!(codec::decode::<GuestPath>(&raw, raw.len()).is_err());
        }
    }

    #[test]
    fn manifests_are_canonical(entries in entries()) {
        let forward = Manifest::new(entries.clone());
        let backward = Manifest::new(entries.iter().rev().cloned().collect());
        prop_assert_eq!(forward.is_ok(), backward.is_ok(), "the order given does not matter");
        let Ok(manifest) = forward else { return Ok(()) };
        prop_assert_eq!(&manifest, &backward.unwrap());
        let bytes = codec::encode(&manifest);
        prop_assert_eq!(&codec::decode::<Manifest>(&bytes, bytes.len()).unwrap(), &manifest);
        for (i, entry) in manifest.entries().iter().enumerate() {
            let below = |other: &Entry| other.path.below(&entry.path).is_some();
            prop_assert_eq!(manifest.entries().iter().filter(|e| below(e)).count(), 1, "{}", i);
        }
    }

    #[test]
    fn signed_values_survive_the_envelope(
        token in token(), number: u32, fuel: u64, cpu_us: u64, checkpoint: Option<u64>, detail: String,
    ) {
        let usage = Usage { fuel, cpu_us, ..Usage::default() };
        let cid = Cid::of(Codec::Raw, detail.as_bytes());
        let checkpoint = checkpoint.map(|sequence| CheckpointHead { sequence, cid });
        survives(Renew { token, number, lease: None, usage, checkpoint });
        let outcome = Outcome::RunnerFailed { detail: detail.chars().take(500).collect() };
        survives(AttemptRecord { token, outcome, ..sample::attempt_body() });
    }
}

#[test]
fn any_bytes_do_no_harm() {
    sample::visit_all(&mut Take);
}

/// Near misses get further into the decoders than noise does.
#[test]
fn damaged_messages_do_no_harm() {
    sample::visit_all(&mut Damage);
}

fn survives<T: Message + PartialEq>(value: T) {
    let signed = sample::host().sign(value);
    let read = Signed::<T>::decode(&signed.signed().encode()).unwrap();
    assert_eq!(read.verify(&Ed25519).unwrap(), signed);
}

/// Decodes as far as it goes; what is taken has these bytes and no others.
fn take<T: Message>(bytes: &[u8]) {
    if let Ok(signed) = Signed::<T>::decode(bytes) {
        assert_eq!(signed.encode(), bytes);
        if let Ok(verified) = signed.verify(&Trusting) {
            assert_eq!(codec::encode(verified.value()), signed.body());
        }
    }
    if let Ok(value) = codec::decode::<T>(bytes, T::SIZE_MAX) {
        assert_eq!(codec::encode(&value), bytes);
    }
}

/// Tries random inputs; the failing one is in the panic's message.
pub(crate) fn try_all<S: Strategy>(inputs: &S, test: impl Fn(S::Value)) {
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(128)
    };
    let verdict = TestRunner::new(config).run(inputs, |input| {
        test(input);
        Ok(())
    });
    verdict.unwrap_or_else(|failure| panic!("{failure}"));
}

struct Take;

impl Visitor for Take {
    fn visit<T: Message + PartialEq>(&mut self, _: &str, _: Verified<T>) {
        try_all(&vec(any::<u8>(), 0..200), |bytes| take::<T>(&bytes));
    }
}

struct Damage;

impl Visitor for Damage {
    fn visit<T: Message + PartialEq>(&mut self, _: &str, sample: Verified<T>) {
        let edits = vec((any::<Index>(), any::<u8>()), 1..6);
        for good in [sample.signed().encode(), sample.signed().body().to_vec()] {
            try_all(&edits, |edits| {
                let mut bytes = good.clone();
                for (at, byte) in edits {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                take::<T>(&bytes);
            });
        }
    }
}
