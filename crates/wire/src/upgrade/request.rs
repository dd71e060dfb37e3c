//! The client's side of the opening handshake (RFC 6455 §4.1, §4.2.1).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::VERSION;
use super::extension::{self, ExtensionError, Offer};
use crate::http::{Framing, RequestHead, Version};

/// What a request is, as far as WebSocket goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// It does not ask for an upgrade to WebSocket: one of `Connection: upgrade` and `Upgrade: websocket` is missing.
    NotUpgrade,
    /// It asks for one, as it should.
    WebSocket(WebSocketRequest),
    /// It asks for one, but not as it should.
    Bad(BadUpgrade),
}

/// A valid request for an upgrade to WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketRequest {
    /// `Sec-WebSocket-Key`: base64 of 16 bytes.
    pub key: String,
    /// The offered subprotocols in order of preference, over all lines.
    pub protocols: Vec<String>,
    /// The offered extensions in order of preference, over all lines, known or not; where a line is malformed, what
    /// stands before the flaw.
    pub extensions: Vec<Offer>,
    /// Set when a `Sec-WebSocket-Extensions` line is malformed. It is the server's to refuse the request for it.
    pub extensions_error: Option<ExtensionError>,
}

/// Why a request for an upgrade to WebSocket is refused. It is the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUpgrade {
    /// 400, or 426 when the version is not 13.
    pub status: u16,
    /// What is wrong, as a sentence without its full stop.
    pub why: &'static str,
}

impl BadUpgrade {
    /// The header lines that the refusal carries besides those of every response: for 426 the version and protocol
    /// that would be accepted (RFC 6455 §4.4, RFC 9110 §15.5.22).
    #[must_use]
    pub const fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self.status {
            426 => &[
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", VERSION),
            ],
            _ => &[],
        }
    }
}

impl Request {
    /// Looks at a request's head.
    #[must_use]
    pub fn of(head: &RequestHead) -> Self {
        if !head.has_token("Connection", "upgrade") || !head.has_token("Upgrade", "websocket") {
            return Self::NotUpgrade;
        }
        match check(head) {
            Err(bad) => Self::Bad(bad),
            Ok(key) => {
                let (extensions, extensions_error) = extension::offers(head);
                Self::WebSocket(WebSocketRequest {
                    key,
                    protocols: head.elements("Sec-WebSocket-Protocol").map(text).collect(),
                    extensions,
                    extensions_error,
                })
            }
        }
    }
}

/// The key, if everything is as it should be.
fn check(head: &RequestHead) -> Result<String, BadUpgrade> {
    if head.method() != "GET" {
        return Err(bad("the method of a WebSocket upgrade is GET"));
    }
    if head.version() != Version::Http11 {
        return Err(bad("a WebSocket upgrade needs HTTP/1.1"));
    }
    match only(head, "Host") {
        Only::One(_) => {}
        Only::None => return Err(bad("there is no Host")),
        Only::Several => return Err(bad("there is more than one Host")),
    }
    match head.framing() {
        Ok(Framing::Empty | Framing::Length(0)) => {}
        Ok(_) => return Err(bad("a WebSocket upgrade has no body")),
        Err(_) => return Err(bad("the length of the body is not clear")),
    }
    match only(head, "Sec-WebSocket-Version") {
        Only::One(version) if version == VERSION.as_bytes() => {}
        Only::Several => return Err(bad("there is more than one Sec-WebSocket-Version")),
        Only::One(_) | Only::None => {
            return Err(BadUpgrade {
                status: 426,
                why: "the Sec-WebSocket-Version is not 13",
            });
        }
    }
    match only(head, "Sec-WebSocket-Key") {
        Only::One(key) if is_key(key) => Ok(text(key)),
        Only::One(_) => Err(bad("the Sec-WebSocket-Key is not base64 of 16 bytes")),
        Only::None => Err(bad("there is no Sec-WebSocket-Key")),
        Only::Several => Err(bad("there is more than one Sec-WebSocket-Key")),
    }
}

enum Only<'a> {
    None,
    One(&'a [u8]),
    Several,
}

fn only<'a>(head: &'a RequestHead, name: &str) -> Only<'a> {
    let mut values = head.values(name);
    match (values.next(), values.next()) {
        (None, _) => Only::None,
        (Some(value), None) => Only::One(value),
        (Some(_), Some(_)) => Only::Several,
    }
}

fn is_key(key: &[u8]) -> bool {
    // Clients that make a key of 22 random letters leave bits set behind the 16th byte. Servers let them pass.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    key.len() == 24 && LENIENT.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

fn bad(why: &'static str) -> BadUpgrade {
    BadUpgrade { status: 400, why }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
