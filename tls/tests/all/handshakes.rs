//! Handshakes, however their bytes are cut.

use wirewright_tls::{ClientTls, ServerTls, Trust};

use crate::certificates::Authority;
use crate::pair::{Pair, VERSIONS};

#[test]
fn rfc8446_2_any_chunking_gives_the_same() {
    let authority = Authority::new("authority");
    let trust = || Trust::pem(authority.pem());
    for version in VERSIONS {
        let server = ServerTls::builder()
            .identity(authority.issue(&["example.com"]).identity())
            .require_client_certificates(trust())
            .versions([version])
            .build()
            .unwrap();
        let client = ClientTls::builder()
            .trust(trust())
            .identity(authority.issue(&["gateway"]).identity())
            .build()
            .unwrap();
        for (i, size) in [1, 2, 3, 5, 7, 64, 1000, usize::MAX].into_iter().enumerate() {
            let mut pair = Pair::new(&client, &server, "example.com");
            pair.carry(size);
            pair.assert_open();
            pair.assert_passes();
            assert_eq!(pair.server.layer.security().is_resumed, i > 0, "{version}, {size}");
            let peer = pair.server.layer.security().peer.expect("the client's certificate");
            assert_eq!(peer.common_name.as_deref(), Some("gateway"));
        }
    }
}

#[test]
fn rfc8446_2_any_split_of_each_flight_gives_the_same() {
    let authority = Authority::new("authority");
    for version in VERSIONS {
        let server = ServerTls::builder()
            .identity(authority.issue(&["example.com"]).identity())
            .versions([version]);
        let server = server.build().unwrap();
        let client = ClientTls::builder().trust(Trust::pem(authority.pem())).sessions(0);
        let client = client.build().unwrap();
        for at in (0..2500).step_by(13) {
            let mut pair = Pair::new(&client, &server, "example.com");
            pair.client.turn();
            loop {
                let (up, down) = (pair.client.sent(), pair.server.sent());
                if up.is_empty() && down.is_empty() {
                    break;
                }
                for (bytes, end) in [(up, &mut pair.server), (down, &mut pair.client)] {
                    let (front, back) = bytes.split_at(at.min(bytes.len()));
                    end.receive(front);
                    end.receive(back);
                }
            }
            pair.assert_open();
            pair.assert_passes();
        }
    }
}
