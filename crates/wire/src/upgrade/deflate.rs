//! permessage-deflate negotiated by the proxy itself, leg by leg (RFC 7692 §5, §7.1): what it answers to a client's
//! offers, what it offers to a server, and what the server's answer to that means.

use super::extension::Offer;
use super::response::{ResponseFlaw, negotiated};
use crate::deflate::params::{NAME, Offered, SERVER_MAX_WINDOW_BITS};
use crate::deflate::{Deflater, Params};
use crate::http::ResponseHead;

/// Answers the first of a client's offers that can be honoured: the parameters of the client's leg, and the element of
/// `Sec-WebSocket-Extensions` that agrees to them. `None`: no offer can be, and the answer has no permessage-deflate.
///
/// `own` is what the proxy wants as the server. It may be stricter than the offer, never weaker, except that a client's
/// window is limited only if the client has offered that. Declined are offers that are not as RFC 7692 §7.1 has them, and
/// those that ask for a server window that the [`Deflater`] cannot keep to.
#[must_use]
pub fn accept_deflate(offers: &[Offer], own: &Params) -> Option<(Params, String)> {
    let deflate = offers.iter().filter(|offer| offer.is_deflate());
    deflate
        .filter_map(|offer| Offered::parse(offer.params()).ok())
        .find_map(|offered| Some((offered, agreed(&offered, own)?)))
        .map(|(offered, params)| (params, answer(&offered, &params)))
}

/// The element that accepts this offer with these parameters.
fn answer(offered: &Offered, params: &Params) -> String {
    let mut text = params.to_answer();
    // A limit on the server's window is accepted by repeating it, even one that limits nothing (RFC 7692 §7.1.2.1).
    if offered.server_max_window_bits.is_some() && params.server_max_window_bits == 15 {
        text += &format!("; {SERVER_MAX_WINDOW_BITS}=15");
    }
    text
}

/// The parameters with which this offer is accepted.
fn agreed(offered: &Offered, own: &Params) -> Option<Params> {
    let bits = offered.server_max_window_bits.unwrap_or(15);
    let params = Params {
        server_no_context_takeover: offered.server_no_context_takeover || own.server_no_context_takeover,
        client_no_context_takeover: offered.client_no_context_takeover || own.client_no_context_takeover,
        server_max_window_bits: bits.min(own.server_max_window_bits),
        client_max_window_bits: match offered.client_max_window_bits {
            // The client's window is as large as it likes: the answer may not say otherwise (RFC 7692 §7.1.2.2).
            None => 15,
            Some(bits) => bits.unwrap_or(15).min(own.client_max_window_bits),
        },
    };
    let takeover = !params.server_no_context_takeover;
    Deflater::new(params.server_max_window_bits, takeover).map(|_| params)
}

/// The element of `Sec-WebSocket-Extensions` with which the proxy offers permessage-deflate to a server. `own` is what it
/// asks of the server, and what it says of itself as the client.
#[must_use]
pub fn offer_deflate(own: &Params) -> String {
    own.to_offer()
}

/// What a server's 101 makes of the proxy's own offer: the parameters of the server's leg, if it has agreed.
/// `offered`: what went into [`offer_deflate`]; `None` if nothing was offered.
///
/// # Errors
///
/// When the answer cannot be understood, agrees to more or other than was offered, or to another extension. Then it is
/// not known what the frames mean. It is the server's fault.
pub fn deflate_answered(offered: Option<&Params>, response: &ResponseHead) -> Result<Option<Params>, ResponseFlaw> {
    let negotiated = negotiated(response)?;
    if let Some(name) = negotiated.unknown_names.into_iter().next() {
        return Err(ResponseFlaw::ExtensionNotOffered(name));
    }
    match (negotiated.deflate, offered) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(ResponseFlaw::ExtensionNotOffered(NAME.to_owned())),
        (Some(answer), Some(own)) if as_offered(own).allows(&answer) => Ok(Some(Params {
            // What the proxy has said of itself holds whether the server repeats it or not (RFC 7692 §7.1.1.2, §7.1.2.2).
            client_no_context_takeover: answer.client_no_context_takeover || own.client_no_context_takeover,
            client_max_window_bits: answer.client_max_window_bits.min(own.client_max_window_bits),
            ..answer
        })),
        (Some(answer), Some(_)) => Err(ResponseFlaw::DeflateNotAsOffered(answer)),
    }
}

