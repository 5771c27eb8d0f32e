//! Who is asked before the 101, and what becomes of the connection meanwhile (S-28).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use wirewright::core::handshake::Authenticator;
use wirewright::{
    Caller, Compression, Identity, ListenerBuilder, Rejection, Reply, Request, ServiceOptions,
    UpgradeRequest,
};
use wirewright_core::Role;
use wirewright_tests::http::{Answer, answer, ask, ask_all_ways, upgrade};
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{RawClient, TEXT, request};
use wirewright_tests::services::{By, Call, echo, next, plain, start_echo, until};

/// Knows one token, forbids another.
struct Token {
    mine: &'static str,
    forbidden: &'static str,
    asked: Arc<AtomicUsize>,
    blocks: bool,
}

impl Authenticator for Token {
    fn authenticate(&self, request: &Request) -> Result<Identity, Rejection> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match request.head().header_str("Authorization") {
            Some(token) if token == self.mine => Ok(Identity::new(self.mine)),
            Some(token) if token == self.forbidden => Err(Rejection::forbidden().body("not here")),
            Some("panic") => panic!("in the authenticator"),
            _ => Err(Rejection::unauthorized(&format!("Token realm=\"{}\"", self.mine))?),
        }
    }

    fn may_block(&self) -> bool {
        self.blocks
    }
}

/// The service and the caller say who it is.
fn who(request: &UpgradeRequest) -> Result<wirewright::Accept, Rejection> {
    let service = By(|caller: &Caller, call: Call<'_>| match call {
        Call::Open => {
            let name = caller.identity().map(|identity| identity.name.clone());
            Ok(Reply::Text(format!("{name:?}")))
        }
        _ => echo(caller, &call),
    });
    let name = request.identity().map(|identity| identity.name.clone());
    Ok(wirewright::Accept::new(service).header("X-Seen", &format!("{name:?}"))?)
}

#[test]
fn p036_p098_s28_authenticators_are_asked_in_order_until_one_decides() {
    for blocks in [true, false] {
        let asked = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let token = |at: usize, mine, forbidden| Token {
            mine,
            forbidden,
            asked: Arc::clone(&asked[at]),
            blocks,
        };
        let listener = plain()
            .authenticator(token(0, "one", "bad"))
            .authenticator(token(1, "two", "one"))
            .start("127.0.0.1:0", who)
            .unwrap();
        for (sent, status, calls) in [
            ("", 401, [1, 1]),
            ("Authorization: three\r\n", 401, [1, 1]),
            ("Authorization: one\r\n", 101, [1, 0]),
            ("Authorization: two\r\n", 101, [1, 1]),
            // Refused at once: the others are not asked.
            ("Authorization: bad\r\n", 403, [1, 0]),
            // S-28: a panic is no way in.
            ("Authorization: panic\r\n", 500, [1, 0]),
        ] {
            asked.iter().for_each(|count| count.store(0, Ordering::Relaxed));
            let answer = ask_all_ways(listener.local_addr(), &request(sent));
            assert_eq!(answer.status, status, "{sent}");
            let times = if status == 101 { 2 } else { 3 };
            let counted = [0, 1].map(|at| asked[at].load(Ordering::Relaxed));
            assert_eq!(counted, calls.map(|calls| calls * times), "{sent}");
            let challenges = answer.headers("WWW-Authenticate").collect::<Vec<_>>();
            match status {
                401 => assert_eq!(challenges, ["Token realm=\"one\"", "Token realm=\"two\""]),
                _ => assert!(challenges.is_empty(), "{challenges:?}"),
            }
            let name = sent.strip_prefix("Authorization: ").map(str::trim_end);
            let seen = (status == 101).then(|| format!("{name:?}"));
            assert_eq!(answer.header("X-Seen"), seen.as_deref(), "{sent}");
        }
        // The caller knows it, too.
        let mut client = RawClient::silent(listener.local_addr()).upgrade("Authorization: two\r\n");
        client.expect(TEXT, "Some(\"two\")");
        assert_eq!(listener.stats().refused.authentication, 12);
    }
}

