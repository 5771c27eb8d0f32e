//! A lean load for WebSocket echo servers: one thread, one epoll, frames built in advance.
//!
//! It reads headers only, answers every echoed frame with the next one, and sends all that one
//! wake-up has earned in one write. One line of JSON says what it saw.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use serde_json::json;
use wirewright_peers::Result;
use wirewright_peers::args::Args;
use wirewright_peers::frames::{self, BINARY, Frame, mask_key};
use wirewright_peers::histogram::Histogram;
use wirewright_peers::transport::Transport;
use wirewright_peers::{process, tls};

const USAGE: &str = "load ADDR [--connections N] [--in-flight N] [--size BYTES] [--seconds S] \
    [--warm-up S] [--masked-echo] [--tls] [--server-pid PID] [--core N]";

/// Above this, frames are written from one copy: memory traffic of the load's own would show.
const LARGE: usize = 16 * 1024;

struct Plan {
    addr: SocketAddr,
    connections: usize,
    in_flight: usize,
    size: usize,
    seconds: f64,
    warm_up: f64,
    masked_echo: bool,
    tls: bool,
    server_pid: Option<u32>,
}

fn plan() -> Result<Plan> {
    let mut args = Args::from_env();
    let addr = args
        .next("ADDR")
        .map_err(|error| format!("{error}\n{USAGE}"))?;
    if let Some(core) = args.option("--core")? {
        process::pin_to(core)?;
    }
    let plan = Plan {
        addr,
        connections: args.option("--connections")?.unwrap_or(10),
        in_flight: args.option("--in-flight")?.unwrap_or(1),
        size: args.option("--size")?.unwrap_or(20),
        seconds: args.option("--seconds")?.unwrap_or(2.0),
        warm_up: args.option("--warm-up")?.unwrap_or(0.5),
        masked_echo: args.flag("--masked-echo"),
        tls: args.flag("--tls"),
        server_pid: args.option("--server-pid")?,
    };
    args.finish()?;
    Ok(plan)
}

/// The bytes that every connection sends over and over, and what must come back.
struct Script {
    /// One period of frames, twice where frames are small, so that a write needs no wrap.
    outgoing: Vec<u8>,
    period: usize,
    sent_frame: usize,
    /// The head of each echo; after it come `echo_rest` bytes that are only counted.
    echo_head: Vec<u8>,
    echo_rest: usize,
}

impl Script {
    fn new(plan: &Plan) -> Self {
        let payload = payload(plan.size);
        let count = if plan.size >= LARGE {
            1
        } else {
            plan.in_flight
        };
        let mut outgoing = Vec::new();
        for index in 0..count {
            let mask = Some(mask_key(index));
            Frame {
                fin: true,
                opcode: BINARY,
                mask,
                payload: &payload,
            }
            .write_to(&mut outgoing);
        }
        let period = outgoing.len();
        let sent_frame = period / count;
        if count > 1 {
            outgoing.extend_from_within(..);
        }
        let mut echo_head = Vec::new();
        Frame {
            fin: true,
            opcode: BINARY,
            mask: None,
            payload: &payload,
        }
        .write_to(&mut echo_head);
        echo_head.truncate(echo_head.len() - payload.len());
        let mut echo_rest = payload.len();
        if plan.masked_echo {
            echo_head[1] |= 0x80;
            echo_rest += 4;
        }
        Self {
            outgoing,
            period,
            sent_frame,
            echo_head,
            echo_rest,
        }
    }
}

fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 31 + i / 251) as u8).collect()
}

struct Connection {
    stream: Transport,
    /// Where in the script the next byte to send stands, and how many may go.
    position: usize,
    owed: usize,
    /// Whether epoll watches for room to write.
    blocked: bool,
    /// Bytes seen of the current echo.
    seen: usize,
    /// When the messages in flight were written, oldest first: `(time, how many)`.
    sent: VecDeque<(Instant, usize)>,
}

impl Connection {
    fn open(plan: &Plan, script: &Script) -> Result<Self> {
        let config = plan.tls.then(|| tls::client_config(false)).transpose()?;
        let mut stream = Transport::connect(plan.addr, config.as_ref())?;
        frames::connect(&mut stream)?;
        check_one_echo(&mut stream, script, plan)?;
        stream.tcp().set_nonblocking(true)?;
        let sent = VecDeque::with_capacity(plan.in_flight + 1);
        Ok(Self {
            stream,
            position: 0,
            owed: 0,
            blocked: false,
            seen: 0,
            sent,
        })
    }

    /// Counts the echoes in `bytes` and checks the head of each.
    fn receive(&mut self, mut bytes: &[u8], script: &Script) -> Result<usize> {
        let (head, whole) = (&script.echo_head, script.echo_head.len() + script.echo_rest);
        let mut echoes = 0;
        while !bytes.is_empty() {
            let take = bytes.len().min(whole - self.seen);
            if self.seen < head.len() {
                let shown = take.min(head.len() - self.seen);
                if bytes[..shown] != head[self.seen..self.seen + shown] {
                    return Err(format!("not the head of an echo: {:x?}", &bytes[..shown]).into());
                }
            }
            self.seen += take;
            bytes = &bytes[take..];
            if self.seen == whole {
                self.seen = 0;
                echoes += 1;
            }
        }
        Ok(echoes)
    }

