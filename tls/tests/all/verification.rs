//! Whose certificate is believed (S-33).

use rcgen::{DnType, IsCa, KeyPair, date_time_ymd};
use wirewright_core::ClientLayers;
use wirewright_tls::{CertificateProblem as Problem, ClientTls, ServerTls, TlsError, Trust};

use crate::certificates::{Authority, Issued, params};
use crate::pair::{Pair, VERSIONS, client_of, typed};

/// How a client that trusts `authority` takes `issued` when it wants `host`.
fn verdict(
    authority: &Authority,
    issued: &Issued,
    host: &str,
    version: &str,
) -> Result<(), TlsError> {
    let server = ServerTls::builder().identity(issued.identity()).versions([version]);
    let server = server.build().unwrap();
    let mut pair = Pair::new(&client_of(authority), &server, host);
    pair.carry(usize::MAX);
    let Some(error) = &pair.client.error else {
        pair.assert_open();
        return Ok(());
    };
    assert!(!pair.client.layer.is_open(), "no connection without a believed certificate");
    assert!(!error.is_transient(), "another attempt would meet it again: {error}");
    assert!(matches!(pair.server.failure(), TlsError::Alert { .. }), "the server is told");
    Err(pair.client.failure())
}

fn refusal(result: Result<(), TlsError>) -> Problem {
    match result {
        Err(TlsError::Certificate(problem)) => problem,
        other => panic!("a certificate should have been refused: {other:?}"),
    }
}

#[test]
fn s33_hosts_that_a_certificate_is_for_and_not_for() {
    let authority = Authority::new("authority");
    let cases: [(&[&str], &str, bool); 15] = [
        (&["example.com"], "example.com", true),
        (&["example.com"], "EXAMPLE.com", true),
        (&["example.com"], "example.com.", true),
        (&["a.example", "b.example"], "b.example", true),
        (&["example.com"], "example.org", false),
        (&["example.com"], "www.example.com", false),
        (&["*.example.com"], "www.example.com", true),
        (&["*.example.com"], "example.com", false),
        (&["*.example.com"], "a.b.example.com", false),
        (&["127.0.0.1"], "127.0.0.1", true),
        (&["127.0.0.1"], "127.0.0.2", false),
        (&["::1"], "::1", true),
        (&["example.com"], "127.0.0.1", false),
        (&["127.0.0.1"], "localhost", false),
        (&["xn--bcher-kva.example"], "xn--bcher-kva.example", true),
    ];
    for version in VERSIONS {
        for (names, host, fits) in cases {
            let verdict = verdict(&authority, &authority.issue(names), host, version);
            if fits {
                assert_eq!(verdict, Ok(()), "{names:?} for {host}");
                continue;
            }
            let problem = refusal(verdict);
            let text = problem.to_string();
            assert!(matches!(&problem, Problem::WrongName { asked, .. } if asked == host));
            assert!(names.iter().all(|name| text.contains(name)), "{text}");
            assert!(text.contains(host), "{text}");
        }
    }
}

#[test]
fn s33_a_common_name_counts_for_nothing() {
    let authority = Authority::new("authority");
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, "example.com");
    let problem =
        refusal(verdict(&authority, &authority.issue_with(&params), "example.com", "TLSv1.3"));
    assert!(matches!(problem, Problem::WrongName { issued, .. } if issued.is_empty()));
}

#[test]
fn s33_who_has_issued_it_is_believed_only_if_trusted() {
    let authority = Authority::new("authority");
    let stranger = Authority::new("stranger");
    // Of the same name, but with another key.
    let impostor = Authority::new("authority");
    for version in VERSIONS {
        let foreign = stranger.issue(&["example.com"]);
        let verdict_ = verdict(&authority, &foreign, "example.com", version);
        assert_eq!(refusal(verdict_), Problem::UnknownIssuer);
        let forged = impostor.issue(&["example.com"]);
        refusal(verdict(&authority, &forged, "example.com", version));
        let own = self_signed(false);
        let verdict_ = verdict(&authority, &own, "example.com", version);
        assert_eq!(refusal(verdict_), Problem::UnknownIssuer);
        let problem = refusal(verdict(&authority, &self_signed(true), "example.com", version));
        assert!(problem.to_string().contains("an authority's"), "{problem}");
    }
}