/// A field that is to stand once and stands twice is nobody's: whoever looks at the first sees
/// another than whoever looks at the last (RFC 9110 §5.3, §11.6.2).
#[test]
fn s28_two_authorizations_are_400_before_anybody_is_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    for blocks in [true, false] {
        let token = |mine| Token { mine, forbidden: "", asked: Arc::clone(&asked), blocks };
        let listener = plain()
            .authenticator(token("one"))
            .authenticator(token("two"))
            .route("/known", who)
            .route_with("/anybody", ServiceOptions::new().anonymous(), who)
            .listen("127.0.0.1:0")
            .unwrap();
        let one = "Authorization: one\r\n";
        for headers in [
            [one, one].concat(),
            [one, "AUTHORIZATION: two\r\n"].concat(),
            [one, "X-Between: x\r\n", "authorization:\r\n"].concat(),
            ["Authorization: \r\n", one].concat(),
            one.repeat(5),
        ] {
            let answer = ask_all_ways(listener.local_addr(), &upgrade("/known", &headers));
            assert_eq!(answer.status, 400, "{headers}");
            assert_eq!(answer.headers("WWW-Authenticate").count(), 0);
            // Where nobody is asked, it is of no consequence.
            let answer = ask(listener.local_addr(), upgrade("/anybody", &headers));
            assert_eq!(answer.status, 101, "{headers}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        // One that lists both is one field, and what it means is the authenticators' to say.
        let answer = ask(listener.local_addr(), upgrade("/known", "Authorization: one, two\r\n"));
        assert_eq!((answer.status, asked.swap(0, Ordering::Relaxed)), (401, 2));
    }
}

/// Whoever is known and may not is refused at once, although the next would let it in.
#[test]
fn s28_a_scope_that_is_missing_is_403_whoever_comes_next() {
    let scoped = |required: &'static str, asked: &Arc<AtomicUsize>| {
        let asked = Arc::clone(asked);
        move |request: &Request| {
            asked.fetch_add(1, Ordering::Relaxed);
            let mut identity = match request.head().header_str("X-Name") {
                Some(name) => Identity::new(name),
                None => return Err(Rejection::unauthorized("Name")?),
            };
            identity.scopes = identity.name.split('-').skip(1).map(str::to_owned).collect();
            let may = identity.scopes.iter().any(|scope| scope == required);
            if may { Ok(identity) } else { Err(Rejection::forbidden()) }
        }
    };
    let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let listener = plain()
        .authenticator(scoped("write", &counts[0]))
        .authenticator(scoped("read", &counts[1]))
        .start("127.0.0.1:0", who)
        .unwrap();
    for (name, status, calls) in [
        ("X-Name: anna-read-write\r\n", 101, [1, 0]),
        ("X-Name: anna-read\r\n", 403, [1, 0]),
        ("X-Name: anna\r\n", 403, [1, 0]),
        ("", 401, [1, 1]),
    ] {
        assert_eq!(ask(listener.local_addr(), request(name)).status, status, "{name}");
        let counted = [0, 1].map(|at: usize| counts[at].swap(0, Ordering::Relaxed));
        assert_eq!(counted, calls, "{name}");
    }
}

#[test]
fn a_service_may_have_authenticators_of_its_own_or_none() {
    let token = |mine| Token { mine, forbidden: "", asked: Arc::default(), blocks: true };
    let own = ServiceOptions::new().authenticator(token("own"));
    let listener = plain()
        .authenticator(token("common"))
        .route("/common", who)
        .route_with("/own", own, who)
        .route_with("/none", ServiceOptions::new().anonymous(), who)
        .listen("127.0.0.1:0")
        .unwrap();
    for (path, sent, status) in [
        ("/common", "common", 101),
        ("/common", "own", 401),
        ("/own", "own", 101),
        ("/own", "common", 401),
        ("/none", "common", 101),
    ] {
        let request = upgrade(path, &format!("Authorization: {sent}\r\n"));
        assert_eq!(ask_all_ways(listener.local_addr(), &request).status, status, "{path} {sent}");
    }
    let answer = ask(listener.local_addr(), upgrade("/none", ""));
    assert_eq!(answer.header("X-Seen"), Some("None"));
}

/// Whoever comes to it waits until it is opened, and is noted.
#[derive(Clone)]
struct Gate(Arc<(Mutex<bool>, Condvar)>, Arc<Mutex<Sender<String>>>);

impl Gate {
    fn new() -> (Self, Receiver<String>) {
        let (log, calls) = mpsc::channel();
        (Self(Arc::default(), Arc::new(Mutex::new(log))), calls)
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self, name: &str) {
        self.1.lock().unwrap().send(name.to_owned()).unwrap();
        let waited = self.0.1.wait_while(self.0.0.lock().unwrap(), |open| !*open);
        drop(waited.unwrap());
    }

    /// An authenticator that waits at it.
    fn guard(&self, builder: ListenerBuilder) -> ListenerBuilder {
        let gate = self.clone();
        builder.authenticator(move |request: &Request| {
            let name = request.head().header_str("X-Name").unwrap_or("nobody");
            gate.pass(name);
            Ok(Identity::new(name))
        })
    }
}

