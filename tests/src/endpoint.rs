//! An HTTP endpoint that answers as a test says, such as one of tokens, and notes what it is asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::raw_client::PATIENCE;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its head, up to the empty line.
    pub head: String,
    /// Its body, a form mostly.
    pub body: String,
}

impl Asked {
    /// A parameter of the form, whose values need no decoding.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

/// The endpoint, which is gone when it is dropped.
#[derive(Debug)]
pub struct Endpoint {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    is_over: Arc<AtomicBool>,
}

impl Endpoint {
    /// One that answers each request with what `answer` makes of it and of its number.
    ///
    /// # Panics
    /// Here and below: if the system has no port or thread left.
    pub fn start(answer: impl Fn(&Asked, usize) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (asked, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let endpoint = Self { addr, asked: Arc::clone(&asked), is_over: Arc::clone(&is_over) };
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                thread::spawn(move || serve(&stream.unwrap(), &asked, &*answer));
            }
        });
        endpoint
    }

    /// A URL on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // So that it looks.
        let _ = TcpStream::connect(self.addr);
    }
}

/// One request and its answer.
fn serve(stream: &TcpStream, asked: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked, usize) -> String) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let Some(request) = read(&mut reader) else {
        return;
    };
    let number = {
        let mut asked = asked.lock().unwrap();
        asked.push(request.clone());
        asked.len() - 1
    };
    // Whoever asked may have had enough of it.
    let _ = (&*stream).write_all(answer(&request, number).as_bytes());
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            head.push_str(&line);
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { head, body: String::from_utf8(body).unwrap() })
}

/// An answer of JSON with this status.
#[must_use]
pub fn json(status: u16, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} So\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n\
         {body}"
    )
}

/// The answer of a token endpoint with this token (RFC 6749 §5.1), and what else is in the object.
#[must_use]
pub fn token(token: &str, more: &str) -> String {
    json(200, &format!(r#"{{"access_token":"{token}","token_type":"Bearer"{more}}}"#))
}
