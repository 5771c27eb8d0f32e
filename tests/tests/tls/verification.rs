//! Whom a client trusts (S-33), and that another attempt is not made where it would meet the same.

use std::error::Error as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use wirewright::tls::{CertificateProblem as Problem, Identity, ServerTls, TlsError};
use wirewright::{ClientBuilder, ClientError, Listener, Proxy, Retry};
use wirewright_tests::certificates::{
    Issued, authority, client_tls, common_name_only, expired, params, stranger,
};
use wirewright_tests::services::{in_own_process, plain, start_at, start_echo, until};
use wirewright_tests::tls_peer::{serve, server_config};

use super::{VERSIONS, client_of, echo, url};
use crate::client::peer::Peer;

/// All names are this machine's, and no proxy has a say.
fn named(host: &str, listener: &Listener) -> ClientBuilder {
    let here = |_: &str, port| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
    let url = format!("wss://{host}:{}/", listener.local_addr().port());
    client_of(&url).resolver(here).proxy(Proxy::none())
}

fn shows(identity: Identity, version: &str) -> Listener {
    let tls = ServerTls::builder().identity(identity).versions([version]).build().unwrap();
    start_echo(plain().tls(tls))
}

fn eager() -> Retry {
    let mut retry = Retry::default();
    retry.interval = Duration::from_millis(1);
    retry.max_count = Some(5);
    retry
}

#[track_caller]
fn problem(error: &ClientError) -> Problem {
    let ClientError::Tls(error) = error else { panic!("{error:?}") };
    match error.source().unwrap().downcast_ref::<TlsError>() {
        Some(TlsError::Certificate(problem)) => problem.clone(),
        other => panic!("{other:?}"),
    }
}

fn changed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
    let mut params = params(names);
    change(&mut params);
    authority().issue_with(&params)
}

