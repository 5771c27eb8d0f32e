//! How many connections there may be (S-40).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Caller, Identity, Listener, ListenerBuilder, Rejection, Reply, Request};
use wirewright_tests::http::{Answer, answer, ask, upgrade};
use wirewright_tests::raw_client::{PING, RawClient, request};
use wirewright_tests::services::{
    Call, echo, in_own_process, next, plain, start, start_echo, until,
};

fn expect_busy(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (503, ""), "{answer:?}");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    assert_eq!(answer.header("Connection"), Some("close"));
}

/// Waits until a listener holds nothing.
fn settle(listener: &Listener) {
    until("all counts are zero again", || {
        let stats = listener.stats();
        (stats.handshaking, stats.open, stats.leaving) == (0, 0, 0)
    });
}

#[test]
fn s40_one_connection_more_than_there_may_be_gets_503_unread() {
    let listener = start_echo(plain().threads(2).max_connections(3));
    let addr = listener.local_addr();
    let mut open = (0..3).map(|_| RawClient::open(addr)).collect::<Vec<_>>();
    assert_eq!(listener.stats().open, 3);
    // Whether it says something or not, in one piece or byte by byte.
    expect_busy(&answer(&mut RawClient::silent(addr)));
    expect_busy(&ask(addr, request("")));
    expect_busy(&ask(addr, request("").repeat(100)));
    let stats = listener.stats();
    assert_eq!((stats.accepted, stats.upgraded, stats.refused.connections), (6, 3, 3));
    open.iter_mut().for_each(RawClient::barrier);
    drop(open.pop());
    until("a place is free", || listener.stats().open == 2);
    RawClient::open(addr).barrier();
    drop(open);
    settle(&listener);
}

/// A client whose address is this.
#[cfg(target_os = "linux")]
fn from(address: &str, addr: SocketAddr) -> RawClient {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(address.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&addr.into()).unwrap();
    RawClient::over(socket.into())
}

#[test]
#[cfg(target_os = "linux")]
fn s40_each_address_has_its_share() {
    let listener = start_echo(plain().max_connections_per_address(2));
    let addr = listener.local_addr();
    let first = from("127.0.0.1", addr).upgrade("");
    // It counts from the start, not from the 101.
    let mut silent = from("127.0.0.1", addr);
    until("both are there", || listener.stats().handshaking == 1);
    expect_busy(&answer(&mut from("127.0.0.1", addr)));
    from("127.0.0.2", addr).upgrade("").barrier();
    silent.send(request(""));
    assert!(silent.head().starts_with("HTTP/1.1 101 "));
    expect_busy(&answer(&mut from("127.0.0.1", addr)));
    assert_eq!(listener.stats().refused.address, 2);
    first.reset();
    until("a place is free", || listener.stats().open == 1);
    from("127.0.0.1", addr).upgrade("").barrier();
}

#[test]
fn s40_handshakes_in_flight_are_limited() {
    let listener = start_echo(plain().max_handshakes(2));
    let addr = listener.local_addr();
    let mut open = RawClient::open(addr);
    let mut slow = [RawClient::silent(addr), RawClient::silent(addr)];
    slow.iter_mut().for_each(|slow| slow.send(&request("")[..20]));
    until("both are there", || listener.stats().handshaking == 2);
    expect_busy(&answer(&mut RawClient::silent(addr)));
    open.barrier();
    let [mut first, _second] = slow;
    first.send(&request("")[20..]);
    assert!(first.head().starts_with("HTTP/1.1 101 "));
    RawClient::open(addr).barrier();
    assert_eq!(listener.stats().refused.handshakes, 1);
}

#[test]
fn s40_connections_a_second_are_limited() {
    let listener = start_echo(plain().accept_rate(1, 3));
    let begin = Instant::now();
    let statuses = [(); 10].map(|()| ask(listener.local_addr(), request("")).status);
    let accepted = statuses.iter().filter(|status| **status == 101).count();
    assert_eq!(statuses[..3], [101; 3]);
    assert!(accepted as f64 <= 4.0 + begin.elapsed().as_secs_f64(), "{statuses:?}");
    let stats = listener.stats();
    assert_eq!((stats.accepted, stats.refused.rate), (10, 10 - accepted as u64));
}

/// Whoever says a name has it.
fn by_name(builder: ListenerBuilder) -> ListenerBuilder {
    builder.authenticator(|request: &Request| match request.head().header_str("X-Name") {
        Some(name) => Ok(Identity::new(name)),
        None => Err(Rejection::unauthorized("Name")?),
    })
}

#[test]
fn s40_each_identity_has_its_share() {
    let listener = start_echo(by_name(plain()).max_connections_per_identity(1));
    let addr = listener.local_addr();
    let open = |name: &str| RawClient::silent(addr).upgrade(&format!("X-Name: {name}\r\n"));
    let anna = open("anna");
    expect_busy(&ask(addr, request("X-Name: anna\r\n")));
    open("bert").barrier();
    // A place that was not taken is no place.
    assert_eq!(ask(addr, request("")).status, 401);
    let stats = listener.stats();
    assert_eq!((stats.refused.identity, stats.refused.authentication), (1, 1));
    drop(anna);
    settle(&listener);
    open("anna").barrier();
}

