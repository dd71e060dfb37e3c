//! The server's side of the opening handshake (RFC 6455 §4.1, what a client checks; RFC 7692 §5).

use super::accept;
use super::extension::{self, ExtensionError};
use super::request::WebSocketRequest;
use crate::deflate::Params;
use crate::deflate::params::Offered;
use crate::http::{ResponseHead, Version};

/// The extensions that govern a connection's frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// permessage-deflate, if it was agreed to.
    pub deflate: Option<Params>,
    /// Whether extensions were agreed to that are not known here: what reserved bits and payloads mean is then open.
    pub unknown: bool,
    /// Their names, in order.
    pub unknown_names: Vec<String>,
}

/// What a server's 101 agreed to.
///
/// # Errors
///
/// When the header is malformed, or agrees to permessage-deflate twice or with parameters it must not have. What the
/// frames mean is then not known. It is the server's fault.
pub fn negotiated(response: &ResponseHead) -> Result<Negotiated, ExtensionError> {
    let (agreed, error) = extension::offers(response);
    if let Some(error) = error {
        return Err(error);
    }
    let mut negotiated = Negotiated::default();
    for extension in agreed {
        if !extension.is_deflate() {
            negotiated.unknown = true;
            negotiated.unknown_names.push(extension.name);
        } else if negotiated
            .deflate
            .replace(Params::of_answer(extension.params())?)
            .is_some()
        {
            return Err(ExtensionError::DeflateTwice);
        }
    }
    Ok(negotiated)
}

/// Something in a 101 for which a client must fail the connection (RFC 6455 §4.1). It is the server's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseFlaw {
    /// HTTP/1.0 has no 101.
    #[error("the 101 is of HTTP/1.0")]
    Version,
    /// `Upgrade` does not hold `websocket`.
    #[error("the 101 has no Upgrade: websocket")]
    NoUpgrade,
    /// `Connection` does not hold `upgrade`.
    #[error("the 101 has no Connection: Upgrade")]
    NoConnection,
    /// No `Sec-WebSocket-Accept`.
    #[error("the 101 has no Sec-WebSocket-Accept")]
    NoAccept,
    /// More than one `Sec-WebSocket-Accept`, or one that does not answer the key.
    #[error("the Sec-WebSocket-Accept does not answer the key")]
    WrongAccept,
    /// `Sec-WebSocket-Extensions` can not be understood.
    #[error(transparent)]
    Extensions(#[from] ExtensionError),
    /// An extension that the client did not offer.
    #[error("the extension {0:?} was not offered")]
    ExtensionNotOffered(String),
    /// permessage-deflate with parameters that none of the client's offers of it allows (RFC 7692 §7.1).
    #[error("no offer allows {0}")]
    DeflateNotAsOffered(Params),
    /// A subprotocol that the client did not offer.
    #[error("the subprotocol {0:?} was not offered")]
    ProtocolNotOffered(String),
    /// More than one subprotocol.
    #[error("more than one subprotocol was chosen")]
    SeveralProtocols,
}

impl ResponseFlaw {
    /// Whether it is about extensions.
    #[must_use]
    pub const fn is_of_extensions(&self) -> bool {
        matches!(
            self,
            Self::Extensions(_) | Self::ExtensionNotOffered(_) | Self::DeflateNotAsOffered(_)
        )
    }
}

/// What is wrong with a server's 101, each as a short fact. Empty for other responses: they need not be anything.
#[must_use]
pub fn check_response(request: &WebSocketRequest, response: &ResponseHead) -> Vec<ResponseFlaw> {
    let mut flaws = Vec::new();
    if response.status() != 101 {
        return flaws;
    }
    if response.version() != Version::Http11 {
        flaws.push(ResponseFlaw::Version);
    }
    if !response.has_token("Upgrade", "websocket") {
        flaws.push(ResponseFlaw::NoUpgrade);
    }
    if !response.has_token("Connection", "upgrade") {
        flaws.push(ResponseFlaw::NoConnection);
    }
    check_accept(request, response, &mut flaws);
    check_extensions(request, response, &mut flaws);
    check_protocol(request, response, &mut flaws);
    flaws
}

fn check_accept(request: &WebSocketRequest, response: &ResponseHead, flaws: &mut Vec<ResponseFlaw>) {
    let mut values = response.values("Sec-WebSocket-Accept");
    match (values.next(), values.next()) {
        (None, _) => flaws.push(ResponseFlaw::NoAccept),
        (Some(value), None) if value == accept(&request.key).as_bytes() => {}
        _ => flaws.push(ResponseFlaw::WrongAccept),
    }
}

