//! What this node keeps for the pool's DHT: in memory, with a bound for each publisher and in all.

use super::{DHT_KEY_BYTES_MAX, DHT_VALUE_BYTES_MAX};
use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Values;
use std::iter::Map;
use tokio::time::Instant;

/// Values of one publisher: its host record and its open jobs.
pub(super) const VALUES_PER_PUBLISHER_MAX: usize = 256;
/// Values in all: 32 MiB when each has the greatest length.
pub(super) const VALUES_MAX: usize = 4096;
/// Keys that one node provides: its attributes, and the content it serves.
pub(super) const PROVIDED_PER_PUBLISHER_MAX: usize = 1024;
/// Provider records in all: 16 MiB with a few addresses each.
pub(super) const PROVIDED_MAX: usize = 32_768;
/// Providers of one key: an answer with all of them fits a packet.
pub(super) const PROVIDERS_PER_KEY_MAX: usize = 128;
/// Addresses of one provider: a few networks, two transports, two families.
const ADDRESSES_MAX: usize = 16;

/// See the module. Records that have expired are not given out, and go when room is needed.
pub(crate) struct Store {
    local: PeerId,
    values: BTreeMap<Vec<u8>, Record>,
    providers: BTreeMap<Vec<u8>, BTreeMap<PeerId, ProviderRecord>>,
}

impl Store {
    pub(crate) const fn new(local: PeerId) -> Self {
        Self {
            local,
            values: BTreeMap::new(),
            providers: BTreeMap::new(),
        }
    }

    /// The bytes held under `key`.
    pub(crate) fn held(&self, key: &[u8]) -> Option<&[u8]> {
        let record = self.values.get(key)?;
        let expired = record.is_expired(Instant::now().into_std());
        (!expired).then_some(record.value.as_slice())
    }

    fn drop_expired(&mut self) {
        let now = Instant::now().into_std();
        self.values.retain(|_, record| !record.is_expired(now));
        self.providers.retain(|_, providers| {
            providers.retain(|_, record| !record.is_expired(now));
            !providers.is_empty()
        });
    }

    fn has_room_for_value(&self, record: &Record) -> bool {
        let others = || self.values.values().filter(|held| held.key != record.key);
        let own = others().filter(|held| held.publisher == record.publisher);
        others().count() < VALUES_MAX && own.count() < VALUES_PER_PUBLISHER_MAX
    }

    fn has_room_for_provider(&self, record: &ProviderRecord) -> bool {
        let held = self.providers.get(record.key.as_ref());
        if held.is_some_and(|held| held.contains_key(&record.provider)) {
            return true;
        }
        let own = self.providers.values();
        let own = own.filter(|providers| providers.contains_key(&record.provider));
        held.map_or(0, BTreeMap::len) < PROVIDERS_PER_KEY_MAX
            && own.count() < PROVIDED_PER_PUBLISHER_MAX
            && self.providers.values().map(BTreeMap::len).sum::<usize>() < PROVIDED_MAX
    }
}

impl RecordStore for Store {
    type RecordsIter<'a> = Map<Values<'a, Vec<u8>, Record>, fn(&'a Record) -> Cow<'a, Record>>;
    type ProvidedIter<'a> = std::vec::IntoIter<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        self.values.get(key.as_ref()).map(Cow::Borrowed)
    }

    fn put(&mut self, record: Record) -> Result<()> {
        if record.value.len() > DHT_VALUE_BYTES_MAX || record.key.as_ref().len() > DHT_KEY_BYTES_MAX
        {
            return Err(Error::ValueTooLarge);
        }
        if !self.has_room_for_value(&record) {
            self.drop_expired();
            if !self.has_room_for_value(&record) {
                return Err(Error::MaxRecords);
            }
        }
        self.values.insert(record.key.to_vec(), record);
        Ok(())
    }

    fn remove(&mut self, key: &RecordKey) {
        self.values.remove(key.as_ref());
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        self.values.values().map(Cow::Borrowed)
    }

