//! WebSocket URIs (RFC 6455 §3; P-001 to P-003, P-012, S-26, S-48).

use wirewright_core::{Uri, UriComponent, UriError, UriProblem};

#[track_caller]
fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn p001_ports_paths_and_queries() {
    let rows = [
        ("ws://h", false, "h", 80, "/"),
        ("wss://h", true, "h", 443, "/"),
        ("WS://h", false, "h", 80, "/"),
        ("wSs://h/", true, "h", 443, "/"),
        ("ws://Example.COM:8080/Chat", false, "example.com", 8080, "/Chat"),
        ("ws://h:/x", false, "h", 80, "/x"),
        ("ws://h:0080/x", false, "h", 80, "/x"),
        ("wss://h:80", true, "h", 80, "/"),
        ("ws://h?q=1", false, "h", 80, "/?q=1"),
        ("ws://h:1?", false, "h", 1, "/?"),
        ("ws://h/a//b/../c;p=1/@:!$&'()*+,=?/?x=%20&y", false, "h", 80, ALL_OF_A_PATH),
        ("ws://127.0.0.1:65535/", false, "127.0.0.1", 65535, "/"),
        ("ws://[::1]", false, "::1", 80, "/"),
        ("ws://[2001:DB8::1]:9001/x", false, "2001:db8::1", 9001, "/x"),
        ("ws://[::ffff:1.2.3.4]/", false, "::ffff:1.2.3.4", 80, "/"),
        ("ws://a_b.c-d.e~f.", false, "a_b.c-d.e~f.", 80, "/"),
        ("ws://xn--bcher-kva.example", false, "xn--bcher-kva.example", 80, "/"),
    ];
    for (text, secure, host, port, resource) in rows {
        let uri = uri(text);
        assert_eq!(uri.is_secure(), secure, "{text}");
        assert_eq!(uri.host(), host, "{text}");
        assert_eq!(uri.port(), port, "{text}");
        assert_eq!(uri.path_and_query(), resource, "{text}");
        assert_eq!(uri.userinfo(), None, "{text}");
    }
}

const ALL_OF_A_PATH: &str = "/a//b/../c;p=1/@:!$&'()*+,=?/?x=%20&y";

#[test]
fn p002_no_fragment() {
    for text in ["ws://h/p#f", "ws://h#", "ws://h/?q#", "wss://h#/p"] {
        let error = text.parse::<Uri>().unwrap_err();
        let not_allowed = UriProblem::NotAllowed;
        assert_eq!(error, UriError { component: UriComponent::Fragment, problem: not_allowed });
    }
    assert_eq!(uri("ws://h/p%23f?a%23").path_and_query(), "/p%23f?a%23");
}

