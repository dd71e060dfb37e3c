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
    LENIENT.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

fn bad(why: &'static str) -> BadUpgrade {
    BadUpgrade { status: 400, why }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::Limits;

    const LINES: [&str; 5] = [
        "Host: h",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];

    fn of(start: &str, lines: &[&str]) -> Request {
        let head = format!("{start}\r\n{}\r\n\r\n", lines.join("\r\n"));
        Request::of(
            &RequestHead::parse(head.as_bytes(), &Limits::default())
                .unwrap()
                .unwrap(),
        )
    }

    /// The valid request with the line of that name replaced by others.
    fn with(name: &str, others: &[&str]) -> Request {
        let kept = LINES.iter().filter(|line| !line.starts_with(&format!("{name}:")));
        let lines: Vec<&str> = kept.chain(others).copied().collect();
        assert_eq!(lines.len(), 4 + others.len());
        of("GET /chat HTTP/1.1", &lines)
    }

    fn status(request: &Request) -> Option<u16> {
        match request {
            Request::Bad(bad) => Some(bad.status),
            _ => None,
        }
    }

    #[test]
    fn a_valid_request_gives_key_protocols_and_extensions() {
        let mut lines = LINES.to_vec();
        lines.extend([
            "Sec-WebSocket-Protocol: chat , superchat",
            "Sec-WebSocket-Extensions: x-own; a=\"b\"; c, permessage-deflate",
            "sec-websocket-protocol: v2",
            "Sec-WebSocket-Extensions: other",
        ]);
        let Request::WebSocket(request) = of("GET / HTTP/1.1", &lines) else {
            panic!("not a WebSocket request");
        };
        assert_eq!(request.key, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(request.protocols, ["chat", "superchat", "v2"]);
        let offers: Vec<String> = request.extensions.iter().map(ToString::to_string).collect();
        assert_eq!(offers, ["x-own; a=b; c", "permessage-deflate", "other"]);
        assert_eq!(request.extensions_error, None);
    }

    #[test]
    fn an_upgrade_is_recognised_in_any_case_in_lists_and_over_several_lines() {
        for (name, others) in [
            ("Connection", &["connection: keep-alive, UPGRADE"][..]),
            ("Connection", &["Connection: keep-alive", "Connection: upgrade"]),
            ("Upgrade", &["upgrade: WebSocket"]),
            ("Upgrade", &["Upgrade: h2c", "Upgrade: foo/1, websocket"]),
        ] {
            assert!(matches!(with(name, others), Request::WebSocket(_)), "{others:?}");
        }
    }

    #[test]
    fn one_of_the_two_headers_alone_is_no_upgrade() {
        for (name, others) in [
            ("Connection", &[][..]),
            ("Connection", &["Connection: keep-alive"]),
            ("Connection", &["Connection: xupgrade, upgrade2"]),
            ("Upgrade", &[]),
            ("Upgrade", &["Upgrade: h2c"]),
        ] {
            assert_eq!(with(name, others), Request::NotUpgrade, "{others:?}");
        }
        assert_eq!(of("POST / HTTP/1.0", &["A: b"]), Request::NotUpgrade);
    }

    #[test]
    fn a_flawed_upgrade_gets_400() {
        for start in ["POST / HTTP/1.1", "get / HTTP/1.1", "GET / HTTP/1.0"] {
            assert_eq!(status(&of(start, &LINES)), Some(400), "{start}");
        }
        for (name, others) in [
            ("Host", &[][..]),
            ("Host", &["Host: a", "Host: b"]),
            ("Host", &["Host: a", "Content-Length: 1"]),
            ("Host", &["Host: a", "Content-Length: 1", "Content-Length: 0"]),
            ("Host", &["Host: a", "Transfer-Encoding: chunked"]),
            (
                "Sec-WebSocket-Version",
                &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"],
            ),
            ("Sec-WebSocket-Key", &[]),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key:"]),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"]),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"]),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE="]),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ-=="]),
            ("Sec-WebSocket-Key", &[LINES[4], LINES[4]]),
        ] {
            let request = with(name, others);
            assert_eq!(status(&request), Some(400), "{others:?} {request:?}");
        }
        let empty_body = with("Host", &["Host: a", "Content-Length: 0"]);
        assert!(matches!(empty_body, Request::WebSocket(_)));
    }

    #[test]
    fn another_version_gets_426_with_the_right_one() {
        for others in [
            &[][..],
            &["Sec-WebSocket-Version: 8"],
            &["Sec-WebSocket-Version: 013"],
            &["Sec-WebSocket-Version: 13, 8"],
        ] {
            let Request::Bad(bad) = with("Sec-WebSocket-Version", others) else {
                panic!("{others:?} is accepted");
            };
            assert_eq!(bad.status, 426);
            assert!(bad.headers().contains(&("Sec-WebSocket-Version", "13")));
        }
        let Request::Bad(bad) = with("Host", &[]) else {
            panic!("no Host is accepted")
        };
        assert!(bad.headers().is_empty());
    }

    #[test]
    fn a_key_of_random_letters_is_accepted() {
        let request = with("Sec-WebSocket-Key", &["Sec-WebSocket-Key: abcdefghijklmnopqrstuv=="]);
        assert!(matches!(request, Request::WebSocket(_)));
    }

    #[test]
    fn malformed_offers_are_kept_up_to_the_flaw_and_said() {
        let Request::WebSocket(request) = with("Host", &["Host: h", "Sec-WebSocket-Extensions: a, b; =, c"]) else {
            panic!("offers are the server's to refuse");
        };
        assert_eq!(request.extensions.len(), 1);
        assert!(request.extensions_error.is_some());
    }

    proptest! {
        #[test]
        fn any_key_of_16_bytes_is_accepted(key in any::<[u8; 16]>()) {
            let line = format!("Sec-WebSocket-Key: {}", base64::engine::general_purpose::STANDARD.encode(key));
            prop_assert!(matches!(with("Sec-WebSocket-Key", &[&line]), Request::WebSocket(_)));
        }
    }
}
