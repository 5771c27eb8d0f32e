//! Basic, Bearer and issued tokens in a client's handshake: S-49.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wirewright_auth::{Basic, Bearer, JwtAlgorithm, JwtIssuer, SigningKey};
use wirewright_core::Uri;
use wirewright_core::handshake::{Credentials, CredentialsError, Headers};

use super::tokens::SECRET;

/// What `credentials` add for a handshake with `uri`.
fn headers(credentials: &dyn Credentials, uri: &str) -> Result<Headers, CredentialsError> {
    let uri: Uri = uri.parse().unwrap();
    let mut headers = Headers::new();
    headers.set("Authorization", "the caller's").unwrap();
    credentials.headers(&uri, &mut headers).map(|()| headers)
}

fn authorization(credentials: &dyn Credentials) -> String {
    let headers = headers(credentials, "wss://example.com/").unwrap();
    assert_eq!(headers.iter().count(), 1);
    headers.get("authorization").unwrap().to_owned()
}

fn issuer() -> JwtIssuer {
    let key = SigningKey::from_secret(SECRET);
    JwtIssuer::builder().signature(JwtAlgorithm::Hs256, key).build().unwrap()
}

#[test]
fn rfc7617_2_user_and_password_in_base64() {
    for (user, password, value) in [
        ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        // RFC 7617 §2.1: UTF-8.
        ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
        ("u", ":p:", "Basic dTo6cDo="),
    ] {
        let credentials = Basic::new(user, password).unwrap();
        assert_eq!(authorization(&credentials), value);
    }
}

#[test]
fn rfc7617_2_what_basic_cannot_say() {
    for (user, password, problem) in [
        ("", "p", "user: is empty"),
        ("u", "", "password: is empty"),
        ("", "", "user: is empty"),
        ("a:b", "p", "user: holds a colon"),
        ("a\r\nX", "p", "user: holds a control"),
        ("a\u{7f}", "p", "user: holds a control"),
        ("a\u{85}", "p", "user: holds a control"),
        ("u", "p\0", "password: holds a control"),
        ("u", "p\n", "password: holds a control"),
    ] {
        let said = Basic::new(user, password).unwrap_err().to_string();
        assert!(said.starts_with(problem), "{said}");
    }
}

#[test]
fn rfc6750_2_1_tokens_are_b64tokens() {
    for token in ["a", "mF_9.B5f-4.1JqM", "a~+/==", "AZaz09-._~+/="] {
        let credentials = Bearer::new(token).unwrap();
        assert_eq!(authorization(&credentials), format!("Bearer {token}"));
    }
    for token in ["", "=", "a b", "a\r\nX: y", "a=b", " a", "a ", "ä", "a,b", "a\"", "a\0"] {
        assert!(Bearer::new(token).is_err(), "{token:?}");
        let token = token.to_owned();
        let callback = Bearer::from_fn(move |_| Ok(token.clone().into()));
        let error = headers(&callback, "wss://example.com/").unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().contains("RFC 6750 §2.1"), "{error}");
    }
}

#[test]
fn a_callback_is_asked_for_every_handshake() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let callback = Bearer::from_fn(move |uri| {
        let turn = count.fetch_add(1, Ordering::SeqCst);
        match turn {
            2 => Err(CredentialsError::transient("not now")),
            3 => Err(CredentialsError::permanent("never")),
            _ => Ok(format!("{}-{turn}", uri.host()).into()),
        }
    });
    assert_eq!(authorization(&callback), "Bearer example.com-0");
    assert_eq!(authorization(&callback.clone()), "Bearer example.com-1");
    assert!(headers(&callback, "wss://example.com/").unwrap_err().is_transient());
    assert!(!headers(&callback, "wss://example.com/").unwrap_err().is_transient());
    assert_eq!(authorization(&callback), "Bearer example.com-4");
}

/// S-49.
#[test]
fn s49_nothing_crosses_a_network_in_clear_text() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let callback = Bearer::from_fn(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok("token".into())
    });
    let basic = Basic::new("u", "p").unwrap();
    let bearer = Bearer::new("token").unwrap();
    let jwt = || {
        let key = SigningKey::from_secret(SECRET);
        JwtIssuer::builder().signature(JwtAlgorithm::Hs256, key)
    };
    let shy: [Box<dyn Credentials>; 4] = [
        Box::new(basic.clone()),
        Box::new(bearer.clone()),
        Box::new(callback),
        Box::new(jwt().build().unwrap()),
    ];
    let bold: [Box<dyn Credentials>; 3] = [
        Box::new(basic.allow_clear_text(true)),
        Box::new(bearer.allow_clear_text(true)),
        Box::new(jwt().allow_clear_text(true).build().unwrap()),
    ];
    for uri in ["wss://example.com/", "ws://localhost:1/", "ws://127.0.0.1/", "ws://[::1]/"] {
        assert!(shy.iter().all(|credentials| headers(&**credentials, uri).is_ok()), "{uri}");
    }
    let before = asked.load(Ordering::SeqCst);
    for uri in ["ws://example.com/", "ws://localhost.example.com/", "ws://10.0.0.1/"] {
        for credentials in &shy {
            let error = headers(&**credentials, uri).unwrap_err();
            assert!(!error.is_transient());
            assert!(error.to_string().contains("allow_clear_text"), "{error}");
        }
        assert!(bold.iter().all(|credentials| headers(&**credentials, uri).is_ok()), "{uri}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), before, "nobody is asked for what is not sent");
}

#[test]
fn a_new_token_for_every_handshake() {
    let key = SigningKey::from_secret(SECRET);
    let issuer = JwtIssuer::builder().signature(JwtAlgorithm::Hs256, key).unique_jwt_id();
    let issuer = issuer.build().unwrap();
    assert_ne!(authorization(&issuer), authorization(&issuer));
    assert!(authorization(&self::issuer()).starts_with("Bearer ey"));
}
