//! One thread at a time does what several want done.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;

/// What is under way, by what it is for.
pub(crate) struct Flights<K, V> {
    flights: Mutex<HashMap<K, Arc<Flight<V>>>>,
}

struct Flight<V> {
    state: Mutex<State<V>>,
    landed: Condvar,
}

enum State<V> {
    UnderWay,
    Landed(V),
    /// Who did it panicked.
    Lost,
}

impl<K: Copy + Eq + Hash, V: Clone> Flights<K, V> {
    pub(crate) fn new() -> Self {
        Self { flights: Mutex::new(HashMap::new()) }
    }

    /// What comes of `work`, which the first of those runs who want it for this key at the same
    /// time. `None` for others whose `patience` is over before, and where the first panicked.
    pub(crate) fn run(&self, key: K, patience: Duration, work: impl FnOnce() -> V) -> Option<V> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&key) {
            let flight = Arc::clone(flight);
            drop(flights);
            return flight.wait(patience);
        }
        let flight =
            Arc::new(Flight { state: Mutex::new(State::UnderWay), landed: Condvar::new() });
        flights.insert(key, Arc::clone(&flight));
        drop(flights);
        let mut landing = Landing { flights: self, key, flight, state: State::Lost };
        let value = work();
        landing.state = State::Landed(value.clone());
        Some(value)
    }
}

impl<V: Clone> Flight<V> {
    fn wait(&self, patience: Duration) -> Option<V> {
        let is_under_way = |state: &mut State<V>| matches!(state, State::UnderWay);
        let waited = self.landed.wait_timeout_while(lock(&self.state), patience, is_under_way);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Landed(value) => Some(value.clone()),
            State::UnderWay | State::Lost => None,
        }
    }
}

/// Tells those who wait, also where the work panics.
struct Landing<'a, K: Copy + Eq + Hash, V> {
    flights: &'a Flights<K, V>,
    key: K,
    flight: Arc<Flight<V>>,
    state: State<V>,
}

impl<K: Copy + Eq + Hash, V> Drop for Landing<'_, K, V> {
    fn drop(&mut self) {
        lock(&self.flights.flights).remove(&self.key);
        *lock(&self.flight.state) = std::mem::replace(&mut self.state, State::Lost);
        self.flight.landed.notify_all();
    }
}
