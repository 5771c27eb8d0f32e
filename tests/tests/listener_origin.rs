//! Which pages may connect (S-27, RFC 6455 §10.2).

use wirewright::{OriginPolicy, UpgradeRequest};
use wirewright_tests::http::ask_all_ways;
use wirewright_tests::raw_client::request;
use wirewright_tests::services::{By, Call, plain};

/// For this host, with these lines of header.
fn from(host: &str, more: &str) -> String {
    request(more).replacen("localhost", host, 1)
}

/// The statuses that one policy gives to requests by host and origin.
fn check(policy: OriginPolicy, table: &[(&str, &str, u16)]) {
    let silent = |_: &UpgradeRequest| {
        Ok(By(|_: &wirewright::Caller, _: Call<'_>| Ok(wirewright::Reply::Nothing)))
    };
    let listener = plain().origins(policy).start("127.0.0.1:0", silent).unwrap();
    for (host, origin, status) in table {
        let line = format!("Origin: {origin}\r\n");
        let answer = ask_all_ways(listener.local_addr(), &from(host, &line));
        assert_eq!(answer.status, *status, "{host} from {origin}");
    }
}

/// What no policy but `any` lets in on `good.com`.
const FOREIGN: [&str; 24] = [
    "http://evil.com",
    "http://good.com.evil.com",
    "http://evilgood.com",
    "http://evil.com/good.com",
    "http://evil.com#good.com",
    "http://evil.com?good.com",
    "http://good.com@evil.com",
    "http://evil.com:80@good.com",
    "http://good.com/",
    "http://good.com ",
    "http://good.com evil.com",
    "http://good.com, http://evil.com",
    "http://good.com.",
    "http://good.com:",
    "http://good.com:+80",
    "http://good.com:65616",
    "http://good.com:8080",
    "https://good.com",
    "ws://good.com",
    "file://",
    "good.com",
    "//good.com",
    "null",
    "*",
];

#[test]
fn p038_p095_s27_pages_of_the_same_host_alone_by_default() {
    let mut table = FOREIGN.map(|origin| ("good.com", origin, 403)).to_vec();
    // White space about a value is none of it (RFC 9110 §5.5).
    table.retain(|(_, origin, _)| !origin.ends_with(' '));
    table.extend([
        ("good.com", "http://good.com", 101),
        ("good.com", "http://good.com:80", 101),
        ("good.com:80", "http://good.com", 101),
        // The owner of a name owns it in all its spellings, and browsers write it one way.
        ("good.com", "HTTP://GOOD.com", 101),
        ("Good.Com", "http://good.com", 101),
        ("good.com:8080", "http://good.com:8080", 101),
        ("good.com:8080", "http://good.com", 403),
        ("good.com:443", "https://good.com", 403),
        ("[::1]:8080", "http://[::1]:8080", 101),
        ("[::1]", "http://[::1]", 101),
        ("[::1]", "http://[::2]", 403),
        ("127.0.0.1", "http://127.0.0.1", 101),
        ("localhost", "http://127.0.0.1", 403),
        ("xn--bcher-kva.example", "http://xn--bcher-kva.example", 101),
        ("xn--bcher-kva.example", "http://b\u{fc}cher.example", 403),
        ("a.good.com", "http://good.com", 403),
        ("good.com", "http://a.good.com", 403),
        ("good.com", "", 403),
    ]);
    check(OriginPolicy::default(), &table);
}

#[test]
fn s27_behind_a_proxy_that_does_tls_pages_have_https() {
    check(
        OriginPolicy::same_host().behind_tls(),
        &[
            ("good.com", "https://good.com", 101),
            ("good.com:443", "https://good.com", 101),
            ("good.com", "https://good.com:443", 101),
            ("good.com", "http://good.com", 403),
            ("good.com", "https://good.com:80", 403),
            ("good.com", "https://evil.com", 403),
        ],
    );
}

#[test]
fn s27_a_list_lets_in_whom_it_names_and_wildcards_one_label() {
    let list = ["http://good.com", "https://*.example.com", "https://x.example:8443"];
    let app = ["chrome-extension://abcdef"];
    let policy = OriginPolicy::only(list).unwrap().also(app).unwrap();
    let mut table = FOREIGN.map(|origin| ("good.com", origin, 403)).to_vec();
    table.retain(|(_, origin, _)| !origin.ends_with(' '));
    table.extend([
        ("other.com", "http://good.com", 101),
        ("other.com", "http://other.com", 403),
        ("other.com", "https://a.example.com", 101),
        ("other.com", "https://A.Example.Com:443", 101),
        ("other.com", "http://a.example.com", 403),
        ("other.com", "https://example.com", 403),
        ("other.com", "https://.example.com", 403),
        ("other.com", "https://a.b.example.com", 403),
        ("other.com", "https://aexample.com", 403),
        ("other.com", "https://a.example.com.evil.com", 403),
        ("other.com", "https://a.example.com:8443", 403),
        ("other.com", "https://*.example.com", 403),
        ("other.com", "https://x.example:8443", 101),
        ("other.com", "https://x.example", 403),
        ("other.com", "chrome-extension://abcdef", 101),
        ("other.com", "chrome-extension://abcdefg", 403),
    ]);
    check(policy, &table);
    check(
        OriginPolicy::same_host().also(["https://app.example"]).unwrap(),
        &[
            ("good.com", "http://good.com", 101),
            ("good.com", "https://app.example", 101),
            ("good.com", "https://evil.example", 403),
        ],
    );
}

#[test]
fn s27_any_page_where_the_user_says_so_but_none_that_cannot_be_told() {
    let mut table = FOREIGN.map(|origin| ("good.com", origin, 101)).to_vec();
    table.push(("good.com", "http://a\r\nOrigin: http://b", 403));
    table.push(("good.com", "http://b\u{fc}cher.example", 403));
    check(OriginPolicy::any(), &table);
}

#[test]
fn s27_two_origins_are_none_for_every_policy() {
    let twice = [("good.com", "http://good.com\r\nOrigin: http://good.com", 403)];
    check(OriginPolicy::default(), &twice);
    check(OriginPolicy::only(["http://good.com"]).unwrap(), &twice);
}

#[test]
fn p033_s27_without_an_origin_it_is_no_browser_and_that_has_its_switch() {
    let silent = |_: &UpgradeRequest| {
        Ok(By(|_: &wirewright::Caller, _: Call<'_>| Ok(wirewright::Reply::Nothing)))
    };
    for (policy, status) in [
        (OriginPolicy::default(), 101),
        (OriginPolicy::only(["http://good.com"]).unwrap(), 101),
        (OriginPolicy::any(), 101),
        (OriginPolicy::default().require_origin(), 403),
        (OriginPolicy::any().require_origin(), 403),
    ] {
        let listener = plain().origins(policy.clone()).start("127.0.0.1:0", silent).unwrap();
        let answer = ask_all_ways(listener.local_addr(), &request(""));
        assert_eq!(answer.status, status, "{policy:?}");
        assert_eq!(listener.stats().refused.origin, if status == 403 { 3 } else { 0 });
    }
}

#[test]
fn s27_patterns_that_are_no_origins_are_refused() {
    for pattern in [
        "",
        "example.com",
        "*",
        "https://",
        "https://*",
        "https://*.",
        "https://*.*.com",
        "https://ex*mple.com",
        "https://a.*.com",
        "https://*example.com",
        "https://example.*",
        "*://example.com",
        "https://example.com:*",
        "https://example.com/",
        "https://example.com/path",
        "https://user@example.com",
        "https://example.com:99999",
        "https://b\u{fc}cher.example",
        "https://a, https://b",
        "null",
    ] {
        let error = OriginPolicy::only([pattern]).expect_err(pattern).to_string();
        assert!(error.contains("is no `scheme://host[:port]`"), "{error}");
    }
}
