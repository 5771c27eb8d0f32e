//! What a process holds and uses, as Linux tells it, and how much of it a test may ask for.

use std::env;
use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A process that can be looked at.
#[derive(Clone, Debug)]
pub struct Process(String);

impl Process {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        Self("/proc/self".into())
    }

    /// The one of this number.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self(format!("/proc/{pid}"))
    }

    /// Descriptors that are open, but for the one that it takes to count those of this process.
    ///
    /// # Panics
    /// Here and below: if the process is gone.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        let entries = fs::read_dir(format!("{}/fd", self.0)).unwrap().count();
        entries - usize::from(self.0 == "/proc/self")
    }

    /// Threads that run.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.status("Threads:").parse().unwrap()
    }

    /// Bytes of memory that are resident.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let kib = self.status("VmRSS:").trim_end_matches(" kB").parse::<u64>().unwrap();
        kib * 1024
    }

    /// Processor time that was used, user's and system's.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("{}/stat", self.0)).unwrap();
        // The second field is a name in parentheses, which may hold anything.
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').collect::<Vec<_>>();
        let ticks = [11, 12].map(|at| fields[at].parse::<u64>().unwrap());
        // USER_HZ is 100 on every Linux that is in use.
        Duration::from_millis(ticks.iter().sum::<u64>() * 10)
    }

    fn status(&self, key: &str) -> String {
        let status = fs::read_to_string(format!("{}/status", self.0)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().to_owned()
    }
}

/// Lets this process have so many descriptors if the system's hard limit does; how many it may
/// have now.
///
/// # Panics
/// If the system refuses what its limits allow.
#[must_use]
pub fn allow_descriptors(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let may = limit.maximum.map_or(wanted, |hard| hard.min(wanted));
    if limit.current.is_some_and(|soft| soft < may) {
        limit_descriptors(may);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Holds this process to so many descriptors.
///
/// # Panics
/// If they are more than the hard limit.
pub fn limit_descriptors(most: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }).unwrap();
}

/// A number from the environment, for whoever wants more of a test than the default.
///
/// # Panics
/// If what stands there is no number.
#[must_use]
pub fn setting(name: &str, default: u64) -> u64 {
    let text = env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number")))
}