fn named(name: &str) -> String {
    request(&format!("X-Name: {name}\r\n"))
}

fn expect_busy(answer: &Answer) {
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")), "{answer:?}");
}

#[test]
fn s28_a_slow_authenticator_holds_up_nobody_else_and_meets_the_deadline() {
    let (gate, calls) = Gate::new();
    let timeout = Duration::from_millis(400);
    let listener = gate.guard(plain()).handshake_timeout(timeout);
    let common = ServiceOptions::new().anonymous();
    let echoing =
        |_: &UpgradeRequest| Ok(By(|caller: &Caller, call: Call<'_>| echo(caller, &call)));
    let listener = listener.route_with("/echo", common, echoing).route("/slow", echoing);
    let listener = listener.listen("127.0.0.1:0").unwrap();
    let addr = listener.local_addr();
    let mut other = RawClient::open(addr);
    let begin = Instant::now();
    let mut slow = RawClient::silent(addr);
    slow.send(upgrade("/slow", "X-Name: slow\r\n"));
    assert_eq!(next(&calls), "slow");
    other.barrier();
    RawClient::open(addr).barrier();
    // No byte that comes meanwhile moves the deadline.
    slow.send(frame(Role::Server, TEXT, b"early"));
    expect_busy(&answer(&mut slow));
    assert!(begin.elapsed() >= timeout);
    assert_eq!(listener.stats().refused.deadline, 1);
    // The answer that comes too late meets nobody.
    gate.open();
    other.barrier();
    let mut again = RawClient::silent(addr);
    again.send(upgrade("/slow", "X-Name: again\r\n"));
    assert!(again.head().starts_with("HTTP/1.1 101 "));
    again.barrier();
}

#[test]
fn s28_requests_wait_for_a_thread_and_those_that_have_gone_cost_none() {
    let (gate, calls) = Gate::new();
    let listener = start_echo(gate.guard(plain()).handshake_threads(1));
    let addr = listener.local_addr();
    let asking = |name: &str| {
        let mut client = RawClient::silent(addr);
        client.send(named(name));
        client
    };
    let mut first = asking("first");
    assert_eq!(next(&calls), "first");
    let gone = asking("gone");
    until("both are asking", || listener.stats().handshaking == 2);
    let mut last = asking("last");
    until("all are asking", || listener.stats().handshaking == 3);
    gone.reset();
    until("it is noticed", || listener.stats().handshaking == 2);
    gate.open();
    for client in [&mut first, &mut last] {
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client.barrier();
    }
    assert_eq!(next(&calls), "last");
}

#[test]
fn s28_s29_what_comes_behind_the_request_is_kept_while_somebody_decides() {
    let (gate, calls) = Gate::new();
    let listener = start_echo(gate.guard(plain()).max_frame_size(1 << 20));
    let addr = listener.local_addr();
    let small = frame(Role::Server, TEXT, b"early");
    let large = frame(Role::Server, TEXT, &[b'x'; 300_000]);
    // In the same segment, in later ones, and more than is taken in before the answer.
    let mut together = RawClient::silent(addr);
    together.send([named("together").as_bytes(), &small, &small].concat());
    assert_eq!(next(&calls), "together");
    let mut later = RawClient::silent(addr);
    later.send(named("later"));
    assert_eq!(next(&calls), "later");
    small.iter().chain(&small).for_each(|byte| later.send([*byte]));
    let mut much = RawClient::silent(addr);
    let mut sender = much.stream.try_clone().unwrap();
    let bytes = [named("much").as_bytes(), &large].concat();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut sender, &bytes));
    assert_eq!(next(&calls), "much");
    gate.open();
    for client in [&mut together, &mut later] {
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client.expect(TEXT, "early");
        client.expect(TEXT, "early");
        client.barrier();
    }
    assert!(much.head().starts_with("HTTP/1.1 101 "));
    much.expect(TEXT, [b'x'; 300_000]);
    sending.join().unwrap().unwrap();
}

#[test]
fn a_peer_that_ended_its_side_gets_its_answer_all_the_same() {
    let (gate, calls) = Gate::new();
    let listener = start_echo(gate.guard(plain()));
    let mut client = RawClient::silent(listener.local_addr());
    client.send([named("half").as_bytes(), &frame(Role::Server, TEXT, b"early")].concat());
    client.half_close();
    assert_eq!(next(&calls), "half");
    gate.open();
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.expect(TEXT, "early");
    client.expect_end();
}

