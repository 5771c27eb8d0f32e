//! Every credential of a client against every authenticator of a listener, over real sockets.

mod basic;
mod clear_text;
mod expiry;
mod imperative;
mod oauth2;
mod order;
mod origin;
mod renewal;
mod secrets;
mod tokens;

use std::time::Duration;

use wirewright::auth::{
    JwtAlgorithm, JwtIssuer, JwtIssuerBuilder, JwtValidator, JwtValidatorBuilder, SigningKey,
    VerifyingKey,
};
use wirewright::{
    Accept, Caller, Client, ClientBuilder, ClientError, Credentials, Identity, Listener,
    ListenerBuilder, Rejection, Reply, Retry, UpgradeRequest,
};
use wirewright_tests::canary::tell_if_asked;
use wirewright_tests::certificates::{client_tls, server_tls};
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::services::{By, Call, echo, plain};

/// Part of every secret of these tests but keys in files, so that a search for it finds any.
const MARK: &str = "Xq7MarkedSecretZ4v";

/// Something secret of these tests.
fn secret(what: &str) -> String {
    format!("{what}-{MARK}")
}

/// How a client reaches its listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Tls,
}

const WAYS: [Way; 2] = [Way::Plain, Way::Tls];

impl Way {
    /// Options for a listener of one loop.
    fn options(self) -> ListenerBuilder {
        tell_if_asked();
        match self {
            Self::Plain => plain(),
            Self::Tls => plain().tls(server_tls().build().unwrap()),
        }
    }

    fn url(self, listener: &Listener, path: &str) -> String {
        let scheme = if self == Self::Tls { "wss" } else { "ws" };
        format!("{scheme}://localhost:{}{path}", listener.local_addr().port())
    }

    /// A client whose deadlines end a test that hangs.
    fn towards(self, listener: &Listener) -> ClientBuilder {
        client(&self.url(listener, "/"))
    }
}

fn client(url: &str) -> ClientBuilder {
    Client::builder(url)
        .tls(client_tls().build().unwrap())
        .handshake_timeout(Some(PATIENCE))
        .read_timeout(Some(PATIENCE))
        .write_timeout(Some(PATIENCE))
        .close_timeout(Some(PATIENCE))
}

/// Attempts that a test can wait for.
fn eager(max_count: u32) -> Retry {
    let mut retry = Retry::default();
    retry.interval = Duration::from_millis(20);
    retry.max_interval = Duration::from_millis(50);
    retry.max_count = Some(max_count);
    retry
}

/// Who it is, on one line.
fn line(identity: Option<&Identity>) -> String {
    identity.map_or("nobody".into(), |it| {
        let name = it.name.escape_default();
        format!("{name} {:?} {:?}", it.scopes, it.attributes)
    })
}

/// A service that says who it was told that the peer is: as `X-Identity` in the 101, and to `who?`.
/// Everything else it says back.
fn who(request: &UpgradeRequest) -> Result<Accept, Rejection> {
    let service = By(|caller: &Caller, call: Call<'_>| match call {
        Call::Text("who?") => Ok(Reply::Text(line(caller.identity().as_deref()))),
        _ => echo(caller, &call),
    });
    Ok(Accept::new(service).header("X-Identity", &line(request.identity()))?)
}

/// Starts a listener of [`who`].
fn start(builder: ListenerBuilder) -> Listener {
    builder.start("127.0.0.1:0", who).unwrap()
}

/// Whom the listener takes this client for, which its two answers agree on.
#[track_caller]
fn identity(client: &Client) -> String {
    client.write_text("who?").unwrap();
    let said = client.read_text().unwrap();
    let response = client.response();
    assert_eq!(response.head().header_str("X-Identity"), Some(&*said));
    said
}

/// Whom the listener lets in with these credentials.
#[track_caller]
fn let_in(builder: ClientBuilder, credentials: impl Credentials + 'static) -> String {
    let client = builder.credentials(credentials).connect().unwrap();
    let said = identity(&client);
    client.close().unwrap();
    said
}

/// Status and challenges of a refusal.
#[track_caller]
fn refusal(error: ClientError) -> (u16, Vec<String>) {
    let ClientError::Refused(refused) = error else { panic!("{error:?}") };
    let challenges = refused.head().headers("WWW-Authenticate");
    let challenges = challenges.map(|value| String::from_utf8(value.to_vec()).unwrap());
    (refused.status(), challenges.collect())
}

/// What somebody with these credentials is refused with.
#[track_caller]
fn refused(builder: ClientBuilder, credentials: impl Credentials + 'static) -> (u16, Vec<String>) {
    refusal(builder.credentials(credentials).connect().unwrap_err())
}

/// A file of keys that are for tests alone.
fn key_file(name: &str) -> String {
    format!("{}/../auth/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Long enough for HMAC with SHA-512.
fn hmac_secret() -> Vec<u8> {
    MARK.repeat(4).into_bytes()
}

/// Issues tokens that [`validator`] accepts, for two minutes.
fn issuer() -> JwtIssuerBuilder {
    JwtIssuer::builder()
        .signature(JwtAlgorithm::Hs256, SigningKey::from_secret(&hmac_secret()))
        .subject("anna")
        .lifetime(Duration::from_secs(120))
}

fn validator() -> JwtValidatorBuilder {
    JwtValidator::builder()
        .algorithms([JwtAlgorithm::Hs256])
        .key(VerifyingKey::from_secret(&hmac_secret()))
}

/// Claims beside the registered ones.
fn claims(json: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    let serde_json::Value::Object(claims) = json else { panic!("{json} is no object") };
    claims
}
