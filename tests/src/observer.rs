//! A subscriber of `tracing` and a recorder of `metrics` that keep all they are told.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata as Kind, Recorder, SharedString, Unit,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was said, and at which level.
#[derive(Clone, Debug)]
pub struct Line {
    /// The level.
    pub level: Level,
    /// The name of a span, none for an event.
    pub span: Option<&'static str>,
    /// All fields.
    pub text: String,
    /// How many spans were entered on this thread at the time.
    pub depth: usize,
}

/// All lines of this library so far.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    lines: Arc<Mutex<Vec<Line>>>,
    spans: Arc<AtomicU64>,
}

thread_local! {
    static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Observer {
    /// One that the whole process reports to.
    ///
    /// # Panics
    /// If there is another.
    #[must_use]
    pub fn install() -> Self {
        let observer = Self::default();
        tracing::subscriber::set_global_default(observer.clone()).unwrap();
        observer
    }

    /// What was said so far.
    ///
    /// # Panics
    /// If an assertion of another thread has failed while it looked.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// The events so far in which this stands.
    #[must_use]
    pub fn events(&self, part: &str) -> Vec<Line> {
        let lines = self.lines().into_iter();
        lines.filter(|line| line.span.is_none() && line.text.contains(part)).collect()
    }

    fn keep(&self, metadata: &Metadata<'_>, span: bool, text: String) {
        let depth = DEPTH.get();
        let span = span.then_some(metadata.name());
        let line = Line { level: *metadata.level(), span, text, depth };
        self.lines.lock().unwrap().push(line);
    }
}

impl Subscriber for Observer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wirewright")
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.keep(event.metadata(), false, text.0);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(String::new());
        span.record(&mut text);
        self.keep(span.metadata(), true, text.0);
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {
        DEPTH.set(DEPTH.get() + 1);
    }

    fn exit(&self, _: &Id) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

/// All counters and gauges so far, by name and labels.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Metrics {
    /// One that the whole process reports to.
    ///
    /// # Panics
    /// If there is another.
    #[must_use]
    pub fn install() -> Self {
        let metrics = Self::default();
        metrics::set_global_recorder(metrics.clone()).unwrap();
        metrics
    }

    /// Those of this end, as lines.
    ///
    /// # Panics
    /// If an assertion of another thread has failed while it looked.
    #[must_use]
    pub fn of(&self, side: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let of_side = all.iter().filter(|(key, _)| key.contains(&format!("={side} ")));
        let lines = of_side.map(|(key, value)| {
            let value = value.load(Ordering::Acquire);
            // A gauge is a number with a fraction.
            let gauge = key.starts_with("ws_connections");
            let value = if gauge { f64::from_bits(value).to_string() } else { value.to_string() };
            format!("{key}{value}")
        });
        lines.collect()
    }

    fn entry(&self, key: &Key) -> Arc<AtomicU64> {
        let mut text = format!("{} ", key.name());
        for label in key.labels() {
            let _ = write!(text, "{}={} ", label.key(), label.value());
        }
        Arc::clone(self.0.lock().unwrap().entry(text).or_default())
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Kind<'_>) -> Counter {
        Counter::from_arc(self.entry(key))
    }

    fn register_gauge(&self, key: &Key, _: &Kind<'_>) -> Gauge {
        Gauge::from_arc(self.entry(key))
    }

    fn register_histogram(&self, _: &Key, _: &Kind<'_>) -> Histogram {
        Histogram::noop()
    }
}
