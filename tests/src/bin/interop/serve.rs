//! The listener.

use std::io::Read;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::secured;
use wirewright::{
    Caller, Close, Config, Listener, OriginPolicy, Outcome, Reply, Service, UpgradeRequest,
};

/// The sub-protocols of libwebsockets' test client: numbers that go up, and what others draw.
const NUMBERS: &str = "dumb-increment-protocol";
const MIRROR: &str = "lws-mirror-protocol";

#[derive(Default)]
struct Orders {
    /// The last Close that any connection received.
    closed: Arc<Mutex<String>>,
}

impl Service for Orders {
    fn on_open(&mut self, caller: &Caller) -> Outcome {
        if caller.sub_protocol() == Some(NUMBERS) {
            let caller = caller.clone();
            thread::spawn(move || {
                for number in 0..100_u8 {
                    if caller.write_text(&number.to_string()).is_err() {
                        break;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
        Ok(Reply::Nothing)
    }

    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        let (order, rest) = text.split_once(' ').unwrap_or((text, ""));
        let _ = match order {
            "!ping" => caller.ping(rest.as_bytes())?,
            "!close" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                caller.close(code.parse()?, reason)?;
                return Ok(Reply::Nothing);
            }
            "!closed" => caller.write_text(&self.closed.lock().unwrap())?,
            // Anything longer than a frame is sent in several.
            "!fragments" => caller.write_text(&"f".repeat(rest.parse()?))?,
            "!security" => caller.write_text(&secured::shown(caller.security()))?,
            "!report" => {
                println!("{rest}");
                return Ok(Reply::Nothing);
            }
            _ => caller.write_text(text)?,
        };
        Ok(Reply::Nothing)
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        let _ = caller.write_binary(bytes)?;
        Ok(Reply::Nothing)
    }

    fn on_pong(&mut self, caller: &Caller, payload: &[u8]) -> Outcome {
        let _ = caller.write_text(&format!("ponged {}", String::from_utf8_lossy(payload)))?;
        Ok(Reply::Nothing)
    }

    fn on_close(&mut self, _: &Caller, close: Close<'_>) {
        *self.closed.lock().unwrap() = format!("{} {}", close.code().value(), close.reason());
    }
}

pub(crate) fn run(deflate: bool) -> ExitCode {
    let mut config = Config::server();
    config.compression = config.compression.filter(|_| deflate);
    // Frames as large as others send them, and in several as soon as that can be.
    config.limits.max_frame_size = 16 << 20;
    config.limits.max_message_size = 16 << 20;
    config.outgoing_frame_size = 16_000;
    let closed = Arc::new(Mutex::new(String::new()));
    let upgrade = move |_: &UpgradeRequest| Ok(Orders { closed: Arc::clone(&closed) });
    let builder = Listener::builder().config(config).max_queued(64 << 20);
    // A page of another port, where the scripts lie, is of another origin.
    let builder = builder.origins(OriginPolicy::any()).sub_protocols([NUMBERS, MIRROR]);
    let builder = match secured::listener() {
        Some(tls) => builder.tls(tls),
        None => builder,
    };
    let listener = match builder.start("127.0.0.1:0", upgrade) {
        Ok(listener) => listener,
        Err(error) => {
            println!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {}", listener.local_addr());
    // Nothing is said there: its end is what is waited for.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    listener.shutdown(Duration::from_secs(1));
    ExitCode::SUCCESS
}
