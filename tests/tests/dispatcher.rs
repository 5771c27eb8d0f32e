//! Dispatch by a field of the message.

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use garde::Validate;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wirewright::{
    BindError, Caller, Client, Close, CloseFrame, ConnectionError, DispatchError, Dispatcher,
    DispatcherBuilder, Json, Listener, Outcome, Reply, Service, UpgradeRequest, derived_name,
};
use wirewright_tests::raw_client::{BINARY, CLOSE, PATIENCE, PING, PONG, RawClient, TEXT};
use wirewright_tests::services::{next, plain};

/// A state that says which of its callbacks was called.
#[derive(Debug)]
struct State {
    log: mpsc::Sender<String>,
    count: u32,
}

impl State {
    fn log(&self, line: impl Into<String>) {
        let _ = self.log.send(line.into());
    }
}

impl Service for State {
    fn on_open(&mut self, _: &Caller) -> Outcome {
        self.log("open");
        Ok(Reply::Nothing)
    }

    fn on_text(&mut self, _: &Caller, text: &str) -> Outcome {
        Ok(Reply::Text(format!("text {text}")))
    }

    fn on_binary(&mut self, _: &Caller, bytes: &[u8]) -> Outcome {
        Ok(Reply::Text(format!("binary {}", bytes.escape_ascii())))
    }

    fn on_pong(&mut self, _: &Caller, _: &[u8]) -> Outcome {
        self.log("pong");
        Ok(Reply::Nothing)
    }

    fn on_close(&mut self, _: &Caller, close: Close<'_>) {
        self.log(format!("close {}", close.code()));
    }

    fn on_error(&mut self, _: &Caller, error: &ConnectionError) {
        self.log(format!("error {error}"));
    }
}

/// A listener whose connections all have this dispatcher, and what their states log.
fn start(builder: DispatcherBuilder<State>) -> (Listener, mpsc::Receiver<String>) {
    let dispatcher = builder.build().unwrap();
    let (log, lines) = mpsc::channel();
    let log = Mutex::new(log);
    let upgrade = move |_: &UpgradeRequest| {
        Ok(dispatcher.service(State { log: log.lock().unwrap().clone(), count: 0 }))
    };
    (plain().start("127.0.0.1:0", upgrade).unwrap(), lines)
}

/// What the listener replies to a text.
fn ask(client: &mut RawClient, text: &str) -> String {
    client.frame(TEXT, text);
    String::from_utf8(client.message()).unwrap()
}

#[test]
fn values_and_their_derived_names() {
    let table = [
        ("heartbeat", "onHeartbeat"),
        ("un subscribe", "onUnSubscribe"),
        ("un_subscribe", "onUnSubscribe"),
        ("un-subscribe", "onUnSubscribe"),
        ("unSubscribe", "onUnsubscribe"),
        ("connection_init", "onConnectionInit"),
        ("_ping", "onPing"),
        ("this_ping message", "onThisPingMessage"),
        ("Messages", "onMessages"),
        ("is_closed", "onIsClosed"),
        ("negative_timeout_error_message", "onNegativeTimeoutErrorMessage"),
        ("ping", "onPing"),
        // And what the table leaves to the rule.
        ("", "on"),
        ("__ -", "on"),
        ("ABC", "onAbc"),
        ("2nd try", "on2ndTry"),
        ("über alles", "onBerAlles"),
        ("größe", "onGrE"),
        ("a.b/c", "onABC"),
    ];
    for (value, name) in table {
        assert_eq!(derived_name(value), name, "{value}");
        // Every name there is can be registered, and is found.
        let dispatcher = Dispatcher::<State>::builder("event");
        let dispatcher = dispatcher.on_derived(name, |_, _, _: IgnoredAny| "derived");
        let (listener, _) = start(dispatcher);
        let mut client = RawClient::open(listener.local_addr());
        assert_eq!(ask(&mut client, &json!({"event": value}).to_string()), "derived", "{value}");
    }
}

