//! Identities that are revoked while their connections are open, or being opened (S-46).

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};

use wirewright::{CloseFrame, Identity, ListenerBuilder, Rejection, Request, RunOn};
use wirewright_tests::http::{answer, ask};
use wirewright_tests::raw_client::{CLOSE, RawClient, request};
use wirewright_tests::services::{echo, next, plain, start_echo, start_every, until};

/// Whoever says a name has it, and the scopes of its letters.
fn by_name(builder: ListenerBuilder) -> ListenerBuilder {
    builder.authenticator(|request: &Request| match request.head().header_str("X-Name") {
        Some(name) => {
            let mut identity = Identity::new(name);
            identity.scopes = name.chars().map(String::from).collect();
            Ok(identity)
        }
        None => Err(Rejection::unauthorized("Name")?),
    })
}

fn named(name: &str) -> String {
    format!("X-Name: {name}\r\n")
}

fn expect_revoked(client: &mut RawClient) {
    client.expect(CLOSE, [&3000_u16.to_be_bytes()[..], b"credentials expired"].concat());
    client.close(3000);
    client.expect_end();
}

#[test]
fn s46_connections_of_a_revoked_identity_are_closed_on_all_loops() {
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let (listener, calls, _open) = start_every(by_name(plain().threads(3)), runs_on, echo);
        let addr = listener.local_addr();
        let connect = |name: &str| RawClient::silent(addr).upgrade(&named(name));
        let mut revoked: Vec<_> = (0..9).map(|_| connect("anna")).collect();
        let mut others: Vec<_> = (0..9).map(|_| connect("bert")).collect();
        let silent = RawClient::silent(addr);
        std::thread::scope(|scope| {
            let revoke = || {
                let name = "anna".to_owned();
                let frame = CloseFrame::credentials_expired();
                listener.revoke(move |identity| identity.name == name, frame);
            };
            // From any thread, and as often as one likes.
            scope.spawn(revoke);
            scope.spawn(revoke);
        });
        revoked.iter_mut().for_each(expect_revoked);
        others.iter_mut().for_each(RawClient::barrier);
        // Who comes later is the authenticator's to refuse, and who has said nothing yet, too.
        silent.upgrade(&named("anna")).barrier();
        connect("anna").barrier();
        let closed = calls.iter().filter(|call| call.starts_with("close ")).take(9);
        assert!(closed.into_iter().all(|call| call == "close 3000"));
    }
}

#[test]
fn s46_what_is_known_of_an_identity_decides() {
    let listener = start_echo(by_name(plain()));
    let addr = listener.local_addr();
    let connect = |name: &str| RawClient::silent(addr).upgrade(&named(name));
    let (mut anna, mut bert, mut dora) = (connect("anna"), connect("bert"), connect("dora"));
    let frame = || CloseFrame::custom(4001, "").unwrap();
    listener.revoke(|identity| identity.scopes.iter().any(|scope| scope == "b"), frame());
    bert.expect(CLOSE, 4001_u16.to_be_bytes());
    // Nobody, and whoever it panics on: rather one too many than one too few.
    listener.revoke(|_| false, frame());
    listener.revoke(|identity| identity.name == "anna" && panic!("in a predicate"), frame());
    anna.expect(CLOSE, 4001_u16.to_be_bytes());
    dora.barrier();
    // A listener without identities has nothing to revoke, and one that has ended no loop.
    let plain = start_echo(plain());
    let mut client = RawClient::open(plain.local_addr());
    plain.revoke(|_| true, frame());
    client.barrier();
    plain.abort();
    plain.revoke(|_| true, frame());
}

/// An authenticator that waits until it may answer.
fn gated(log: Sender<()>, gate: Arc<(Mutex<bool>, Condvar)>) -> ListenerBuilder {
    let log = Mutex::new(log);
    plain().authenticator(move |request: &Request| {
        log.lock().unwrap().send(()).unwrap();
        let waited = gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open);
        drop(waited.unwrap());
        Ok(Identity::new(request.head().header_str("X-Name").unwrap_or("nobody")))
    })
}

#[test]
fn s46_whoever_is_revoked_while_its_authenticator_is_asked_is_not_let_in() {
    let (log, asked): (_, Receiver<()>) = mpsc::channel();
    let gate = Arc::<(Mutex<bool>, Condvar)>::default();
    let listener = start_echo(gated(log, Arc::clone(&gate)));
    let addr = listener.local_addr();
    let mut clients = ["anna", "bert"].map(|name| {
        let mut client = RawClient::silent(addr);
        client.send(request(&named(name)));
        let () = next(&asked);
        client
    });
    until("both are being decided on", || listener.stats().handshaking == 2);
    listener.revoke(|identity| identity.name == "anna", CloseFrame::credentials_expired());
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let refused = answer(&mut clients[0]);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer error=\"invalid_token\""));
    assert!(clients[1].head().starts_with("HTTP/1.1 101 "));
    clients[1].barrier();
    assert_eq!(listener.stats().refused.authentication, 1);
    // It was for those alone.
    assert_eq!(ask(addr, request(&named("anna"))).status, 101);
}
