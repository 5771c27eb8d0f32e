//! What is said in the log, and what is not.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use rcgen::date_time_ymd;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use wirewright_tls::{ClientTls, ServerTls, Trust};

use crate::certificates::{Authority, params};

/// Gathers the warnings of a thread.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("wirewright_tls")
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The warnings while `run` runs.
fn warnings(run: impl FnOnce()) -> Vec<String> {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), run);
    let lines = warnings.0.lock().unwrap();
    lines.clone()
}

#[test]
fn s33_danger_is_loud() {
    let authority = Authority::new("authority");
    let client = || ClientTls::builder().trust(Trust::pem(authority.pem()));
    assert_eq!(warnings(|| drop(client().build().unwrap())), Vec::<String>::new());
    let any = warnings(|| drop(client().danger().accept_any_certificate().build().unwrap()));
    assert!(any.len() == 1 && any[0].contains("not verified"), "{any:?}");
    let name = warnings(|| drop(client().danger().accept_any_name().build().unwrap()));
    assert!(name.len() == 1 && name[0].contains("names"), "{name:?}");
    let keys = warnings(|| drop(client().log_keys_as_environment_says().build().unwrap()));
    assert!(keys.len() == 1 && keys[0].contains("keys"), "{keys:?}");
}

#[test]
fn a_certificate_of_another_time_is_used_with_a_warning() {
    let authority = Authority::new("authority");
    let mut past = params(&["example.com"]);
    past.not_after = date_time_ymd(2021, 3, 4);
    let mut future = params(&["example.com"]);
    future.not_before = date_time_ymd(2098, 5, 6);
    for (params, words) in [(past, ["expired", "4 Mar 2021"]), (future, ["not valid yet", "2098"])]
    {
        let identity = authority.issue_with(&params).identity();
        let server = ServerTls::builder().identity(identity);
        let lines = warnings(|| drop(server.build().unwrap()));
        assert_eq!(lines.len(), 1);
        assert!(words.iter().all(|word| lines[0].contains(word)), "{lines:?}");
        assert!(lines[0].contains("Identity::pem"), "it says which: {lines:?}");
    }
}
