//! Secrets that must show nowhere, the forms that they may take, and all that is told (S-48).

use std::fmt::{Debug, Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::{env, panic, process};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Secrets by the field that each is put into.
#[derive(Debug, Default)]
pub struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// A secret for this field, of letters and digits; no two have a part in common that anybody
    /// else would write.
    pub fn of(&mut self, field: &'static str) -> String {
        if let Some((_, value)) = self.0.iter().find(|(other, _)| *other == field) {
            return value.clone();
        }
        let number = self.0.len() as u64 + 1;
        let value = format!("Zq{:016x}Vk", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        self.0.push((field, value.clone()));
        value
    }

    /// A secret that was not made here, such as a part of a key.
    pub fn note(&mut self, field: &'static str, value: impl Into<String>) {
        self.0.push((field, value.into()));
    }

    /// The fields whose secrets stand in this text, in any form, with what stands about each.
    #[must_use]
    pub fn found_in(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (field, value) in &self.0 {
            for form in forms(value) {
                if let Some(at) = text.find(&form) {
                    let about = text[..at].rfind('\n').map_or(0, |at| at + 1);
                    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
                    found.push(format!("{field}: {}", &text[about..end]));
                    break;
                }
            }
        }
        found
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As it is; in base64 of either alphabet, wherever in a longer text it begins; with all bytes as
/// `%5A`; in hexadecimal digits; and as `Debug` prints bytes.
#[must_use]
pub fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    for before in 0..3 {
        for engine in [STANDARD, URL_SAFE] {
            let encoded = engine.encode([&[0; 3][..before], value.as_bytes()].concat());
            // Digits that hold no bit of what stands before or behind.
            let (begin, end) = ((before * 8).div_ceil(6), (before + value.len()) * 8 / 6);
            forms.push(encoded[begin..end].to_owned());
        }
    }
    let bytes = |each: &dyn Fn(u8) -> String| value.bytes().map(each).collect::<Vec<_>>();
    forms.push(bytes(&|byte| format!("%{byte:02X}")).concat());
    forms.push(bytes(&|byte| format!("%{byte:02x}")).concat());
    forms.push(bytes(&|byte| format!("{byte:02x}")).concat());
    forms.push(bytes(&|byte| format!("{byte:02X}")).concat());
    forms.push(bytes(&|byte| byte.to_string()).join(", "));
    forms
}

/// All that is told in this process from now on: `tracing` and `log` of every crate at every level,
/// panics, and whatever is added.
#[derive(Clone, Debug, Default)]
pub struct Told {
    text: Arc<Mutex<String>>,
    /// Whether it goes to the standard error instead.
    is_printed: bool,
    spans: Arc<AtomicU64>,
}

impl Told {
    /// Listens for the whole process.
    ///
    /// # Panics
    /// If another does.
    #[must_use]
    pub fn listen() -> Self {
        Self::default().install()
    }

    fn install(self) -> Self {
        tracing::subscriber::set_global_default(self.clone()).unwrap();
        log::set_boxed_logger(Box::new(self.clone())).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        let (told, others) = (self.clone(), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            told.add(format_args!("panic: {info}"));
            others(info);
        }));
        self
    }

    /// Adds a line.
    ///
    /// # Panics
    /// If another thread has panicked meanwhile.
    pub fn add(&self, line: impl Display) {
        if self.is_printed {
            eprintln!("{line}");
        } else {
            writeln!(self.text.lock().unwrap(), "{line}").unwrap();
        }
    }

    /// Adds what `Debug` shows, on one line and on several.
    pub fn debug(&self, value: impl Debug) {
        self.add(format_args!("{value:?}\n{value:#?}"));
    }

    /// Adds an error and its sources, as they say themselves and as `Debug` shows them.
    pub fn error(&self, error: &dyn std::error::Error) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.add(format_args!("{error}"));
            self.debug(error);
            next = error.source();
        }
    }

    /// All of it.
    ///
    /// # Panics
    /// As [`add`](Self::add).
    #[must_use]
    pub fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }
}

/// Fields, in a line.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Told {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {}", span.metadata().name()));
        span.record(&mut line);
        self.add(line.0);
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line("record".to_owned());
        values.record(&mut line);
        self.add(line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line(format!("{} {}", metadata.level(), metadata.target()));
        event.record(&mut line);
        self.add(line.0);
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl log::Log for Told {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.add(format_args!("log {} {} {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

const TELL: &str = "WIREWRIGHT_TESTS_TELL";

/// Prints all that is told in a process that [`output_of`] has started, and does nothing in any
/// other.
pub fn tell_if_asked() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if env::var_os(TELL).is_some() {
            drop(Told { is_printed: true, ..Told::default() }.install());
        }
    });
}

/// All that the tests of this module print, with all that is told meanwhile; those apart whose
/// names hold `skip`.
///
/// # Panics
/// If one of them fails, or there is none.
#[must_use]
pub fn output_of(module: &str, skip: &str) -> String {
    let exe = env::current_exe().unwrap();
    let mut command = process::Command::new(exe);
    let output = command.args([module, "--skip", skip, "--nocapture"]).env(TELL, "1").output();
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && !said.contains(" 0 passed"), "{said}");
    [said, told].concat()
}