#[test]
fn s28_extensions_are_looked_at_only_for_those_who_are_let_in() {
    let token = Token { mine: "one", forbidden: "", asked: Arc::default(), blocks: true };
    let builder = plain().compression(Some(Compression::default())).authenticator(token);
    let listener = builder.start("127.0.0.1:0", who).unwrap();
    let malformed = "Sec-WebSocket-Extensions: permessage-deflate;;\r\n";
    let good = "Authorization: one\r\n";
    for (headers, status) in
        [(malformed.to_owned(), 401), ([malformed, good].concat(), 400), (good.to_owned(), 101)]
    {
        assert_eq!(ask_all_ways(listener.local_addr(), &request(&headers)).status, status);
    }
    let asked = ["Sec-WebSocket-Extensions: permessage-deflate\r\n", good].concat();
    let answer = ask(listener.local_addr(), request(&asked));
    assert!(answer.header("Sec-WebSocket-Extensions").is_some());
}

#[test]
fn an_upgrade_service_that_may_block_is_asked_off_the_loop() {
    let (gate, calls) = Gate::new();
    let waiting = gate.clone();
    let echoing = || Ok(By(|caller: &Caller, call: Call<'_>| echo(caller, &call)));
    let listener = plain()
        .route("/echo", move |_: &UpgradeRequest| echoing())
        .route_with("/slow", ServiceOptions::new().may_block(), move |_: &UpgradeRequest| {
            waiting.pass("slow");
            echoing()
        })
        .route_with("/panic", ServiceOptions::new().may_block(), |_: &UpgradeRequest| {
            if true {
                panic!("in the upgrade service");
            }
            Ok(By(|_: &Caller, _: Call<'_>| Ok(Reply::Nothing)))
        })
        .listen("127.0.0.1:0")
        .unwrap();
    let addr = listener.local_addr();
    let mut slow = RawClient::silent(addr);
    slow.send(upgrade("/slow", ""));
    assert_eq!(next(&calls), "slow");
    RawClient::open(addr).barrier();
    gate.open();
    assert!(slow.head().starts_with("HTTP/1.1 101 "));
    slow.barrier();
    assert_eq!(ask_all_ways(addr, &upgrade("/panic", "")).status, 500);
}

#[test]
fn a_panic_in_on_open_is_told_though_nothing_has_arrived() {
    let token = Token { mine: "one", forbidden: "", asked: Arc::default(), blocks: true };
    let panics = |_: &UpgradeRequest| {
        Ok(By(|_: &Caller, call: Call<'_>| match call {
            Call::Open => panic!("in on_open"),
            _ => Ok(Reply::Nothing),
        }))
    };
    let listener = plain().authenticator(token).start("127.0.0.1:0", panics).unwrap();
    let mut client = RawClient::silent(listener.local_addr()).upgrade("Authorization: one\r\n");
    client.expect_close(1011);
    client.expect_end();
}

#[test]
fn a_listener_ends_while_somebody_decides() {
    for abort in [true, false] {
        let (gate, calls) = Gate::new();
        let listener = start_echo(gate.guard(plain()).threads(2));
        let mut client = RawClient::silent(listener.local_addr());
        client.send(named("asking"));
        assert_eq!(next(&calls), "asking");
        if abort {
            listener.abort();
        } else {
            listener.shutdown(Duration::from_secs(60));
        }
        assert_eq!(client.rest(), b"");
        // Its answer comes to nobody.
        gate.open();
    }
}

/// Every status that a handshake may end in, on one listener.
#[test]
fn p042_p100_the_statuses_of_a_handshake() {
    let token = Token { mine: "one", forbidden: "bad", asked: Arc::default(), blocks: true };
    let service = |request: &UpgradeRequest| match request.path() {
        "/panic" => panic!("in the upgrade service"),
        "/busy" => Err(Rejection::unavailable()),
        _ => who(request),
    };
    let listener = plain()
        .authenticator(token)
        .route("/echo", service)
        .route("/panic", service)
        .route("/busy", service)
        .fallback(|_: &wirewright::HttpRequest| Rejection::not_found())
        .listen("127.0.0.1:0")
        .unwrap();
    let good = "Authorization: one\r\n";
    let long = "x".repeat(9000);
    for (request, status) in [
        (request(good), 101),
        (request("Content-Length: 5\r\n"), 400),
        (request(""), 401),
        (request("Authorization: bad\r\n"), 403),
        (upgrade("/none", good), 404),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n".to_owned(), 413),
        (upgrade(&format!("/{long}"), good), 414),
        (request(good).replace("Version: 13", "Version: 8"), 426),
        (request(&format!("X-Long: {long}\r\n")), 431),
        (upgrade("/panic", good), 500),
        (upgrade("/busy", good), 503),
    ] {
        let answer = ask_all_ways(listener.local_addr(), &request);
        assert_eq!(answer.status, status, "{request}");
    }
}
