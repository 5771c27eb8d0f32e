use std::sync::Arc;
use std::time::{Duration, Instant};

use wirewright_core::handshake::Identity;

use super::{Cache, Key};

const fn key(number: u8) -> Key {
    [number; 32]
}

/// The numbers of the entries that are there; looking uses none of them.
fn numbers(cache: &Cache) -> Vec<u8> {
    assert_eq!(cache.order.len(), cache.entries.len());
    cache.order.values().map(|key| key[0]).collect()
}

#[test]
fn longest_unused_entry_makes_room() {
    let now = Instant::now();
    let later = now + Duration::from_secs(60);
    let mut cache = Cache::new(3);
    let insert = |cache: &mut Cache, number: u8| {
        let identity = Arc::new(Identity::new(number.to_string()));
        cache.insert(key(number), identity, later);
    };
    for number in 1..=3 {
        insert(&mut cache, number);
    }
    assert_eq!(cache.get(&key(1), now).unwrap().name, "1");
    insert(&mut cache, 4);
    assert_eq!(numbers(&cache), [3, 1, 4]);
    insert(&mut cache, 3);
    assert_eq!(numbers(&cache), [1, 4, 3], "the same token is one entry");
    for number in 0..=255 {
        insert(&mut cache, number);
    }
    assert_eq!(numbers(&cache), [253, 254, 255]);
    cache.remove(&key(254));
    assert!(cache.get(&key(254), now).is_none());
    assert!(cache.get(&key(255), later).is_none(), "it is over");
    assert_eq!(numbers(&cache), [253]);
    cache.clear();
    assert!(numbers(&cache).is_empty());
    let mut none = Cache::new(0);
    insert(&mut none, 1);
    assert!(numbers(&none).is_empty());
}
