//! A client in a loop of its user's own, which waits for events and nothing else.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wirewright::{Client, ClientError, CloseCode, Deadline, KeepAliveOptions, Retry};

use super::peer::{CLOSE, PATIENCE, PING, PONG, Peer, Server, TEXT, close_body};

/// Waits for the socket, or the time, and does what is due.
fn turn(client: &Client) {
    let descriptor = client.descriptor();
    assert_eq!(descriptor.as_raw_fd(), client.as_raw_fd());
    let mut flags = PollFlags::IN;
    flags.set(PollFlags::OUT, client.wants_write());
    let until = client.next_timeout().map_or(PATIENCE, |at| at - Instant::now());
    wait(&descriptor, flags, until.min(PATIENCE));
    if client.next_timeout().is_some_and(|at| at <= Instant::now()) {
        client.handle_timeout();
    }
    client.flush();
}

fn wait(descriptor: &impl AsFd, flags: PollFlags, until: Duration) {
    let until = Timespec::try_from(until + Duration::from_millis(1)).unwrap();
    poll(&mut [PollFd::new(descriptor, flags)], Some(&until)).unwrap();
}

fn read(client: &Client) -> Result<String, ClientError> {
    loop {
        match client.try_read()? {
            Some(message) => return Ok(message.into_text().unwrap()),
            None => turn(client),
        }
    }
}

#[test]
fn a_loop_of_ones_own_drives_a_client() {
    let server = Server::start(|mut peer| {
        assert_eq!(peer.receive().payload, b"hello");
        peer.frame(PING, b"?");
        peer.frame(TEXT, b"one");
        peer.frame(TEXT, b"two");
        assert_eq!(peer.receive().opcode, PONG);
        // Nothing else comes in time, so that keep-alive asks.
        let ping = peer.receive();
        assert_eq!(ping.opcode, PING);
        peer.frame(PONG, &ping.payload);
        peer.close(1000, "");
        loop {
            let frame = peer.receive();
            if frame.opcode == CLOSE {
                break assert_eq!(frame.payload, close_body(1000, ""));
            }
        }
    });
    let mut keep_alive = KeepAliveOptions::default();
    keep_alive.interval = Some(Duration::from_millis(30));
    let builder = server.builder().custody(false).keep_alive(keep_alive);
    let client = builder.connect().unwrap();
    assert!(client.try_write("hello").unwrap());
    assert_eq!(read(&client).unwrap(), "one");
    assert_eq!(read(&client).unwrap(), "two");
    assert!(client.next_timeout().is_some());
    for _ in 0..2 {
        assert!(read(&client).unwrap_err().is_normal_close());
        assert!(client.try_write("late").unwrap_err().is_normal_close());
    }
    server.join();
}

/// A server that does not read: what was taken is kept, and leaves when there is room, in order.
#[test]
fn what_the_system_does_not_take_is_kept_or_given_back() {
    let (go, wait) = mpsc::channel();
    let server = Server::narrow(move |mut peer: Peer| {
        let taken: u8 = wait.recv().unwrap();
        for number in 0..taken {
            assert_eq!(peer.message().payload, vec![number; 300_000]);
        }
        peer.frame(TEXT, b"all");
        peer.expect_close(&close_body(1001, ""));
    });
    let builder = server.builder().custody(false).send_buffer(Some(4096));
    let client = builder.connect().unwrap();
    let mut taken = 0;
    while client.try_write(&*vec![taken; 300_000]).unwrap() {
        taken += 1;
    }
    assert!(taken > 0 && client.wants_write() && !client.flush());
    go.send(taken).unwrap();
    assert_eq!(read(&client).unwrap(), "all");
    assert!(!client.wants_write() && client.flush());
    drop(client);
    server.join();
}

#[test]
fn a_dead_server_is_noticed_by_handle_timeout() {
    let server = Server::start(|mut peer| {
        assert_eq!(peer.receive().opcode, PING);
        peer.expect_end();
    });
    let mut keep_alive = KeepAliveOptions::default();
    keep_alive.interval = Some(Duration::from_millis(20));
    keep_alive.timeout = Some(Duration::from_millis(50));
    let builder = server.builder().custody(false).keep_alive(keep_alive);
    let client = builder.connect().unwrap();
    let error = read(&client).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::KeepAlive)), "{error:?}");
    server.join();
}

/// Between two connections there is nothing to read, and nothing is taken.
#[test]
fn a_lost_connection_is_replaced_under_a_loop_too() {
    let (lost, wait) = mpsc::channel();
    let (go, again) = mpsc::channel();
    let server = Server::host(move |host| {
        drop(host.accept());
        lost.send(()).unwrap();
        again.recv().unwrap();
        let mut peer = host.accept();
        peer.frame(TEXT, b"new");
        assert_eq!(peer.receive().payload, b"taken");
        drop(peer);
        drop(host);
    });
    let mut retry = Retry::default();
    retry.interval = Duration::from_millis(1);
    retry.max_count = Some(2);
    retry.healthy_after = Duration::ZERO;
    let client = server.builder().custody(false).retry(Some(retry)).connect().unwrap();
    wait.recv().unwrap();
    let start = Instant::now();
    while client.try_write("not taken").unwrap() {
        // The system takes some before it knows.
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(client.try_read().unwrap().is_none());
    go.send(()).unwrap();
    assert_eq!(read_on(&client).unwrap(), "new");
    assert!(client.try_write("taken").unwrap());
    let error = read_on(&client).unwrap_err();
    let gave_up = matches!(error, ClientError::GaveUp(_));
    assert!(gave_up || error.close_code() == Some(CloseCode::ABNORMAL), "{error:?}");
    server.join();
}

/// Asks again and again: the socket of a lost connection is readable all the time.
fn read_on(client: &Client) -> Result<String, ClientError> {
    let start = Instant::now();
    loop {
        match client.try_read()? {
            Some(message) => return Ok(message.into_text().unwrap()),
            None => assert!(start.elapsed() < PATIENCE),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn connecting_tells_when_it_is_done() {
    let (go, wait_for) = mpsc::channel();
    let server = Server::raw(move |stream| {
        wait_for.recv().unwrap();
        let mut peer = Peer::accept(stream);
        peer.expect_close(&close_body(1001, ""));
    });
    let mut connecting = server.builder().begin_connect().unwrap();
    assert!(connecting.poll().unwrap().is_none());
    go.send(()).unwrap();
    wait(&connecting, PollFlags::IN, PATIENCE);
    let client = connecting.poll().unwrap().expect("the descriptor says so");
    assert!(client.is_open());
    assert!(matches!(connecting.poll(), Err(ClientError::Aborted)));
    drop(client);
    server.join();

    let server = Server::raw(drop);
    let error = server.builder().begin_connect().unwrap().wait().unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    server.join();
}

/// Whoever drops it wants no connection: one that comes is closed, and no attempt follows.
#[test]
fn connecting_that_is_dropped_comes_to_nothing() {
    let (go, wait_for) = mpsc::channel();
    let server = Server::raw(move |stream| {
        wait_for.recv().unwrap();
        Peer::accept(stream).expect_close(&close_body(1001, ""));
    });
    drop(server.builder().begin_connect().unwrap());
    go.send(()).unwrap();
    server.join();
}
