//! The opening handshake of a WebSocket connection (RFC 6455 §4): is this request one, is it a valid one, and what did
//! the server's answer agree to.
//!
//! Reading order: [`Request`] (the client's side) · [`Offer`] (extensions, as they stand in the header) ·
//! [`negotiated`] and [`check_response`] (the server's side) · [`accept_deflate`] and [`offer_deflate`] (where the proxy
//! itself negotiates, as a server and as a client). Nothing in here decides what happens to a flaw.

mod extension;
mod request;
mod response;
mod deflate;

pub use deflate::{accept_deflate, deflate_answered, offer_deflate};
pub use extension::{ExtensionError, Offer, Param, SyntaxError};
pub use request::{BadUpgrade, Request, WebSocketRequest};
pub use response::{Negotiated, ResponseFlaw, check_response, negotiated};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// The one version there is (RFC 6455 §4.1).
pub const VERSION: &str = "13";

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
#[must_use]
pub fn accept(key: &str) -> String {
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_answers_the_example_of_rfc_6455() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