#[test]
fn exact_then_derived_then_the_state() {
    let dispatcher = Dispatcher::<State>::builder("event")
        .on("subscribe", |_, _, _: IgnoredAny| "exact")
        .on("with \"quotes\"\n", |_, _, _: IgnoredAny| "escaped")
        .on_derived("onUnSubscribe", |_, _, _: IgnoredAny| "derived");
    let (listener, _) = start(dispatcher);
    let mut client = RawClient::open(listener.local_addr());
    let dispatched = [
        (r#"{"event":"subscribe"}"#, "exact"),
        (r#" { "a" : {"event":"no"}, "event" : "subscribe", "z": [1, 2] } "#, "exact"),
        (r#"{"\u0065vent":"sub\u0073cribe"}"#, "exact"),
        (r#"{"event":"with \"quotes\"\n"}"#, "escaped"),
        (r#"{"event":"un_subscribe"}"#, "derived"),
        (r#"{"event":"UN  SUBSCRIBE"}"#, "derived"),
        // As for any reader of JSON, the last counts.
        (r#"{"event":"other","event":"subscribe"}"#, "exact"),
    ];
    for (text, reply) in dispatched {
        assert_eq!(ask(&mut client, text), reply, "{text}");
    }
    let others = [
        r#"{"event":"Subscribe"}"#,
        r#"{"event":"subscribe "}"#,
        r#"{"event":"onUnSubscribe"}"#,
        r#"{"event":"unSubscribe"}"#,
        r#"{"event":1}"#,
        r#"{"event":null}"#,
        r#"{"event":["subscribe"]}"#,
        r#"{"events":"subscribe"}"#,
        r#"{"a":{"event":"subscribe"}}"#,
        r#"[{"event":"subscribe"}]"#,
        r#""subscribe""#,
        "subscribe",
        "",
        r#"{"event":"subscribe""#,
        r#"{"event":"subscribe"} {}"#,
        r#"{"event":"subscribe","a":tru}"#,
    ];
    for text in others {
        assert_eq!(ask(&mut client, text), format!("text {text}"));
    }
    // Binary is never dispatched.
    client.frame(BINARY, r#"{"event":"subscribe"}"#);
    client.expect(TEXT, r#"binary {\"event\":\"subscribe\"}"#);
}

#[test]
fn a_value_reaches_its_handler_and_no_callback() {
    let names = [
        "open",
        "text",
        "binary",
        "ping",
        "pong",
        "close",
        "error",
        "bind_error",
        "message",
        "on_open",
        "onOpen",
        "onClose",
        "on_close",
        "onError",
        "idle_timeout",
    ];
    let (listener, log) = start(Dispatcher::builder("event"));
    let mut client = RawClient::open(listener.local_addr());
    assert_eq!(next(&log), "open");
    for name in names {
        let text = json!({"event": name}).to_string();
        assert_eq!(ask(&mut client, &text), format!("text {text}"));
    }
    // And where there is a handler of that name, the callback is not it.
    let mut builder = Dispatcher::<State>::builder("event");
    for name in names {
        builder = builder.on(name, |state: &mut State, _, _: IgnoredAny| {
            state.count += 1;
            Json(state.count)
        });
    }
    let (listener, other) = start(builder);
    let mut client = RawClient::open(listener.local_addr());
    assert_eq!(next(&other), "open");
    for (i, name) in names.iter().enumerate() {
        let count = ask(&mut client, &json!({"event": name}).to_string());
        assert_eq!(count, (i + 1).to_string(), "one state for a connection");
    }
    client.frame(PING, "still the loop's");
    client.expect(PONG, "still the loop's");
    client.frame(PONG, "");
    assert_eq!(next(&other), "pong");
    client.close(1000);
    assert_eq!(next(&other), "close 1000");
    assert!(log.try_recv().is_err());
}

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Subscribe {
    #[garde(length(min = 1, max = 5))]
    symbol: String,
    #[garde(skip)]
    #[serde(default)]
    depth: u32,
}

#[test]
fn what_is_registered_twice_or_never_found_is_said_when_it_is_built() {
    let new = || Dispatcher::<State>::builder("event");
    let nothing = |_: &mut State, _: &Caller, _: Value| ();
    let error = |_: &mut State, _: &Caller, _: &BindError| ();
    let table = [
        (new().on("a", nothing).on("b", nothing).on_derived("onC", nothing), None),
        (new().on("a", nothing).on("a", nothing), Some(DispatchError::Value("a".into()))),
        (
            new().on_derived("onA", nothing).on_derived("onA", nothing),
            Some(DispatchError::Name("onA".into())),
        ),
        (
            new().on("un subscribe", nothing).on_derived("onUnSubscribe", nothing),
            Some(DispatchError::Ambiguous {
                value: "un subscribe".into(),
                name: "onUnSubscribe".into(),
            }),
        ),
        (new().on_derived("a", nothing), Some(DispatchError::NotDerived("a".into()))),
        (new().on_derived("ona", nothing), Some(DispatchError::NotDerived("ona".into()))),
        (new().on_derived("onA_", nothing), Some(DispatchError::NotDerived("onA_".into()))),
        (new().on_error("a", error), Some(DispatchError::NoHandler("a".into()))),
        (new().on_error("a", error).on("a", nothing), None),
        (
            new().on("a", nothing).on_error("a", error).on_error("a", error),
            Some(DispatchError::Value("a".into())),
        ),
        (
            new().on("onA", nothing).on_derived_error("onA", error),
            Some(DispatchError::NoHandler("onA".into())),
        ),
    ];
    for (i, (builder, mistake)) in table.into_iter().enumerate() {
        assert_eq!(builder.build().err(), mistake, "{i}");
    }
}

#[test]
fn binding_errors_go_to_the_values_own_handler() {
    let say = |_: &mut State, _: &Caller, error: &BindError| format!("told: {error}");
    let dispatcher = Dispatcher::<State>::builder("event")
        .on("subscribe", |_, _, subscribe: Subscribe| subscribe.symbol)
        .on_error("subscribe", say)
        .on_derived("onDepth", |_, _, subscribe: Subscribe| Json(subscribe.depth))
        .on_derived_error("onDepth", |_, _, _| CloseFrame::unsupported_data());
    let (listener, log) = start(dispatcher);
    let mut client = RawClient::open(listener.local_addr());
    let reply = ask(&mut client, r#"{"event":"subscribe","symbol":7}"#);
    assert!(reply.starts_with("told: data binding failed: invalid type: integer `7`"), "{reply}");
    let reply = ask(&mut client, r#"{"event":"subscribe"}"#);
    assert!(reply.starts_with("told: data binding failed: missing field `symbol`"), "{reply}");
    assert_eq!(ask(&mut client, r#"{"event":"subscribe","symbol":"ABC"}"#), "ABC");
    assert_eq!(ask(&mut client, r#"{"event":"depth","symbol":"","depth":4}"#), "4");
    client.frame(TEXT, r#"{"event":"depth"}"#);
    client.expect_close(1003);
    client.close(1003);
    assert_eq!(next(&log), "open");
    assert_eq!(next(&log), "close 1003", "no `on_error`");
}

#[test]
fn binding_errors_without_a_handler_close_with_1003() {
    let dispatcher = Dispatcher::<State>::builder("event").on("subscribe", |_, _, _: Subscribe| ());
    let (listener, _) = start(dispatcher);
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, r#"{"event":"subscribe"}"#);
    let reason = "data binding failed: missing field `symbol` at line 1 column 21";
    client.expect(CLOSE, [b"\x03\xEB", reason.as_bytes()].concat());
}

#[test]
fn broken_rules_go_to_on_error_and_the_connection_goes_on() {
    let symbol = |_: &mut State, _: &Caller, subscribe: Subscribe| subscribe.symbol;
    let never = |_: &mut State, _: &Caller, _: &BindError| "never";
    let dispatcher = || {
        let dispatcher = Dispatcher::<State>::builder("event");
        let dispatcher = dispatcher.on_valid("subscribe", symbol).on_error("subscribe", never);
        dispatcher.on_derived_valid("onSub", symbol)
    };
    let (listener, log) = start(dispatcher());
    let mut client = RawClient::open(listener.local_addr());
    assert_eq!(next(&log), "open");
    for event in ["subscribe", "sub"] {
        client.frame(TEXT, json!({"event": event, "symbol": "TOO LONG"}).to_string());
        let line = next(&log);
        let expected = "error data validation failed: symbol: length is greater than 5";
        assert_eq!(line.trim_end(), expected);
        let fine = json!({"event": event, "symbol": "FINE"}).to_string();
        assert_eq!(ask(&mut client, &fine), "FINE");
    }
    let (listener, _log) = start(dispatcher().validation(false));
    let mut client = RawClient::open(listener.local_addr());
    let text = r#"{"event":"subscribe","symbol":"TOO LONG"}"#;
    assert_eq!(ask(&mut client, text), "TOO LONG");
}

#[test]
fn a_handlers_error_goes_to_on_error_and_its_panic_ends_its_connection() {
    let dispatcher = Dispatcher::<State>::builder("event")
        .on("fail", |_, _, _: Value| Err::<(), _>("as asked"))
        .on("panic", |_, _, _: Value| -> () { panic!("as asked") });
    let (listener, log) = start(dispatcher);
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, r#"{"event":"fail"}"#);
    assert_eq!(next(&log), "open");
    assert_eq!(next(&log), "error callback failed: as asked");
    assert_eq!(ask(&mut client, "on"), "text on");
    client.frame(TEXT, r#"{"event":"panic"}"#);
    client.expect_close(1011);
}

#[test]
fn a_reply_has_the_id_of_its_request() {
    let dispatcher = Dispatcher::<State>::builder("event")
        .on("echo", |_, _, message: Value| Json(message["reply"].clone()))
        .on("text", |_, _, message: Value| message["reply"].as_str().unwrap().to_owned())
        .on("bytes", |_, _, _: Value| b"{}".to_vec())
        .on("raw", |_, _, _: IgnoredAny| "{}")
        .on("bad", |_, _, _: Subscribe| ())
        .on_error("bad", |_, _, _| Json(json!({"error": true})))
        .stream_id("id");
    let (listener, _) = start(dispatcher);
    let mut client = RawClient::open(listener.local_addr());
    let table = [
        (r#"{"event":"echo","id":"7f","reply":{"a":1}}"#, r#"{"id":"7f","a":1}"#),
        (r#"{"event":"echo","id":17,"reply":{}}"#, r#"{"id":17}"#),
        (r#"{"event":"echo","id":"\u0061\"","reply":{}}"#, r#"{"id":"\u0061\""}"#),
        (r#"{"event":"raw","id": 1e400 }"#, r#"{"id":1e400}"#),
        (r#"{"event":"echo","id":[1, 2],"reply":{"b":{"id":1}}}"#, r#"{"id":[1, 2],"b":{"id":1}}"#),
        // The reply's own stands, and what is no object has none.
        (r#"{"event":"echo","id":"7f","reply":{"id":"own"}}"#, r#"{"id":"own"}"#),
        (r#"{"event":"echo","id":"7f","reply":[1]}"#, "[1]"),
        (r#"{"event":"echo","id":"7f","reply":"{}"}"#, r#""{}""#),
        (r#"{"event":"text","id":"7f","reply":"no { object"}"#, "no { object"),
        (r#"{"event":"text","id":"7f","reply":" { } "}"#, r#" {"id":"7f" } "#),
        (r#"{"event":"text","id":"7f","reply":" {\"a\":1}"}"#, r#" {"id":"7f","a":1}"#),
        (r#"{"event":"echo","reply":{"a":1}}"#, r#"{"a":1}"#),
        (r#"{"event":"bad","id":3}"#, r#"{"id":3,"error":true}"#),
    ];
    for (text, reply) in table {
        assert_eq!(ask(&mut client, text), reply, "{text}");
    }
    client.frame(TEXT, r#"{"event":"bytes","id":"7f"}"#);
    client.expect(BINARY, "{}");
}

/// A listener that gives texts back, and answers requests from another thread: in the opposite
/// order, with something else before each reply.
fn out_of_order() -> Listener {
    struct Echo;
    impl Service for Echo {
        fn on_text(&mut self, _: &Caller, text: &str) -> Outcome {
            Ok(Reply::Text(text.to_owned()))
        }
    }
    let (requests, waiting) = mpsc::channel::<(Caller, Value)>();
    thread::spawn(move || {
        while let Ok(first) = waiting.recv() {
            thread::sleep(Duration::from_micros(300));
            let mut batch = vec![first];
            batch.extend(waiting.try_iter());
            while let Some((caller, message)) = batch.pop() {
                let _ = caller.write_text("between").unwrap();
                let reply = json!({"id": message["id"], "n": message["n"]});
                let _ = caller.write_json(&reply).unwrap();
            }
        }
    });
    let dispatcher = Dispatcher::<Echo>::builder("event")
        .on("slow", move |_, caller, message| requests.send((caller.clone(), message)))
        .on("fast", |_, _, message: Value| Json(json!({"n": message["n"]})))
        .stream_id("id")
        .build()
        .unwrap();
    plain().start("127.0.0.1:0", move |_: &UpgradeRequest| Ok(dispatcher.service(Echo))).unwrap()
}

fn connect(listener: &Listener) -> Client {
    let url = format!("ws://{}/", listener.local_addr());
    Client::builder(&url).read_timeout(Some(PATIENCE)).connect().unwrap()
}

#[test]
fn requests_from_several_threads_have_their_own_replies() {
    const THREADS: u32 = 4;
    const EACH: u32 = 100;
    let listener = out_of_order();
    // With readers beside them, and without.
    for readers in [0, 1, 2] {
        let client = connect(&listener);
        let others = thread::scope(|scope| {
            let readers: Vec<_> = (0..readers)
                .map(|_| {
                    scope.spawn(|| {
                        let texts = std::iter::repeat_with(|| client.read_text().unwrap());
                        texts
                            .take_while(|text| text != "end")
                            .inspect(|text| assert_eq!(text, "between"))
                            .count()
                    })
                })
                .collect();
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let client = &client;
                    scope.spawn(move || {
                        for n in 0..EACH {
                            let event = if n % 4 == 0 { "fast" } else { "slow" };
                            let id = format!("{thread}/{n}");
                            let request = json!({"event": event, "id": id, "n": n});
                            let Json(reply) =
                                client.request::<Json<Value>>("id", &request).unwrap();
                            assert_eq!(reply, json!({"id": id, "n": n}));
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            readers.iter().for_each(|_| client.write_text("end").unwrap());
            readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>()
        });
        let mut others = u32::try_from(others).unwrap();
        if readers == 0 {
            for _ in 0..THREADS * EACH * 3 / 4 {
                assert_eq!(client.read_text().unwrap(), "between");
                others += 1;
            }
        }
        assert_eq!(others, THREADS * EACH * 3 / 4);
    }
}

#[test]
fn what_is_no_reply_stays_readable_in_its_order() {
    let listener = out_of_order();
    let client = connect(&listener);
    for text in ["first", "second", r#"{"id":"other"}"#, r#"{"id":["7"]}"#] {
        client.write_text(text).unwrap();
    }
    client.write_binary(br#"{"id":"7"}"#).unwrap();
    let request = json!({"event": "fast", "id": "7", "n": 1});
    let Json(reply) = client.request::<Json<Value>>("id", &request).unwrap();
    assert_eq!(reply, json!({"id": "7", "n": 1}));
    for text in ["first", "second", r#"{"id":"other"}"#, r#"{"id":["7"]}"#] {
        assert_eq!(client.read_text().unwrap(), text);
    }
    // Nobody waits for it any more.
    client.write_text(r#"{"id":"7"}"#).unwrap();
    assert_eq!(client.read_text().unwrap(), r#"{"id":"7"}"#);
}
