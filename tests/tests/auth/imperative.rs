//! Authenticators that an upgrade service uses itself, with what it makes of them.

use std::time::SystemTime;

use secrecy::ExposeSecret as _;
use serde_json::json;
use wirewright::auth::{
    Basic, BasicCredentials, BasicScheme, BasicUsers, Bearer, BearerScheme, JwtError, JwtValidator,
    OAuth2Introspection,
};
use wirewright::{
    Accept, Authenticator, Caller, ClientError, Identity, Listener, Rejection, Reply,
    UpgradeRequest, UpgradeService,
};
use wirewright_tests::services::{By, Call, echo};

use super::oauth2::Opaque;
use super::{WAYS, Way, claims, issuer, refusal, secret, validator};

/// Lets in whom `check` knows, under that name.
struct Checking<F>(F);

impl<F> UpgradeService for Checking<F>
where
    F: Fn(&UpgradeRequest) -> Result<Identity, Rejection> + Send + Sync + 'static,
{
    fn upgrade(&self, request: &UpgradeRequest) -> Result<Accept, Rejection> {
        assert_eq!(request.identity(), None, "no authenticator was asked");
        let identity = (self.0)(request)?;
        let name = identity.name.clone();
        // It is the connection's from here on, so that it can expire and be revoked.
        let mut found = Some(identity);
        let service = By(move |caller: &Caller, call: Call<'_>| match call {
            Call::Open => {
                caller.renew(found.take().unwrap_or_default())?;
                Ok(Reply::Text(super::line(caller.identity().as_deref())))
            }
            _ => echo(caller, &call),
        });
        Ok(Accept::new(service).header("X-Name", &name)?)
    }

    fn may_block(&self) -> bool {
        true
    }
}

fn users() -> BasicUsers {
    let users = BasicUsers::builder().allow_plain_passwords(true);
    users.user("anna", secret("anna"), ["a"]).user("bert", secret("bert"), ["b"]).build().unwrap()
}

/// By the scheme's helpers, which refuse as the authenticator would.
fn by_users(users: BasicUsers) -> impl Fn(&UpgradeRequest) -> Result<Identity, Rejection> {
    let scheme = BasicScheme::new("by hand").unwrap().scopes("a");
    move |request| {
        let shown = scheme.credentials(request)?;
        let found = users.verify(shown.user(), shown.password().expose_secret());
        let identity = found.ok_or_else(|| scheme.unknown())?;
        scheme.admit(&identity.scopes)?;
        Ok(identity)
    }
}

/// By what is in the header, and answers of one's own.
fn by_header(users: BasicUsers) -> impl Fn(&UpgradeRequest) -> Result<Identity, Rejection> {
    move |request| {
        let header = request.head().header("Authorization").unwrap_or_default();
        let shown = BasicCredentials::parse(header).map_err(Rejection::from_error)?;
        let found = users.verify(shown.user(), shown.password().expose_secret());
        found.ok_or(Rejection::forbidden().body("not you"))
    }
}

fn by_token(validator: JwtValidator) -> impl Fn(&UpgradeRequest) -> Result<Identity, Rejection> {
    let scheme = BearerScheme::new("by hand").unwrap().scopes("a").unwrap();
    move |request| {
        let token = scheme.token(request)?;
        let found = validator.validate(token.expose_secret(), SystemTime::now());
        let identity = found.map_err(|error| match error {
            JwtError::Unavailable { .. } => Rejection::unavailable(),
            _ => scheme.invalid_token(),
        })?;
        scheme.admit(&identity.scopes)?;
        Ok(identity)
    }
}

fn by_introspection(
    asked: OAuth2Introspection,
) -> impl Fn(&UpgradeRequest) -> Result<Identity, Rejection> {
    move |request| asked.authenticate(request)
}

fn listen(way: Way, known: &Opaque) -> Listener {
    let validator = validator().build().unwrap();
    way.options()
        .route("/users", Checking(by_users(users())))
        .route("/header", Checking(by_header(users())))
        .route("/token", Checking(by_token(validator)))
        .route("/asked", Checking(by_introspection(known.authenticator())))
        .listen("127.0.0.1:0")
        .unwrap()
}

fn basic(user: &str) -> Option<Vec<(&'static str, String)>> {
    use base64::Engine as _;
    let pair = format!("{user}:{}", secret(user));
    let value = base64::engine::general_purpose::STANDARD.encode(pair);
    Some(vec![("Authorization", format!("Basic {value}"))])
}

