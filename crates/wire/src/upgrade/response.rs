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
