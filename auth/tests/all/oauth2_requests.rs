//! What is sent to token endpoints (RFC 6749, RFC 7523), and to the servers that tokens are for.

use std::error::Error;

use wirewright_auth::{ClearTextError, ClientAuthentication, HttpOptions};
use wirewright_auth::{OAuth2Credentials, OAuth2Grant, RefreshOptions};
use wirewright_core::Uri;
use wirewright_core::handshake::{Credentials, CredentialsError, Headers};

use super::http_server::{Server, json, token};

pub(crate) fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

/// The header that a handshake carries.
pub(crate) fn header(credentials: &OAuth2Credentials) -> Result<String, CredentialsError> {
    let mut headers = Headers::new();
    credentials.headers(&uri("wss://example.com/feed"), &mut headers)?;
    Ok(headers.get("Authorization").unwrap().to_owned())
}

pub(crate) fn client_credentials(server: &Server) -> OAuth2Grant {
    OAuth2Grant::client_credentials(server.url("/token"), "client-1", "secret-1")
}

/// A server that grants each request another token.
pub(crate) fn granting() -> Server {
    Server::saying(|_, number| token(&format!("token-{number}")))
}

type Configure = fn(OAuth2Grant) -> OAuth2Grant;

#[test]
fn rfc6749_4_grants_are_asked_for_as_written() {
    let server = granting();
    let url = server.url("/token?tenant=7");
    let client = || OAuth2Grant::client_credentials(&url, "id", "pass");
    let password = || OAuth2Grant::password(&url, "user", "word");
    let refresh = || OAuth2Grant::refresh_token(&url, "again");
    let assertion = || OAuth2Grant::jwt_bearer(&url, "a.b.c");
    // base64("id:pass")
    let basic = Some("Basic aWQ6cGFzcw==");
    let jwt = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    let with: [Configure; 4] = [
        |grant| grant.client("id", "pass"),
        |grant| grant.public_client("id"),
        |grant| grant.scopes(["read", "write"]).parameter("audience", "a b&c").payload("d=%20e"),
        |grant| grant.client_authentication(ClientAuthentication::Body),
    ];
    let [known, public, more, body] = with;
    let table = [
        (client(), basic, "grant_type=client_credentials".to_owned()),
        (
            body(client()),
            None,
            "grant_type=client_credentials&client_id=id&client_secret=pass".into(),
        ),
        (
            more(client()),
            basic,
            "grant_type=client_credentials&scope=read+write&audience=a+b%26c&d=%20e".into(),
        ),
        (password(), None, "grant_type=password&username=user&password=word".into()),
        (known(password()), basic, "grant_type=password&username=user&password=word".into()),
        (
            public(password()),
            None,
            "grant_type=password&username=user&password=word&client_id=id".into(),
        ),
        (known(refresh()), basic, "grant_type=refresh_token&refresh_token=again".into()),
        (
            more(body(known(refresh()))),
            None,
            "grant_type=refresh_token&refresh_token=again&scope=read+write&client_id=id\
             &client_secret=pass&audience=a+b%26c&d=%20e"
                .into(),
        ),
        (assertion(), None, format!("grant_type={jwt}&assertion=a.b.c")),
        (
            more(known(assertion())),
            basic,
            format!("grant_type={jwt}&assertion=a.b.c&scope=read+write&audience=a+b%26c&d=%20e"),
        ),
    ];
    for (number, (grant, authorization, form)) in table.into_iter().enumerate() {
        let credentials = grant.build().unwrap();
        assert_eq!(header(&credentials).unwrap(), format!("Bearer token-{number}"));
        let seen = &server.seen()[number];
        assert_eq!(seen.line, "POST /token?tenant=7 HTTP/1.1");
        assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(seen.header("accept"), Some("application/json, */*;q=0.5"));
        assert_eq!(seen.header("host"), Some(&*format!("127.0.0.1:{}", server.port())));
        assert_eq!(seen.header("authorization"), authorization, "{form}");
        assert_eq!(seen.body, form);
    }
}

#[test]
fn rfc6749_2_3_1_client_id_and_secret_are_form_encoded_within_basic() {
    let server = granting();
    let grant = OAuth2Grant::client_credentials(server.url("/"), "a:b c", "p:%+&ä");
    header(&grant.build().unwrap()).unwrap();
    // base64("a%3Ab+c:p%3A%25%2B%26%C3%A4")
    let expected = "Basic YSUzQWIrYzpwJTNBJTI1JTJCJTI2JUMzJUE0";
    assert_eq!(server.seen()[0].header("authorization"), Some(expected));
}

