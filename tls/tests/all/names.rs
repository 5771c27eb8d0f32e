//! Which certificate a client is shown, and what a reload changes.

use rcgen::KeyPair;
use wirewright_tls::{ClientTls, ServerTls, TlsError, Trust};

use crate::certificates::{Authority, Folder, Issued, params};
use crate::pair::{Pair, VERSIONS};
use crate::plain_peer::{PlainClient, Staples};

/// The names in the certificate that a client is shown which wants `host`.
fn shown(client: &ClientTls, server: &ServerTls, host: &str) -> Vec<String> {
    let mut pair = Pair::new(client, server, host);
    pair.carry(usize::MAX);
    pair.assert_open();
    pair.client.layer.security().peer.expect("a certificate").names
}

fn any(authority: &Authority) -> ClientTls {
    let builder = ClientTls::builder().trust(Trust::pem(authority.pem())).sessions(0);
    builder.danger().accept_any_name().build().unwrap()
}

#[test]
fn rfc6066_3_each_name_has_its_certificate() {
    let authority = Authority::new("authority");
    let of = |names: &[&str]| authority.issue(names).identity();
    let server = ServerTls::builder()
        .identity(of(&["first.example", "*.first.example"]))
        .identity(of(&["second.example"]))
        .identity(of(&["www.first.example"]))
        .identity_for(["alias.example", "*.ALIAS.example"], of(&["third.example"]));
    let client = any(&authority);
    let cases = [
        ("first.example", "first.example"),
        ("FIRST.example", "first.example"),
        ("a.first.example", "first.example"),
        ("www.first.example", "www.first.example"),
        ("a.b.first.example", "first.example"),
        ("second.example", "second.example"),
        ("alias.example", "third.example"),
        ("x.alias.example", "third.example"),
        ("unknown.example", "first.example"),
        ("127.0.0.1", "first.example"),
    ];
    for version in VERSIONS {
        let one = server.clone().versions([version]).build().unwrap();
        for (host, first_name) in cases {
            assert_eq!(shown(&client, &one, host)[0], first_name, "{host}");
        }
        let other = server.clone().versions([version]).default_name("Second.example");
        let other = other.build().unwrap();
        for host in ["unknown.example", "127.0.0.1", "third.example"] {
            assert_eq!(shown(&client, &other, host), ["second.example"], "{host}");
        }
    }
}

#[test]
fn rfc6066_3_unknown_names_may_be_refused() {
    let authority = Authority::new("authority");
    for version in VERSIONS {
        let server = ServerTls::builder()
            .identity(authority.issue(&["*.example.com"]).identity())
            .versions([version])
            .refuse_unknown_names()
            .build()
            .unwrap();
        let client = any(&authority);
        for host in ["example.com", "a.b.example.com", "example.org"] {
            let mut pair = Pair::new(&client, &server, host);
            pair.carry(usize::MAX);
            assert_eq!(pair.server.failure(), TlsError::UnknownName(host.to_owned()));
            let alert = pair.client.failure();
            let name = "unrecognized_name".to_owned();
            assert_eq!(alert, TlsError::Alert { code: 112, name }, "{version}");
            assert!(!alert.is_transient() && !pair.server.failure().is_transient());
        }
        assert_eq!(shown(&client, &server, "www.example.com"), ["*.example.com"]);
        assert_eq!(shown(&client, &server, "127.0.0.1"), ["*.example.com"], "it asks for none");
    }
}

#[test]
fn a_name_with_two_keys_serves_each_client() {
    let authority = Authority::new("authority");
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let chain = params(&["example.com"]).signed_by(&key, &authority.0).unwrap().pem();
    let rsa = Issued { chain, key: key.serialize_pem() };
    let server = ServerTls::builder()
        .identity(rsa.identity())
        .identity(authority.issue(&["example.com"]).identity())
        .versions(["TLSv1.2"])
        .build()
        .unwrap();
    for suite in
        ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    {
        let client = ClientTls::builder()
            .trust(Trust::pem(authority.pem()))
            .versions(["TLSv1.2"])
            .cipher_suites([suite])
            .build()
            .unwrap();
        let pair = Pair::open(&client, &server, "example.com");
        assert_eq!(pair.client.layer.security().cipher_suite, suite);
    }
}

