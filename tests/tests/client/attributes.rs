//! Values that a client carries.

use std::time::{Duration, Instant};

use wirewright::Retry;

use super::peer::{PATIENCE, Server, close_body};

#[test]
fn attributes_have_types_and_outlive_a_connection() {
    let server = Server::host(|host| {
        let mut peer = host.accept();
        assert_eq!(peer.receive().payload, b"set");
        drop(peer);
        host.accept().expect_close(&close_body(1001, ""));
    });
    let mut retry = Retry::default();
    retry.interval = Duration::from_millis(1);
    let builder = server.builder().retry(Some(retry));
    let builder = builder.on_reconnect(|client| {
        assert_eq!(client.attribute::<u32>("visits"), Some(1));
        client.set_attribute("visits", 2_u32);
        Ok(())
    });
    let client = builder.connect().unwrap();
    let id = client.id();
    assert_eq!(client.attribute::<u32>("visits"), None);
    client.set_attribute("visits", 1_u32);
    client.set_attribute("name", String::from("x"));
    assert_eq!(client.attribute::<String>("visits"), None);
    client.write_text("set").unwrap();
    let start = Instant::now();
    while client.id() == id {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.remove_attribute::<String>("visits"), None);
    assert_eq!(client.remove_attribute::<u32>("visits"), Some(2));
    assert_eq!(client.remove_attribute::<u32>("visits"), None);
    assert_eq!(client.attribute::<String>("name").as_deref(), Some("x"));
    drop(client);
    server.join();
}
