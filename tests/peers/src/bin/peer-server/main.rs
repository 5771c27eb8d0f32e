//! Echo servers on the peers, each as its own documentation makes it fastest, on one thread.

mod broadcast;
mod corked;
mod deflate;
mod limit;
mod peers;
mod secure;

use wirewright_peers::args::Args;
use wirewright_peers::{Result, process, tls};

fn main() -> Result<()> {
    let mut args = Args::from_env();
    let name: String = args.next("NAME")?;
    let addr = args.next("ADDR")?;
    args.finish()?;
    process::raise_file_limit()?;
    match name.as_str() {
        "limit" => limit::serve(addr, None),
        "fastwebsockets" => peers::serve(addr, peers::fastwebsockets),
        "fastwebsockets-batched" => peers::serve(addr, peers::fastwebsockets_batched),
        "tokio-websockets" => peers::serve(addr, peers::tokio_websockets),
        "tokio-websockets-batched" => peers::serve(addr, peers::tokio_websockets_batched),
        "sockudo-ws" => peers::serve(addr, peers::sockudo),
        "sockudo-ws-batched" => peers::serve(addr, peers::sockudo_batched),
        "tokio-tungstenite" => peers::serve(addr, peers::tokio_tungstenite),
        "tokio-tungstenite-batched" => peers::serve(addr, peers::tokio_tungstenite_batched),
        "wirewright-broadcast" => broadcast::wirewright(addr),
        "tokio-tungstenite-broadcast" => broadcast::tokio_tungstenite(addr),
        "sockudo-ws-broadcast" => broadcast::sockudo(addr),
        "sockudo-ws-deflate" => peers::serve(addr, deflate::sockudo),
        "wirewright-tls" => secure::wirewright(addr),
        "limit-tls" => limit::serve(addr, Some(tls::server_config()?)),
        "tokio-tungstenite-tls" => secure::tokio(addr, peers::tokio_tungstenite),
        "tokio-tungstenite-tls-batched" => secure::tokio(addr, peers::tokio_tungstenite_batched),
        "yawc-deflate" => peers::serve(addr, deflate::yawc),
        other => Err(format!("no such server: {other}").into()),
    }
}