#[test]
fn a_reload_is_for_new_handshakes_and_all_or_nothing() {
    let authority = Authority::new("authority");
    let folder = Folder::new();
    let write = |issued: &Issued| {
        folder.file("chain.pem", &issued.chain);
        folder.file("key.pem", &issued.key);
    };
    write(&authority.issue(&["old.example"]));
    let identity =
        wirewright_tls::Identity::pem_files(folder.path("chain.pem"), folder.path("key.pem"));
    let server = ServerTls::builder().identity(identity).build().unwrap();
    let shared = server.clone();
    let client = any(&authority);
    let mut open = Pair::open(&client, &server, "old.example");
    let mut under_way = Pair::new(&client, &server, "old.example");
    under_way.client.turn();
    let hello = under_way.client.sent();

    // What is wrong is told, and nothing changes.
    let new = authority.issue(&["new.example"]);
    folder.file("chain.pem", &new.chain);
    let error = server.reload().expect_err("the key is the old certificate's");
    assert_eq!(error.origin(), folder.path("key.pem").to_str().unwrap());
    assert_eq!(shown(&client, &shared, "x.example"), ["old.example"]);
    folder.file("key.pem", "");
    server.reload().expect_err("the key is empty");
    assert_eq!(shown(&client, &shared, "x.example"), ["old.example"]);

    write(&new);
    server.reload().unwrap();
    assert_eq!(shown(&client, &shared, "x.example"), ["new.example"]);
    open.assert_passes();
    under_way.server.receive(&hello);
    under_way.carry(usize::MAX);
    under_way.assert_open();
    let peer = under_way.client.layer.security().peer.unwrap();
    assert_eq!(peer.names, ["old.example"], "it had begun before");
}

#[test]
fn a_reload_ends_the_sessions_of_clients_that_are_trusted_no_more() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = Folder::new();
    let clients = folder.file("clients.pem", old.pem());
    for version in VERSIONS {
        folder.file("clients.pem", old.pem());
        let server = ServerTls::builder()
            .identity(old.issue(&["example.com"]).identity())
            .require_client_certificates(Trust::pem_file(&clients))
            .versions([version])
            .build()
            .unwrap();
        let client = ClientTls::builder()
            .trust(Trust::pem(old.pem()))
            .identity(old.issue(&["client"]).identity())
            .build()
            .unwrap();
        Pair::open(&client, &server, "example.com").assert_passes();
        let resumed = Pair::open(&client, &server, "example.com");
        assert!(resumed.server.layer.security().is_resumed, "{version}");
        folder.file("clients.pem", new.pem());
        server.reload().unwrap();
        let mut pair = Pair::new(&client, &server, "example.com");
        pair.carry(usize::MAX);
        assert!(matches!(pair.server.failure(), TlsError::Certificate(_)), "{version}");
    }
}

#[test]
fn rfc6066_8_the_staple_is_shown_and_reloaded() {
    let authority = Authority::new("authority");
    let folder = Folder::new();
    let path = folder.file("ocsp.der", "first response");
    for version in VERSIONS {
        folder.file("ocsp.der", "first response");
        let identity = authority.issue(&["example.com"]).identity().ocsp_staple_file(&path);
        let server = ServerTls::builder().identity(identity).versions([version]).build().unwrap();
        let (staples, config) = Staples::client(&authority);
        PlainClient::open(&config, &server);
        assert_eq!(*staples.1.lock().unwrap(), b"first response", "{version}");
        folder.file("ocsp.der", "second response");
        server.reload().unwrap();
        PlainClient::open(&config, &server);
        assert_eq!(*staples.1.lock().unwrap(), b"second response", "{version}");
    }
}