fn self_signed(is_authority: bool) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = params(&["example.com"]);
    if is_authority {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    Issued { chain: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

#[test]
fn s33_a_certificate_has_its_time() {
    let authority = Authority::new("authority");
    for version in VERSIONS {
        let mut past = params(&["example.com"]);
        past.not_after = date_time_ymd(2021, 3, 4);
        let problem =
            refusal(verdict(&authority, &authority.issue_with(&past), "example.com", version));
        assert!(matches!(problem, Problem::Expired { .. }));
        assert!(problem.to_string().contains("4 Mar 2021"), "{problem}");
        let mut future = params(&["example.com"]);
        future.not_before = date_time_ymd(2098, 5, 6);
        let problem =
            refusal(verdict(&authority, &authority.issue_with(&future), "example.com", version));
        assert!(matches!(problem, Problem::NotYetValid { .. }));
        assert!(problem.to_string().contains("6 May 2098"), "{problem}");
    }
}

#[test]
fn s33_a_certificate_has_its_purpose() {
    let authority = Authority::new("authority");
    let mut params = params(&["example.com"]);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let problem =
        refusal(verdict(&authority, &authority.issue_with(&params), "example.com", "TLSv1.3"));
    assert!(matches!(problem, Problem::WrongPurpose(_)), "{problem:?}");
}

#[test]
fn s33_a_chain_must_be_whole() {
    let authority = Authority::new("authority");
    let below = authority.below("below");
    let mut issued = below.issue(&["example.com"]);
    let problem = refusal(verdict(&authority, &issued, "example.com", "TLSv1.3"));
    assert_eq!(problem, Problem::UnknownIssuer);
    issued.chain.push_str(&below.pem());
    assert_eq!(verdict(&authority, &issued, "example.com", "TLSv1.3"), Ok(()));
}

#[test]
fn s33_a_host_that_is_no_name_is_refused_before_anything_is_sent() {
    let client = client_of(&Authority::new("authority"));
    for host in ["", "a b", "exa\u{0}mple.com", "-", "http://example.com", "[::1]", "example..com"]
    {
        let error = ClientLayers::layer(&client, host).err().expect(host);
        assert_eq!(typed(&error), TlsError::HostName(host.to_owned()));
        assert!(!error.is_transient());
    }
}

#[test]
fn s33_danger_is_apart_and_does_no_more_than_it_says() {
    let authority = Authority::new("authority");
    let stranger = Authority::new("stranger");
    let mut past = params(&["example.com"]);
    past.not_after = date_time_ymd(2021, 3, 4);
    let certificates = [
        (authority.issue(&["other.example"]), true, "the name"),
        (stranger.issue(&["example.com"]), false, "the authority"),
        (authority.issue_with(&past), false, "the time"),
    ];
    let trust = || ClientTls::builder().trust(Trust::pem(authority.pem()));
    let any_name = trust().danger().accept_any_name().build().unwrap();
    let any = trust().danger().accept_any_certificate().build().unwrap();
    for version in VERSIONS {
        for (issued, passes_with_any_name, what) in &certificates {
            refusal(verdict(&authority, issued, "example.com", version));
            let server = ServerTls::builder().identity(issued.identity()).versions([version]);
            let server = server.build().unwrap();
            let mut pair = Pair::new(&any_name, &server, "example.com");
            pair.carry(usize::MAX);
            assert_eq!(pair.client.error.is_none(), *passes_with_any_name, "{what}");
            Pair::open(&any, &server, "example.com").assert_passes();
        }
    }
}

#[test]
fn s33_another_name_than_the_hosts_is_proved() {
    let authority = Authority::new("authority");
    let server = ServerTls::builder().identity(authority.issue(&["inner.example"]).identity());
    let server = server.build().unwrap();
    let client = ClientTls::builder().trust(Trust::pem(authority.pem()));
    let client = client.server_name("inner.example").build().unwrap();
    let pair = Pair::open(&client, &server, "127.0.0.1");
    assert_eq!(pair.server.layer.security().server_name.as_deref(), Some("inner.example"));
}
