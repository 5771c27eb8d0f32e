//! Which hosts are this machine.

use std::net::IpAddr;

/// Whether what is sent to `host`, an address without brackets or a name in lower case, stays on
/// this machine: `localhost` and what is below it (RFC 6761 §6.3), and addresses of loopback.
pub(crate) fn is_loopback(host: &str) -> bool {
    let is_local = host == "localhost" || host.ends_with(".localhost");
    is_local || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}
