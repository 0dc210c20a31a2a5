//! Golden vectors: the bytes of one value of every kind, which no release may change.

use crate::sample::{self, Visitor};
use crate::{golden, pool_sample};
use mutual_protocol::admission::{Answer, Hello};
use mutual_protocol::codec::{self, DecodeError};
use mutual_protocol::lease::NackReason;
use mutual_protocol::membership::Role;
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::sign::{Ed25519, Message};
use mutual_protocol::ticket::Ticket;
use mutual_protocol::{Signed, Verified, limits};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;
use std::fmt::Debug;

fn path(name: &str, version: u16) -> String {
    format!("protocol/vectors/{name}.v{version}.hex")
}

/// Compares the bytes, then reads the value back from the file.
struct Files(BTreeSet<String>);

impl Visitor for Files {
    fn visit<T: Message + PartialEq>(&mut self, name: &str, sample: Verified<T>) {
        let path = path(name, T::VERSION);
        golden::check(&path, &golden::to_hex(&sample.signed().encode()));
        let signed = Signed::<T>::decode(&golden::read_hex(&path)).unwrap();
        assert_eq!(signed.verify(&Ed25519).unwrap(), sample, "{name}");
        self.0.insert(path);
    }
}

impl Files {
    /// A value that travels inside signed ones, or as content.
    fn plain<T: Serialize + DeserializeOwned + PartialEq + Debug>(
        &mut self,
        name: &str,
        value: &T,
    ) {
        let path = path(name, 1);
        golden::check(&path, &golden::to_hex(&codec::encode(value)));
        let read: Result<T, DecodeError> =
            codec::decode(&golden::read_hex(&path), limits::MANIFEST_BYTES_MAX);
        assert_eq!(read.unwrap(), *value, "{name}");
        self.0.insert(path);
    }

    /// Bytes with an encoding of their own.
    fn bytes<T: PartialEq + Debug>(
        &mut self,
        name: &str,
        value: &T,
        encode: impl Fn(&T) -> Vec<u8>,
        decode: impl Fn(&[u8]) -> T,
    ) {
        let path = path(name, 1);
        golden::check(&path, &golden::to_hex(&encode(value)));
        assert_eq!(decode(&golden::read_hex(&path)), *value, "{name}");
        self.0.insert(path);
    }
}

fn outcomes() -> Vec<Outcome> {
    let text = |text: &str| text.to_owned();
    vec![
        Outcome::Finished { exit_code: 255 },
        Outcome::Trapped {
            trap: text("unreachable"),
        },
        Outcome::OutOfFuel,
        Outcome::TimeLimit,
        Outcome::MemoryLimit,
        Outcome::DiskLimit,
        Outcome::OutputLimit,
        Outcome::Rejected {
            code: text("mc::program::import"),
            detail: text("env::now"),
        },
        Outcome::Cancelled,
        Outcome::RunnerFailed {
            detail: text("signal 9"),
        },
        Outcome::HostFailed {
            code: text("mc::store::full"),
            detail: text("no space left"),
        },
    ]
}

const BLAMES: [Blame; 6] = [
    Blame::Guest,
    Blame::Host,
    Blame::Donor,
    Blame::Owner,
    Blame::Network,
    Blame::Unknown,
];

const REASONS: [NackReason; 10] = [
    NackReason::Leased,
    NackReason::EpochTooLow,
    NackReason::EpochTooHigh,
    NackReason::Decided,
    NackReason::NotEntitled,
    NackReason::TooManyHolds,
    NackReason::Overlaps,
    NackReason::UnknownJob,
    NackReason::StaleToken,
    NackReason::Inadmissible,
];

const ROLES: [Role; 6] = [
    Role::Submit,
    Role::Host,
    Role::Witness,
    Role::Store,
    Role::Relay,
    Role::Gateway,
];

fn pool_files(files: &mut Files) {
    files.plain("member-proof", &pool_sample::delegated_proof());
    files.plain("refusals", &pool_sample::REFUSALS.to_vec());
    for (name, messages) in pool_sample::messages() {
        files.plain(name, &messages);
    }
    files.bytes(
        "ticket",
        &pool_sample::ticket(),
        |ticket| ticket.to_text().into_bytes(),
        |text| Ticket::parse(std::str::from_utf8(text).unwrap()).unwrap(),
    );
    for (name, hello) in pool_sample::hellos() {
        files.bytes(name, &hello, Hello::encode, |b| Hello::decode(b).unwrap());
    }
    for (name, answer) in pool_sample::answers() {
        files.bytes(name, &answer, Answer::encode, |b| {
            Answer::decode(b).unwrap()
        });
    }
}

/// Each value is encoded and compared with its file; each file is decoded, verified and compared with its value; and
/// there is no file that nobody looks at.
#[test]
fn bytes_are_those_of_the_vectors() {
    let mut files = Files(BTreeSet::new());
    sample::visit_all(&mut files);
    files.plain("lease-cert", &sample::lease_cert());
    files.plain("quorum-cert", &sample::quorum_cert());
    files.plain("result-cert", &sample::result_cert());
    files.plain("value-ok", &sample::ok_value());
    files.plain("value-failed", &sample::failed_value());
    files.plain("value-cancelled", &sample::cancelled_value());
    files.plain("manifest", &sample::manifest());
    files.plain("outcomes", &outcomes());
    files.plain("blames", &BLAMES.to_vec());
    files.plain("nack-reasons", &REASONS.to_vec());
    files.plain("roles", &ROLES.to_vec());
    pool_files(&mut files);

    let folder = mutual_testkit::repository_root().join("protocol/vectors");
    let on_disk: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| format!("protocol/vectors/{name}"))
        .collect();
    assert_eq!(on_disk, files.0);
}
