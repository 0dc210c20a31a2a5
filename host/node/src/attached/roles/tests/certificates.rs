//! What `proofs::read` refuses: certificates that are valid each and do not belong together.

use super::*;
use crate::proofs::{self, Bundle, ProofError};
use mutual_protocol::Epoch;
use mutual_protocol::{JobId, Signed};
use mutual_testkit::seeds;

/// A decided run, in one block.
fn bundle(outcome: Outcome) -> (Rig, Bundle) {
    let mut rig = Rig::leased();
    let decision = rig.decide(outcome);
    let bundle = Bundle {
        spec: rig.roles.spec.signed().clone(),
        lease: decision.lease,
        result: decision.result,
        receipt: decision.receipt.signed().clone(),
    };
    (rig, bundle)
}

fn read(rig: &Rig, bundle: &Bundle, job: &JobId) -> Result<&'static str, ProofError> {
    let store = BlockStore::open(rig.folder.path()).unwrap();
    let cid = proofs::keep(&store, bundle).unwrap();
    proofs::read(&store, cid, job).map(|shown| shown.decided)
}

fn check(rig: &Rig, bundle: &Bundle) -> Result<&'static str, ProofError> {
    read(rig, bundle, &rig.roles.spec.job())
}

/// The bundle with another receipt in it.
fn with(bundle: &Bundle, key: &SigningKey, receipt: Receipt) -> Bundle {
    Bundle {
        receipt: key.sign(receipt).signed().clone(),
        ..bundle.clone()
    }
}

fn assert_mixed(read: Result<&'static str, ProofError>) {
    assert!(matches!(read, Err(ProofError::Mixed)), "{read:?}");
}

const FINISHED: Outcome = Outcome::Finished { exit_code: 0 };

#[tokio::test]
async fn certificates_of_every_kind_of_end_are_valid() {
    let failed = Outcome::RunnerFailed {
        detail: String::new(),
    };
    for (outcome, decided) in [
        (FINISHED, "ok"),
        (Outcome::TimeLimit, "failed"),
        (Outcome::Cancelled, "cancelled"),
        (failed, "cancelled"),
    ] {
        let (rig, bundle) = bundle(outcome);
        assert_eq!(check(&rig, &bundle).unwrap(), decided);
    }
}

#[tokio::test]
async fn the_receipt_is_the_one_that_was_decided() {
    for outcome in [FINISHED, Outcome::TimeLimit] {
        let (rig, bundle) = bundle(outcome.clone());
        let mut receipt = rig.receipt(outcome);
        assert!(check(&rig, &with(&bundle, &rig::keys().0, receipt.clone())).is_ok());
        receipt.usage.cpu_us += 1;
        assert_mixed(check(&rig, &with(&bundle, &rig::keys().0, receipt)));
    }
}

/// Nothing decided names the receipt of a cancelled job: what it says of itself is all there is.
#[tokio::test]
async fn the_receipt_is_the_holders_own() {
    let (rig, bundle) = bundle(Outcome::Cancelled);
    let (holder, stranger) = (rig::keys().0, SigningKey::from_seed(&seeds::STRANGER));
    let receipt = rig.receipt(Outcome::Cancelled);
    assert!(check(&rig, &with(&bundle, &holder, receipt.clone())).is_ok());
    assert_mixed(check(&rig, &with(&bundle, &stranger, receipt.clone())));
    let other_host = Receipt {
        host: NodeId::from(stranger.public()),
        ..receipt.clone()
    };
    assert_mixed(check(&rig, &with(&bundle, &holder, other_host)));
    let mut other_token = receipt;
    other_token.token.epoch = Epoch(other_token.token.epoch.0 + 1);
    assert_mixed(check(&rig, &with(&bundle, &holder, other_token)));
}

#[tokio::test]
async fn the_signature_of_the_receipt_is_checked() {
    let (rig, bundle) = bundle(Outcome::Cancelled);
    let mut bytes = bundle.receipt.encode();
    *bytes.last_mut().unwrap() ^= 1;
    let receipt = Signed::decode(&bytes).unwrap();
    let read = check(&rig, &Bundle { receipt, ..bundle });
    assert!(matches!(read, Err(ProofError::Signature(_))), "{read:?}");
}

#[tokio::test]
async fn the_job_is_the_one_that_was_asked_for() {
    let (rig, bundle) = bundle(FINISHED);
    assert_mixed(read(&rig, &bundle, &JobId::from_bytes([7; 32])));
}
