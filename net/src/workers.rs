//! Threads for what may block: services that ask for them, whoever decides on requests, the
//! system's resolver.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Something to do on a thread of its own.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A pool whose threads start when there is something to do and end when there long was not.
///
/// It keeps no order between jobs: who needs one submits the next job when the last is done.
#[derive(Clone, Debug)]
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    submitted: Condvar,
    /// A thread has ended.
    ended: Condvar,
    name: &'static str,
    max: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    stopped: bool,
}

/// How long a thread waits for another job.
const PATIENCE: Duration = Duration::from_secs(10);

impl Workers {
    /// At most `max` threads of this name.
    pub(crate) fn new(name: &'static str, max: usize) -> Self {
        let state = Mutex::default();
        let shared = Shared {
            state,
            submitted: Condvar::new(),
            ended: Condvar::new(),
            name,
            max: max.max(1),
        };
        Self(Arc::new(shared))
    }

    /// Has `job` done as soon as a thread is free.
    ///
    /// # Errors
    /// When the pool was stopped, or the system has no thread for it: the job was not taken.
    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.stopped {
            return Err(io::Error::other("the pool was stopped"));
        }
        if state.idle <= state.jobs.len() && state.threads < self.0.max {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name(self.0.name.into());
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                // Those there are will come to it.
                Err(_) if state.threads > 0 => {}
                Err(error) => return Err(error),
            }
        }
        state.jobs.push_back(job);
        self.0.submitted.notify_one();
        Ok(())
    }

    /// Takes no more jobs; those submitted are still done.
    pub(crate) fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.submitted.notify_all();
    }

    /// Takes no more jobs and waits until those submitted are done, or for so long.
    pub(crate) fn finish(&self, patience: Duration) {
        self.stop();
        let state = self.0.lock();
        // Who waits in vain has waited long enough.
        let _ = self.0.ended.wait_timeout_while(state, patience, |state| state.threads > 0);
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!(pool = self.name, "a job panicked");
                }
                state = self.lock();
                continue;
            }
            if state.stopped {
                break;
            }
            state.idle += 1;
            let waited = self.submitted.wait_timeout(state, PATIENCE);
            let (woken, late) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if late.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No job runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("name", &self.name).field("max", &self.max).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_run_at_once_up_to_the_limit_and_none_is_lost() {
        let workers = Workers::new("test", 3);
        let (done, results) = mpsc::channel();
        let (free, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for number in 0..100 {
            let (done, gate) = (done.clone(), Arc::clone(&gate));
            let job = move || {
                if number < 2 {
                    let _ = gate.lock().unwrap().recv();
                }
                done.send(number).unwrap();
            };
            workers.submit(Box::new(job)).unwrap();
        }
        // Two of the three threads are stuck, and all the others are done.
        let mut seen: Vec<i32> = (0..98).map(|_| results.recv().unwrap()).collect();
        drop(free);
        seen.extend((0..2).map(|_| results.recv().unwrap()));
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert!(workers.0.lock().threads <= 3);
    }

    #[test]
    fn a_job_that_panics_costs_no_thread() {
        let workers = Workers::new("test", 1);
        workers.submit(Box::new(|| panic!("inside a job"))).unwrap();
        let (done, results) = mpsc::channel();
        workers.submit(Box::new(move || done.send(7).unwrap())).unwrap();
        assert_eq!(results.recv().unwrap(), 7);
        workers.stop();
        assert!(workers.submit(Box::new(|| {})).is_err());
    }
}
