//! Heads and bodies of HTTP/1.1 on arbitrary bytes: nothing changed that nobody changed, and no difference by how the
//! stream is cut.

use wire::http::{BodyError, BodyReader, Framing, Limits, RequestHead, ResponseHead};

use crate::script::Script;

const LIMITS: Limits = Limits {
    head_bytes_max: 4 << 10,
    headers_max: 16,
};

/// Reads the input as a request, as a response, as one behind the other, and as a body of each framing.
///
/// # Panics
/// When an invariant does not hold.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let cut = usize::from(script.byte());
    let input = script.rest();
    let behind = request(input, cut);
    response(input, cut);
    // The same bytes may hold a request first and its response behind it.
    response(&input[behind..], cut);
    for framing in [
        Framing::Chunked,
        Framing::Length(cut as u64),
        Framing::UntilClose,
        Framing::Empty,
    ] {
        body(framing, input, cut);
    }
}

/// Says how many bytes the request's head has.
fn request(input: &[u8], cut: usize) -> usize {
    let parsed = RequestHead::parse(input, &LIMITS);
    match RequestHead::parse(&input[..cut.min(input.len())], &LIMITS) {
        Ok(None) => {}
        Ok(early) => assert_eq!(parsed, Ok(early), "what follows a head does not matter"),
        Err(_) => assert!(parsed.is_err(), "an error stays one"),
    }
    let Ok(Some(head)) = parsed else { return 0 };
    let (raw, rest) = input.split_at(head.raw().len());
    assert_eq!(head.raw(), raw);
    assert_eq!(head.rewrite().finish(), raw);
    assert!(raw.len() <= LIMITS.head_bytes_max && head.headers().count() <= LIMITS.headers_max);
    changed(&head, input);
    if let Ok(framing) = head.framing() {
        body(framing, rest, cut);
    }
    raw.len()
}

/// A changed head says what it was changed to, and all else as before.
fn changed(head: &RequestHead, input: &[u8]) {
    let changed = head
        .rewrite()
        .target("/")
        .remove("Connection")
        .set("Host", input)
        .append("Via", head.raw())
        .finish();
    let limits = Limits {
        head_bytes_max: usize::MAX,
        headers_max: LIMITS.headers_max + 2,
    };
    let changed = RequestHead::parse(&changed, &limits)
        .expect("still a head")
        .expect("still complete");
    assert_eq!((changed.target(), changed.header("Connection")), ("/", None));
    assert_eq!(changed.values("Host").count(), 1);
    let touched = |name: &str| {
        ["Connection", "Host", "Via"]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(name))
    };
    let others = |head: &RequestHead| -> Vec<(String, Vec<u8>)> {
        let others = head.headers().filter(|header| !touched(header.name));
        others
            .map(|header| (header.name.to_owned(), header.value.to_vec()))
            .collect()
    };
    assert_eq!(others(head), others(&changed), "nothing else has changed");
}

fn response(input: &[u8], cut: usize) {
    let parsed = ResponseHead::parse(input, &LIMITS);
    match ResponseHead::parse(&input[..cut.min(input.len())], &LIMITS) {
        Ok(None) => {}
        Ok(early) => assert_eq!(parsed, Ok(early), "what follows a head does not matter"),
        Err(_) => assert!(parsed.is_err(), "an error stays one"),
    }
    let Ok(Some(head)) = parsed else { return };
    let (raw, rest) = input.split_at(head.raw().len());
    assert_eq!(head.raw(), raw);
    assert_eq!(head.rewrite().finish(), raw);
    for method in ["GET", "HEAD", "CONNECT"] {
        if let Ok(framing) = head.framing(method) {
            body(framing, rest, cut);
        }
    }
}

/// The body is the same in one piece and in pieces of `cut` bytes.
fn body(framing: Framing, input: &[u8], cut: usize) {
    let whole = read(framing, input, input.len());
    let pieces = read(framing, input, cut);
    assert_eq!(whole, pieces, "any split gives the same body");
    assert!(whole.content.len() <= input.len());
}

#[derive(Debug, PartialEq)]
struct Outcome {
    content: Vec<u8>,
    /// How many bytes belong to the body, and whether it is over.
    outcome: Result<(usize, bool), BodyError>,
    end: Result<(), BodyError>,
}

fn read(framing: Framing, input: &[u8], piece_bytes: usize) -> Outcome {
    let mut reader = BodyReader::new(framing);
    let mut content = Vec::new();
    let mut taken = 0;
    let mut outcome = Ok(());
    for piece in input.chunks(piece_bytes.max(1)) {
        match reader.advance(piece, &mut |data| content.extend_from_slice(data)) {
            Ok(n) => {
                assert!(n == piece.len() || reader.is_done(), "all is taken, until it is over");
                taken += n;
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    Outcome {
        content,
        outcome: outcome.map(|()| (taken, reader.is_done())),
        end: reader.end_of_stream(),
    }
}
