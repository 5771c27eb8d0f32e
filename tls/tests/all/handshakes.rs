//! Handshakes, however their bytes are cut.

use wirewright_tls::{ClientTls, ServerTls, Trust};

use crate::certificates::Authority;
use crate::pair::Pair;

#[test]
fn rfc8446_2_any_chunking_gives_the_same() {
    let authority = Authority::new("authority");
    let server = ServerTls::builder()
        .identity(authority.issue(&["example.com"]).identity())
        .build()
        .unwrap();
    let client = ClientTls::builder().trust(Trust::pem(authority.pem())).build().unwrap();
    for size in [1, 2, 3, 5, 7, 64, 1000, usize::MAX] {
        let mut pair = Pair::new(&client, &server, "example.com");
        pair.carry(size);
        pair.assert_open();
        pair.assert_passes();
    }
}
