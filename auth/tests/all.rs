//! What the crate does, through its public names.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper fails the test")]

mod all {
    mod authorization;
    mod basic_file;
    mod basic_timing;
    mod basic_users;
    mod credentials;
    mod derivation;
    mod edges;
    mod http_server;
    mod introspection;
    mod introspection_asking;
    mod jws_examples;
    mod jwt_issuer;
    mod jwt_jwks;
    mod jwt_keys;
    mod jwt_secrets;
    mod jwt_validator;
    #[cfg(feature = "ldap")]
    mod ldap;
    #[cfg(feature = "ldap")]
    mod ldap_scripted;
    mod oauth2_answers;
    mod oauth2_flight;
    mod oauth2_requests;
    mod oauth2_secrets;
    mod oauth2_tls;
    mod s45;
    mod s45_claims;
    mod support;
    mod tokens;
}
