//! What a client shows in its handshakes.

mod authorization;
mod basic;
mod bearer;
mod clear_text;
mod jwt;

pub use basic::Basic;
pub use bearer::Bearer;
pub use clear_text::ClearTextError;
pub use jwt::{JwtIssueError, JwtIssuer, JwtIssuerBuilder};