/// What is wrong, the certificate, the host that is asked for, what the error says.
fn bad_certificates() -> Vec<(&'static str, Issued, &'static str, &'static str)> {
    let good = |names: &[&str]| authority().issue(names);
    let young = |it: &mut CertificateParams| it.not_before = date_time_ymd(2098, 1, 1);
    let client = |it: &mut CertificateParams| {
        it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let below = authority().below("intermediate");
    vec![
        ("self-signed", Issued::by_itself(&["feed.test"]), "feed.test", "no authority"),
        ("unknown authority", stranger().issue(&["feed.test"]), "feed.test", "no authority"),
        ("chain not shown", below.issue(&["feed.test"]), "feed.test", "no authority"),
        ("expired", authority().issue_with(&expired(&["feed.test"])), "feed.test", "expired at"),
        ("not yet valid", changed(&["feed.test"], young), "feed.test", "not valid before"),
        ("for clients", changed(&["feed.test"], client), "feed.test", "another purpose"),
        ("another host", good(&["other.test"]), "feed.test", "not for feed.test but for"),
        ("a host below", good(&["a.feed.test"]), "feed.test", "not for feed.test"),
        ("a host above", good(&["feed.test"]), "a.feed.test", "not for a.feed.test"),
        ("begins alike", good(&["feed.test"]), "feed.test.evil.test", "not for feed.test.evil"),
        ("wildcard for two labels", good(&["*.feed.test"]), "a.b.feed.test", "not for a.b.feed"),
        ("wildcard for none", good(&["*.feed.test"]), "feed.test", "not for feed.test"),
        ("a name for an address", good(&["localhost"]), "127.0.0.1", "not for 127.0.0.1"),
        ("another address", good(&["127.0.0.2"]), "127.0.0.1", "not for 127.0.0.1"),
        ("an address for a name", good(&["127.0.0.1"]), "localhost", "not for localhost"),
        (
            "common name alone",
            authority().issue_with(&common_name_only("feed.test")),
            "feed.test",
            "not for feed.test",
        ),
    ]
}

#[test]
fn s33_a_server_that_does_not_prove_to_be_the_host_is_refused_once() {
    for version in VERSIONS {
        for (name, issued, host, says) in bad_certificates() {
            let listener = shows(issued.identity(), version);
            let error = named(host, &listener).retry(Some(eager())).connect().unwrap_err();
            let found = problem(&error);
            assert!(!error.is_transient(), "{name}: {error:?}");
            assert!(found.to_string().contains(says), "{name}: {found}");
            assert!(error.to_string().contains(says), "{name}: {error}");
            until("it is counted", || listener.stats().refused.tls == 1);
            assert_eq!(listener.stats().accepted, 1, "{name}: another attempt was made");
        }
    }
}

#[test]
fn s33_a_server_that_proves_to_be_the_host_is_trusted() {
    let below = authority().below("intermediate");
    for version in VERSIONS {
        for (issued, host) in [
            (authority().issue(&["feed.test"]), "feed.test"),
            (authority().issue(&["feed.test"]), "FEED.test"),
            (authority().issue(&["other.test", "feed.test"]), "feed.test"),
            (authority().issue(&["*.feed.test"]), "a.feed.test"),
            (authority().issue(&["127.0.0.1"]), "127.0.0.1"),
            (below.issue(&["feed.test"]).with(&below.pem()), "feed.test"),
        ] {
            let listener = shows(issued.identity(), version);
            let client = named(host, &listener).connect().unwrap();
            client.write_text("hello").unwrap();
            assert_eq!(client.read_text().unwrap(), "hello", "{version}: {host}");
            client.close().unwrap();
        }
    }
}

/// Names are compared with what was asked for, wherever that leads.
#[test]
fn s33_another_name_is_asked_for_where_the_user_says_so() {
    let listener = shows(authority().issue(&["inside.test"]).identity(), "TLSv1.3");
    let tls = client_tls().server_name("inside.test").build().unwrap();
    named("feed.test", &listener).tls(tls).connect().unwrap().close().unwrap();
    let error = named("feed.test", &listener).connect().unwrap_err();
    assert!(matches!(problem(&error), Problem::WrongName { .. }), "{error:?}");
}

/// No more is left out than the switch says.
#[test]
fn s33_danger_has_switches_of_its_own() {
    let any_name = client_tls().danger().accept_any_name().build().unwrap();
    let anybody = client_tls().danger().accept_any_certificate().build().unwrap();
    for version in VERSIONS {
        for (name, issued, host, _) in bad_certificates() {
            let listener = shows(issued.identity(), version);
            let builder = named(host, &listener);
            builder.clone().tls(anybody.clone()).connect().unwrap().close().unwrap();
            let result = builder.tls(any_name.clone()).connect();
            let wrong_name = matches!(
                problem(&named(host, &listener).connect().unwrap_err()),
                Problem::WrongName { .. }
            );
            match result {
                Ok(client) => {
                    assert!(wrong_name, "{name}");
                    client.close().unwrap();
                }
                Err(error) => assert!(!wrong_name, "{name}: {error}"),
            }
        }
    }
}

#[test]
fn s33_danger_is_in_the_log() {
    in_own_process(concat!(module_path!(), "::s33_danger_is_in_the_log"), || {
        let observer = wirewright_tests::observer::Observer::install();
        let warnings = || {
            let lines = observer.lines().into_iter();
            lines.filter(|line| line.level == tracing::Level::WARN).count()
        };
        client_tls().build().unwrap();
        assert_eq!(warnings(), 0);
        client_tls().danger().accept_any_name().build().unwrap();
        assert_eq!(warnings(), 1);
        client_tls().danger().accept_any_certificate().build().unwrap();
        assert_eq!(warnings(), 2);
    });
}

/// The platform's authorities know nothing of ours.
#[test]
fn s33_the_platform_does_not_trust_a_strangers_server() {
    let listener = echo(plain(), "TLSv1.3");
    let result = wirewright::Client::builder(&url(&listener)).connect();
    // Where the platform has no authorities at all, that is an error of TLS, too.
    let Err(ClientError::Tls(error)) = result else { panic!("{result:?}") };
    assert!(!error.is_transient(), "{error}");
}

/// What may pass is tried again: a server that ends the transport within the handshake of TLS.
#[test]
fn s33_a_connection_that_breaks_in_the_handshake_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let attempts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&attempts);
    let server = thread::spawn(move || {
        for _ in 0..2 {
            drop(listener.accept().unwrap());
            count.fetch_add(1, Ordering::SeqCst);
        }
        let (stream, _) = listener.accept().unwrap();
        let mut peer = Peer::accept(serve(stream, &Arc::new(server_config("TLSv1.3"))));
        assert_eq!(peer.receive().payload, [0x03, 0xE9]);
    });
    let client = client_of(&url).retry(Some(eager())).connect().unwrap();
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    drop(client);
    server.join().unwrap();
}

/// A server that comes back as somebody else is not taken for the one that was lost.
#[test]
fn s33_a_server_that_comes_back_as_another_is_given_up_at_once() {
    for version in VERSIONS {
        let first = echo(plain(), version);
        let addr = first.local_addr().to_string();
        let mut retry = eager();
        retry.interval = Duration::from_millis(200);
        retry.max_count = Some(50);
        retry.healthy_after = Duration::ZERO;
        let client = client_of(&url(&first)).retry(Some(retry)).connect().unwrap();
        first.abort();
        first.wait();
        drop(first);
        let identity = stranger().issue(&["localhost"]).identity();
        let tls = ServerTls::builder().identity(identity).versions([version]).build().unwrap();
        let second = start_at(&addr, plain().tls(tls), wirewright_tests::services::echo);
        let error = client.read().unwrap_err();
        let error = match &error {
            ClientError::GaveUp(error) => error,
            _ => &error,
        };
        assert_eq!(problem(error), Problem::UnknownIssuer, "{version}");
        assert_eq!(second.stats().accepted, 1);
    }
}