#[test]
fn s40_refusals_are_limited_too() {
    let test = "::s40_refusals_are_limited_too";
    in_own_process(&[module_path!(), test].concat(), || {
        let listener = start_echo(plain().max_connections(0));
        let addr = listener.local_addr();
        let clients = (0..300).map(|_| RawClient::silent(addr)).collect::<Vec<_>>();
        until("all are refused", || listener.stats().refused.connections == 300);
        assert!(listener.stats().leaving <= 256);
        let mut answered = 0;
        for mut client in clients {
            match String::from_utf8(client.rest()).unwrap().as_str() {
                "" => {}
                busy => {
                    assert!(busy.starts_with("HTTP/1.1 503 "), "{busy}");
                    answered += 1;
                }
            }
        }
        assert!(answered >= 256, "{answered}");
        settle(&listener);
    });
}

#[test]
fn s40_a_storm_that_is_no_attack_is_let_in() {
    let test = "::s40_a_storm_that_is_no_attack_is_let_in";
    in_own_process(&[module_path!(), test].concat(), || {
        let ((open, gate), (held, holding)) = (mpsc::channel::<()>(), mpsc::channel());
        let gate = Arc::new(Mutex::new((gate, held)));
        let listener = start(plain().max_handshakes(70), move |caller, call| match call {
            // Holds up the loop, and with it all that connect meanwhile.
            Call::Ping(_) => {
                let (gate, held) = &*gate.lock().unwrap();
                held.send(()).unwrap();
                let _ = gate.recv();
                Ok(Reply::Pong)
            }
            _ => echo(caller, call),
        });
        let addr = listener.local_addr();
        let mut holder = RawClient::open(addr);
        holder.frame(PING, "");
        let () = next(&holding);
        let request = request("");
        let mut clients = (0..100).map(|_| RawClient::silent(addr)).collect::<Vec<_>>();
        clients.iter_mut().for_each(|client| client.send(&request));
        drop(open);
        // As they are accepted some at a time, there are never too many of them.
        for client in &mut clients {
            assert!(client.head().starts_with("HTTP/1.1 101 "));
        }
        assert_eq!(listener.stats().open, 101);
    });
}

/// One client's way to its end.
fn connect_and_die(addr: SocketAddr, way: usize) {
    let mut client = RawClient::silent(addr);
    let named = "X-Name: anna\r\n";
    match way % 10 {
        0 => client.reset(),
        1 => drop(client),
        2 => {
            client.send(&request("")[..30]);
            client.reset();
        }
        3 => {
            // Somebody is being asked, or is just about to be.
            client.send(request(named));
            client.reset();
        }
        4 => client.upgrade(named).reset(),
        5 => drop(client.upgrade(named)),
        6 => {
            let mut client = client.upgrade(named);
            client.close(1000);
            client.expect_close(1000);
        }
        7 => assert_eq!(ask(addr, upgrade("/none", "")).status, 401),
        8 => {
            client.send("GARBAGE\r\n\r\n");
            client.reset();
        }
        _ => {
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            client.rest();
        }
    }
}

#[test]
fn s40_after_1000_connects_and_kills_all_counts_are_zero() {
    let builder = by_name(plain()).threads(3).max_connections_per_identity(40);
    let listener = start_echo(builder.max_connections_per_address(40).max_connections(40));
    let addr = listener.local_addr();
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || (0..250).for_each(|way| connect_and_die(addr, thread + way)));
        }
    });
    settle(&listener);
    let stats = listener.stats();
    let refused = stats.refused;
    assert_eq!((refused.connections, refused.address, refused.identity), (0, 0, 0), "{stats:?}");
    assert!(stats.accepted >= 1000, "{stats:?}");
    // The places are free, too: each count would have been at its limit long ago.
    RawClient::silent(addr).upgrade("X-Name: anna\r\n").barrier();
}

#[test]
fn s40_the_deadline_is_counted_and_frees_the_place() {
    let listener = start_echo(plain().handshake_timeout(Duration::from_millis(200)));
    let mut client = RawClient::silent(listener.local_addr());
    client.send(&request("")[..50]);
    assert_eq!(client.rest(), b"");
    settle(&listener);
    assert_eq!(listener.stats().refused.deadline, 1);
}

#[test]
fn counts_are_zero_when_a_listener_has_ended() {
    let listener = start(plain().threads(2), |caller: &Caller, call: &Call<'_>| match call {
        Call::Open => Ok(Reply::Nothing),
        _ => echo(caller, call),
    });
    let addr = listener.local_addr();
    let _clients = [RawClient::open(addr), RawClient::open(addr), RawClient::silent(addr)];
    until("all are there", || listener.stats().handshaking == 1);
    listener.abort();
    settle(&listener);
}