#[test]
fn p003_s26_invalid_components_say_which_and_why() {
    use UriComponent::{Host, Path, Port, Query, Scheme, UserInfo};
    use UriProblem::{Character, Missing, NotIpv6, NotWebSocket, OutOfRange, PercentEncoding};
    let rows = [
        ("", Scheme, Missing),
        ("h/p", Scheme, Missing),
        ("://h", Scheme, Missing),
        ("http://h", Scheme, NotWebSocket),
        (" ws://h", Scheme, NotWebSocket),
        ("w\u{17f}://h", Scheme, NotWebSocket),
        ("ws:h", Host, Missing),
        ("ws:/h", Host, Missing),
        ("ws://", Host, Missing),
        ("ws:///p", Host, Missing),
        ("ws://:80", Host, Missing),
        ("ws://user@", Host, Missing),
        ("ws://a b", Host, Character { at: 1 }),
        ("ws://h\r\nX: y", Host, Character { at: 1 }),
        ("ws://h\0", Host, Character { at: 1 }),
        ("ws://b\u{fc}cher", Host, Character { at: 1 }),
        ("ws://a%41", Host, Character { at: 1 }),
        ("ws://u@v@h", Host, Character { at: 1 }),
        ("ws://h\\p", Host, Character { at: 1 }),
        ("ws://[::1", Host, NotIpv6),
        ("ws://[::1/", Host, NotIpv6),
        ("ws://[]", Host, NotIpv6),
        ("ws://[1.2.3.4]", Host, NotIpv6),
        ("ws://[fe80::1%25eth0]", Host, NotIpv6),
        ("ws://[v1.x]", Host, NotIpv6),
        ("ws://a]b", Host, Character { at: 1 }),
        ("ws://::1]", Host, Missing),
        ("ws://h[::1]", Host, Character { at: 1 }),
        ("ws://[::1]80", Host, Character { at: 5 }),
        ("ws://::1", Host, Missing),
        ("ws://1::", Port, Character { at: 0 }),
        ("ws://h:0", Port, OutOfRange),
        ("ws://h:65536", Port, OutOfRange),
        ("ws://h:99999999999999999999", Port, OutOfRange),
        ("ws://h:-1", Port, Character { at: 0 }),
        ("ws://h:8a", Port, Character { at: 1 }),
        ("ws://h/\r\n", Path, Character { at: 1 }),
        ("ws://h/a b", Path, Character { at: 2 }),
        ("ws://h/\u{e4}", Path, Character { at: 1 }),
        ("ws://h/\x7f", Path, Character { at: 1 }),
        ("ws://h/<>", Path, Character { at: 1 }),
        ("ws://h/%", Path, PercentEncoding { at: 1 }),
        ("ws://h/%4", Path, PercentEncoding { at: 1 }),
        ("ws://h/%4g", Path, PercentEncoding { at: 1 }),
        ("ws://h/%\u{661}", Path, PercentEncoding { at: 1 }),
        ("ws://h?a\n", Query, Character { at: 1 }),
        ("ws://h?\"", Query, Character { at: 0 }),
        ("ws://h?%zz", Query, PercentEncoding { at: 0 }),
        ("ws://a\n@h", UserInfo, Character { at: 1 }),
        ("ws://%@h", UserInfo, PercentEncoding { at: 0 }),
    ];
    for (text, component, problem) in rows {
        assert_eq!(text.parse::<Uri>(), Err(UriError { component, problem }), "{text:?}");
    }
    let long = format!("ws://{}/", "a".repeat(256));
    assert_eq!(long.parse::<Uri>().unwrap_err().problem, UriProblem::TooLong);
    assert_eq!(uri(&format!("ws://{}", "a".repeat(255))).host().len(), 255);
}

#[test]
fn p003_errors_read_well() {
    let error = "ws://h/a b".parse::<Uri>().unwrap_err();
    let text = "path of the URI holds a character at byte 2 that is not allowed there, or only \
                percent-encoded";
    assert_eq!(error.to_string(), text);
    let rows = [
        ("ftp://h", "scheme of the URI is neither `ws` nor `wss`"),
        ("ws://", "host of the URI is missing"),
        ("ws://h:0", "port of the URI is not between 1 and 65535"),
        ("ws://[x]", "host of the URI is in brackets and no IPv6 address"),
        (
            "ws://u%1@h",
            "user information of the URI holds a `%` at byte 1 that two hexadecimal digits do not \
             follow",
        ),
        (
            "ws://h?`",
            "query of the URI holds a character at byte 0 that is not allowed there, or only \
             percent-encoded",
        ),
        (
            "ws://h#f",
            "fragment of the URI is not allowed in a WebSocket URI; write `%23` for a `#` of the \
             path or query",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(Uri::try_from(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn p012_authority_has_the_port_unless_it_is_the_default() {
    let rows = [
        ("ws://H", "h"),
        ("ws://h:80", "h"),
        ("ws://h:443", "h:443"),
        ("wss://h:443", "h"),
        ("wss://h:80", "h:80"),
        ("ws://[::1]", "[::1]"),
        ("ws://[::1]:9001", "[::1]:9001"),
        ("ws://user:password@h:1", "h:1"),
    ];
    for (text, authority) in rows {
        assert_eq!(uri(text).authority(), authority, "{text}");
    }
}

#[test]
fn s48_secrets_do_not_show() {
    let uri = uri("wss://user:canary!$&'()*+,;=@h:1/p?token=canary");
    assert_eq!(uri.userinfo(), Some("user:canary!$&'()*+,;="));
    assert_eq!(uri.path_and_query(), "/p?token=canary");
    assert_eq!(uri.to_string(), "wss://***@h:1/p?***");
    assert!(!format!("{uri:?}").contains("canary"));
    assert_eq!(format!("{:?}", self::uri("ws://H:80")), "Uri(ws://h/)");
}