fn bearer(token: &str) -> Option<Vec<(&'static str, String)>> {
    Some(vec![("Authorization", format!("Bearer {token}"))])
}

fn jwt(scope: &str) -> String {
    let issuer = issuer().custom_claims(claims(json!({ "scope": scope }))).build().unwrap();
    issuer.issue(SystemTime::now()).unwrap().expose_secret().to_owned()
}

/// Path, headers, the status, and how the only challenge begins.
type Case = (&'static str, Option<Vec<(&'static str, String)>>, u16, &'static str);

fn cases() -> Vec<Case> {
    let twice = |mut headers: Vec<(&'static str, String)>| {
        headers.push(headers[0].clone());
        Some(headers)
    };
    vec![
        ("/users", basic("anna"), 101, "anna"),
        ("/users", None, 401, "Basic realm=\"by hand\""),
        ("/users", basic("nobody"), 401, "Basic realm=\"by hand\""),
        ("/users", basic("bert"), 403, ""),
        ("/users", bearer("x"), 401, "Basic realm=\"by hand\""),
        ("/users", twice(basic("anna").unwrap()), 400, ""),
        ("/header", basic("bert"), 101, "bert"),
        ("/header", basic("nobody"), 403, ""),
        ("/header", None, 400, ""),
        ("/token", bearer(&jwt("a b")), 101, "anna"),
        ("/token", None, 401, "Bearer realm=\"by hand\""),
        ("/token", bearer(&secret("x")), 401, "Bearer realm=\"by hand\", error=\"invalid_token\""),
        (
            "/token",
            bearer(&jwt("b")),
            403,
            "Bearer realm=\"by hand\", error=\"insufficient_scope\", scope=\"a\"",
        ),
        (
            "/token",
            twice(bearer(&jwt("a")).unwrap()),
            400,
            "Bearer realm=\"by hand\", error=\"invalid_request\"",
        ),
        ("/asked", bearer(&secret("good")), 101, "anna"),
        ("/asked", bearer(&secret("bad")), 401, "Bearer realm=\"websocket\", error=\"invalid"),
        ("/asked", None, 401, "Bearer realm=\"websocket\""),
    ]
}

#[test]
fn an_upgrade_service_may_ask_each_authenticator_itself() {
    for way in WAYS {
        let known = Opaque::new(&[secret("good")]);
        let listener = listen(way, &known);
        for (path, headers, status, says) in cases() {
            let mut builder = super::client(&way.url(&listener, path));
            for (name, value) in headers.iter().flatten() {
                builder = builder.header(name, value).unwrap();
            }
            match builder.connect() {
                Ok(client) => {
                    assert_eq!(status, 101, "{path} {says}");
                    assert_eq!(client.response().head().header_str("X-Name"), Some(says));
                    let said = client.read_text().unwrap();
                    assert!(said.starts_with(says), "{said}");
                    client.close().unwrap();
                }
                Err(error) => {
                    let is_said = !error.to_string().contains(super::MARK);
                    assert!(is_said, "{error}");
                    let (found, challenges) = refusal(error);
                    assert_eq!(found, status, "{path} {says} {way:?}");
                    let begin = challenges.first().map_or("", String::as_str);
                    assert!(begin.starts_with(says) && challenges.len() < 2, "{challenges:?}");
                }
            }
        }
        // They are the service's refusals, not those of an authenticator.
        let refused = listener.stats().refused;
        assert_eq!((refused.authentication, refused.service), (0, 13));
    }
}

/// The same by what a client has for it.
#[test]
fn credentials_of_a_client_do_for_an_upgrade_service_too() {
    for way in WAYS {
        let known = Opaque::new(&[secret("good")]);
        let listener = listen(way, &known);
        let to = |path: &str| super::client(&way.url(&listener, path));
        let anna = Basic::new("anna", secret("anna")).unwrap();
        let good = Bearer::new(secret("good")).unwrap();
        to("/users").credentials(anna).connect().unwrap().close().unwrap();
        to("/asked").credentials(good).connect().unwrap().close().unwrap();
        let issuer = issuer().custom_claims(claims(json!({ "scope": "a" }))).build().unwrap();
        to("/token").credentials(issuer).connect().unwrap().close().unwrap();
        let error = to("/token").connect().unwrap_err();
        assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
    }
}
