//! What is wrong with a configuration, and where.

use rcgen::CustomExtension;
use wirewright_tls::{
    ClientTls, ClientTlsBuilder, ConfigProblem as Problem, Identity, ServerTls, ServerTlsBuilder,
    TlsConfigError, Trust,
};

use crate::certificates::{Authority, Folder, params};

/// Whether a problem is the one that is meant.
type Is = fn(&Problem) -> bool;

fn refuse(built: Result<impl Sized, TlsConfigError>) -> TlsConfigError {
    built.err().expect("it should have been refused")
}

/// Content for a file of certificates, and what is wrong with it.
fn bad_certificates(authority: &Authority) -> [(&'static str, Vec<u8>, Is); 7] {
    let pem = authority.pem();
    let key = authority.issue(&["example.com"]).key;
    let half = pem.lines().take(4).collect::<Vec<_>>().join("\n");
    [
        ("empty", Vec::new(), |problem| matches!(problem, Problem::Empty)),
        ("blank", b" \n\n".to_vec(), |problem| matches!(problem, Problem::Empty)),
        ("key", key.into_bytes(), |problem| matches!(problem, Problem::NoCertificate)),
        ("no end", half.into_bytes(), |problem| matches!(problem, Problem::Malformed(_))),
        ("not base64", pem.replace('M', "!").into_bytes(), |problem| {
            matches!(problem, Problem::Malformed(_))
        }),
        ("garbage", vec![0xa5; 300], |problem| matches!(problem, Problem::Malformed(_))),
        (
            "not x.509",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
            |problem| matches!(problem, Problem::Malformed(what) if what.contains("certificate 1")),
        ),
    ]
}

#[test]
fn each_file_of_certificates_is_named_with_what_is_wrong() {
    let authority = Authority::new("authority");
    let folder = Folder::new();
    let issued = authority.issue(&["example.com"]);
    let key = folder.file("key.pem", &issued.key);
    for (name, content, is) in bad_certificates(&authority) {
        let path = folder.file(name, content);
        let errors = [
            refuse(ClientTls::builder().trust(Trust::pem_file(&path)).build()),
            refuse(ServerTls::builder().identity(Identity::pem_files(&path, &key)).build()),
            refuse(
                ServerTls::builder()
                    .identity(issued.identity())
                    .require_client_certificates(Trust::pem_file(&path))
                    .build(),
            ),
        ];
        for error in errors {
            assert_eq!(error.origin(), path.to_str().unwrap());
            assert!(is(error.problem()), "{name}: {:?}", error.problem());
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn each_missing_file_is_named() {
    let authority = Authority::new("authority");
    let folder = Folder::new();
    let issued = authority.issue(&["example.com"]);
    let (chain, key) = (folder.file("chain", &issued.chain), folder.file("key", &issued.key));
    let none = folder.path("none");
    let client = || ClientTls::builder().trust(Trust::pem(authority.pem()));
    let server = || ServerTls::builder().identity(issued.identity());
    let errors = [
        refuse(client().trust(Trust::pem_file(&none)).build()),
        refuse(client().trust(Trust::pkcs12_file(&none, "".into())).build()),
        refuse(client().crl_file(&none).build()),
        refuse(client().identity(Identity::pem_files(&none, &key)).build()),
        refuse(client().identity(Identity::pem_files(&chain, &none)).build()),
        refuse(client().identity(Identity::pkcs12_file(&none, "".into())).build()),
        refuse(server().identity(issued.identity().ocsp_staple_file(&none)).build()),
        refuse(server().crl_file(&none).build()),
        refuse(server().accept_client_certificates(Trust::pem_file(&none)).build()),
    ];
    for (i, error) in errors.iter().enumerate() {
        assert_eq!(error.origin(), none.to_str().unwrap(), "case {i}");
        assert!(matches!(error.problem(), Problem::Unreadable(_)), "case {i}: {error}");
        assert!(std::error::Error::source(error).is_some());
    }
}

#[test]
fn keys_are_named_with_what_is_wrong() {
    let authority = Authority::new("authority");
    let issued = authority.issue(&["example.com"]);
    let other = authority.issue(&["example.com"]);
    let cases: [(Vec<u8>, Is); 5] = [
        (Vec::new(), |problem| matches!(problem, Problem::Empty)),
        (issued.chain.clone().into_bytes(), |problem| matches!(problem, Problem::NoKey)),
        (vec![0x5a; 100], |problem| matches!(problem, Problem::Malformed(_))),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_vec(), |problem| {
            matches!(problem, Problem::Unsupported(_))
        }),
        (other.key.into_bytes(), |problem| matches!(problem, Problem::OtherKey { .. })),
    ];
    for (key, is) in cases {
        let identity = Identity::pem(issued.chain.clone(), key);
        let error = refuse(ServerTls::builder().identity(identity).build());
        assert_eq!(error.origin(), "Identity::pem, key");
        assert!(is(error.problem()), "{:?}", error.problem());
    }
}

#[test]
fn a_certificate_that_no_verifier_would_understand_is_refused() {
    let mut critical = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    critical.set_criticality(true);
    let mut params = params(&["example.com"]);
    params.custom_extensions.push(critical);
    let issued = Authority::new("authority").issue_with(&params);
    let error = refuse(ServerTls::builder().identity(issued.identity()).build());
    assert_eq!(error.origin(), "Identity::pem, certificate");
    let problem = error.problem();
    assert!(matches!(problem, Problem::Unsupported(why) if why.contains("critical")), "{error}");
}

#[test]
fn revocation_lists_are_named_with_what_is_wrong() {
    let authority = Authority::new("authority");
    let folder = Folder::new();
    let cases: [(&str, Vec<u8>, Is); 4] = [
        ("empty.crl", Vec::new(), |problem| matches!(problem, Problem::Empty)),
        ("other.crl", authority.pem().into_bytes(), |problem| {
            matches!(problem, Problem::NoRevocationList)
        }),
        ("garbage.crl", vec![1; 50], |problem| matches!(problem, Problem::Malformed(_))),
        (
            "short.crl",
            b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n".to_vec(),
            |problem| matches!(problem, Problem::Malformed(_)),
        ),
    ];
    for (name, content, is) in cases {
        let path = folder.file(name, content);
        let client = ClientTls::builder().trust(Trust::pem(authority.pem())).crl_file(&path);
        let error = refuse(client.build());
        assert_eq!(error.origin(), path.to_str().unwrap());
        assert!(is(error.problem()), "{name}: {:?}", error.problem());
    }
}

#[test]
fn names_that_are_not_offered_are_refused_with_those_that_are() {
    type Set = fn(ClientTlsBuilder, &str) -> ClientTlsBuilder;
    type SetServer = fn(ServerTlsBuilder, &str) -> ServerTlsBuilder;
    let versions: (Set, SetServer) = (|b, n| b.versions([n]), |b, n| b.versions([n]));
    let suites: (Set, SetServer) = (|b, n| b.cipher_suites([n]), |b, n| b.cipher_suites([n]));
    let groups: (Set, SetServer) = (|b, n| b.groups([n]), |b, n| b.groups([n]));
    let cases = [
        ("versions", versions, "TLSv1.1", "not offered by rustls", "TLSv1.2, TLSv1.3"),
        ("versions", versions, "TLSv1", "not offered by rustls", "TLSv1.2, TLSv1.3"),
        ("versions", versions, "SSLv3", "not offered by rustls", "TLSv1.2, TLSv1.3"),
        ("versions", versions, "DTLSv1.2", "not offered by rustls", "TLSv1.2, TLSv1.3"),
        ("versions", versions, "1.3", "not a version", "TLSv1.2, TLSv1.3"),
        (
            "cipher_suites",
            suites,
            "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
            "cbc",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        ("cipher_suites", suites, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "dhe", "TLS_AES_128_GCM"),
        ("cipher_suites", suites, "TLS_RSA_WITH_RC4_128_SHA", "rc4", "TLS_AES_128_GCM_SHA256"),
        ("cipher_suites", suites, "ECDHE-RSA-AES128-GCM-SHA256", "iana", "TLS_AES_128_GCM_SHA256"),
        ("groups", groups, "ffdhe2048", "not the name of a group", "x25519, secp256r1, secp384r1"),
        ("groups", groups, "P-256", "not the name of a group", "X25519MLKEM768"),
    ];
    let issued = Authority::new("authority").issue(&["example.com"]);
    for (option, (set, set_server), name, why, there) in cases {
        let server = ServerTls::builder().identity(issued.identity());
        let errors = [
            refuse(set(ClientTls::builder(), name).build()),
            refuse(set_server(server, name).build()),
        ];
        for error in errors {
            assert_eq!(error.origin(), option);
            assert!(matches!(error.problem(), Problem::NotOffered { name: n, .. } if n == name));
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(why) && text.contains(there), "{text}");
        }
    }
}

#[test]
fn contradictions_are_refused() {
    let authority = Authority::new("authority");
    let issued = authority.issue(&["example.com"]);
    let client = || ClientTls::builder().trust(Trust::pem(authority.pem()));
    let server = || ServerTls::builder().identity(issued.identity());
    let long = "x".repeat(256);
    let cases = [
        (refuse(client().versions([]).build()), "versions"),
        (refuse(client().cipher_suites([]).build()), "cipher_suites"),
        (refuse(client().groups([]).build()), "groups"),
        (refuse(client().cipher_suites(["TLS_AES_128_GCM_SHA256"]).build()), "cipher_suites"),
        (
            refuse(
                server()
                    .versions(["TLSv1.3"])
                    .cipher_suites(["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"])
                    .build(),
            ),
            "cipher_suites",
        ),
        (refuse(client().alpn([""]).build()), "alpn"),
        (refuse(client().alpn([long.as_str()]).build()), "alpn"),
        (refuse(client().server_name("not a name").build()), "server_name"),
        (refuse(ServerTls::builder().build()), "identity"),
        (refuse(server().default_name("other.example").build()), "default_name"),
        (refuse(server().identity_for(["a b"], issued.identity()).build()), "identity_for"),
        (refuse(server().identity_for(["a.*"], issued.identity()).build()), "identity_for"),
    ];
    for (error, option) in cases {
        assert_eq!(error.origin(), option, "{error}");
    }
}

#[test]
fn lists_without_certificates_to_look_up_are_refused() {
    let authority = Authority::new("authority");
    let folder = Folder::new();
    let list = folder.file("list.crl", crate::revocation::list(&authority, &[], 2099));
    let server = ServerTls::builder().identity(authority.issue(&["example.com"]).identity());
    let error = refuse(server.crl_file(&list).build());
    assert!(matches!(error.problem(), Problem::Contradiction(_)), "{error}");
}
