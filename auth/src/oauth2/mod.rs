//! What token endpoints and introspection endpoints have in common.

mod client;
mod form;
mod seconds;
mod text;

pub use client::ClientAuthentication;
pub(crate) use client::OAuth2Client;
pub(crate) use form::{Extra, Form};
pub(crate) use seconds::Seconds;
pub(crate) use text::printable;