fn check_extensions(request: &WebSocketRequest, response: &ResponseHead, flaws: &mut Vec<ResponseFlaw>) {
    let (agreed, _) = extension::offers(response);
    // Behind a malformed offer there may be others.
    if request.extensions_error.is_none() {
        for extension in &agreed {
            let is_offered = |offer: &extension::Offer| offer.name.eq_ignore_ascii_case(&extension.name);
            if !request.extensions.iter().any(is_offered) {
                flaws.push(ResponseFlaw::ExtensionNotOffered(extension.name.clone()));
            }
        }
    }
    let deflate = match negotiated(response) {
        Ok(negotiated) => negotiated.deflate,
        Err(error) => return flaws.push(error.into()),
    };
    if let Some(answer) = deflate {
        let mut offers = request.extensions.iter().filter(|offer| offer.is_deflate()).peekable();
        let is_offered = offers.peek().is_some();
        if is_offered && !offers.any(|offer| Offered::parse(offer.params()).is_ok_and(|offer| offer.allows(&answer))) {
            flaws.push(ResponseFlaw::DeflateNotAsOffered(answer));
        }
    }
}

fn check_protocol(request: &WebSocketRequest, response: &ResponseHead, flaws: &mut Vec<ResponseFlaw>) {
    let mut chosen = response.elements("Sec-WebSocket-Protocol");
    let Some(protocol) = chosen.next() else { return };
    if chosen.next().is_some() {
        flaws.push(ResponseFlaw::SeveralProtocols);
    }
    if !request.protocols.iter().any(|offered| offered.as_bytes() == protocol) {
        flaws.push(ResponseFlaw::ProtocolNotOffered(
            String::from_utf8_lossy(protocol).into_owned(),
        ));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::deflate::ParamsError;
    use crate::http::{Limits, RequestHead};
    use crate::upgrade::{Request, SyntaxError};

    const GOOD: [&str; 3] = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ];

    fn response(start: &str, lines: &[&str]) -> ResponseHead {
        let head = format!("{start}\r\n{}\r\n\r\n", lines.join("\r\n"));
        ResponseHead::parse(head.as_bytes(), &Limits::default())
            .unwrap()
            .unwrap()
    }

    fn agreed(extensions: &[&str]) -> Result<Negotiated, ExtensionError> {
        let lines: Vec<String> = extensions
            .iter()
            .map(|value| format!("Sec-WebSocket-Extensions: {value}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain(GOOD).collect();
        negotiated(&response("HTTP/1.1 101 Switching Protocols", &lines))
    }

    fn request(lines: &[&str]) -> WebSocketRequest {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n\r\n",
            lines.join("\r\n")
        );
        let head = RequestHead::parse(head.as_bytes(), &Limits::default())
            .unwrap()
            .unwrap();
        match Request::of(&head) {
            Request::WebSocket(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn flaws(request_lines: &[&str], response_lines: &[&str]) -> Vec<ResponseFlaw> {
        let lines = [&GOOD, response_lines].concat();
        check_response(
            &request(&[&["A: b"], request_lines].concat()),
            &response("HTTP/1.1 101 Switching Protocols", &lines),
        )
    }

    #[test]
    fn an_answer_without_extensions_agrees_to_nothing() {
        assert_eq!(agreed(&[]), Ok(Negotiated::default()));
        assert_eq!(agreed(&["", " ,"]), Ok(Negotiated::default()));
    }

    #[test]
    fn each_parameter_of_the_answer_governs_its_direction() {
        let deflate = |text| agreed(&[text]).unwrap().deflate;
        assert_eq!(deflate("permessage-deflate"), Some(Params::default()));
        let all = "permessage-deflate; server_no_context_takeover; client_max_window_bits=\"9\"; \
                   server_max_window_bits=10";
        let expected = Params {
            server_no_context_takeover: true,
            client_no_context_takeover: false,
            server_max_window_bits: 10,
            client_max_window_bits: 9,
        };
        assert_eq!(deflate(all), Some(expected));
        let client = deflate("permessage-deflate; client_no_context_takeover").unwrap();
        assert!(client.client_no_context_takeover && !client.server_no_context_takeover);
    }

    #[test]
    fn unknown_extensions_are_named_beside_known_ones() {
        let negotiated = agreed(&["x-a; b=c, permessage-deflate", "y"]).unwrap();
        assert!(negotiated.unknown && negotiated.deflate.is_some());
        assert_eq!(negotiated.unknown_names, ["x-a", "y"]);
    }

    #[test]
    fn an_answer_that_means_nothing_says_why() {
        let params = |error| Err(ExtensionError::Params(error));
        for (answer, error) in [
            (&["permessage-deflate; a"][..], params(ParamsError::Unknown("a".into()))),
            (
                &["permessage-deflate; client_max_window_bits"],
                params(ParamsError::NoValue("client_max_window_bits")),
            ),
            (
                &["permessage-deflate", "permessage-deflate"],
                Err(ExtensionError::DeflateTwice),
            ),
            (
                &["permessage-deflate;"],
                Err(ExtensionError::Syntax(SyntaxError::Token)),
            ),
        ] {
            assert_eq!(agreed(answer), error, "{answer:?}");
        }
    }

    #[test]
    fn a_correct_101_has_no_flaw() {
        let offers = [
            "Sec-WebSocket-Protocol: a, b",
            "Sec-WebSocket-Extensions: x, permessage-deflate",
        ];
        assert_eq!(flaws(&[], &[]), []);
        assert_eq!(flaws(&offers, &[]), []);
        let answer = [
            "Sec-WebSocket-Protocol: b",
            "Sec-WebSocket-Extensions: permessage-deflate, X",
        ];
        assert_eq!(flaws(&offers, &answer), []);
    }

    #[test]
    fn a_101_that_lacks_everything_is_flawed_in_everything() {
        let head = response("HTTP/1.0 101 Well", &["Connection: close"]);
        assert_eq!(
            check_response(&request(&["A: b"]), &head),
            [
                ResponseFlaw::Version,
                ResponseFlaw::NoUpgrade,
                ResponseFlaw::NoConnection,
                ResponseFlaw::NoAccept
            ]
        );
        assert_eq!(
            check_response(&request(&["A: b"]), &response("HTTP/1.1 403 No", &["A: b"])),
            []
        );
    }

    #[test]
    fn a_wrong_or_second_accept_is_a_flaw() {
        let wrong = [
            "Connection: upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ];
        let head = response("HTTP/1.1 101 X", &wrong);
        assert_eq!(check_response(&request(&["A: b"]), &head), [ResponseFlaw::WrongAccept]);
        assert_eq!(flaws(&[], &[GOOD[2]]), [ResponseFlaw::WrongAccept]);
    }

    #[test]
    fn what_nobody_offered_is_a_flaw() {
        let not_offered = |name: &str| ResponseFlaw::ExtensionNotOffered(name.into());
        assert_eq!(
            flaws(&[], &["Sec-WebSocket-Extensions: permessage-deflate, x"]),
            [not_offered("permessage-deflate"), not_offered("x")]
        );
        assert_eq!(
            flaws(&["Sec-WebSocket-Protocol: a"], &["Sec-WebSocket-Protocol: A, a"]),
            [
                ResponseFlaw::SeveralProtocols,
                ResponseFlaw::ProtocolNotOffered("A".into())
            ]
        );
        assert_eq!(
            flaws(&["Sec-WebSocket-Extensions: x"], &["Sec-WebSocket-Extensions: x;"]),
            [ResponseFlaw::Extensions(SyntaxError::Token.into())]
        );
    }

    #[test]
    fn deflate_may_not_be_agreed_to_beyond_the_offer() {
        let is_allowed = |offer: &str, answer: &str| {
            let offer = format!("Sec-WebSocket-Extensions: {offer}");
            let answer = format!("Sec-WebSocket-Extensions: permessage-deflate{answer}");
            let flaws = flaws(&[&offer], &[&answer]);
            assert!(
                matches!(flaws[..], [] | [ResponseFlaw::DeflateNotAsOffered(_)]),
                "{flaws:?}"
            );
            flaws.is_empty()
        };
        let plain = "permessage-deflate";
        assert!(is_allowed(
            plain,
            "; server_max_window_bits=9; client_no_context_takeover"
        ));
        assert!(!is_allowed(plain, "; client_max_window_bits=9"));
        assert!(is_allowed(
            "permessage-deflate; client_max_window_bits",
            "; client_max_window_bits=9"
        ));
        let narrow = "permessage-deflate; server_max_window_bits=10";
        assert!(is_allowed(narrow, "; server_max_window_bits=10"));
        assert!(!is_allowed(narrow, ""));
        assert!(is_allowed(&format!("{narrow}, {plain}"), ""));
        let fresh = "permessage-deflate; server_no_context_takeover";
        assert!(!is_allowed(fresh, ""));
        assert!(is_allowed(fresh, "; server_no_context_takeover"));
    }
}
