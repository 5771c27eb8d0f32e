//! Several services on one listener, and what each is told of a request.

use std::fmt::Write as _;
use std::io;

use wirewright::{
    Accept, Caller, Compression, Listener, Rejection, Reply, RouteError, Service, ServiceOptions,
    UpgradeRequest,
};
use wirewright_tests::http::{Answer, ask, ask_all_ways, upgrade};
use wirewright_tests::raw_client::{BINARY, RawClient, TEXT};
use wirewright_tests::services::{By, Call, plain};

/// Says in the 101 what was asked of it.
fn seen(text: impl Into<String>) -> Result<Accept, Rejection> {
    let silent = By(|_: &Caller, _: Call<'_>| Ok(Reply::Nothing));
    Ok(Accept::new(silent).header("X-Seen", &text.into().escape_default().to_string())?)
}

fn result(answer: &Answer) -> (u16, &str) {
    let seen = answer.header("X-Seen").unwrap_or_else(|| answer.body.trim_end());
    (answer.status, seen)
}

fn routes() -> Listener {
    let named = |name: &'static str| move |_: &UpgradeRequest| seen(name);
    plain()
        .route("/", named("root"))
        .route("/chat/lobby", named("lobby"))
        .route("/chat/{room}", |request: &UpgradeRequest| {
            seen(format!("room {}", request.path_param::<String>("room")?))
        })
        .route("/number/{number}", |request: &UpgradeRequest| {
            seen(format!("number {}", request.path_param::<i8>("number")?))
        })
        .route("/flag/{flag}/", |request: &UpgradeRequest| {
            seen(format!("flag {}", request.path_param::<bool>("flag")?))
        })
        .route("/files/{*rest}", |request: &UpgradeRequest| {
            seen(format!("rest {}", request.path_param::<String>("rest")?))
        })
        .route("/img-{name}.png", |request: &UpgradeRequest| {
            seen(format!("image {}", request.path_param::<String>("name")?))
        })
        .route("/caf\u{e9} 100%/-_~!$", named("literal"))
        .route("/{{braces}}", named("braces"))
        .route("/wrong", |request: &UpgradeRequest| seen(request.path_param::<String>("none")?))
        .listen("127.0.0.1:0")
        .unwrap()
}

#[test]
fn p039_a_path_leads_to_one_service_or_is_404() {
    let listener = routes();
    let mut nobodys = 0;
    for (target, expected) in [
        ("/", (101, "root")),
        ("/?query", (101, "root")),
        ("http://localhost", (101, "root")),
        ("/chat/lobby", (101, "lobby")),
        ("/chat/lobby/", (101, "lobby")),
        ("/chat/%6Cobby", (101, "lobby")),
        ("/chat;v=1/lobby;a=4;b=5", (101, "lobby")),
        ("/chat/Lobby", (101, "room Lobby")),
        ("/chat/a%20b", (101, "room a b")),
        ("/chat/a+b", (101, "room a+b")),
        // The slash was no separator as the path was split.
        ("/chat/a%2Fb", (101, "room a/b")),
        ("/chat/a%252Fb", (101, "room a%2Fb")),
        ("/chat/a%3Bb;c", (101, "room a;b")),
        ("/chat/%E2%82%AC", (101, "room \\u{20ac}")),
        ("/chat/%zz%", (101, "room %zz%")),
        ("/number/-12", (101, "number -12")),
        ("/flag/true", (101, "flag true")),
        ("/files/a/b/c", (101, "rest a/b/c")),
        ("/files/a//c/", (101, "rest a//c")),
        ("/files/a%2Fb/c", (101, "rest a/b/c")),
        ("/img-1.png", (101, "image 1")),
        ("/caf%C3%A9%20100%25/-_~!$", (101, "literal")),
        ("/%7Bbraces%7D", (101, "braces")),
        // A.2 #9: exact, case-sensitive, no prefixes.
        ("/Chat/lobby", (404, "")),
        ("/chat", (404, "")),
        ("/chat/", (404, "")),
        ("/chat//", (404, "")),
        ("/chat/a/b", (404, "")),
        ("/chatter", (404, "")),
        ("//chat/lobby", (404, "")),
        ("/files", (404, "")),
        ("/files/", (404, "")),
        ("/number/", (404, "")),
        ("/number/128", (404, "path parameter `number` cannot be read")),
        ("/number/1.0", (404, "path parameter `number` cannot be read")),
        ("/number/%20", (404, "path parameter `number` cannot be read")),
        ("/flag/TRUE", (404, "path parameter `flag` cannot be read")),
        // Nobody's: not text, or a way out of where a wildcard leads.
        ("/chat/%FF", (404, "")),
        ("/files/../secret", (404, "")),
        ("/files/a/%2E%2e/b", (404, "")),
        ("/files/..%2Fsecret", (404, "")),
        ("/files/a%5C..%5Csecret", (404, "")),
        ("/files/./a", (404, "")),
        // The user's mistake, and no news for the peer.
        ("/wrong", (500, "")),
    ] {
        let answer = ask_all_ways(listener.local_addr(), &upgrade(target, ""));
        assert_eq!(result(&answer), expected, "{target}");
        // In one piece, byte by byte, and with more behind it.
        nobodys += if expected == (404, "") { 3 } else { 0 };
        assert_eq!(listener.stats().refused.route, nobodys, "{target}");
    }
}

/// One service that says all it is told.
fn told(request: &UpgradeRequest) -> Result<Accept, Rejection> {
    let mut text = String::new();
    match request.query_param::<String>("kind")?.as_str() {
        "one" => write!(text, "{}", request.query_param::<u32>("n")?),
        "maybe" => write!(text, "{:?}", request.query_param_opt::<u32>("n")?),
        "all" => write!(text, "{:?}", request.query_params::<u32>("n")?),
        "text" => write!(text, "{:?}", request.query_params::<String>("n")?),
        "pairs" => write!(text, "{:?}", request.query_pairs().skip(1).collect::<Vec<_>>()),
        "header" => write!(text, "{}", request.header_param::<u32>("x-number")?),
        "headers" => write!(text, "{:?}", request.header_params::<String>("X-NUMBER")?),
        "header?" => write!(text, "{:?}", request.header_param_opt::<u32>("X-Number")?),
        "cookie" => write!(text, "{:?} {:?}", request.cookie("a"), request.cookie("b")),
        "cookies" => write!(text, "{:?}", request.cookies().collect::<Vec<_>>()),
        "protocols" => write!(text, "{:?}", request.sub_protocols().collect::<Vec<_>>()),
        _ => return Err(Rejection::from_error(io::Error::other("no such kind"))),
    }
    .map_err(Rejection::from_error)?;
    seen(text.replace('"', "'"))
}

#[test]
fn what_a_request_carries_is_read_by_type_or_refused() {
    let listener = plain().start("127.0.0.1:0", told).unwrap();
    for (query, headers, expected) in [
        ("kind=one&n=12", "", (101, "12")),
        ("n=1&kind=one&n=2", "", (101, "1")),
        ("kind=one&n=%31%32", "", (101, "12")),
        ("kind=one", "", (400, "no value for query parameter `n`")),
        ("kind=one&N=1", "", (400, "no value for query parameter `n`")),
        ("kind=one&n=", "", (400, "query parameter `n` cannot be read")),
        ("kind=one&n", "", (400, "query parameter `n` cannot be read")),
        ("kind=one&n=-1", "", (400, "query parameter `n` cannot be read")),
        ("kind=one&n=%FF", "", (400, "query parameter `n` cannot be read")),
        ("", "", (400, "no value for query parameter `kind`")),
        ("kind=maybe", "", (101, "None")),
        ("kind=maybe&n=1", "", (101, "Some(1)")),
        ("kind=maybe&n=x", "", (400, "query parameter `n` cannot be read")),
        ("kind=all", "", (101, "[]")),
        ("kind=all&n=1&&x=5&n=2", "", (101, "[1, 2]")),
        ("kind=all&n=1&n=x", "", (400, "query parameter `n` cannot be read")),
        ("kind=text&n=a+b&n=a%2Bb&n=a%26b=c", "", (101, "[\\'a b\\', \\'a+b\\', \\'a&b=c\\']")),
        (
            "kind=pairs&a=1&b&=2",
            "",
            (101, "[(\\'a\\', \\'1\\'), (\\'b\\', \\'\\'), (\\'\\', \\'2\\')]"),
        ),
        ("kind=header", "X-NUMBER: 7\r\nX-Number: 8\r\n", (101, "7")),
        ("kind=header", "", (404, "no header `x-number`")),
        ("kind=header", "X-Number: seven\r\n", (400, "header `x-number` cannot be read")),
        ("kind=header?", "", (101, "None")),
        ("kind=header?", "X-Number: \u{e9}\r\n", (400, "header `X-Number` cannot be read")),
        ("kind=headers", "X-Number: 7\r\nX-Number: 8\r\n", (101, "[\\'7\\', \\'8\\']")),
        ("kind=cookie", "Cookie: b=2; a=1=1; a=3\r\n", (101, "Some(\\'1=1\\') Some(\\'2\\')")),
        ("kind=cookie", "Cookie: A=1; ;x\r\n", (101, "None None")),
        (
            "kind=cookies",
            "Cookie: a=1\r\nCookie: b=\r\n",
            (101, "[(\\'a\\', \\'1\\'), (\\'b\\', \\'\\')]"),
        ),
        ("kind=protocols", "Sec-WebSocket-Protocol: a, b\r\n", (101, "[\\'a\\', \\'b\\']")),
        ("kind=other", "", (400, "no such kind")),
    ] {
        let request = upgrade(&format!("/any?{query}"), headers);
        let answer = ask_all_ways(listener.local_addr(), &request);
        assert_eq!(result(&answer), expected, "{request}");
    }
}

#[test]
fn a_request_knows_both_its_addresses() {
    let listener = plain()
        .start("127.0.0.1:0", |request: &UpgradeRequest| {
            seen(format!("{} {}", request.peer_addr(), request.local_addr()))
        })
        .unwrap();
    let mut client = RawClient::silent(listener.local_addr());
    client.send(upgrade("/", ""));
    let head = client.head();
    let addresses = [client.stream.local_addr().unwrap(), client.stream.peer_addr().unwrap()];
    let [peer, local] = addresses.map(|addr| addr.to_string());
    assert!(head.contains(&format!("X-Seen: {peer} {local}\r\n")), "{head}");
}

/// S-26: the user's values never break out of their line, and what cannot be sent is 500 with not
/// a byte of it.
#[test]
fn s26_headers_of_the_101_are_the_users_or_none_at_all() {
    let upgrade_service = |request: &UpgradeRequest| {
        let accept = seen("")?;
        match request.path() {
            "/good" => Ok(accept.header("Set-Cookie", "a=1")?.header("Set-Cookie", "b=2")?),
            "/value" => Ok(accept.header("X-Evil", "a\r\nX-Other: b")?),
            "/name" => Ok(accept.header("X-Evil: a\r\nX-Other", "b")?),
            "/nul" => Ok(accept.header("X-Evil", "\0")?),
            "/ours" => Ok(accept.header("Sec-WebSocket-Accept", "x")?),
            "/length" => Ok(accept.header("Content-Length", "5")?),
            "/protocol" => Ok(accept.sub_protocol("unasked")),
            _ => Err(Rejection::from_error("evil\r\nX-Other: b")),
        }
    };
    let listener = plain().start("127.0.0.1:0", upgrade_service).unwrap();
    let good = ask_all_ways(listener.local_addr(), &upgrade("/good", ""));
    assert_eq!(good.status, 101);
    assert_eq!(good.headers("Set-Cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
    for path in ["/value", "/name", "/nul", "/ours", "/length", "/protocol"] {
        let answer = ask_all_ways(listener.local_addr(), &upgrade(path, ""));
        assert_eq!((answer.status, answer.body.as_str()), (500, ""), "{path}");
        assert!(!answer.head.contains("X-"), "{path}: {}", answer.head);
    }
    // A reason is body, and never head.
    let answer = ask_all_ways(listener.local_addr(), &upgrade("/other", ""));
    assert_eq!((answer.status, answer.body.as_str()), (400, "evil\r\nX-Other: b\n"));
    assert_eq!(answer.header("X-Other"), None);
}

#[test]
fn a_boxed_error_is_400_and_a_boxed_rejection_itself() {
    let fallible =
        |request: &UpgradeRequest| -> Result<Accept, Box<dyn std::error::Error + Send + Sync>> {
            let number: u8 = request.query_param("n")?;
            if number == 0 {
                Err("zero is taken")?;
            }
            Ok(seen(number.to_string())?)
        };
    let service = move |request: &UpgradeRequest| fallible(request).map_err(Rejection::from_error);
    let listener = plain().start("127.0.0.1:0", service).unwrap();
    for (target, expected) in [
        ("/?n=1", (101, "1")),
        ("/?n=0", (400, "zero is taken")),
        ("/?n=x", (400, "query parameter `n` cannot be read")),
    ] {
        assert_eq!(result(&ask(listener.local_addr(), upgrade(target, ""))), expected);
    }
}

#[test]
fn p040_each_service_has_its_sub_protocols() {
    let silent = |_: &UpgradeRequest| seen("");
    let chosen = |_: &UpgradeRequest| Ok(seen("")?.sub_protocol("b"));
    let listener = plain()
        .sub_protocols(["common"])
        .route("/common", silent)
        .route_with("/own", ServiceOptions::new().sub_protocols(["a", "b"]), silent)
        .route_with("/any", ServiceOptions::new().sub_protocols(["*"]), silent)
        .route_with("/none", ServiceOptions::new().sub_protocols::<&str>([]), silent)
        .route("/chosen", chosen)
        .listen("127.0.0.1:0")
        .unwrap();
    let asked = "Sec-WebSocket-Protocol: x, b, common\r\nSec-WebSocket-Protocol: a\r\n";
    for (path, headers, expected) in [
        ("/common", asked, Some("common")),
        ("/own", asked, Some("b")),
        ("/any", asked, Some("x")),
        ("/any", "", None),
        ("/none", asked, None),
        ("/chosen", asked, Some("b")),
    ] {
        let answer = ask_all_ways(listener.local_addr(), &upgrade(path, headers));
        assert_eq!((answer.status, answer.header("Sec-WebSocket-Protocol")), (101, expected));
    }
}

/// Sends back what it gets.
struct Echo;

impl Service for Echo {
    fn on_binary(&mut self, _: &Caller, bytes: &[u8]) -> wirewright::Outcome {
        Ok(Reply::Binary(bytes.to_vec()))
    }
}

#[test]
fn each_service_has_its_limits_and_its_compression() {
    let echo = |_: &UpgradeRequest| Ok(Echo);
    let small = ServiceOptions::new().max_frame_size(100).max_message_size(250);
    let compressed = ServiceOptions::new().compression(Some(Compression::default()));
    let listener = plain()
        .max_frame_size(1000)
        .route("/large", echo)
        .route_with("/small", small, echo)
        .route_with("/compressed", compressed, echo)
        .listen("127.0.0.1:0")
        .unwrap();
    let open = |path| {
        let mut client = RawClient::silent(listener.local_addr());
        client.send(upgrade(path, "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
        let head = client.head();
        (client, head.contains("permessage-deflate"))
    };
    let (mut large, deflates) = open("/large");
    assert!(!deflates);
    large.frame(BINARY, [7; 1000]);
    large.expect(BINARY, [7; 1000]);
    large.frame(BINARY, [7; 1001]);
    large.expect_close(1009);
    let (mut small, _) = open("/small");
    small.frame(BINARY, [7; 100]);
    small.expect(BINARY, [7; 100]);
    small.frame(0x02, [7; 100]);
    small.frame(0x80, [7; 50]);
    // What is sent is cut to the service's frames.
    small.expect(0x02, [7; 100]);
    small.expect(0x80, [7; 50]);
    small.frame(BINARY, [7; 101]);
    small.expect_close(1009);
    let (_, deflates) = open("/compressed");
    assert!(deflates);
}

#[test]
fn the_service_of_start_has_what_no_route_has() {
    let listener = plain()
        .route("/one", |_: &UpgradeRequest| seen("one"))
        .start("127.0.0.1:0", |request: &UpgradeRequest| seen(request.path()))
        .unwrap();
    for (target, expected) in
        [("/one", "one"), ("/two", "/two"), ("/%FF/..", "/%FF/.."), ("/one/more", "/one/more")]
    {
        assert_eq!(
            result(&ask_all_ways(listener.local_addr(), &upgrade(target, ""))),
            (101, expected)
        );
    }
}

#[test]
fn routes_that_cannot_be_told_apart_are_refused_at_the_start() {
    let silent = |_: &UpgradeRequest| seen("");
    for (first, second, text) in [
        ("/a", "/a", "route \"/a\" has paths of route \"/a\", which is attached"),
        ("/a", "/a/", "route \"/a/\" has paths of route \"/a\", which is attached"),
        ("/{x}", "/{y}", "route \"/{y}\" has paths of route \"/{x}\", which is attached"),
        ("/100%", "/100%", "route \"/100%\" has paths of route \"/100%\", which is attached"),
        ("/a", "b", "route \"b\" is malformed: it does not begin with `/`"),
        ("/a", "/{x}{y}", "route \"/{x}{y}\" is malformed: a segment has one parameter at most"),
        ("/a", "/{*x}/y", "route \"/{*x}/y\" is malformed: `{*rest}` stands at the end only"),
        (
            "/a",
            "/{",
            "route \"/{\" is malformed: a parameter is `{name}`, a brace by itself is doubled",
        ),
    ] {
        let builder = plain().route(first, silent).route(second, silent);
        let error = builder.listen("127.0.0.1:0").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let source = error.get_ref().unwrap().downcast_ref::<RouteError>();
        assert_eq!(source.unwrap().to_string(), text);
    }
}

#[test]
fn malformed_before_all_else_and_the_path_before_the_parameters() {
    let check = |request: &UpgradeRequest| request.query_param::<u32>("n").map(drop);
    let options = ServiceOptions::new().check(check).authenticator(|_: &wirewright::Request| {
        Err(Rejection::unauthorized("Basic realm=\"x\"")?)
    });
    let listener = plain()
        .route_with("/", options, |_: &UpgradeRequest| seen(""))
        .listen("127.0.0.1:0")
        .unwrap();
    let evil = "Origin: http://evil.example\r\n";
    for (request, status) in [
        (upgrade("/none", evil).replace("Key", "Kex"), 400),
        (upgrade("/none?n=x", evil), 404),
        (upgrade("/?n=x", evil), 400),
        (upgrade("/", evil), 400),
        (upgrade("/?n=1", evil), 403),
        (upgrade("/?n=1", ""), 401),
    ] {
        assert_eq!(ask_all_ways(listener.local_addr(), &request).status, status, "{request}");
    }
    let refused = listener.stats().refused;
    let each = [refused.request, refused.route, refused.check, refused.origin];
    assert_eq!((each, refused.authentication), ([3, 3, 6, 3], 3));
}

#[test]
fn routes_are_found_beside_text_that_is_pipelined() {
    let echo = |_: &UpgradeRequest| {
        Ok(By(|_: &Caller, call: Call<'_>| match call {
            Call::Text(text) => Ok(Reply::Text(text.to_owned())),
            _ => Ok(Reply::Nothing),
        }))
    };
    let listener = plain().route("/echo", echo).listen("127.0.0.1:0").unwrap();
    let mut client = RawClient::silent(listener.local_addr());
    let frame = wirewright_tests::raw::frame(wirewright_core::Role::Server, TEXT, b"early");
    client.send([upgrade("/echo", "").as_bytes(), &frame].concat());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.expect(TEXT, "early");
}
