//! A secret of its own in every field for one, of client and listener, and all that is told while
//! they succeed and fail (S-48).

mod clients;
mod listeners;
mod options;

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use wirewright_tests::canary::{Canaries, Told, output_of};
use wirewright_tests::observer::Metrics;
use wirewright_tests::services::in_own_process;

use super::MARK;

/// Secrets, and what is told.
struct Scene {
    told: Told,
    canaries: Mutex<Canaries>,
}

impl Scene {
    /// The secret of this field.
    fn secret(&self, field: &'static str) -> String {
        self.canaries.lock().unwrap_or_else(PoisonError::into_inner).of(field)
    }

    /// One that is long enough for HMAC.
    fn long_secret(&self, field: &'static str) -> Vec<u8> {
        self.secret(field).repeat(4).into_bytes()
    }

    /// A secret that was not made here.
    fn note(&self, field: &'static str, value: &str) {
        self.canaries.lock().unwrap_or_else(PoisonError::into_inner).note(field, value);
    }

    /// An error was to be provoked: what it says counts.
    #[track_caller]
    fn fails<T, E: std::error::Error + 'static>(&self, found: Result<T, E>) {
        match found {
            Ok(_) => panic!("an error was to be provoked"),
            Err(error) => self.told.error(&error),
        }
    }
}

#[test]
fn s48_no_secret_is_told_in_any_form() {
    in_own_process(concat!(module_path!(), "::s48_no_secret_is_told_in_any_form"), || {
        let metrics = Metrics::install();
        let scene = Scene { told: Told::listen(), canaries: Mutex::default() };
        options::scene(&scene);
        listeners::scene(&scene);
        clients::scene(&scene);
        for side in ["client", "server"] {
            let lines = metrics.of(side);
            assert!(!lines.is_empty(), "metrics of {side}");
            lines.iter().for_each(|line| scene.told.add(line));
        }
        let text = scene.told.text();
        // What it is to find nothing in is there.
        for part in [
            " wirewright::client",
            " wirewright::listener",
            " wirewright_auth::client::oauth2",
            " wirewright_auth::server",
            "\nlog ",
            "panic: ",
            "credentials refused",
            "ws_requests",
        ] {
            assert!(text.contains(part), "nothing is told of {part}: {}", text.len());
        }
        let canaries = scene.canaries.lock().unwrap();
        println!("{} secrets, {} bytes that are told", canaries.len(), text.len());
        let found = canaries.found_in(&text);
        assert!(found.is_empty(), "{}", found.join("\n"));
    });
}

/// All tests of these modules, each secret of which has one part in common.
#[test]
fn s48_no_test_of_credentials_tells_a_secret() {
    let output = output_of("auth::", "s48");
    assert!(output.contains("wirewright_auth"), "all is told: {} bytes", output.len());
    let mut canaries = Canaries::default();
    canaries.note("a secret of these tests", MARK);
    let found = canaries.found_in(&output);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A search that finds nothing anywhere would be content with everything.
#[test]
fn s48_the_search_finds_each_form_of_a_secret() {
    let mut canaries = Canaries::default();
    let [first, second] = ["first", "second"].map(|field| canaries.of(field));
    assert_ne!(first, second);
    assert_eq!(canaries.of("first"), first);
    for text in [
        format!("password is {first}!"),
        STANDARD.encode(&first),
        STANDARD.encode(format!("u:{first}")),
        STANDARD.encode(format!("us:{first}:and more")),
        URL_SAFE_NO_PAD.encode(format!("{{\"jti\":\"{first}\"}}")),
        first.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        first.bytes().map(|byte| format!("{byte:02x}")).collect(),
        format!("{:?}", first.as_bytes()),
        format!("{:?}", [b"before ", first.as_bytes()].concat()),
    ] {
        let found = canaries.found_in(&format!("a line\n{text}\nanother"));
        assert_eq!(found, [format!("first: {text}")], "{text}");
    }
    assert_eq!(canaries.found_in("nothing of the kind"), [""; 0]);
}