    /// Takes `count` messages off the books and enters their latency.
    fn settle(&mut self, mut count: usize, now: Instant, latencies: &mut Histogram) -> Result<()> {
        while count > 0 {
            let (time, waiting) = self.sent.front_mut().ok_or("more echoes than messages")?;
            let part = count.min(*waiting);
            latencies.add((now - *time).as_nanos() as u64, part as u64);
            *waiting -= part;
            count -= part;
            if *waiting == 0 {
                self.sent.pop_front();
            }
        }
        Ok(())
    }

    fn send(&mut self, count: usize, now: Instant, script: &Script) -> Result<()> {
        self.sent.push_back((now, count));
        self.owed += count * script.sent_frame;
        self.flush(script)
    }

    fn flush(&mut self, script: &Script) -> Result<()> {
        let flushed = self.write(script).and_then(|()| self.stream.flush());
        self.blocked = matches!(&flushed, Err(error) if error.kind() == ErrorKind::WouldBlock);
        if self.blocked {
            return Ok(());
        }
        Ok(flushed?)
    }

    fn write(&mut self, script: &Script) -> std::io::Result<()> {
        while self.owed > 0 {
            let end = script.outgoing.len().min(self.position + self.owed);
            let written = self.stream.write(&script.outgoing[self.position..end])?;
            self.position = (self.position + written) % script.period;
            self.owed -= written;
        }
        Ok(())
    }
}

/// The one time that the payload is compared too.
fn check_one_echo(stream: &mut Transport, script: &Script, plan: &Plan) -> Result<()> {
    stream.write_all(&script.outgoing[..script.sent_frame])?;
    let mut expected = script.echo_head.clone();
    if plan.masked_echo {
        expected = script.outgoing[..script.sent_frame].to_vec();
    } else {
        expected.extend(payload(plan.size));
    }
    let mut echo = vec![0; expected.len()];
    stream.read_exact(&mut echo)?;
    if echo != expected {
        return Err("the echo differs from the message".into());
    }
    Ok(())
}

struct Load {
    epoll: rustix::fd::OwnedFd,
    connections: Vec<Connection>,
    script: Script,
    buffer: Vec<u8>,
    latencies: Histogram,
}

impl Load {
    fn open(plan: &Plan) -> Result<Self> {
        let script = Script::new(plan);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        for index in 0..plan.connections {
            let connection = Connection::open(plan, &script)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &connection.stream, data, epoll::EventFlags::IN)?;
            connections.push(connection);
        }
        let buffer = vec![0; 256 * 1024];
        Ok(Self {
            epoll,
            connections,
            script,
            buffer,
            latencies: Histogram::default(),
        })
    }

    fn start(&mut self, in_flight: usize) -> Result<()> {
        for index in 0..self.connections.len() {
            self.connections[index].send(in_flight, Instant::now(), &self.script)?;
            self.watch(index, false)?;
        }
        Ok(())
    }

    /// Runs until `end`, give or take one wake-up.
    fn run(&mut self, end: Instant) -> Result<()> {
        let mut events = Vec::with_capacity(256);
        loop {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), None)?;
            for event in &events {
                let event: &epoll::Event = event;
                let (data, flags) = (event.data, event.flags);
                self.turn(data.u64() as usize, flags)?;
            }
            if Instant::now() >= end {
                return Ok(());
            }
        }
    }

    fn turn(&mut self, index: usize, flags: epoll::EventFlags) -> Result<()> {
        let connection = &mut self.connections[index];
        let was_blocked = connection.blocked;
        if flags.contains(epoll::EventFlags::OUT) {
            connection.flush(&self.script)?;
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP) {
            let read = match connection.stream.read(&mut self.buffer) {
                // Part of a record.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.watch(index, was_blocked);
                }
                read => read?,
            };
            if read == 0 {
                return Err("the server closed a connection".into());
            }
            let echoes = connection.receive(&self.buffer[..read], &self.script)?;
            if echoes > 0 {
                let now = Instant::now();
                connection.settle(echoes, now, &mut self.latencies)?;
                connection.send(echoes, now, &self.script)?;
            }
        }
        self.watch(index, was_blocked)
    }

    fn watch(&mut self, index: usize, was_blocked: bool) -> Result<()> {
        let connection = &self.connections[index];
        if connection.blocked == was_blocked {
            return Ok(());
        }
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, connection.blocked);
        let data = epoll::EventData::new_u64(index as u64);
        Ok(epoll::modify(&self.epoll, &connection.stream, data, flags)?)
    }
}

fn main() -> Result<()> {
    let plan = plan()?;
    process::raise_file_limit()?;
    let mut load = Load::open(&plan)?;
    load.start(plan.in_flight)?;
    load.run(Instant::now() + Duration::from_secs_f64(plan.warm_up))?;

    let cpu = || plan.server_pid.map(process::cpu_micros).transpose();
    load.latencies.clear();
    let (start, before) = (Instant::now(), cpu()?);
    load.run(start + Duration::from_secs_f64(plan.seconds))?;
    let (seconds, after) = (start.elapsed().as_secs_f64(), cpu()?);

    let messages = load.latencies.total();
    let mut line = json!({
        "messages": messages,
        "seconds": seconds,
        "per_second": messages as f64 / seconds,
        "p50_us": load.latencies.micros(0.5),
        "p90_us": load.latencies.micros(0.9),
        "p99_us": load.latencies.micros(0.99),
        "p999_us": load.latencies.micros(0.999),
    });
    if let (Some(before), Some(after)) = (before, after) {
        line["user_us"] = json!((after.0 - before.0) / messages as f64);
        line["system_us"] = json!((after.1 - before.1) / messages as f64);
    }
    println!("{line}");
    Ok(())
}
