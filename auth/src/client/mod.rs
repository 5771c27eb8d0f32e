//! What a client shows in its handshakes.

mod clear_text;
mod oauth2;

pub use clear_text::ClearTextError;
pub use oauth2::OAuth2Credentials;
pub use oauth2::OAuth2Error;
pub use oauth2::OAuth2Grant;
pub use oauth2::RefreshOptions;
pub use oauth2::TokenResponse;
pub use oauth2::TokenResponseError;
