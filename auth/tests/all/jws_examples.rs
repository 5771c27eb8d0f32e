//! The tokens of RFC 7515 and RFC 8037, as they are printed there.

use wirewright_auth::{JwkSet, JwtAlgorithm, JwtError, JwtValidator, VerifyingKey};

use super::tokens::at;

/// `{"iss":"joe", "exp":1300819380, "http://example.com/is_root":true}`.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9\
                      pc19yb290Ijp0cnVlfQ";

fn of_set(algorithm: JwtAlgorithm, jwk: &str) -> JwtValidator {
    let set = JwkSet::from_json(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()).unwrap();
    JwtValidator::builder().algorithms([algorithm]).key_set(set).build().unwrap()
}

#[track_caller]
fn accepted(validator: &JwtValidator, header: &str, signature: &str) {
    let token = format!("{header}.{CLAIMS}.{signature}");
    let identity = validator.validate(&token, at(1_300_819_379)).unwrap();
    assert_eq!(identity.attributes["iss"], "joe");
    assert_eq!(identity.attributes["http://example.com/is_root"], "true");
    assert_eq!(validator.validate(&token, at(1_300_819_380)), Err(JwtError::Expired));
    let other = CLAIMS.replacen("am9l", "am9m", 1).replacen("qb2U", "qb2V", 1);
    assert_ne!(other, CLAIMS);
    let forged = format!("{header}.{other}.{signature}");
    let found = validator.validate(&forged, at(1_300_819_379));
    assert_eq!(found, Err(JwtError::Signature));
}

#[test]
fn rfc7515_a_1_hs256() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let secret = URL_SAFE_NO_PAD
        .decode(concat!(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_",
            "T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        ))
        .unwrap();
    let key = VerifyingKey::from_secret(&secret);
    let validator = JwtValidator::builder().algorithms([JwtAlgorithm::Hs256]).key(key);
    accepted(
        &validator.build().unwrap(),
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    );
}

#[test]
fn rfc7515_a_2_rs256() {
    let jwk = concat!(
        r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPdd"#,
        "xHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47so",
        "MZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMT",
        "BQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAc",
        r#"DTW9gb54h4FRWyuXpoQ"}"#,
    );
    accepted(
        &of_set(JwtAlgorithm::Rs256, jwk),
        "eyJhbGciOiJSUzI1NiJ9",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F\
         p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQB\
         MHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeY\
         I2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
}

#[test]
fn rfc7515_a_3_es256() {
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    accepted(
        &of_set(JwtAlgorithm::Es256, jwk),
        "eyJhbGciOiJFUzI1NiJ9",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
}

/// "Example of Ed25519 signing" is signed, and is no JSON.
#[test]
fn rfc8037_a_4_eddsa() {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let validator = of_set(JwtAlgorithm::EdDsa, jwk);
    let signature = concat!(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6",
        "dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
    let token = |claims: &str| format!("eyJhbGciOiJFZERTQSJ9.{claims}.{signature}");
    let found = validator.validate(&token("RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"), at(0));
    assert!(matches!(found, Err(JwtError::Json { part: "claims", .. })), "{found:?}");
    let found = validator.validate(&token("RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmd"), at(0));
    assert_eq!(found, Err(JwtError::Signature));
}
