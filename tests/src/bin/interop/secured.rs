//! TLS with the certificates that `tests/interop/certificates.sh` makes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use wirewright::core::LayerError;
use wirewright::tls::{ClientTls, ClientTlsBuilder, Identity, ServerTls, Trust};
use wirewright::{ClientBuilder, ClientError, Security};

use crate::client::{
    Case, Outcome, builder, case, connect, echo, open, read, send, text, told as said,
};

/// What the command line says of TLS.
struct Secured {
    folder: PathBuf,
    versions: Vec<String>,
    /// The listener accepts no client without a certificate.
    requires: bool,
    /// It asks for none.
    asks: bool,
    /// The client shows none.
    is_anonymous: bool,
}

static SECURED: OnceLock<Secured> = OnceLock::new();

/// The folder with the certificates, versions with commas between them, and the rest.
pub(crate) fn set(folder: &str, versions: &str, more: &[&str]) {
    let _ = SECURED.set(Secured {
        folder: folder.into(),
        versions: versions.split(',').map(Into::into).collect(),
        requires: more.contains(&"required"),
        asks: !more.contains(&"unasked"),
        is_anonymous: more.contains(&"anonymous"),
    });
}

impl Secured {
    fn identity(&self, name: &str) -> Identity {
        let file = |extension| self.folder.join(Path::new(name).with_extension(extension));
        Identity::pem_files(file("pem"), file("key"))
    }

    fn trust(&self, authority: &str) -> Trust {
        Trust::pem_file(self.folder.join(authority))
    }

    fn versions(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().map(String::as_str)
    }

    fn client(&self) -> ClientTlsBuilder {
        let builder = ClientTls::builder().trust(self.trust("ca.pem")).versions(self.versions());
        if self.is_anonymous { builder } else { builder.identity(self.identity("client")) }
    }
}

pub(crate) fn listener() -> Option<ServerTls> {
    let secured = SECURED.get()?;
    let builder = ServerTls::builder()
        .identity(secured.identity("server"))
        .identity(secured.identity("server-rsa"))
        .versions(secured.versions());
    let clients = secured.trust("ca.pem");
    let builder = match (secured.requires, secured.asks) {
        (true, _) => builder.require_client_certificates(clients),
        (false, true) => builder.accept_client_certificates(clients),
        (false, false) => builder,
    };
    Some(builder.build().unwrap())
}

/// One for the process, so that its sessions are those of all connections before.
pub(crate) fn client() -> Option<ClientTls> {
    static SHARED: OnceLock<ClientTls> = OnceLock::new();
    let secured = SECURED.get()?;
    Some(SHARED.get_or_init(|| secured.client().build().unwrap()).clone())
}

/// What a listener says of a connection: the version, whether the session was resumed, the client's
/// name, and what peers need not be able to say: name asked for, cipher suite.
pub(crate) fn shown(security: Option<&Security>) -> String {
    let Some(security) = security else { return "not secure".into() };
    let name = security.peer.as_ref().and_then(|peer| peer.common_name.as_deref());
    format!(
        "{} {} {} {} {}",
        security.protocol,
        if security.is_resumed { "resumed" } else { "new" },
        name.unwrap_or("-").replace(' ', "-"),
        security.server_name.as_deref().unwrap_or("-"),
        security.cipher_suite,
    )
}

/// What a server is asked over TLS besides the table; nothing without.
pub(crate) fn cases() -> Vec<Case> {
    let Some(secured) = SECURED.get() else { return Vec::new() };
    let name = if secured.is_anonymous { "-" } else { "gateway-7" };
    vec![
        case("what TLS agreed on", move |url| {
            let tls = secured.client().build().map_err(said)?;
            agreed(&builder(url, false).tls(tls), "new", name)
        }),
        case("a session resumed", move |url| {
            let client = builder(url, false).tls(secured.client().build().map_err(said)?);
            agreed(&client, "new", name)?;
            agreed(&client, "resumed", name)
        }),
        case("an authority that is not trusted", |url| {
            let tls = secured.client().trust(secured.trust("other-ca.pem"));
            refused(url, &tls, "no authority that is trusted here has issued it")
        }),
        case("another name", |url| {
            let tls = secured.client().server_name("elsewhere.example");
            refused(url, &tls, "it is not for elsewhere.example but for localhost")
        }),
        case("a version that the server does not speak", |url| {
            let other = ["TLSv1.2", "TLSv1.3"].into_iter();
            let other = other.filter(|other| !secured.versions().any(|version| version == *other));
            let tls = secured.client().versions(other);
            // Python's asyncio ends the connection instead of sending its alert.
            refused(url, &tls, "protocol_version")
                .or_else(|_| failed(url, &tls, "without close_notify, during the handshake"))
        }),
    ]
}

/// Both ends say the same of a connection.
fn agreed(options: &ClientBuilder, session: &str, name: &str) -> Outcome {
    let client = connect(options)?;
    send(&client, "!security")?;
    let peers = read(&client)?;
    let ours = client.security().ok_or("no TLS")?;
    let expected = [ours.protocol, session, name].join(" ");
    client.close().map_err(said)?;
    if !peers.starts_with(&expected) || ours.is_resumed != (session == "resumed") {
        return Err(format!("{ours:?}; {peers:?} instead of {expected:?}"));
    }
    Ok(())
}

/// The connection fails for good, and the error says why.
fn refused(url: &str, tls: &ClientTlsBuilder, why: &str) -> Outcome {
    match failure(url, tls)? {
        error if !error.is_transient() && error.to_string().contains(why) => Ok(()),
        error => Err(format!("{error} ({error:?})")),
    }
}

/// The connection fails, as another attempt may not, and the error says why.
fn failed(url: &str, tls: &ClientTlsBuilder, why: &str) -> Outcome {
    match failure(url, tls)? {
        error if error.is_transient() && error.to_string().contains(why) => Ok(()),
        error => Err(format!("{error} ({error:?})")),
    }
}

fn failure(url: &str, tls: &ClientTlsBuilder) -> Result<Arc<LayerError>, String> {
    match builder(url, false).tls(tls.build().map_err(said)?).connect() {
        Err(ClientError::Tls(error)) => Ok(error),
        Err(error) => Err(format!("{error} ({error:?})")),
        Ok(_) => Err("connected".into()),
    }
}

/// For a server that handles one small message after another, and one connection.
pub(crate) fn few_cases() -> Vec<Case> {
    vec![case("echoes", |url| {
        let client = open(url, false)?;
        for size in [0, 1, 125, 126, 1_000] {
            echo(&client, &text(size))?;
        }
        client.close().map_err(said)
    })]
}

/// For a server that changes its keys when it is told to, and asks for a change of ours.
pub(crate) fn key_cases() -> Vec<Case> {
    let orders = ["!keyupdate", "!keyupdate-requested"].into_iter();
    let cases = orders.map(|order| {
        case(format!("{order} between messages"), move |url| {
            let client = open(url, false)?;
            for number in 0..20 {
                echo(&client, &format!("message {number}"))?;
                // Answered once the server's keys have changed.
                echo(&client, order)?;
            }
            client.close().map_err(said)
        })
    });
    cases.collect()
}

/// Connects, and prints the error or what was agreed on.
pub(crate) fn told(url: &str) -> ExitCode {
    match builder(url, false).connect() {
        Ok(client) => println!("connected: {}", shown(client.security().as_ref())),
        Err(error) => println!("error: {error}"),
    }
    ExitCode::SUCCESS
}
