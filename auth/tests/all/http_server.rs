//! An HTTP server that answers as a test says, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What answers: it writes bytes to the stream, for a request and its number.
type Answer = dyn Fn(&Seen, usize, &mut dyn Write) + Send + Sync;
/// What stands between the socket and HTTP, such as TLS.
pub(crate) type Wrap = dyn Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync;

pub(crate) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) line: String,
    /// Names in lower case; lines of one name joined by ", ".
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The form, in order.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.form().into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    /// Answers each request with what `answer` says, a whole answer.
    pub(crate) fn saying(answer: impl Fn(&Seen, usize) -> String + Send + Sync + 'static) -> Self {
        Self::start(move |seen, number, out| {
            // The client may have had enough of it.
            let _ = out.write_all(answer(seen, number).as_bytes());
        })
    }

    pub(crate) fn start(
        answer: impl Fn(&Seen, usize, &mut dyn Write) + Send + Sync + 'static,
    ) -> Self {
        Self::wrapped(|stream| Some(Box::new(stream)), answer)
    }

    pub(crate) fn wrapped(
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + 'static,
        answer: impl Fn(&Seen, usize, &mut dyn Write) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let server = Self { address, seen: Arc::clone(&seen), is_over: Arc::clone(&is_over) };
        let (wrap, answer): (Arc<Wrap>, Arc<Answer>) = (Arc::new(wrap), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, wrap) = (Arc::clone(&seen), Arc::clone(&wrap));
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve(stream.unwrap(), &seen, &*wrap, &*answer));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // So that it looks.
        let _ = TcpStream::connect(self.address);
    }
}

/// One request and its answer; the client goes away where it does not like what it hears.
fn serve(stream: TcpStream, seen: &Mutex<Vec<Seen>>, wrap: &Wrap, answer: &Answer) {
    let Some(stream) = wrap(stream) else {
        return;
    };
    let mut reader = BufReader::new(stream);
    let Some(request) = read(&mut reader) else {
        return;
    };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    answer(&request, number, reader.get_mut());
}

fn read(reader: &mut impl BufRead) -> Option<Seen> {
    let mut seen = Seen::default();
    reader.read_line(&mut seen.line).ok()?;
    seen.line = seen.line.trim_end().to_owned();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        let values = seen.headers.entry(name.to_ascii_lowercase()).or_default();
        if !values.is_empty() {
            values.push_str(", ");
        }
        values.push_str(value);
    }
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}

/// An answer with this status and JSON.
pub(crate) fn json(status: u16, body: &str) -> String {
    answer(status, "Content-Type: application/json\r\n", body)
}

/// An answer with this status, header lines and body.
pub(crate) fn answer(status: u16, lines: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Such\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A token that lives for an hour.
pub(crate) fn token(token: &str) -> String {
    let body =
        format!(r#"{{"access_token": "{token}", "token_type": "bearer", "expires_in": 3600}}"#);
    json(200, &body)
}
