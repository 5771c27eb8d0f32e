//! Files that ask for more work to derive a key from their password than anybody wants to do.

use std::time::{Duration, Instant};

use wirewright_tls::{ClientTls, ConfigProblem, Identity, ServerTls, TlsConfigError, Trust};

use crate::certificates::{Authority, Folder};

/// A key by 2^32 - 1 rounds of PBKDF2.
const ROUNDS: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MH4wWgYJKoZIhvcNAQUNME0wLAYJKoZIhvcNAQUMMB8ECHNhbHRzYWx0AgUA////
/zAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQAAAAAAAAAAAAAAAAAAAAAAQg
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END ENCRYPTED PRIVATE KEY-----
";

/// One by scrypt, of a cost that has no logarithm.
const NO_COST: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MHIwTgYJKoZIhvcNAQUNMEEwIAYJKwYBBAHaRwQLMBMECHNhbHRzYWx0AgEAAgEI
AgEBMB0GCWCGSAFlAwQBKgQQAAAAAAAAAAAAAAAAAAAAAAQgAAAAAAAAAAAAAAAA
AAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END ENCRYPTED PRIVATE KEY-----
";

/// The same in PKCS#12.
const STORE_ROUNDS: &str = "\
    3081c40201033081be06092a864886f70d010701a081b00481ad3081aa3081a706092a864886f70d010701a081\
    99048196308193308190060b2a864886f70d010c0a0102a08180307e305a06092a864886f70d01050d304d302c\
    06092a864886f70d01050c301f040873616c7473616c74020500ffffffff300c06082a864886f70d0209050030\
    1d060960864801650304012a041000000000000000000000000000000000042000000000000000000000000000\
    00000000000000000000000000000000000000";

/// The same in PKCS#12.
const STORE_NO_COST: &str = "\
    3081b70201033081b106092a864886f70d010701a081a30481a030819d30819a06092a864886f70d010701a081\
    8c048189308186308183060b2a864886f70d010c0a0102a0743072304e06092a864886f70d01050d3041302006\
    092b06010401da47040b3013040873616c7473616c74020100020108020101301d060960864801650304012a04\
    100000000000000000000000000000000004200000000000000000000000000000000000000000000000000000\
    000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

#[track_caller]
fn assert_refused(built: Result<impl Sized, TlsConfigError>, expected: &str) {
    let error = built.err().expect("it should have been refused");
    assert!(matches!(error.problem(), ConfigProblem::Unsupported(_)), "{error:?}");
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn rfc8018_5_2_a_file_cannot_ask_for_any_number_of_rounds() {
    let started = Instant::now();
    let chain = Authority::new("authority").issue(&["example.com"]).chain;
    let folder = Folder::new();
    for (key, store, expected) in [
        (ROUNDS, STORE_ROUNDS, "asks for 4294967295 rounds"),
        (NO_COST, STORE_NO_COST, "has 0 for the cost of scrypt"),
    ] {
        let store = bytes(store);
        let identities = [
            Identity::pem(chain.clone(), key).password("pass word".into()),
            Identity::pkcs12(store.clone(), "pass word".into()),
        ];
        for identity in identities {
            assert_refused(ServerTls::builder().identity(identity).build(), expected);
        }
        let trust = Trust::pkcs12_file(folder.file("store.p12", store), "pass word".into());
        assert_refused(ClientTls::builder().trust(trust).build(), expected);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "it was derived");
}
