//! The negotiation of permessage-deflate (RFC 6455 §9.1, RFC 7692 §5 and §7.1; S-11, S-22).

use std::time::Instant;

use wirewright_core::deflate::{Agreement, ExtensionError, Window, accept, answer, offer};
use wirewright_core::{Compression, Role};

const BOTH: Agreement = Agreement {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};

/// The defaults, with windows to send and to receive.
fn windows(send: u8, receive: u8) -> Compression {
    let mut compression = Compression::default();
    (compression.send_window_bits, compression.receive_window_bits) = (send, receive);
    compression
}

fn no_takeover() -> Compression {
    Compression::shared()
}

/// What a server with `compression` makes of request lines.
#[track_caller]
fn check_answer(compression: &Compression, lines: &[&str], expected: Option<&str>) {
    let found = answer(compression, lines.iter().copied()).unwrap();
    assert_eq!(found.as_ref().map(|it| it.1.as_str()), expected, "{lines:?}");
    // What a server answers, the client that offered it reads in the same way.
    if let (Some((agreement, value)), [line]) = (&found, lines)
        && *line == offer(&Compression::default())
    {
        assert_eq!(accept(&Compression::default(), value), Ok(*agreement));
    }
}

#[test]
fn d17_offers() {
    let cases = [
        (Compression::default(), "permessage-deflate; client_max_window_bits"),
        (
            no_takeover(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             client_max_window_bits",
        ),
        (windows(11, 9), "permessage-deflate; server_max_window_bits=9; client_max_window_bits=11"),
        (windows(15, 8), "permessage-deflate; server_max_window_bits=8; client_max_window_bits"),
    ];
    for (compression, expected) in cases {
        assert_eq!(offer(&compression), expected);
    }
}

#[test]
fn d10_d12_takeover_answers() {
    let plain = "permessage-deflate";
    let server = "permessage-deflate; server_no_context_takeover";
    let client = "permessage-deflate; client_no_context_takeover";
    let neither = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let default = Compression::default();
    check_answer(&default, &[plain], Some(plain));
    check_answer(&default, &[server], Some(server));
    check_answer(&default, &[client], Some(client));
    check_answer(&default, &[neither], Some(neither));
    // D-11: unasked.
    for offer in [plain, server, client, neither] {
        check_answer(&no_takeover(), &[offer], Some(neither));
    }
    // D-14: no values.
    for parameter in ["server_no_context_takeover", "client_no_context_takeover"] {
        for value in ["1", "true", "\"15\""] {
            check_answer(&default, &[&format!("{plain}; {parameter}={value}")], None);
        }
    }
}

#[test]
fn d15_d19_window_answers() {
    let with = |parameters: &str| format!("permessage-deflate{parameters}");
    let answer = |compression: &Compression, offered: &str, expected: Option<&str>| {
        check_answer(compression, &[&with(offered)], expected.map(with).as_deref());
    };
    let server = |bits: u8| format!("; server_max_window_bits={bits}");
    let client = |bits: u8| format!("; client_max_window_bits={bits}");
    for ours in 8..=15 {
        for asked in 8..=15 {
            let both = windows(ours, ours);
            // D-16: the same or smaller, also unasked.
            let least = ours.min(asked);
            let offered = server(asked) + &client(asked);
            let expected = if least == 15 { server(15) } else { server(least) + &client(least) };
            answer(&both, &offered, Some(&expected));
        }
        // D-17: without a value; D-18: not offered, not answered, and if we cannot hold 32 KiB
        // there is no agreement.
        let expected = if ours == 15 { String::new() } else { client(ours) };
        answer(&windows(15, ours), "; client_max_window_bits", Some(&expected));
        answer(&windows(15, ours), "", (ours == 15).then_some(""));
        let expected = if ours == 15 { String::new() } else { server(ours) };
        answer(&windows(ours, 15), "", Some(&expected));
    }
    // D-27: either end may be held to 256 bytes.
    let least = "; server_max_window_bits=8";
    answer(&windows(15, 15), least, Some(least));
    // The client may be asked for 256 bytes, and may ask for it.
    answer(&windows(15, 8), "; client_max_window_bits", Some("; client_max_window_bits=8"));
    answer(&windows(15, 15), "; client_max_window_bits=8", Some("; client_max_window_bits=8"));
}

#[test]
fn s11_d08_declined_offers() {
    let values = ["7", "16", "99", "015", "08", "-1", "+9", "abc", "1000", "256", "0", "9 "];
    for parameter in ["server_max_window_bits", "client_max_window_bits"] {
        for value in values.iter().filter(|it| !it.ends_with(' ')) {
            let bad = format!("permessage-deflate; {parameter}={value}");
            check_answer(&Compression::default(), &[&bad], None);
            // D-01: the next offer stands.
            let next = format!("{bad}, permessage-deflate");
            check_answer(&Compression::default(), &[&next], Some("permessage-deflate"));
            // D-09: the client fails.
            assert_eq!(accept(&Compression::default(), &bad), Err(ExtensionError::Parameter));
        }
        let twice = format!("permessage-deflate; {parameter}=15; {parameter}=15");
        check_answer(&Compression::default(), &[&twice], None);
        assert_eq!(accept(&Compression::default(), &twice), Err(ExtensionError::Parameter));
    }
    let others = [
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; unknown",
        "permessage-deflate; constructor=1",
        "permessage-deflate; server_no_context_takeover=\"\\1\"",
    ];
    for bad in others {
        check_answer(&Compression::default(), &[bad], None);
        assert_eq!(accept(&Compression::default(), bad), Err(ExtensionError::Parameter), "{bad}");
    }
    // Other extensions are nobody's business.
    for other in ["x-webkit-deflate-frame", "constructor", "bbf-usp-protocol; a=\"b\"; c"] {
        check_answer(&Compression::default(), &[other], None);
        let both = format!("{other}, permessage-deflate");
        check_answer(&Compression::default(), &[&both], Some("permessage-deflate"));
        assert_eq!(accept(&Compression::default(), other), Err(ExtensionError::NotOffered));
        assert_eq!(accept(&Compression::default(), &both), Err(ExtensionError::NotOffered));
    }
}

#[test]
fn p094_d01_order_is_preference_over_all_lines() {
    let first = "permessage-deflate; server_max_window_bits=10";
    let second = "permessage-deflate; client_no_context_takeover";
    let default = Compression::default();
    check_answer(&default, &[&format!("{first}, {second}")], Some(first));
    check_answer(&default, &[second, first], Some(second));
    check_answer(&default, &["unknown; x", first, second], Some(first));
    check_answer(&default, &[], None);
}

#[test]
fn p092_p093_malformed_headers() {
    let malformed = [
        "",
        " ",
        ",",
        ", ,",
        ";",
        ",;constructor",
        "a;;b",
        "a; b;",
        "permessage-deflate;",
        "permessage-deflate; a=",
        "permessage-deflate; =b",
        "permessage-deflate; a==b",
        "permessage-deflate; a=b=c",
        "permessage-deflate; a=b c",
        "permessage-deflate a",
        "permessage-deflate; a=\"b",
        "permessage-deflate; a=\"b\\",
        "permessage-deflate; a=\"b\\\"",
        "permessage-deflate; a=\"\"",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate; x=\"a b\"",
        "permessage-deflate; x=\"a\\ b\"",
        "permessage-deflate; x=\"a\"b",
        "permessage-deflate; x=\"ä\"",
        "permessage-deflate; ä",
        "permessage/deflate",
        "(permessage-deflate)",
        "permessage-deflate\0",
    ];
    for value in malformed {
        let found = answer(&Compression::default(), [value].into_iter());
        assert_eq!(found, Err(ExtensionError::Malformed), "{value:?}");
        let found = accept(&Compression::default(), value);
        assert!(found.is_err(), "{value:?}");
        // Behind an offer that was good, too, and on a line of its own.
        if !value.trim_matches([' ', ',']).is_empty() {
            let behind = format!("permessage-deflate, {value}");
            let found = answer(&Compression::default(), [behind.as_str()].into_iter());
            assert_eq!(found, Err(ExtensionError::Malformed), "{behind:?}");
        }
        let found = answer(&Compression::default(), ["permessage-deflate", value].into_iter());
        assert_eq!(found, Err(ExtensionError::Malformed), "{value:?}");
    }
}

#[test]
fn p092_well_formed_headers() {
    let same = [
        "permessage-deflate;server_max_window_bits=10",
        "permessage-deflate ;\tserver_max_window_bits = 10 ",
        "permessage-deflate; server_max_window_bits=\"10\"",
        "permessage-deflate; server_max_window_bits=\"\\1\\0\"",
        ", ,permessage-deflate; server_max_window_bits=10,,",
    ];
    for value in same {
        let expected = "permessage-deflate; server_max_window_bits=10";
        check_answer(&Compression::default(), &[value], Some(expected));
        let expected = Agreement { server_max_window_bits: 10, ..BOTH };
        assert_eq!(accept(&Compression::default(), value), Ok(expected), "{value}");
    }
}

#[test]
fn d09_d13_accepted_responses() {
    let default = Compression::default();
    let cases = [
        ("", BOTH),
        ("; server_no_context_takeover", Agreement { server_no_context_takeover: true, ..BOTH }),
        ("; client_no_context_takeover", Agreement { client_no_context_takeover: true, ..BOTH }),
        // D-16: smaller than nothing asked for.
        ("; server_max_window_bits=8", Agreement { server_max_window_bits: 8, ..BOTH }),
        ("; server_max_window_bits=15", BOTH),
        ("; client_max_window_bits=8", Agreement { client_max_window_bits: 8, ..BOTH }),
        ("; client_max_window_bits=9", Agreement { client_max_window_bits: 9, ..BOTH }),
        ("; client_max_window_bits=15", BOTH),
    ];
    for (parameters, expected) in cases {
        let found = accept(&default, &format!("permessage-deflate{parameters}"));
        assert_eq!(found, Ok(expected), "{parameters}");
    }
    // Smaller than asked for; and what we promised ourselves holds without an answer to it.
    let found = accept(&windows(10, 12), "permessage-deflate; server_max_window_bits=11");
    let expected = Agreement { server_max_window_bits: 11, client_max_window_bits: 10, ..BOTH };
    assert_eq!(found, Ok(expected));
    let found = accept(&no_takeover(), "permessage-deflate; server_no_context_takeover");
    let expected =
        Agreement { server_no_context_takeover: true, client_no_context_takeover: true, ..BOTH };
    assert_eq!(found, Ok(expected));
}

#[test]
fn d02_d09_d18_refused_responses() {
    use ExtensionError::{Missing, Parameter, Repeated, WindowBits};
    let cases = [
        (windows(15, 15), "permessage-deflate, permessage-deflate", Repeated),
        (windows(15, 15), "permessage-deflate; client_max_window_bits", Parameter),
        (windows(15, 12), "permessage-deflate", Missing("server_max_window_bits")),
        (
            windows(15, 12),
            "permessage-deflate; server_max_window_bits=13",
            WindowBits { parameter: "server_max_window_bits", value: 13, offered: 12 },
        ),
        (
            windows(12, 15),
            "permessage-deflate; client_max_window_bits=13",
            WindowBits { parameter: "client_max_window_bits", value: 13, offered: 12 },
        ),
        (no_takeover(), "permessage-deflate", Missing("server_no_context_takeover")),
    ];
    for (compression, value, expected) in cases {
        assert_eq!(accept(&compression, value), Err(expected), "{value}");
    }
}

#[test]
fn directions() {
    let agreement = Agreement {
        server_no_context_takeover: true,
        client_no_context_takeover: false,
        server_max_window_bits: 9,
        client_max_window_bits: 12,
    };
    let (server, client) =
        (Window { bits: 9, takeover: false }, Window { bits: 12, takeover: true });
    assert_eq!(agreement.sending(Role::Server), server);
    assert_eq!(agreement.receiving(Role::Client), server);
    assert_eq!(agreement.sending(Role::Client), client);
    assert_eq!(agreement.receiving(Role::Server), client);
}

#[test]
fn s22_hostile_headers_are_linear() {
    const LEN: usize = 16 * 1024;
    let fill = |head: &str, unit: &str| {
        let mut value = String::from(head);
        while value.len() < LEN {
            value.push_str(unit);
        }
        value
    };
    let inputs = [
        format!("b{}x", " ".repeat(LEN)),
        fill("a; b=\"", "\\c"),
        fill("", "constructor,"),
        fill("", ",;constructor"),
        fill("permessage-deflate", "; server_max_window_bits=10"),
        fill("permessage-deflate", "; a=\"\\b\""),
        fill("", "permessage-deflate,"),
        fill("", ", "),
    ];
    for input in &inputs {
        let twice = format!("{input},{input}");
        let time = |value: &str| {
            let measure = |_| {
                let start = Instant::now();
                let _ = answer(&Compression::default(), [value].into_iter());
                let _ = accept(&Compression::default(), value);
                start.elapsed()
            };
            (0..20).map(measure).min().unwrap()
        };
        let (once, twice) = (time(input), time(&twice));
        // Twice the bytes, at most twice the time, with room for a busy machine: quadratic work
        // on 16 KiB would be hundreds of times as much.
        assert!(once.as_millis() < 20, "{once:?} for {:?}", &input[..30]);
        assert!(twice < once * 8 + std::time::Duration::from_millis(1), "{once:?}, {twice:?}");
    }
}