#[test]
fn headers_of_the_user_are_sent_once() {
    let server = granting();
    let options = HttpOptions::new()
        .header("X-Tenant", "feeds")
        .header("user-agent", "mine")
        .header("Authorization", "Basic of-a-gateway");
    let own = OAuth2Grant::jwt_bearer(server.url("/"), "a.b.c").http(options.clone());
    header(&own.build().unwrap()).unwrap();
    header(&client_credentials(&server).http(options).build().unwrap()).unwrap();
    let seen = server.seen();
    for seen in &seen {
        assert_eq!(seen.header("x-tenant"), Some("feeds"));
        assert_eq!(seen.header("user-agent"), Some("mine"));
    }
    assert_eq!(seen[0].header("authorization"), Some("Basic of-a-gateway"));
    assert_eq!(seen[1].header("authorization"), Some("Basic Y2xpZW50LTE6c2VjcmV0LTE="));
}

#[test]
fn endpoint_can_want_credentials_of_another_grant() {
    let outer = granting();
    // The first is refused, as if it had been revoked.
    let server = Server::saying(|seen, _| match seen.header("authorization") {
        Some("Bearer token-1") => token("inner"),
        _ => json(401, "{}"),
    });
    let gate = client_credentials(&outer).allow_clear_text(true).build().unwrap();
    let grant = client_credentials(&server).client_authentication(ClientAuthentication::Body);
    let credentials = grant.http(HttpOptions::new().credentials(gate)).build().unwrap();
    assert_eq!(header(&credentials).unwrap(), "Bearer inner");
    assert_eq!((outer.count(), server.count()), (2, 2));
    assert_eq!(server.seen()[1].parameter("client_secret").as_deref(), Some("secret-1"));
    // Without the outer token, the inner one is not asked for.
    for (status, transient) in [(400, false), (503, true)] {
        let outer = Server::saying(move |_, _| json(status, r#"{"error":"x"}"#));
        let options = HttpOptions::new().credentials(client_credentials(&outer).build().unwrap());
        let grant = OAuth2Grant::jwt_bearer(server.url("/"), "a.b.c").http(options);
        let error = header(&grant.build().unwrap()).unwrap_err();
        assert_eq!(error.is_transient(), transient);
        assert!(error.to_string().contains("/token answers"), "{error}");
    }
    assert_eq!(server.count(), 2);
}

#[test]
fn s49_no_token_goes_over_clear_text() {
    let server = granting();
    let credentials = client_credentials(&server).build().unwrap();
    let try_with = |credentials: &OAuth2Credentials, text| {
        credentials.headers(&uri(text), &mut Headers::new())
    };
    for text in ["ws://example.com/", "ws://10.0.0.1/", "ws://localhost.example.com/"] {
        let error = try_with(&credentials, text).unwrap_err();
        assert!(!error.is_transient());
        assert!(error.source().unwrap().is::<ClearTextError>(), "{error}");
        assert!(error.to_string().contains("`allow_clear_text`"), "{error}");
    }
    assert_eq!(server.count(), 0, "nothing was asked for");
    let local = ["ws://localhost/", "ws://127.0.0.1/", "ws://[::1]/", "wss://example.com/"];
    for text in local {
        try_with(&credentials, text).unwrap();
    }
    let careless = client_credentials(&server).allow_clear_text(true).build().unwrap();
    try_with(&careless, "ws://example.com/").unwrap();
}

#[test]
fn s47_options_that_cannot_be_used_are_errors_when_built() {
    let grant = |url: &str| OAuth2Grant::client_credentials(url, "id", "hunter2hunter2");
    let good = || grant("https://id.example.com/token");
    let http = |options| good().http(options);
    let table = [
        (grant("http://id.example.com/token"), "`allow_clear_text`"),
        (grant("http://127.0.0.1.example.com/"), "`allow_clear_text`"),
        (grant("ftp://id.example.com/"), "neither `http` nor `https`"),
        (grant("id.example.com"), "neither `http` nor `https`"),
        (grant("https://id.example.com/#x"), "fragment"),
        (grant("https://me:hunter2@id.example.com/"), "user information"),
        (grant("https://"), "host of the URI is missing"),
        (grant("https://id.example.com/a b"), "byte 2"),
        (OAuth2Grant::client_credentials("https://id.example.com/", "", "s"), "client id"),
        (OAuth2Grant::password("https://id.example.com/", "", "s"), "username"),
        (good().parameter("grant_type", "password"), "`grant_type`"),
        (good().payload("a=b&client%5Fsecret=c"), "`client_secret`"),
        (good().refresh(RefreshOptions::new("http://id.example.com/")), "`allow_clear_text`"),
        (http(HttpOptions::new().request_timeout(Default::default())), "`request_timeout`"),
        (http(HttpOptions::new().connect_timeout(Default::default())), "`connect_timeout`"),
        (http(HttpOptions::new().header("Host", "elsewhere")), "`Host`"),
        (http(HttpOptions::new().header("X", "hunter2\r\nY: z")), "byte 7"),
        (http(HttpOptions::new().roots_file("/no/such/file.pem")), "/no/such/file.pem"),
    ];
    for (grant, problem) in table {
        let error = grant.build().unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
    }
    let careless = HttpOptions::new().allow_clear_text(true);
    assert!(grant("http://id.example.com/token").http(careless).build().is_ok());
}
