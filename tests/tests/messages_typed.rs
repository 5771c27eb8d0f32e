//! Messages as values: what binds to what, on both sides, and what is said of what does not.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wirewright::{
    BindError, Caller, Client, ClientError, CloseFrame, Compression, Either, FromMessage,
    IntoMessage, IntoReply, Json, Listener, Message, MessageBuf, MessageKind, MessageSink, Misuse,
    Outcome, Parsed, Reply, SendError, Sent, Service, Typed, UpgradeRequest, Valid, WriteError,
};
use wirewright_tests::alloc::Meter;
use wirewright_tests::raw_client::{BINARY, CLOSE, PATIENCE, RawClient, TEXT};
use wirewright_tests::services::{By, Call, echo, next, plain, start, start_echo};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Debug, PartialEq, Deserialize, Validate)]
struct Order {
    #[garde(length(min = 1, max = 4))]
    symbol: String,
    #[garde(range(min = 1, max = 100))]
    pieces: u32,
}

#[derive(Debug, PartialEq)]
struct Letter(char);

impl std::str::FromStr for Letter {
    type Err = io::Error;

    fn from_str(text: &str) -> Result<Self, io::Error> {
        let letter = ['A', 'B', 'C'].into_iter().find(|letter| text == letter.to_string());
        letter.map(Self).ok_or_else(|| io::Error::other("neither A nor B nor C"))
    }
}

/// What a message is as a `T`, printed; an error is its text.
fn bound<T: FromMessage + Debug>(message: Message<'_>) -> String {
    match T::from_message(message) {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.to_string(),
    }
}

type Bind = fn(Message<'_>) -> String;

fn text(text: &str) -> Message<'_> {
    Message::Text(text)
}

fn binary(text: &str) -> Message<'_> {
    Message::Binary(text.as_bytes())
}

