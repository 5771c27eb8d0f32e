//! The server as a child process: where it runs, what it costs.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Result;

/// A running server, ended when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Server {
    /// Starts `command` (split at spaces, `{addr}` and `{port}` filled in) on its cores and waits
    /// until it accepts connections.
    ///
    /// # Errors
    /// When it cannot be started or does not listen within 10 s.
    pub fn start(command: &str, cores: impl Into<Cores>) -> Result<Self> {
        let addr = free_address()?;
        let command = command.replace("{addr}", &addr.to_string());
        let command = command.replace("{port}", &addr.port().to_string());
        let mut words = command.split_whitespace();
        let program = words.next().ok_or("empty server command")?;
        let mut child = Command::new(program);
        child.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        let child = spawn_on(cores, || child.spawn())
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let mut server = Self { child, addr };
        server.wait_until_it_listens(&command)?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self, command: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.addr).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{command} ended with {status}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("{command} does not listen").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; nothing depends on how.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Where a program may run: on some cores, or on any.
#[derive(Clone, Copy, Debug)]
pub struct Cores(Option<CpuSet>);

impl From<Option<usize>> for Cores {
    fn from(core: Option<usize>) -> Self {
        Self(core.map(|core| set_of([core])))
    }
}

/// `0`, or `0,1`.
impl FromStr for Cores {
    type Err = std::num::ParseIntError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let cores: Vec<usize> = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self(Some(set_of(cores))))
    }
}

fn set_of(cores: impl IntoIterator<Item = usize>) -> CpuSet {
    let mut set = CpuSet::new();
    cores.into_iter().for_each(|core| set.set(core));
    set
}

/// Runs `spawn` while this thread is pinned to `cores`: a child inherits that from its first
/// instruction, and so does every thread it starts.
///
/// # Errors
/// What `spawn` fails with, or that a core does not exist.
pub fn spawn_on<T>(
    cores: impl Into<Cores>,
    spawn: impl FnOnce() -> std::io::Result<T>,
) -> std::io::Result<T> {
    let Cores(Some(cores)) = cores.into() else {
        return spawn();
    };
    let before = rustix::thread::sched_getaffinity(None)?;
    sched_setaffinity(None, &cores)?;
    let spawned = spawn();
    sched_setaffinity(None, &before)?;
    spawned
}

/// Pins the calling thread.
///
/// # Errors
/// When the core does not exist.
pub fn pin_to(core: usize) -> std::io::Result<()> {
    Ok(sched_setaffinity(None, &set_of([core]))?)
}

/// User and system time of a process in µs, all its threads together.
///
/// # Errors
/// When the process has gone.
pub fn cpu_micros(pid: u32) -> Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces, so the fields are counted from its end.
    let fields = stat.rsplit_once(") ").ok_or("unreadable stat")?.1;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || -> Result<f64> { Ok(fields.next().ok_or("short stat")?.parse()?) };
    let micros_per_tick = 1e6 / rustix::param::clock_ticks_per_second() as f64;
    Ok((ticks()? * micros_per_tick, ticks()? * micros_per_tick))
}

/// Processor time of the calling thread in µs, exact to when it last slept.
///
/// # Errors
/// When `/proc` does not say.
pub fn thread_micros() -> Result<f64> {
    scheduled("/proc/thread-self/schedstat")
}

/// The threads of this process: their names, cut to 15 characters, and their time on a processor
/// in µs, each exact to when the thread last slept.
///
/// # Errors
/// When `/proc` does not say.
pub fn threads() -> Result<Vec<(String, f64)>> {
    let mut threads = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?;
        threads.push((name.trim().to_owned(), scheduled(task.join("schedstat"))?));
    }
    Ok(threads)
}

/// What a process has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Activity {
    /// Processor time in µs of all threads, each exact to when it last slept.
    pub micros: f64,
    /// How often one of them has waited for something.
    pub wake_ups: f64,
}

/// What a process has done so far.
///
/// # Errors
/// When the process has gone.
pub fn activity(pid: u32) -> Result<Activity> {
    let mut activity = Activity::default();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        activity.micros += scheduled(task.join("schedstat"))?;
        let status = fs::read_to_string(task.join("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        activity.wake_ups += line.ok_or("no switches in status")?.trim().parse::<f64>()?;
    }
    Ok(activity)
}

fn scheduled(file: impl AsRef<Path>) -> Result<f64> {
    let line = fs::read_to_string(file)?;
    let nanos = line.split(' ').next().ok_or("short schedstat")?;
    Ok(nanos.parse::<f64>()? / 1000.0)
}

/// Memory of a process in bytes, its files apart.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What has been touched of heap and stacks.
    pub resident: f64,
    /// What the program has asked for, touched or not.
    pub reserved: f64,
}

/// The memory of a process.
///
/// # Errors
/// When the process has gone.
pub fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib
            .ok_or_else(|| format!("no {name} in status"))?
            .parse::<f64>()?
            * 1024.0)
    };
    Ok(Memory {
        resident: field("RssAnon:")?,
        reserved: field("VmData:")?,
    })
}

/// Files that this process and a server need beside the connections.
const SPARE_FILES: u64 = 64;

/// Raises the limit of open files, which a server inherits, as far as the system allows.
///
/// # Errors
/// When so many connections do not fit.
pub fn make_room_for(connections: usize) -> Result<()> {
    let limit = raise_file_limit()?;
    if limit < connections as u64 + SPARE_FILES {
        return Err(format!("{connections} connections do not fit {limit} open files").into());
    }
    Ok(())
}

/// Raises the limit of open files to what the system allows and says what that is.
///
/// # Errors
/// When the system refuses.
pub fn raise_file_limit() -> Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(limit.current.unwrap_or(u64::MAX))
}
