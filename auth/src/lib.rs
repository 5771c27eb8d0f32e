//! Who is there: credentials that a client shows in its handshake, and authenticators that a
//! listener asks about them. Knows neither sockets nor TLS of the connections themselves; what it
//! asks of token endpoints, key sets and directories goes over connections of its own.

mod algorithm;
mod any_certificate;
mod client;
mod error;
mod flights;
mod http;
mod json;
mod keys;
mod loopback;
mod oauth2;
mod server;
mod sync;

pub use algorithm::JwtAlgorithm;
pub use client::Basic;
pub use client::Bearer;
pub use client::ClearTextError;
pub use client::JwtIssueError;
pub use client::JwtIssuer;
pub use client::JwtIssuerBuilder;
pub use client::OAuth2Credentials;
pub use client::OAuth2Error;
pub use client::OAuth2Grant;
pub use client::RefreshOptions;
pub use client::TokenResponse;
pub use client::TokenResponseError;
pub use error::ConfigError;
pub use http::EndpointError;
pub use http::HttpOptions;
pub use json::JsonError;
pub use keys::JwkSet;
pub use keys::JwksError;
pub use keys::SigningKey;
pub use keys::VerifyingKey;
pub use oauth2::ClientAuthentication;
pub use server::authorization::BasicCredentials;
pub use server::authorization::BasicError;
pub use server::basic::BasicUsers;
pub use server::basic::BasicUsersBuilder;
pub use server::basic::scheme::BasicScheme;
pub use server::bearer::BearerScheme;
pub use server::introspection::IntrospectionError;
pub use server::introspection::IntrospectionResponse;
pub use server::introspection::OAuth2Introspection;
pub use server::introspection::OAuth2IntrospectionBuilder;
pub use server::jwt::JwksEndpoint;
pub use server::jwt::JwtError;
pub use server::jwt::JwtValidator;
pub use server::jwt::JwtValidatorBuilder;
#[cfg(feature = "ldap")]
pub use server::ldap::DirectoryError;
#[cfg(feature = "ldap")]
pub use server::ldap::LdapConfig;
#[cfg(feature = "ldap")]
pub use server::ldap::LdapUsers;
pub use server::scopes::Scopes;