/// What [`offer_deflate`] says, as whoever reads it understands it.
fn as_offered(own: &Params) -> Offered {
    let bits = |bits: u8| (bits < 15).then_some(bits);
    Offered {
        server_no_context_takeover: own.server_no_context_takeover,
        client_no_context_takeover: own.client_no_context_takeover,
        server_max_window_bits: bits(own.server_max_window_bits),
        client_max_window_bits: Some(bits(own.client_max_window_bits)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::{Limits, RequestHead};
    use crate::upgrade::{ExtensionError, Request, WebSocketRequest, check_response};

    fn request(extensions: &str) -> WebSocketRequest {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n"
        );
        let head = RequestHead::parse(head.as_bytes(), &Limits::default());
        match Request::of(&head.unwrap().unwrap()) {
            Request::WebSocket(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn response(extensions: &str) -> ResponseHead {
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n"
        );
        ResponseHead::parse(head.as_bytes(), &Limits::default())
            .unwrap()
            .unwrap()
    }

    fn answer(extensions: &str) -> Option<String> {
        accept_deflate(&request(extensions).extensions, &Params::default()).map(|(_, answer)| answer)
    }

    const ALL: Params = Params {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: 10,
        client_max_window_bits: 9,
    };

    #[test]
    fn an_answer_has_what_the_offer_asks_for_and_no_more() {
        for (offer, expected) in [
            ("permessage-deflate", "permessage-deflate"),
            (
                "x-other; a=b, Permessage-Deflate; client_max_window_bits",
                "permessage-deflate",
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                "permessage-deflate; server_max_window_bits=15",
            ),
            (
                "permessage-deflate; server_max_window_bits=9; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
            ),
            (
                "permessage-deflate; client_max_window_bits=8; client_no_context_takeover",
                "permessage-deflate; client_no_context_takeover; client_max_window_bits=8",
            ),
        ] {
            assert_eq!(answer(offer).as_deref(), Some(expected), "{offer}");
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_declined_and_the_next_offer_taken() {
        let bad = [
            "x-permessage-deflate",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; mx_window_bits=9",
        ];
        for offer in bad {
            assert_eq!(answer(offer), None, "{offer}");
            let second = format!("{offer}, permessage-deflate; server_max_window_bits=12, permessage-deflate");
            let expected = "permessage-deflate; server_max_window_bits=12";
            assert_eq!(answer(&second).as_deref(), Some(expected), "{offer}");
        }
        assert_eq!(answer(&bad.join(", ")), None);
        assert_eq!(answer(""), None);
    }

    #[test]
    fn what_the_proxy_wants_is_answered_but_for_a_window_the_client_keeps_to_itself() {
        let (params, answer) = accept_deflate(&request("permessage-deflate").extensions, &ALL).unwrap();
        let expected = Params {
            client_max_window_bits: 15,
            ..ALL
        };
        assert_eq!(params, expected);
        assert_eq!(answer, expected.to_string());
        let offers = request("permessage-deflate; client_max_window_bits=12").extensions;
        assert_eq!(accept_deflate(&offers, &ALL).unwrap().0, ALL);
    }

    #[test]
    fn a_server_may_agree_to_the_offer_or_to_less_of_it() {
        let read = |answer: &str| deflate_answered(Some(&ALL), &response(answer));
        assert_eq!(read(""), Ok(None));
        let agreed = read("permessage-deflate; server_no_context_takeover; server_max_window_bits=9");
        let expected = Params {
            server_max_window_bits: 9,
            ..ALL
        };
        assert_eq!(agreed, Ok(Some(expected)), "what was said of the proxy itself holds");
        let plain = Params::default();
        let agreed = deflate_answered(Some(&plain), &response("permessage-deflate; client_max_window_bits=11"));
        assert_eq!(agreed.unwrap().unwrap().client_max_window_bits, 11);
    }

    #[test]
    fn what_is_no_answer_to_the_offer_is_an_error() {
        let read = |answer: &str| deflate_answered(Some(&ALL), &response(answer));
        for answer in [
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
        ] {
            let flaw = read(answer).unwrap_err();
            assert!(
                matches!(flaw, ResponseFlaw::DeflateNotAsOffered(_)),
                "{answer}: {flaw:?}"
            );
        }
        let whole = ALL.to_answer();
        let not_offered = |name: &str| Err(ResponseFlaw::ExtensionNotOffered(name.to_owned()));
        assert_eq!(read(&format!("{whole}, x-more")), not_offered("x-more"));
        assert_eq!(read("x-webkit-deflate-frame"), not_offered("x-webkit-deflate-frame"));
        let twice = ResponseFlaw::Extensions(ExtensionError::DeflateTwice);
        assert_eq!(read(&format!("{whole}, {whole}")), Err(twice));
        for answer in ["permessage-deflate; client_max_window_bits", "permessage-deflate;", "="] {
            assert!(matches!(read(answer), Err(ResponseFlaw::Extensions(_))), "{answer}");
        }
        assert_eq!(
            deflate_answered(None, &response("permessage-deflate")),
            not_offered("permessage-deflate")
        );
        assert_eq!(deflate_answered(None, &response("")), Ok(None));
    }

    prop_compose! {
        fn params()(
            (server_no_context_takeover, client_no_context_takeover) in any::<(bool, bool)>(),
            (server_max_window_bits, client_max_window_bits) in (8..=15u8, 8..=15u8),
        ) -> Params {
            Params {
                server_no_context_takeover,
                client_no_context_takeover,
                server_max_window_bits,
                client_max_window_bits,
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_offers_finds_no_flaw_in_the_answer(client in params(), server in params(), says in any::<bool>()) {
            let offer = offer_deflate(&client);
            let offer = if says { offer } else { offer.split("; client_max").next().unwrap().to_owned() };
            let request = request(&offer);
            let agreed = accept_deflate(&request.extensions, &server);
            let window = client.server_max_window_bits.min(server.server_max_window_bits);
            prop_assert_eq!(agreed.is_some(), window > 8);
            let Some((params, answer)) = agreed else { return Ok(()) };
            let response = response(&answer);
            prop_assert_eq!(check_response(&request, &response), []);
            prop_assert_eq!(negotiated(&response).unwrap().deflate, Some(params));
            if says {
                prop_assert_eq!(deflate_answered(Some(&client), &response), Ok(Some(params)), "both ends mean the same");
            }
            prop_assert_eq!(as_offered(&client), Offered::parse(self::request(&offer_deflate(&client)).extensions[0].params()).unwrap());
        }
    }
}