/// A name, a message, how it is bound, and how the outcome begins when it is printed.
type Row = (&'static str, Message<'static>, Bind, &'static str);

fn of_texts() -> Vec<Row> {
    let array = "data binding failed: invalid type: integer `1`, expected a sequence at line 1 \
                 column 1";
    vec![
        ("text → string", text("a \"b\" ü"), bound::<String>, "\"a \\\"b\\\" ü\""),
        ("text → string, no JSON", text("\"a\""), bound::<String>, "\"\\\"a\\\"\""),
        ("text → none", text("a"), bound::<MessageBuf>, "MessageBuf"),
        (
            "text → record",
            text(r#"{"x":1,"y":-2}"#),
            bound::<Json<Point>>,
            "Json(Point { x: 1, y: -2 })",
        ),
        (
            "text → closed record",
            text(r#"{"x":1,"y":2,"z":3}"#),
            bound::<Json<Point>>,
            "data binding failed: unknown field `z`, expected `x` or `y`",
        ),
        ("text → string first", text("1"), bound::<Either<String, Json<i64>>>, "First(\"1\")"),
        ("text → finite", text("B"), bound::<Parsed<Letter>>, "Parsed(Letter('B'))"),
        (
            "text → finite, others",
            text("D"),
            bound::<Parsed<Letter>>,
            "data binding failed: neither A",
        ),
        ("text → int or bytes", text("1"), bound::<Either<Json<i64>, Vec<u8>>>, "First(Json(1))"),
        ("text → bytes", text("[1,2]"), bound::<Vec<u8>>, "[1, 2]"),
        ("text → bytes, none", text("1"), bound::<Vec<u8>>, array),
        ("text → int", text("17"), bound::<Json<i64>>, "Json(17)"),
        ("text → float", text("1.5"), bound::<Json<f64>>, "Json(1.5)"),
        ("text → boolean", text("true"), bound::<Json<bool>>, "Json(true)"),
        ("text → json", text("[null]"), bound::<Value>, "Array [Null]"),
        ("text → map", text(r#"{"a":1}"#), bound::<Json<BTreeMap<String, u8>>>, "Json({\"a\": 1})"),
        ("text → array", text("[1,2]"), bound::<Json<Vec<u8>>>, "Json([1, 2])"),
        ("text → tuple", text("[1,\"a\"]"), bound::<Json<(u8, String)>>, "Json((1, \"a\"))"),
        ("text → optional", text("null"), bound::<Json<Option<u8>>>, "Json(None)"),
        ("text → not JSON", text("{"), bound::<Value>, "data binding failed: EOF while parsing"),
    ]
}

fn of_binaries() -> Vec<Row> {
    let utf8 = "data binding failed: invalid utf-8 sequence of 1 bytes from index 0";
    vec![
        ("binary → bytes", binary("\u{1}a"), bound::<Vec<u8>>, "[1, 97]"),
        ("binary → none", binary("a"), bound::<MessageBuf>, "MessageBuf"),
        ("binary → string", binary("ü"), bound::<String>, "\"ü\""),
        ("binary → string, none", Message::Binary(b"\xFF"), bound::<String>, utf8),
        ("binary → record", binary(r#"{"x":1,"y":2}"#), bound::<Json<Point>>, "Json(Point"),
        ("binary → record, none", Message::Binary(b"\xFF{}"), bound::<Json<Point>>, utf8),
        ("binary → bytes first", binary("1"), bound::<Either<Vec<u8>, Json<i64>>>, "First([49])"),
        (
            "binary → int or string",
            binary("1"),
            bound::<Either<Json<i64>, String>>,
            "First(Json(1))",
        ),
        (
            "binary → string after int",
            binary("a"),
            bound::<Either<Json<i64>, String>>,
            "Second(\"a\")",
        ),
        ("binary → json", binary("{\"a\":1}"), bound::<Value>, "Object {\"a\": Number(1)}"),
        ("binary → finite", binary("C"), bound::<Parsed<Letter>>, "Parsed(Letter('C'))"),
    ]
}

/// Each kind of message as each kind of type.
fn rows() -> impl Iterator<Item = Row> {
    of_texts().into_iter().chain(of_binaries())
}

#[test]
fn every_row_of_the_binding_rules() {
    for (row, message, bind, expected) in rows() {
        let bound = bind(message);
        assert!(bound.starts_with(expected), "{row}: {bound}");
    }
}

#[test]
fn rules_of_a_type_are_asked_for_after_binding() {
    let good = text(r#"{"symbol":"ABCD","pieces":7}"#);
    assert_eq!(bound::<Valid<Order>>(good), "Valid(Order { symbol: \"ABCD\", pieces: 7 })");
    let Valid(bad) = Valid::<Order>::from_message(text(r#"{"symbol":"","pieces":0}"#)).unwrap();
    let error = Valid(bad).check().unwrap_err();
    assert!(matches!(error, BindError::Invalid(_)), "{error:?}");
    let said = error.to_string();
    assert!(said.starts_with("data validation failed: "), "{said}");
    assert!(said.contains("symbol: length is lower than 1"), "{said}");
    assert!(said.contains("pieces: lower than 1"), "{said}");
    // Of a sum it is the rules of what the message was.
    let either = Either::<Valid<Order>, String>::from_message(text(r#"{"symbol":"","pieces":1}"#));
    assert!(either.unwrap().check().unwrap_err().is_invalid());
    assert!(Either::<Valid<Order>, String>::from_message(text("x")).unwrap().check().is_ok());
}

/// A client of a listener that gives every message back.
fn pair() -> (Listener, Client) {
    let listener = start_echo(plain());
    let client = connect(&listener);
    (listener, client)
}

fn connect(listener: &Listener) -> Client {
    let url = format!("ws://{}/", listener.local_addr());
    Client::builder(&url).read_timeout(Some(PATIENCE)).connect().unwrap()
}

#[test]
fn a_message_that_does_not_bind_stays_readable() {
    let (_listener, client) = pair();
    client.write_text("first").unwrap();
    client.write_text(r#"{"x":1,"y":2}"#).unwrap();
    for _ in 0..3 {
        let error = client.read_json::<Point>().unwrap_err();
        assert!(matches!(error, ClientError::Bind(BindError::Json(_))), "{error:?}");
        let error = client.read_message::<Valid<Order>>().unwrap_err();
        assert!(error.to_string().starts_with("data binding failed: "), "{error}");
    }
    assert_eq!(client.read_text().unwrap(), "first");
    // A text read is strict, a typed one is not.
    assert!(matches!(client.read_binary(), Err(ClientError::WrongType { .. })));
    assert_eq!(client.read_json::<Point>().unwrap(), Point { x: 1, y: 2 });
    client.write_binary("größer".as_bytes()).unwrap();
    assert!(matches!(client.read_text(), Err(ClientError::WrongType { .. })));
    assert_eq!(client.read_message::<String>().unwrap(), "größer");
    client.write_binary(b"\xFF\xFE").unwrap();
    let error = client.read_message::<String>().unwrap_err();
    assert!(matches!(error, ClientError::Bind(BindError::Utf8(_))), "{error:?}");
    assert_eq!(client.read_message::<Vec<u8>>().unwrap(), b"\xFF\xFE");
    assert!(client.is_open());
}

#[test]
fn validation_is_on_and_can_be_switched_off() {
    let (listener, client) = pair();
    let bad = r#"{"symbol":"ABCDE","pieces":7}"#;
    client.write_text(bad).unwrap();
    let error = client.read_message::<Valid<Order>>().unwrap_err();
    assert!(matches!(error, ClientError::Bind(BindError::Invalid(_))), "{error:?}");
    let said = "data validation failed: symbol: length is greater than 4";
    assert_eq!(error.to_string().trim_end(), said);
    // Without its rules it is what it is.
    assert_eq!(client.read_json::<Order>().unwrap().pieces, 7);
    let url = format!("ws://{}/", listener.local_addr());
    let lax = Client::builder(&url).validation(false).connect().unwrap();
    lax.write_text(bad).unwrap();
    assert_eq!(lax.read_message::<Valid<Order>>().unwrap().0.symbol, "ABCDE");
}

struct Framed(u8);

impl IntoMessage for Framed {
    fn put_into<S: MessageSink>(&self, sink: S) -> Result<S::Done, S::Error> {
        sink.write(MessageKind::Binary, |to| {
            to.write_all(&[self.0; 3])?;
            to.write_str("!")?;
            Ok(())
        })
    }
}

#[test]
fn values_are_sent_as_what_they_are() {
    let (_listener, client) = pair();
    let point = Point { x: 1, y: 2 };
    let check = |expected: Message<'_>| {
        assert_eq!(client.read().unwrap().message(), expected);
    };
    client.write_message("str").unwrap();
    check(text("str"));
    let string = String::from("string");
    client.write_message(&string).unwrap();
    check(text("string"));
    client.write_message(vec![1, 2]).unwrap();
    check(Message::Binary(&[1, 2]));
    client.write_message([3; 2]).unwrap();
    check(Message::Binary(&[3, 3]));
    client.write_message(&b"slice"[..]).unwrap();
    check(binary("slice"));
    client.write_message(Message::Text("message")).unwrap();
    check(text("message"));
    client.write_message(MessageBuf::from(text("buf"))).unwrap();
    check(text("buf"));
    client.write_message(Json(&point)).unwrap();
    check(text(r#"{"x":1,"y":2}"#));
    client.write_json(&[point]).unwrap();
    check(text(r#"[{"x":1,"y":2}]"#));
    client.write_message(json!({"a": ["ü", null]})).unwrap();
    check(text(r#"{"a":["ü",null]}"#));
    client.write_message(Framed(7)).unwrap();
    check(Message::Binary(b"\x07\x07\x07!"));
    client.write_with(MessageKind::Text, |_| Ok(())).unwrap();
    check(text(""));
}

/// Cannot be JSON: a map whose keys are lists.
fn not_json() -> BTreeMap<Vec<u8>, u8> {
    BTreeMap::from([(vec![1], 1)])
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let (_listener, client) = pair();
    for _ in 0..3 {
        let error = client.write_json(&not_json()).unwrap_err();
        assert_eq!(error.to_string(), "message could not be written: key must be a string");
        let error = client.write_with(MessageKind::Binary, |to| {
            to.write_all(&[1; 100_000])?;
            Err("enough".into())
        });
        assert_eq!(error.unwrap_err().to_string(), "message could not be written: enough");
        let error = client.write_with(MessageKind::Text, |to| Ok(to.write_all(b"\xFF")?));
        assert!(matches!(error, Err(ClientError::Misuse(Misuse::TextUtf8))), "{error:?}");
    }
    client.write_text("after").unwrap();
    assert_eq!(client.read_text().unwrap(), "after");
    client.close().unwrap();
    let error = client.write_json(&1).unwrap_err();
    assert!(matches!(error, ClientError::Misuse(Misuse::CloseSent)), "{error:?}");
}

#[test]
fn a_caller_writes_as_a_client_does() {
    let listener = start(plain(), |caller: &Caller, call: &Call<'_>| {
        let Call::Text(_) = call else { return Ok(Reply::Nothing) };
        let _: Sent = caller.write_json(&Point { x: 1, y: 2 })?;
        let _ = caller.write_message(Framed(7))?;
        let error = caller.write_json(&not_json()).unwrap_err();
        assert!(matches!(error, WriteError::Value(_)), "{error:?}");
        let error = caller.write_with(MessageKind::Text, |to| Ok(to.write_all(b"\xFF")?));
        let expected = SendError::Misuse(Misuse::TextUtf8);
        assert!(matches!(error, Err(WriteError::Send(error)) if error == expected));
        let _ = caller
            .write_with(MessageKind::Text, |to| Ok(write!(to as &mut dyn Write, "{}", 7)?))?;
        let _ = caller.write_message("a text")?;
        caller.close_frame(&CloseFrame::going_away("enough"))?;
        let late = caller.write_json(&1).unwrap_err();
        assert!(matches!(late, WriteError::Send(SendError::Closed)), "{late:?}");
        Ok(Reply::Nothing)
    });
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, "go");
    client.expect(TEXT, r#"{"x":1,"y":2}"#);
    client.expect(BINARY, b"\x07\x07\x07!");
    client.expect(TEXT, "7");
    client.expect(TEXT, "a text");
    client.expect(CLOSE, b"\x03\xE9enough");
}

/// From outside of a callback the queue is the connection's own, and is at its cap at some time.
#[test]
fn a_written_message_keeps_to_the_cap() {
    let (callers, caller) = mpsc::channel();
    let listener = start(plain().max_queued(100_000), move |caller: &Caller, call: &Call<'_>| {
        if let Call::Open = call {
            callers.send(caller.clone()).unwrap();
        }
        Ok(Reply::Nothing)
    });
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&caller);
    let mut sent = 0;
    let error = loop {
        let write = |to: &mut wirewright::MessageWriter<'_>| Ok(to.write_all(&[7; 10_000])?);
        match caller.write_with(MessageKind::Binary, write) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WriteError::Send(SendError::Full { cap: 100_000, .. })), "{error:?}");
    for _ in 0..sent {
        assert_eq!(client.message(), vec![7; 10_000]);
    }
}

#[test]
fn large_and_compressed_messages_are_written_whole() {
    let text = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
    for (compression, frame) in [(None, 65_536), (None, 999), (Some(()), 65_536), (Some(()), 999)] {
        let compression = compression.map(|()| Compression::default());
        let listener = Listener::builder().threads(1).compression(compression.clone());
        let handler = |(): &mut (), caller: &Caller, Json(it): Json<Vec<String>>| -> Outcome {
            // Both ways a listener has.
            let _ = caller.write_json(&it)?;
            let _ = caller.write_uncompressed(Json(&it))?;
            Ok(Reply::json(&it)?)
        };
        let upgrade = move |_: &UpgradeRequest| Ok(Typed::new((), handler));
        let listener = listener.start("127.0.0.1:0", upgrade).unwrap();
        let client = Client::builder(&format!("ws://{}/", listener.local_addr()))
            .compression(compression)
            .read_timeout(Some(PATIENCE))
            .outgoing_frame_size(frame)
            .connect()
            .unwrap();
        for n in [0, 1, 20, 300, 15_000] {
            client.write_json(&text(n)).unwrap();
            client.write_uncompressed(Json(text(n))).unwrap();
            for _ in 0..6 {
                assert!(client.read_json::<Vec<String>>().unwrap() == text(n));
            }
        }
    }
}

#[test]
fn written_messages_from_several_threads_are_whole() {
    const THREADS: u32 = 4;
    let (_listener, client) = pair();
    let received = thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = &client;
            scope.spawn(move || {
                for number in 0..250_u32 {
                    let body = vec![number; usize::try_from(number % 50).unwrap() * 40];
                    let kind = [MessageKind::Text, MessageKind::Binary][(number % 2) as usize];
                    let result = client.write_with(kind, |to| {
                        Ok(serde_json::to_writer(to, &(thread, number, &body))?)
                    });
                    result.unwrap();
                }
            });
        }
        let mut received = vec![0_u32; THREADS as usize];
        for _ in 0..THREADS * 250 {
            let (thread, number, body) = client.read_json::<(u32, u32, Vec<u32>)>().unwrap();
            let next = &mut received[thread as usize];
            assert_eq!(number, *next, "each thread's in its order");
            *next += 1;
            assert_eq!(body, vec![number; usize::try_from(number % 50).unwrap() * 40]);
        }
        received
    });
    assert_eq!(received, [250; THREADS as usize]);
}

/// A caller, and the raw client at its other end.
fn caller() -> (Listener, Caller, RawClient) {
    let (callers, caller) = mpsc::channel();
    let listener = start(plain(), move |caller: &Caller, call: &Call<'_>| {
        if let Call::Open = call {
            callers.send(caller.clone())?;
        }
        Ok(Reply::Nothing)
    });
    let client = RawClient::open(listener.local_addr());
    let caller = next(&caller);
    (listener, caller, client)
}

#[test]
fn callers_write_whole_messages_from_several_threads() {
    const THREADS: u32 = 4;
    let (_listener, caller, mut client) = caller();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let caller = &caller;
            scope.spawn(move || {
                for number in 0..250_u32 {
                    let body = vec![number; usize::try_from(number % 50).unwrap() * 40];
                    let value = (thread, number, body);
                    let _ = caller
                        .write_with(MessageKind::Text, |to| Ok(serde_json::to_writer(to, &value)?));
                }
            });
        }
        let mut received = [0; THREADS as usize];
        for _ in 0..THREADS * 250 {
            let message = client.message();
            let (thread, number, body): (u32, u32, Vec<u32>) =
                serde_json::from_slice(&message).unwrap();
            assert_eq!(number, received[thread as usize], "each thread's in its order");
            received[thread as usize] += 1;
            assert!(body.iter().all(|it| *it == number));
        }
    });
}

#[test]
fn a_panic_half_way_through_a_message_leaves_nothing() {
    let (_listener, caller, mut raw) = caller();
    let (_other, client) = pair();
    for _ in 0..2 {
        let half = catch_unwind(AssertUnwindSafe(|| {
            let _ = caller.write_with(MessageKind::Text, |to| {
                to.extend(b"half");
                panic!("of it");
            });
        }));
        assert!(half.is_err());
        let half = catch_unwind(AssertUnwindSafe(|| {
            let _ = client.write_with(MessageKind::Text, |to| {
                to.extend(b"half");
                panic!("of it");
            });
        }));
        assert!(half.is_err());
    }
    let _ = caller.write_text("whole").unwrap();
    raw.expect(TEXT, "whole");
    client.write_text("whole").unwrap();
    assert_eq!(client.read_text().unwrap(), "whole");
}

/// In a callback, what is written goes into the loop's outbox, which is warm.
#[test]
fn no_message_that_a_callback_writes_allocates() {
    let listener = start(plain(), |caller: &Caller, call: &Call<'_>| {
        let Call::Text(text) = call else { return Ok(Reply::Nothing) };
        let meter = Meter::new();
        let _ = caller.write_json(&(text, [1.5; 20]))?;
        let _ = caller
            .write_with(MessageKind::Text, |to| Ok(writeln!(to as &mut dyn io::Write, "{}", 7)?))?;
        let _ = caller.write_json(&meter.allocations())?;
        Ok(Reply::Nothing)
    });
    let client = connect(&listener);
    let mut last = 1;
    for _ in 0..100 {
        client.write_text("go").unwrap();
        client.read_json::<(String, Vec<f64>)>().unwrap();
        assert_eq!(client.read_text().unwrap(), "7\n");
        last = client.read_json().unwrap();
    }
    assert_eq!(last, 0);
}

/// What a typed service logs of what goes wrong.
struct Log(mpsc::Sender<String>);

impl Service for Log {
    fn on_error(&mut self, _: &Caller, error: &wirewright::ConnectionError) {
        self.0.send(format!("{error}")).unwrap();
    }
}

fn typed<T, R>(handler: fn(&mut Log, &Caller, T) -> R) -> (Listener, mpsc::Receiver<String>)
where
    T: FromMessage + 'static,
    R: IntoReply + 'static,
{
    let (log, lines) = mpsc::channel();
    let log = std::sync::Mutex::new(log);
    let upgrade =
        move |_: &UpgradeRequest| Ok(Typed::new(Log(log.lock().unwrap().clone()), handler));
    (plain().start("127.0.0.1:0", upgrade).unwrap(), lines)
}

#[test]
fn a_typed_service_binds_by_the_same_rules() {
    for (row, message, bind, expected) in rows() {
        let upgrade = move |_: &UpgradeRequest| {
            Ok(Typed::new((), move |(), _: &Caller, message: MessageBuf| bind(message.message())))
        };
        let listener = plain().start("127.0.0.1:0", upgrade).unwrap();
        let mut client = RawClient::open(listener.local_addr());
        let first = if message.kind() == MessageKind::Text { TEXT } else { BINARY };
        client.frame(first, message.as_bytes());
        let said = String::from_utf8(client.message()).unwrap();
        assert!(said.starts_with(expected), "{row}: {said}");
    }
}

#[test]
fn a_binding_error_closes_with_1003_unless_the_service_says_otherwise() {
    let (listener, _) = typed::<Json<Point>, _>(|_, _, point| point);
    let cases = [
        ("{", "data binding failed: EOF while parsing an object at line 1 column 1"),
        // Of more than 100 characters the first 80 are left.
        (
            &*format!("{{\"x\":1,\"y\":2,\"{}\":3}}", "z".repeat(200)),
            &*format!("data binding failed: unknown field `{}...", "z".repeat(65)),
        ),
    ];
    for (message, reason) in cases {
        let mut client = RawClient::open(listener.local_addr());
        client.frame(TEXT, r#"{"x":1,"y":2}"#);
        client.expect(TEXT, r#"{"x":1,"y":2}"#);
        client.frame(TEXT, message);
        client.expect(CLOSE, [b"\x03\xEB", reason.as_bytes()].concat());
    }

    struct Lenient;
    impl Service for Lenient {
        fn on_bind_error(&mut self, _: &Caller, error: &BindError) -> Outcome {
            Ok(Reply::Text(error.to_string()))
        }
    }
    let upgrade =
        |_: &UpgradeRequest| Ok(Typed::new(Lenient, |_, _: &Caller, point: Json<Point>| point));
    let listener = plain().start("127.0.0.1:0", upgrade).unwrap();
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, "7");
    let said = String::from_utf8(client.message()).unwrap();
    assert!(said.starts_with("data binding failed: invalid type: integer `7`"), "{said}");
    client.frame(TEXT, r#"{"x":3,"y":4}"#);
    client.expect(TEXT, r#"{"x":3,"y":4}"#);
}

#[test]
fn a_broken_rule_is_an_error_and_the_connection_goes_on() {
    let (listener, log) = typed::<Valid<Order>, _>(|_, _, Valid(order)| order.symbol);
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, r#"{"symbol":"ABCD","pieces":0}"#);
    assert_eq!(next(&log).trim_end(), "data validation failed: pieces: lower than 1");
    client.frame(BINARY, r#"{"symbol":"ABCD","pieces":1}"#);
    client.expect(TEXT, "ABCD");
    // And without the rules there is nothing to break.
    let upgrade = |_: &UpgradeRequest| {
        let service = Typed::new((), |(), _: &Caller, Valid(order): Valid<Order>| order.symbol);
        Ok(service.validation(false))
    };
    let listener = plain().start("127.0.0.1:0", upgrade).unwrap();
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, r#"{"symbol":"ABCD","pieces":0}"#);
    client.expect(TEXT, "ABCD");
}

#[test]
fn replies_are_whatever_a_handler_has() {
    type Case = (fn() -> Outcome, Result<Reply, &'static str>);
    let into: [Case; 12] = [
        (|| ().into_reply(), Ok(Reply::Nothing)),
        (|| "text".into_reply(), Ok(Reply::Text("text".into()))),
        (|| String::from("text").into_reply(), Ok(Reply::Text("text".into()))),
        (|| vec![1, 2].into_reply(), Ok(Reply::Binary(vec![1, 2]))),
        (|| Json([1, 2]).into_reply(), Ok(Reply::Text("[1,2]".into()))),
        (|| json!("text").into_reply(), Ok(Reply::Text("\"text\"".into()))),
        (|| Framed(1).into_reply(), Ok(Reply::Binary(b"\x01\x01\x01!".into()))),
        (|| Some(Reply::Pong).into_reply(), Ok(Reply::Pong)),
        (|| None::<Json<u8>>.into_reply(), Ok(Reply::Nothing)),
        (|| Ok::<_, &str>("text").into_reply(), Ok(Reply::Text("text".into()))),
        (|| Err::<(), _>("no").into_reply(), Err("no")),
        (|| Json(not_json()).into_reply(), Err("key must be a string")),
    ];
    for (i, (reply, expected)) in into.into_iter().enumerate() {
        let reply = reply().map_err(|error| error.to_string());
        let expected = expected.map_err(str::to_owned);
        assert_eq!(format!("{reply:?}"), format!("{expected:?}"), "{i}");
    }
    let frame = CloseFrame::policy_violation();
    let Ok(Reply::Close(code, reason)) = frame.into_reply() else { panic!("no close") };
    assert_eq!((code.value(), &*reason), (1008, "Received message violates its policy"));
}

#[test]
fn close_frames_have_their_codes_and_reasons() {
    let table = [
        (CloseFrame::normal(), 1000, ""),
        (CloseFrame::going_away(""), 1001, ""),
        (CloseFrame::protocol_error(), 1002, "Connection closed due to protocol error"),
        (CloseFrame::unsupported_data(), 1003, "Endpoint received unsupported frame"),
        (
            CloseFrame::invalid_payload(),
            1007,
            "Payload does not match the expected format or encoding",
        ),
        (CloseFrame::policy_violation(), 1008, "Received message violates its policy"),
        (
            CloseFrame::message_too_big(),
            1009,
            "The received message exceeds the allowed size limit",
        ),
        (CloseFrame::internal_error(), 1011, "Internal server error occurred"),
        (CloseFrame::credentials_expired(), 3000, "credentials expired"),
    ];
    for (frame, code, reason) in table {
        assert_eq!((frame.code().value(), frame.reason()), (code, reason));
        // From a client,
        let (calls, call) = mpsc::channel();
        let service = wirewright_tests::services::logged(calls, echo);
        let listener = plain().start("127.0.0.1:0", service).unwrap();
        connect(&listener).close_frame(&frame, Some(PATIENCE)).unwrap();
        wirewright_tests::services::expect_calls(&call, &["open", &format!("close {code}")]);
        // and as a callback's reply.
        let upgrade = move |_: &UpgradeRequest| {
            let frame = frame.clone();
            Ok(By(move |_: &Caller, call: Call<'_>| match call {
                Call::Open => frame.clone().into_reply(),
                _ => Ok(Reply::Nothing),
            }))
        };
        let listener = plain().start("127.0.0.1:0", upgrade).unwrap();
        let mut client = RawClient::open(listener.local_addr());
        client.expect(CLOSE, [&u16::to_be_bytes(code), reason.as_bytes()].concat());
    }
    assert_eq!(CloseFrame::custom(4000, "mine").unwrap().reason(), "mine");
    assert_eq!(CloseFrame::custom(1005, ""), Err(Misuse::CloseCode(1005)));
    assert_eq!(CloseFrame::custom(3000, "ü".repeat(62)), Err(Misuse::CloseReasonTooLong(124)));
    assert_eq!(CloseFrame::internal_error().with_reason("other").reason(), "other");
    assert_eq!(CloseFrame::going_away("ü".repeat(100)).reason(), "ü".repeat(61));
}
