//! Proofs of membership: what is wrong is named, and nothing wrong is taken.

use crate::pool_sample::{
    NOW_MS, cert_body, delegated_proof, delegation_body, direct_proof, transport,
};
use crate::sample::{POOL, host, key, node, owner, pool, stranger};
use mutual_protocol::limits::{
    CLOCK_SLACK_MS, DELEGATION_MS_MAX, MEMBER_PROOF_BYTES_MAX, MEMBERSHIP_MS_MAX,
};
use mutual_protocol::membership::{
    Delegation, Member, MemberProof, MembershipCert, ProofError, Role,
};
use mutual_protocol::sign::{Ed25519, VerifyError};
use mutual_protocol::{NodeId, PoolId, SigningKey};
use std::collections::BTreeSet;

fn verify(proof: &MemberProof) -> Result<Member, ProofError> {
    proof.verify(&Ed25519, pool(), transport(), NOW_MS)
}

/// The owner's proof with another certificate.
fn with_cert(signer: &SigningKey, change: impl FnOnce(&mut MembershipCert)) -> MemberProof {
    let mut cert = cert_body();
    change(&mut cert);
    MemberProof {
        cert: signer.sign(cert).signed().clone(),
        ..delegated_proof()
    }
}

/// The owner's proof with another delegation.
fn with_delegation(signer: &SigningKey, change: impl FnOnce(&mut Delegation)) -> MemberProof {
    let mut delegation = delegation_body();
    change(&mut delegation);
    MemberProof {
        delegation: Some(signer.sign(delegation).signed().clone()),
        ..delegated_proof()
    }
}

macro_rules! refused {
    ($proof:expr, $error:pat $(if $guard:expr)?) => {
        let verdict = verify(&$proof);
        assert!(matches!(verdict, Err($error) $(if $guard)?), "{verdict:?}");
    };
}

#[test]
fn a_member_is_known_by_its_own_key_and_by_a_delegated_one() {
    let member = verify(&delegated_proof()).unwrap();
    let expected = Member {
        node: node(&owner()),
        roles: BTreeSet::from([Role::Submit]),
        serial: 7,
        transport: transport(),
        not_after_ms: delegation_body().not_after_ms,
    };
    assert_eq!(member, expected);

    let own = node(&host());
    let member = direct_proof()
        .verify(&Ed25519, pool(), own, NOW_MS)
        .unwrap();
    assert_eq!((member.node, member.transport), (own, own));
    assert_eq!(member.not_after_ms, cert_body().not_after_ms);
}

#[test]
fn certificates_of_others_are_refused() {
    let mut proof = delegated_proof();
    let theirs = PoolId::from(stranger().public());
    let verdict = proof.verify(&Ed25519, theirs, transport(), NOW_MS);
    assert!(matches!(verdict, Err(ProofError::OtherPool { found }) if found == pool()));
    refused!(
        with_cert(&stranger(), |cert| cert.pool = theirs),
        ProofError::OtherPool { .. }
    );
    refused!(
        with_cert(&stranger(), |_| ()),
        ProofError::CertSigner { .. }
    );

    let mut bytes = proof.encode();
    let at = bytes.windows(4).position(|w| w == b"pool").unwrap() + 8;
    bytes[at] ^= 1;
    proof = MemberProof::decode(&bytes).unwrap();
    refused!(proof, ProofError::Cert(VerifyError::Signature { .. }));
}

#[test]
fn roles_are_sorted() {
    let pool_key = key(&POOL);
    for roles in [
        vec![Role::Host, Role::Submit],
        vec![Role::Submit, Role::Submit],
    ] {
        refused!(
            with_cert(&pool_key, |cert| cert.roles = roles),
            ProofError::Roles
        );
    }
    assert!(verify(&with_cert(&pool_key, |cert| cert.roles = vec![])).is_ok());
}

/// Each end of validity is tried at the last moment that is taken and at the first one that is not.
#[test]
fn time_is_over_and_too_far_away() {
    let cert = |end| with_cert(&key(&POOL), |cert| cert.not_after_ms = end);
    assert!(verify(&cert(NOW_MS - CLOCK_SLACK_MS)).is_ok());
    refused!(
        cert(NOW_MS - CLOCK_SLACK_MS - 1),
        ProofError::CertExpired { .. }
    );
    let last = NOW_MS + MEMBERSHIP_MS_MAX + CLOCK_SLACK_MS;
    assert!(verify(&cert(last)).is_ok());
    refused!(cert(last + 1), ProofError::CertTooLong { .. });
    refused!(cert(u64::MAX), ProofError::CertTooLong { .. });
    refused!(cert(0), ProofError::CertExpired { .. });

    let delegation = |end| with_delegation(&owner(), |delegation| delegation.not_after_ms = end);
    assert!(verify(&delegation(NOW_MS - CLOCK_SLACK_MS)).is_ok());
    refused!(
        delegation(NOW_MS - CLOCK_SLACK_MS - 1),
        ProofError::DelegationExpired { .. }
    );
    let last = NOW_MS + DELEGATION_MS_MAX + CLOCK_SLACK_MS;
    assert!(verify(&delegation(last)).is_ok());
    refused!(delegation(last + 1), ProofError::DelegationTooLong { .. });
    refused!(delegation(u64::MAX), ProofError::DelegationTooLong { .. });
}

#[test]
fn delegations_of_and_for_others_are_refused() {
    let verdict = direct_proof().verify(&Ed25519, pool(), transport(), NOW_MS);
    assert!(
        matches!(verdict, Err(ProofError::DelegationMissing { member, transport: by })
            if member == node(&host()) && by == transport())
    );
    refused!(
        with_delegation(&stranger(), |_| ()),
        ProofError::DelegationSigner { .. }
    );
    let theirs = node(&stranger());
    refused!(
        with_delegation(&stranger(), |delegation| delegation.member = theirs),
        ProofError::DelegationSigner { .. }
    );
    refused!(
        with_delegation(&owner(), |delegation| delegation.transport = theirs),
        ProofError::DelegationKey { found } if found == theirs
    );
    // A delegation for another key does not make the member's own connection better or worse than it says.
    let verdict = delegated_proof().verify(&Ed25519, pool(), node(&owner()), NOW_MS);
    assert!(matches!(verdict, Err(ProofError::DelegationKey { .. })));

    let mut bytes = delegated_proof().encode();
    let at = bytes.windows(9).position(|w| w == b"transport").unwrap() + 12;
    bytes[at] ^= 1;
    refused!(
        MemberProof::decode(&bytes).unwrap(),
        ProofError::Delegation(VerifyError::Signature { .. })
    );
}

#[test]
fn a_proof_that_is_too_long_is_not_looked_at() {
    assert!(delegated_proof().encode().len() <= MEMBER_PROOF_BYTES_MAX);
    let long = vec![0xa0; MEMBER_PROOF_BYTES_MAX + 1];
    assert!(format!("{:?}", MemberProof::decode(&long)).contains("TooLarge"));
}

#[test]
fn a_key_that_is_no_point_signs_nothing() {
    let nobody = NodeId::from_bytes([0xff; 32]);
    let verdict = delegated_proof().verify(
        &Ed25519,
        PoolId::from_bytes(*nobody.as_bytes()),
        nobody,
        NOW_MS,
    );
    assert!(matches!(verdict, Err(ProofError::OtherPool { .. })));
}
