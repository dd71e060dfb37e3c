//! Heads, bodies and the opening handshake on arbitrary bytes: no panic, nothing changed that nobody changed, no
//! difference by how the stream is cut.
//!
//! `cargo +nightly fuzz run upgrade fuzz/corpus/upgrade fuzz/seeds/upgrade`

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::http::{BodyError, BodyReader, Framing, Limits, RequestHead, ResponseHead};
use wire::upgrade::{self, Request, WebSocketRequest};

const LIMITS: Limits = Limits {
    head_bytes_max: 4 << 10,
    headers_max: 16,
};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else {
        return;
    };
    let cut = usize::from(cut);
    let request = request(input, cut);
    response(input, cut, request.as_ref());
    body(Framing::Chunked, input, cut);
    extensions(input);
});

/// Also what the request asks for, if it is an upgrade.
fn request(input: &[u8], cut: usize) -> Option<WebSocketRequest> {
    let parsed = RequestHead::parse(input, &LIMITS);
    match RequestHead::parse(&input[..cut.min(input.len())], &LIMITS) {
        Ok(None) => {}
        Ok(early) => assert_eq!(parsed, Ok(early)),
        Err(_) => assert!(parsed.is_err()),
    }
    let head = parsed.ok()??;
    let (raw, rest) = input.split_at(head.raw().len());
    assert_eq!(head.raw(), raw);
    assert_eq!(head.rewrite().finish(), raw);
    let changed = head
        .rewrite()
        .target("/")
        .remove("Connection")
        .set("Host", input)
        .append("Via", raw)
        .finish();
    let limits = Limits {
        head_bytes_max: usize::MAX,
        headers_max: 18,
    };
    let changed = RequestHead::parse(&changed, &limits)
        .expect("still a head")
        .expect("still complete");
    assert_eq!((changed.target(), changed.header("Connection")), ("/", None));
    assert_eq!(changed.values("Host").count(), 1);
    if let Ok(framing) = head.framing() {
        body(framing, rest, cut);
    }
    match Request::of(&head) {
        Request::WebSocket(request) => Some(request),
        Request::NotUpgrade | Request::Bad(_) => None,
    }
}

fn response(input: &[u8], cut: usize, request: Option<&WebSocketRequest>) {
    let parsed = ResponseHead::parse(input, &LIMITS);
    match ResponseHead::parse(&input[..cut.min(input.len())], &LIMITS) {
        Ok(None) => {}
        Ok(early) => assert_eq!(parsed, Ok(early)),
        Err(_) => assert!(parsed.is_err()),
    }
    // The same bytes may hold a request first and its response behind it.
    let behind = RequestHead::parse(input, &LIMITS)
        .ok()
        .flatten()
        .map_or(0, |head| head.raw().len());
    for input in [input, &input[behind..]] {
        let Ok(Some(head)) = ResponseHead::parse(input, &LIMITS) else {
            continue;
        };
        let (raw, rest) = input.split_at(head.raw().len());
        assert_eq!(head.raw(), raw);
        assert_eq!(head.rewrite().finish(), raw);
        if let Ok(framing) = head.framing("GET") {
            body(framing, rest, cut);
        }
        let _ = upgrade::negotiated(&head);
        if let Some(request) = request {
            for flaw in upgrade::check_response(request, &head) {
                let _ = flaw.to_string();
            }
        }
    }
}

/// The body is the same in one piece and in pieces of `cut` bytes.
fn body(framing: Framing, input: &[u8], cut: usize) {
    let whole = read(framing, input, input.len());
    let pieces = read(framing, input, cut);
    assert_eq!(whole.content, pieces.content);
    assert_eq!(whole.outcome, pieces.outcome);
}

#[derive(Debug)]
struct Outcome {
    content: Vec<u8>,
    /// How many bytes belong to the body, and whether it is over.
    outcome: Result<(usize, bool), BodyError>,
}

fn read(framing: Framing, input: &[u8], piece_bytes: usize) -> Outcome {
    let mut reader = BodyReader::new(framing);
    let mut content = Vec::new();
    let mut taken = 0;
    for piece in input.chunks(piece_bytes.max(1)) {
        match reader.advance(piece, &mut |data| content.extend_from_slice(data)) {
            Ok(n) => {
                assert!(n == piece.len() || reader.is_done());
                taken += n;
            }
            Err(error) => {
                return Outcome {
                    content,
                    outcome: Err(error),
                };
            }
        }
    }
    Outcome {
        content,
        outcome: Ok((taken, reader.is_done())),
    }
}

/// The input as a value of Sec-WebSocket-Extensions.
fn extensions(input: &[u8]) {
    let mut head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: ".to_vec();
    head.extend(input.iter().filter(|&&byte| byte >= b' ' && byte != 0x7f));
    head.extend_from_slice(b"\r\n\r\n");
    let Ok(Some(head)) = ResponseHead::parse(&head, &LIMITS) else {
        return;
    };
    if let Ok(negotiated) = upgrade::negotiated(&head) {
        assert_eq!(negotiated.unknown, !negotiated.unknown_names.is_empty());
        if let Some(params) = negotiated.deflate {
            assert!((8..=15).contains(&params.server_max_window_bits));
            assert!((8..=15).contains(&params.client_max_window_bits));
        }
    }
}
