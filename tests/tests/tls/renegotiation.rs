//! Who asks for another handshake over TLS 1.2: refused, or ended, and nobody else is disturbed.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use wirewright::{Reply, RunOn};
use wirewright_tests::raw_client::request;
use wirewright_tests::services::{next, plain, start_every, until};

use super::{secured, towards};

/// `openssl s_client`, for which a line that begins with `R` is an order to renegotiate. `None`
/// where there is none.
fn openssl(port: u16) -> Option<Child> {
    let found = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-legacy_renegotiation", "-connect"])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match found {
        Ok(child) => Some(child),
        Err(error) => {
            println!("SKIPPED: no `openssl` to ask for another handshake with: {error}");
            None
        }
    }
}

/// RFC 5246 §7.4.1.1, and CVE-2009-3555, CVE-2011-1473: new handshakes cost the one side little
/// and the other much, and splice what was said before.
#[test]
fn s37_another_handshake_is_refused() {
    let builder = secured(plain(), "TLSv1.2");
    let (listener, calls, _callers) = start_every(builder, RunOn::Loop, |_, _| Ok(Reply::Nothing));
    let Some(mut child) = openssl(listener.local_addr().port()) else { return };
    let mut input = child.stdin.take().unwrap();
    let output = child.stdout.take().unwrap().chain(child.stderr.take().unwrap());
    // Line by line, as only the first byte of what was read at once is looked at for an order.
    input.write_all(request("").replace("/echo", "/").as_bytes()).unwrap();
    assert_eq!(next(&calls), "open");
    let reader = thread::spawn(move || {
        let (mut output, mut said) = (output, Vec::new());
        let _ = output.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    let other = towards(&listener).connect().unwrap();
    input.write_all(b"R\n").unwrap();
    // It takes a refusal for an error, and leaves.
    until("openssl has given up", || child.try_wait().unwrap().is_some());
    let said = reader.join().unwrap();
    assert!(said.contains("RENEGOTIATING"), "{said}");
    println!("{said}");
    assert_eq!(next(&calls), "open");
    let ended = next(&calls);
    assert!(ended.starts_with("error ") || ended.starts_with("close "), "{ended}");
    other.close().unwrap();
}