    fn add_provider(&mut self, mut record: ProviderRecord) -> Result<()> {
        if record.key.as_ref().len() > DHT_KEY_BYTES_MAX {
            return Err(Error::ValueTooLarge);
        }
        record.addresses.truncate(ADDRESSES_MAX);
        if !self.has_room_for_provider(&record) {
            self.drop_expired();
            if !self.has_room_for_provider(&record) {
                return Err(Error::MaxProvidedKeys);
            }
        }
        let providers = self.providers.entry(record.key.to_vec()).or_default();
        providers.insert(record.provider, record);
        Ok(())
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        let now = Instant::now().into_std();
        let providers = self.providers.get(key.as_ref());
        let providers = providers.into_iter().flat_map(BTreeMap::values);
        let alive = providers.filter(|record| !record.is_expired(now));
        alive.cloned().collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        let own = self.providers.values();
        let own = own.filter_map(|providers| providers.get(&self.local));
        own.map(Cow::Borrowed).collect::<Vec<_>>().into_iter()
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        if let Some(providers) = self.providers.get_mut(key.as_ref()) {
            providers.remove(provider);
            if providers.is_empty() {
                self.providers.remove(key.as_ref());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::peer_of;
    use mutual_protocol::ids::NodeId;
    use std::time::Duration;

    fn peer(number: usize) -> PeerId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        peer_of(NodeId::from_bytes(bytes))
    }

    fn key(number: usize) -> RecordKey {
        RecordKey::from(number.to_be_bytes().to_vec())
    }

    fn value(number: usize, publisher: usize) -> Record {
        let mut record = Record::new(key(number), vec![1]);
        record.publisher = Some(peer(publisher));
        record
    }

    #[test]
    fn one_publisher_cannot_take_the_room_of_others() {
        let mut store = Store::new(peer(0));
        for number in 0..VALUES_PER_PUBLISHER_MAX {
            store.put(value(number, 1)).unwrap();
        }
        let refused = store.put(value(9999, 1));
        assert!(matches!(refused, Err(Error::MaxRecords)));
        store.put(value(9999, 2)).unwrap();
        // Replacing takes no room.
        store.put(value(0, 1)).unwrap();
    }

    #[test]
    fn what_has_expired_makes_room_and_is_not_given_out() {
        let mut store = Store::new(peer(0));
        let past = Instant::now().into_std();
        for number in 0..VALUES_PER_PUBLISHER_MAX {
            let mut record = value(number, 1);
            record.expires = Some(past);
            store.put(record).unwrap();
        }
        assert_eq!(store.held(key(0).as_ref()), None);
        store.put(value(9999, 1)).unwrap();
        assert_eq!(store.records().count(), 1);
        let mut provider = ProviderRecord::new(key(1), peer(1), Vec::new());
        provider.expires = Some(past);
        store.add_provider(provider.clone()).unwrap();
        assert_eq!(store.providers(&key(1)), []);
        provider.expires = Some(past + Duration::from_secs(3600));
        store.add_provider(provider).unwrap();
        assert_eq!(store.providers(&key(1)).len(), 1);
    }

    #[test]
    fn providers_have_their_bounds() {
        let mut store = Store::new(peer(0));
        let add = |store: &mut Store, k, p| {
            store.add_provider(ProviderRecord::new(key(k), peer(p), Vec::new()))
        };
        for number in 0..PROVIDERS_PER_KEY_MAX {
            add(&mut store, 0, number).unwrap();
        }
        assert!(add(&mut store, 0, 9999).is_err());
        for number in 1..PROVIDED_PER_PUBLISHER_MAX {
            add(&mut store, number, 1).unwrap();
        }
        assert!(add(&mut store, 9999, 1).is_err());
        add(&mut store, 9999, 0).unwrap();
        assert_eq!(store.provided().count(), 2);
        store.remove_provider(&key(9999), &peer(0));
        assert_eq!(store.provided().count(), 1);
    }

    #[test]
    fn long_keys_and_values_are_refused() {
        let mut store = Store::new(peer(0));
        let mut record = value(1, 1);
        record.value = vec![0; DHT_VALUE_BYTES_MAX + 1];
        assert!(matches!(store.put(record), Err(Error::ValueTooLarge)));
        let long = RecordKey::from(vec![0; DHT_KEY_BYTES_MAX + 1]);
        let record = ProviderRecord::new(long, peer(1), Vec::new());
        assert!(store.add_provider(record).is_err());
    }
}
