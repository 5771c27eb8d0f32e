//! What two ends agree on, and what they say of it.

use std::process::Command;

use wirewright_core::Security;
use wirewright_tls::{
    CertificateProblem, ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder, TlsError, Trust,
};

use crate::certificates::{Authority, Folder};
use crate::pair::{Pair, VERSIONS};

fn client(authority: &Authority) -> ClientTlsBuilder {
    ClientTls::builder().trust(Trust::pem(authority.pem()))
}

fn server(authority: &Authority) -> ServerTlsBuilder {
    ServerTls::builder().identity(authority.issue(&["example.com"]).identity())
}

/// What both ends say, of which they agree but for the peer.
fn agreed(client: &ClientTlsBuilder, server: ServerTlsBuilder) -> (Security, Security) {
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let pair = Pair::open(&client, &server, "example.com");
    (pair.client.layer.security(), pair.server.layer.security())
}

/// How both ends fail.
fn failures(client: &ClientTlsBuilder, server: ServerTlsBuilder) -> (TlsError, TlsError) {
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut pair = Pair::new(&client, &server, "example.com");
    pair.carry(usize::MAX);
    (pair.client.failure(), pair.server.failure())
}

#[test]
fn each_suite_is_agreed_on_by_its_name() {
    let authority = Authority::new("authority");
    let suites = [
        ("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"),
        ("TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        ("TLSv1.2", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ];
    for (version, suite) in suites {
        let server = server(&authority).versions([version]).cipher_suites([suite]);
        let (client, server) = (client(&authority).build().unwrap(), server.build().unwrap());
        let mut pair = Pair::open(&client, &server, "example.com");
        pair.assert_passes();
        for security in [pair.client.layer.security(), pair.server.layer.security()] {
            assert_eq!((security.protocol, security.cipher_suite), (version, suite));
        }
    }
}

#[test]
fn each_group_is_agreed_on_by_its_name() {
    let authority = Authority::new("authority");
    for group in ["X25519MLKEM768", "SecP256r1MLKEM768", "x25519", "secp256r1", "secp384r1"] {
        let server = server(&authority).versions(["TLSv1.3"]).groups([group]);
        let client = client(&authority).groups(["x25519", group]);
        agreed(&client, server);
    }
    let (ours, theirs) =
        failures(&client(&authority).groups(["x25519"]), server(&authority).groups(["secp384r1"]));
    assert!(matches!(ours, TlsError::Alert { .. }) && !ours.is_transient(), "{ours:?}");
    assert!(matches!(theirs, TlsError::Incompatible(_)) && !theirs.is_transient(), "{theirs:?}");
}

#[test]
fn nothing_in_common_is_permanent_and_said_in_words() {
    let authority = Authority::new("authority");
    let (client, server) = (|| client(&authority), || server(&authority));
    let cases = [
        (client().versions(["TLSv1.2"]), server().versions(["TLSv1.3"]), "protocol_version"),
        (client().versions(["TLSv1.3"]), server().versions(["TLSv1.2"]), "protocol_version"),
        (
            client().versions(["TLSv1.3"]).cipher_suites(["TLS_AES_128_GCM_SHA256"]),
            server().versions(["TLSv1.3"]).cipher_suites(["TLS_AES_256_GCM_SHA384"]),
            "handshake_failure",
        ),
        (client().alpn(["h2"]), server(), "no_application_protocol"),
    ];
    for (client, server, alert) in cases {
        let (ours, theirs) = failures(&client, server);
        assert!(matches!(&ours, TlsError::Alert { name, .. } if name == alert), "{ours:?}");
        assert!(matches!(theirs, TlsError::Incompatible(_)), "{theirs:?}");
        assert!(!ours.is_transient() && !theirs.is_transient());
        let words = theirs.to_string();
        let camel = |pair: &[u8]| !pair[0].is_ascii_uppercase() && pair[1].is_ascii_uppercase();
        assert!(!words.replace(' ', "").as_bytes().windows(2).any(camel), "{words}");
    }
}

#[test]
fn rfc7301_application_protocols() {
    let authority = Authority::new("authority");
    let http = Some("http/1.1");
    let cases: [(&[&str], &[&str], Option<&str>); 7] = [
        (&["http/1.1"], &["http/1.1"], http),
        (&["h2", "http/1.1"], &["http/1.1"], http),
        (&["x", "http/1.1"], &["http/1.1", "x"], http),
        (&[], &["http/1.1"], None),
        (&["http/1.1"], &[], None),
        (&["h2"], &[], None),
        (&[], &[], None),
    ];
    for version in VERSIONS {
        for (offered, accepted, result) in cases {
            let client = client(&authority).alpn(offered.iter().copied());
            let server = server(&authority).alpn(accepted.iter().copied()).versions([version]);
            let (ours, theirs) = agreed(&client, server);
            assert_eq!(ours.application_protocol.as_deref(), result, "{offered:?} {accepted:?}");
            assert_eq!(theirs.application_protocol.as_deref(), result);
        }
    }
    let (ours, _) = agreed(&client(&authority), server(&authority));
    assert_eq!(ours.application_protocol.as_deref(), http, "by default");
}

#[test]
fn the_name_is_sent_unless_it_is_switched_off() {
    let authority = Authority::new("authority");
    let (ours, theirs) = agreed(&client(&authority), server(&authority));
    let name = Some("example.com".to_owned());
    assert_eq!((ours.server_name, theirs.server_name), (name.clone(), name));
    let quiet = client(&authority).send_server_name(false);
    let (ours, theirs) = agreed(&quiet, server(&authority));
    assert_eq!((ours.server_name, theirs.server_name), (None, None));
}

#[test]
fn client_certificates_are_required_or_not_and_told() {
    let authority = Authority::new("authority");
    let trust = || Trust::pem(authority.pem());
    for version in VERSIONS {
        let required =
            || server(&authority).versions([version]).require_client_certificates(trust());
        let optional =
            || server(&authority).versions([version]).accept_client_certificates(trust());
        let known = || client(&authority).identity(authority.issue(&["gateway 7"]).identity());
        let foreign = || {
            let stranger = Authority::new("stranger").issue(&["gateway 7"]);
            client(&authority).identity(stranger.identity())
        };
        for server in [required(), optional()] {
            let (_, theirs) = agreed(&known(), server);
            let peer = theirs.peer.expect("the client's certificate");
            assert_eq!(peer.common_name.as_deref(), Some("gateway 7"));
            assert_eq!(peer.subject, "CN=gateway 7");
            assert_eq!(peer.issuer, "CN=authority");
            assert_eq!(peer.not_after.as_secs(), 4_070_908_800, "2099-01-01");
            assert_eq!(peer.chain.len(), 1);
            assert!(peer.serial.len() >= 16 && peer.serial.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        let (_, theirs) = agreed(&client(&authority), optional());
        assert_eq!(theirs.peer, None);
        let (_, theirs) = agreed(&known(), server(&authority).versions([version]));
        assert_eq!(theirs.peer, None, "it was not asked for");
        assert_refused(&client(&authority), required(), &CertificateProblem::Missing);
        assert_refused(&foreign(), required(), &CertificateProblem::UnknownIssuer);
        assert_refused(&foreign(), optional(), &CertificateProblem::UnknownIssuer);
    }
}

#[track_caller]
fn assert_refused(client: &ClientTlsBuilder, server: ServerTlsBuilder, why: &CertificateProblem) {
    let (ours, theirs) = failures(client, server);
    assert_eq!(theirs, TlsError::Certificate(why.clone()));
    assert!(matches!(ours, TlsError::Alert { .. }) && !ours.is_transient(), "{ours:?}");
}

#[test]
fn names_of_all_kinds_are_told() {
    use rcgen::SanType::{IpAddress, Rfc822Name, URI};
    let authority = Authority::new("authority");
    let mut params = crate::certificates::params(&["example.com"]);
    params.subject_alt_names.extend([
        IpAddress("192.0.2.1".parse().unwrap()),
        IpAddress("2001:db8::1".parse().unwrap()),
        Rfc822Name("a@example.com".try_into().unwrap()),
        URI("spiffe://example/a".try_into().unwrap()),
    ]);
    let server = ServerTls::builder().identity(authority.issue_with(&params).identity());
    let (ours, _) = agreed(&client(&authority), server);
    let names = ours.peer.unwrap().names;
    let all = ["example.com", "192.0.2.1", "2001:db8::1", "a@example.com", "spiffe://example/a"];
    assert_eq!(names, all);
}

/// Whether the second connection resumes the first's session.
fn resumes(client: &ClientTlsBuilder, server: ServerTlsBuilder) -> bool {
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut first = Pair::open(&client, &server, "example.com");
    assert!(!first.client.layer.security().is_resumed);
    first.assert_passes();
    let mut second = Pair::open(&client, &server, "example.com");
    second.assert_passes();
    let (ours, theirs) = (second.client.layer.security(), second.server.layer.security());
    assert_eq!(ours.is_resumed, theirs.is_resumed);
    assert_eq!(theirs.server_name.as_deref(), Some("example.com"), "resumed or not");
    assert!(ours.peer.is_some(), "the certificate of the session's first handshake");
    ours.is_resumed
}

#[test]
fn sessions_are_resumed_unless_that_is_switched_off() {
    let authority = Authority::new("authority");
    for version in VERSIONS {
        let server = || server(&authority).versions([version]);
        assert!(resumes(&client(&authority), server()), "{version}");
        assert!(resumes(&client(&authority), server().tickets(false)), "{version}: kept");
        assert!(resumes(&client(&authority), server().sessions(0)), "{version}: tickets");
        assert!(!resumes(&client(&authority), server().tickets(false).sessions(0)), "{version}");
        assert!(!resumes(&client(&authority).sessions(0), server()), "{version}");
    }
}

#[test]
fn keys_are_logged_only_where_asked_for() {
    const MARK: &str = "WIREWRIGHT_TLS_LOGS";
    let authority = Authority::new("authority");
    if let Some(yes) = std::env::var_os(MARK) {
        let mut client = client(&authority);
        if yes == "yes" {
            client = client.log_keys_as_environment_says();
        }
        agreed(&client, server(&authority));
        return;
    }
    // The environment is a process's; so another one does it.
    let folder = Folder::new();
    for (yes, logs) in [("yes", true), ("no", false)] {
        let path = folder.path(yes);
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "agreement::keys_are_logged_only_where_asked_for"])
            .env(MARK, yes)
            .env("SSLKEYLOGFILE", &path)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let log = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(log.contains("CLIENT_TRAFFIC_SECRET_0"), logs, "{log}");
    }
}

#[test]
fn the_platforms_authorities_are_shared_or_missing_with_a_reason() {
    match (ClientTls::platform(), ClientTls::platform()) {
        (Ok(one), Ok(_)) => assert!(format!("{one:?}").starts_with("ClientTls")),
        (Err(error), _) | (_, Err(error)) => {
            assert_eq!(error.origin(), "Trust::platform");
        }
    }
    const MARK: &str = "WIREWRIGHT_TLS_PLATFORM";
    if std::env::var_os(MARK).is_some() {
        let error = ClientTls::platform().expect_err("there is no such file");
        assert!(error.to_string().contains("no certificate of an authority"), "{error}");
        return;
    }
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "agreement::the_platforms_authorities_are_shared_or_missing_with_a_reason",
        ])
        .env(MARK, "yes")
        .env("SSL_CERT_FILE", "/nowhere/at/all.pem")
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
}
