//! The opening handshake on arbitrary bytes: what is understood means the same when it is written out again, and what
//! is accepted is what it should be.

use wire::deflate::Params;
use wire::deflate::params::Offered;
use wire::http::{Limits, RequestHead, ResponseHead};
use wire::upgrade::{self, Offer, Request, ResponseFlaw, WebSocketRequest};

const LIMITS: Limits = Limits {
    head_bytes_max: 4 << 10,
    headers_max: 16,
};

/// Reads the input as a handshake, as its response alone, and as a list of extensions.
///
/// # Panics
/// When an invariant does not hold.
pub fn check(data: &[u8]) {
    let mut request = None;
    let mut behind = 0;
    if let Ok(Some(head)) = RequestHead::parse(data, &LIMITS) {
        behind = head.raw().len();
        request = websocket(&head);
    }
    for input in [data, &data[behind..]] {
        if let Ok(Some(head)) = ResponseHead::parse(input, &LIMITS) {
            response(&head, request.as_ref());
        }
    }
    extensions(data);
}

/// What the request asks for, if it is an upgrade.
fn websocket(head: &RequestHead) -> Option<WebSocketRequest> {
    match Request::of(head) {
        Request::WebSocket(request) => {
            assert_eq!(head.method(), "GET");
            assert_eq!(head.values("Host").count(), 1);
            assert_eq!(head.header("Sec-WebSocket-Version"), Some(&b"13"[..]));
            assert_eq!(head.header("Sec-WebSocket-Key"), Some(request.key.as_bytes()));
            assert_eq!(upgrade::accept(&request.key).len(), 28);
            answered(&request);
            Some(request)
        }
        Request::Bad(bad) => {
            assert!(matches!(bad.status, 400 | 426));
            None
        }
        Request::NotUpgrade => None,
    }
}

/// A right answer to this request has no flaw.
fn answered(request: &WebSocketRequest) {
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n",
        upgrade::accept(&request.key)
    );
    let offer = request.extensions.iter().filter(|offer| offer.is_deflate());
    let offer = offer.filter_map(|offer| Offered::parse(offer.params()).ok()).next();
    if let Some(offer) = offer {
        let params = Params {
            server_no_context_takeover: offer.server_no_context_takeover,
            client_no_context_takeover: offer.client_no_context_takeover,
            server_max_window_bits: offer.server_max_window_bits.unwrap_or(15),
            client_max_window_bits: offer.client_max_window_bits.flatten().unwrap_or(15),
        };
        assert!(offer.allows(&params), "an offer allows what it asks for");
        answer += &format!("Sec-WebSocket-Extensions: {params}\r\n");
    }
    answer += "\r\n";
    let answer = ResponseHead::parse(answer.as_bytes(), &LIMITS)
        .expect("a head")
        .expect("complete");
    assert_eq!(upgrade::check_response(request, &answer), []);
}

fn response(head: &ResponseHead, request: Option<&WebSocketRequest>) {
    let negotiated = upgrade::negotiated(head);
    if let Some(request) = request {
        let flaws = upgrade::check_response(request, head);
        for flaw in &flaws {
            assert!(!flaw.to_string().is_empty());
        }
        let said = flaws.iter().any(|flaw| matches!(flaw, ResponseFlaw::Extensions(_)));
        assert_eq!(
            said,
            head.status() == 101 && negotiated.is_err(),
            "what cannot be read is a flaw"
        );
    }
}

/// The input as a value of Sec-WebSocket-Extensions.
fn extensions(input: &[u8]) {
    let line: Vec<u8> = input
        .iter()
        .copied()
        .filter(|&byte| byte >= b' ' && byte != 0x7f)
        .collect();
    let Some(offers) = offers(&line) else { return };
    let printed: Vec<String> = offers.iter().map(ToString::to_string).collect();
    let printed = printed.join(", ");
    assert_eq!(
        self::offers(printed.as_bytes()).as_ref(),
        Some(&offers),
        "what was read is read again"
    );
    let Ok(Some(head)) = ResponseHead::parse(&answer(&line), &LIMITS) else {
        return;
    };
    let Ok(negotiated) = upgrade::negotiated(&head) else {
        return;
    };
    assert_eq!(negotiated.unknown, !negotiated.unknown_names.is_empty());
    if let Some(params) = negotiated.deflate {
        assert!((8..=15).contains(&params.server_max_window_bits));
        assert!((8..=15).contains(&params.client_max_window_bits));
        let again = ResponseHead::parse(&answer(params.to_answer().as_bytes()), &LIMITS)
            .expect("a head")
            .expect("complete");
        let again = upgrade::negotiated(&again).expect("an answer");
        assert_eq!(again.deflate, Some(params), "parameters are printed as they were read");
        let offer = offers_of(params.to_offer().as_bytes());
        let [offer] = &offer[..] else { panic!("one offer") };
        let offered = Offered::parse(offer.params()).expect("an offer");
        assert!(offered.allows(&params), "an offer of them allows them");
    }
}

fn answer(value: &[u8]) -> Vec<u8> {
    [
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: ",
        value,
        b"\r\n\r\n",
    ]
    .concat()
}

fn offers_of(value: &[u8]) -> Vec<Offer> {
    offers(value).expect("a list")
}

/// The list as a server reads it in a request; `None`: it is none, or too long.
fn offers(value: &[u8]) -> Option<Vec<Offer>> {
    let request = [
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: ",
        value,
        b"\r\n\r\n",
    ]
    .concat();
    let limits = Limits {
        head_bytes_max: 64 << 10,
        ..LIMITS
    };
    let head = RequestHead::parse(&request, &limits).ok()??;
    match Request::of(&head) {
        Request::WebSocket(request) if request.extensions_error.is_none() => Some(request.extensions),
        _ => None,
    }
}
