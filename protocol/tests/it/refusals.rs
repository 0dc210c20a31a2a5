//! Bytes that no decoder may take, tried with every kind of message.

use crate::cbor;
use crate::sample::{self, Trusting, Visitor};
use mutual_protocol::codec::{DEPTH_MAX, DecodeError};
use mutual_protocol::sign::{ENVELOPE_BYTES_MAX, Ed25519, Message, VerifyError};
use mutual_protocol::{PublicKey, Signed, Verified};
use mutual_testkit::seeds;
use std::collections::BTreeMap;

fn read<T: Message>(body: &[u8]) -> Result<Verified<T>, VerifyError> {
    let bytes = cbor::envelope(body, &PublicKey::from_bytes([1; 32]), &[2; 64]);
    Signed::decode(&bytes).unwrap().verify(&Trusting)
}

#[track_caller]
fn refused<T: Message + PartialEq>(name: &str, what: &str, body: &[u8]) {
    let verdict = read::<T>(body);
    let Err(VerifyError::Body(_)) = &verdict else {
        panic!("{name}, {what}: {verdict:?}");
    };
}

/// Defines a test whose body is run for each sample, with `T` as its kind.
macro_rules! for_each_message {
    ($test:ident, |$name:ident, $sample:ident: $kind:ident| $body:block) => {
        #[test]
        fn $test() {
            struct Each;
            impl Visitor for Each {
                fn visit<$kind: Message + PartialEq>(&mut self, $name: &str, $sample: Verified<$kind>) $body
            }
            sample::visit_all(&mut Each);
        }
    };
}

for_each_message!(the_envelope_is_what_the_page_says, |name, sample: T| {
    let body = sample.signed().body();
    let bytes = cbor::forge::<T>(&seeds::OWNER, body);
    if sample.signer() == sample::owner().public() {
        assert_eq!(bytes, sample.signed().encode(), "{name}");
    }
    let read = Signed::<T>::decode(&bytes)
        .unwrap()
        .verify(&Ed25519)
        .unwrap();
    assert_eq!(read.value(), sample.value(), "{name}");
});

for_each_message!(every_truncation_is_refused, |name, sample: T| {
    let bytes = sample.signed().encode();
    for end in 0..bytes.len() {
        assert!(
            Signed::<T>::decode(&bytes[..end]).is_err(),
            "{name} at {end}"
        );
    }
    let body = sample.signed().body();
    for end in 0..body.len() {
        refused::<T>(name, "cut", &body[..end]);
    }
});

for_each_message!(bytes_after_the_end_are_refused, |name, sample: T| {
    let bytes = [sample.signed().encode(), vec![0]].concat();
    assert!(Signed::<T>::decode(&bytes).is_err(), "{name}");
    refused::<T>(name, "longer", &[sample.signed().body(), &[0]].concat());
});

for_each_message!(other_fields_are_refused, |name, sample: T| {
    let pairs = cbor::pairs(sample.signed().body());
    let extra = [vec![b"\x61a\x00".to_vec()], pairs.clone()].concat();
    refused::<T>(name, "one more", &cbor::map(&extra));
    for missing in 0..pairs.len() {
        let mut rest = pairs.clone();
        rest.remove(missing);
        refused::<T>(name, "one less", &cbor::map(&rest));
        let twice = [pairs.clone(), vec![pairs[missing].clone()]].concat();
        refused::<T>(name, "one twice", &cbor::map(&twice));
    }
});

for_each_message!(another_order_of_fields_is_refused, |name, sample: T| {
    let pairs = cbor::pairs(sample.signed().body());
    for at in 1..pairs.len() {
        let mut swapped = pairs.clone();
        swapped.swap(at - 1, at);
        refused::<T>(name, "swapped", &cbor::map(&swapped));
    }
});

for_each_message!(
    longer_spellings_of_numbers_are_refused,
    |name, sample: T| {
        let body = sample.signed().body();
        let mut heads = Vec::new();
        cbor::heads(body, 0, &mut heads);
        for head in heads {
            let Some(wide) = head.widened() else { continue };
            let bytes = [&body[..head.start], &wide, &body[head.end..]].concat();
            refused::<T>(name, &format!("wide head at {}", head.start), &bytes);
        }
    }
);

for_each_message!(
    what_is_too_large_or_too_deep_is_not_looked_at,
    |name, sample: T| {
        let long = vec![0; T::SIZE_MAX + ENVELOPE_BYTES_MAX + 1];
        let verdict = Signed::<T>::decode(&long);
        assert!(
            matches!(verdict, Err(DecodeError::TooLarge { .. })),
            "{name}"
        );
        let verdict = read::<T>(&vec![0; T::SIZE_MAX + 1]);
        let too_large = VerifyError::Body(DecodeError::TooLarge {
            size: T::SIZE_MAX + 1,
            max: T::SIZE_MAX,
        });
        assert_eq!(
            format!("{:?}", verdict.unwrap_err()),
            format!("{too_large:?}")
        );

        let deep = [vec![0x81; DEPTH_MAX], vec![0]].concat();
        let verdict = read::<T>(&deep);
        assert!(
            matches!(verdict, Err(VerifyError::Body(DecodeError::Structure))),
            "{name}"
        );
        assert!(sample.signed().body().len() <= T::SIZE_MAX, "{name}");
    }
);

/// The bytes of each kind, tried as every other kind: the envelope fits, the signature does not.
#[test]
fn a_message_is_of_one_kind_only() {
    struct Collect(BTreeMap<String, (&'static str, Vec<u8>)>);
    impl Visitor for Collect {
        fn visit<T: Message + PartialEq>(&mut self, name: &str, sample: Verified<T>) {
            let bytes = sample.signed().encode();
            self.0.insert(name.to_owned(), (T::TAG, bytes));
        }
    }
    struct Try(BTreeMap<String, (&'static str, Vec<u8>)>);
    impl Visitor for Try {
        fn visit<T: Message + PartialEq>(&mut self, name: &str, _: Verified<T>) {
            for (other, (tag, bytes)) in &self.0 {
                let verdict = Signed::<T>::decode(bytes).map(|signed| signed.verify(&Ed25519));
                let taken = matches!(verdict, Ok(Ok(_)));
                assert_eq!(taken, *tag == T::TAG, "{other} as {name}");
                let by_signature = matches!(verdict, Ok(Err(VerifyError::Signature { .. })));
                let by_size = matches!(verdict, Err(DecodeError::TooLarge { .. }));
                assert!(taken || by_signature || by_size, "{other} as {name}");
            }
        }
    }
    let mut all = Collect(BTreeMap::new());
    sample::visit_all(&mut all);
    let mut tags: Vec<_> = all.0.values().map(|(tag, _)| *tag).collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 22, "{tags:?}");
    sample::visit_all(&mut Try(all.0));
}
