//! What the environment says about proxies: a function of variables and a URI.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use wirewright_core::Uri;

use super::proxy::{ProxyServer, ProxyUrlError};

/// The variables that count, as they were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    /// For `ws`.
    http: Option<Setting>,
    /// For `wss`.
    https: Option<Setting>,
    bypass: Bypass,
}

/// A variable, and what it says.
type Setting = (&'static str, Result<Arc<ProxyServer>, ProxyUrlError>);

impl Environment {
    /// This process's own.
    pub(super) fn current() -> Self {
        // What is not Unicode is no URL either, and is told as such.
        Self::read(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let first = |names: &[&'static str]| -> Option<Setting> {
            let (name, value) = names.iter().find_map(|&name| Some((name, value(name)?)))?;
            Some((name, ProxyServer::parse(value.trim()).map(Arc::new)))
        };
        // A CGI program finds the request's header `Proxy` in `HTTP_PROXY`.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http = if is_cgi { &["http_proxy"][..] } else { &["http_proxy", "HTTP_PROXY"] };
        let all = || first(&["all_proxy", "ALL_PROXY"]);
        let bypass = value("no_proxy").or_else(|| value("NO_PROXY"));
        Self {
            http: first(http).or_else(all),
            https: first(&["https_proxy", "HTTPS_PROXY"]).or_else(all),
            bypass: bypass.map(|value| Bypass::parse(&value)).unwrap_or_default(),
        }
    }

    /// The proxy on the way to this server; or the variable that should say so, and what is wrong
    /// with it: going without would show whom one talks to.
    pub(super) fn towards(
        &self,
        uri: &Uri,
    ) -> Result<Option<Arc<ProxyServer>>, (&'static str, ProxyUrlError)> {
        if is_loopback(uri.host()) || self.bypass.has(uri) {
            return Ok(None);
        }
        match if uri.is_secure() { &self.https } else { &self.http } {
            Some((_, Ok(server))) => Ok(Some(Arc::clone(server))),
            Some((variable, Err(error))) => Err((variable, *error)),
            None => Ok(None),
        }
    }
}

/// Whether a host is this machine by its name (RFC 6761 §6.3) or address.
pub(super) fn is_loopback(host: &str) -> bool {
    let is_local = host == "localhost" || host.ends_with(".localhost");
    is_local || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

/// Servers that are reached directly.
#[derive(Clone, Debug, Default)]
pub(super) struct Bypass(Vec<Exception>);

#[derive(Clone, Debug)]
struct Exception {
    whom: Whom,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Whom {
    All,
    Network(IpNet),
    /// This name and all below it.
    Name(String),
    /// All names below this one, which begins with a dot.
    Below(String),
}

impl Bypass {
    pub(super) fn parse(list: &str) -> Self {
        let words = list.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        Self(words.filter_map(Exception::parse).collect())
    }

    pub(super) fn has(&self, uri: &Uri) -> bool {
        let host = uri.host().trim_end_matches('.');
        let address = host.parse().ok().map(|address: IpAddr| address.to_canonical());
        self.0.iter().any(|exception| {
            let fits = match &exception.whom {
                Whom::All => true,
                Whom::Network(network) => address.is_some_and(|it| network.contains(&it)),
                Whom::Below(suffix) => address.is_none() && host.ends_with(suffix),
                Whom::Name(name) => match host.strip_suffix(name.as_str()) {
                    Some(before) => before.is_empty() || before.ends_with('.'),
                    None => false,
                },
            };
            fits && exception.port.is_none_or(|port| port == uri.port())
        })
    }
}

impl Exception {
    /// `None` for what names nobody, which must not become everybody.
    fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        if let Some(network) = network(&word) {
            return Some(Self { whom: Whom::Network(network), port: None });
        }
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (&*word, None),
            },
            None => (&*word, None),
        };
        let name = host.trim_end_matches('.');
        let whom = match (host, name.strip_prefix('*').unwrap_or(name)) {
            ("*", _) => Whom::All,
            (_, "") => return None,
            (_, suffix) if suffix.starts_with('.') => Whom::Below(suffix.into()),
            (_, name) => network(name).map_or_else(|| Whom::Name(name.into()), Whom::Network),
        };
        Some(Self { whom, port })
    }
}

/// An address, in brackets or not, or a network.
fn network(text: &str) -> Option<IpNet> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    address.ok().or_else(|| bare.parse().ok())
}

#[cfg(test)]
mod tests;
