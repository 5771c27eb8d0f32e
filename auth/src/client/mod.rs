//! What a client shows in its handshakes.

mod clear_text;

pub use clear_text::ClearTextError;
