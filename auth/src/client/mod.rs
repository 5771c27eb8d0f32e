//! What a client shows in its handshakes.

mod authorization;
mod basic;
mod bearer;
mod clear_text;
mod jwt;
mod oauth2;

pub use basic::Basic;
pub use bearer::Bearer;
pub use clear_text::ClearTextError;
pub use jwt::JwtIssueError;
pub use jwt::JwtIssuer;
pub use jwt::JwtIssuerBuilder;
pub use oauth2::OAuth2Credentials;
pub use oauth2::OAuth2Error;
pub use oauth2::OAuth2Grant;
pub use oauth2::RefreshOptions;
pub use oauth2::TokenResponse;
pub use oauth2::TokenResponseError;
