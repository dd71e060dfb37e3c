//! Frame headers, masking, UTF-8 and Close payloads on arbitrary bytes, and a stream of frames held to its caps.

use std::sync::Arc;

use wire::Peer;
use wire::close::{self, Close};
use wire::error::Rule;
use wire::frame::{FrameHead, HEAD_BYTES_MAX, Opcode};
use wire::mask;
use wire::message::Utf8;
use wire::session::{Agreed, Bytes, Config, Entry, Facts, Output, Session};

use crate::script::Script;

/// Reads the input as frames, as a masked payload, as text and as the payload of a Close.
///
/// # Panics
/// When an invariant does not hold.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let frame_bytes_max = script.one_of([u64::MAX, 1 << 20, 125, 4]);
    let piece = 1 + usize::from(script.byte());
    let input = script.rest();
    heads(input);
    masks(input, piece);
    text(input, piece);
    close_payload(input);
    stream(input, frame_bytes_max, piece);
}

/// A header is read from its own bytes alone, and written back as it was.
fn heads(input: &[u8]) {
    let Some(head) = FrameHead::parse(input) else {
        assert!(input.len() < HEAD_BYTES_MAX, "a header ends within its longest");
        return;
    };
    let len = usize::from(head.head_len);
    for cut in 0..len {
        assert_eq!(FrameHead::parse(&input[..cut]), None, "nothing before it is complete");
    }
    assert_eq!(
        FrameHead::parse(&input[..len]),
        Some(head),
        "what follows does not matter"
    );
    let mut written = Vec::new();
    head.encode(&mut written);
    assert_eq!(
        written == input[..len],
        head.is_minimal(),
        "as it was, unless it was too long"
    );
    let again = FrameHead::parse(&written).expect("it is a header");
    assert!(again.is_minimal());
    assert_eq!(
        FrameHead {
            head_len: head.head_len,
            ..again
        },
        head,
        "it means the same"
    );
}

fn masks(input: &[u8], piece: usize) {
    let Some((key, payload)) = input.split_first_chunk::<4>() else {
        return;
    };
    let expected: Vec<u8> = payload
        .iter()
        .zip(key.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    let mut pieces = Vec::new();
    for (number, part) in payload.chunks(piece).enumerate() {
        mask::unmask_into(&mut pieces, part, Some(*key), (number * piece) as u64);
    }
    assert!(pieces == expected, "any split unmasks to the same");
    mask::apply(&mut pieces, *key, 0);
    assert!(pieces == payload, "masking twice is nothing");
}

fn text(input: &[u8], piece: usize) {
    let mut utf8 = Utf8::default();
    let valid = input.chunks(piece).all(|part| utf8.push(part).is_ok()) && utf8.finish().is_ok();
    assert_eq!(
        valid,
        std::str::from_utf8(input).is_ok(),
        "UTF-8 in pieces is UTF-8 as a whole"
    );
}

/// What a Close without a flaw says is written back as it was.
fn close_payload(input: &[u8]) {
    let payload = &input[..input.len().min(125)];
    let written = Close::parse(payload).payload();
    assert!(written.len() <= 125);
    if close::flaw(payload).is_none() {
        assert!(written == payload, "a Close is written as it was read");
    }
}

/// A relay that nobody looks into: all leaves, up to the first frame beyond the cap, of which not even the header does.
fn stream(input: &[u8], frame_bytes_max: u64, piece: usize) {
    let (mut kept, mut closed, mut said_close) = (0, None, false);
    let mut known = Vec::new();
    while let Some(head) = FrameHead::parse(&input[kept..]) {
        // A length that no frame may have comes before one that this cap does not allow.
        let rules = [
            (head.payload_len >> 63 == 1, Rule::LengthBit),
            (head.payload_len > frame_bytes_max, Rule::FrameTooBig),
        ];
        closed = rules.into_iter().find_map(|(broken, rule)| broken.then_some(rule));
        if closed.is_some() {
            break;
        }
        said_close |= head.opcode == Opcode::Close;
        known.push(head);
        let len = usize::try_from(head.payload_len).unwrap_or(usize::MAX);
        kept = kept
            .saturating_add(usize::from(head.head_len))
            .saturating_add(len)
            .min(input.len());
    }
    let whole = relay(input, frame_bytes_max, input.len().max(1));
    let pieces = relay(input, frame_bytes_max, piece);
    for relayed in [&whole, &pieces] {
        assert!(
            relayed.got.starts_with(&input[..kept]),
            "what is within the caps leaves as it came"
        );
        let own = &relayed.got[kept..];
        if let Some(rule) = closed.filter(|_| !said_close) {
            let head = FrameHead::parse(own).expect("the proxy's own Close");
            assert_eq!(head.opcode, Opcode::Close);
            let mut payload = own[usize::from(head.head_len)..].to_vec();
            assert_eq!(payload.len() as u64, head.payload_len, "and nothing behind it");
            mask::apply(&mut payload, head.mask.expect("a server is sent what is masked"), 0);
            assert_eq!(Close::parse(&payload).code, Some(rule.close_code()));
        } else {
            assert!(own.is_empty(), "and nothing else");
        }
    }
    assert_eq!(whole.facts, pieces.facts, "any split gives the same messages");
    let frames: u32 = whole.facts.iter().map(|facts| facts.frames).sum();
    assert!(closed.is_some() || frames as usize <= known.len());
}

struct Relayed {
    got: Vec<u8>,
    facts: Vec<Facts>,
}

fn relay(input: &[u8], frame_bytes_max: u64, piece: usize) -> Relayed {
    let config = Config {
        close_on_violation: false,
        validate_utf8: false,
        frame_bytes_max,
        message_bytes_max: u64::MAX,
        inflate_ratio_max: 1,
        held_max: 1,
        held_bytes_max: 1,
        idle_ms: 0,
        close_ms: 1,
        record_bytes_max: Some(0),
        mask_key: || [5, 6, 7, 8],
    };
    let mut session = Session::new(Arc::new(config), Agreed::default(), 0, 0);
    let mut relayed = Relayed {
        got: Vec::new(),
        facts: Vec::new(),
    };
    let (mut said, mut closed) = (0, false);
    for part in input.chunks(piece) {
        let mut out = Vec::new();
        let _ = session.receive(Peer::Client, part, 0, &mut out);
        said += part.len();
        for output in out {
            match output {
                Output::Send {
                    to: Peer::Server,
                    bytes: Bytes::Read(range),
                } => relayed.got.extend_from_slice(&part[range]),
                Output::Send {
                    to: Peer::Server,
                    bytes: Bytes::New(bytes),
                } => relayed.got.extend_from_slice(&bytes),
                Output::Send { to: Peer::Client, .. } => closed = true,
                Output::Record(Entry::Message(recorded)) if recorded.facts.direction == wire::Direction::Send => {
                    relayed.facts.push(Facts {
                        sequence: 0,
                        ..recorded.facts
                    });
                }
                Output::Record(_) | Output::Finish { .. } => {}
                other => panic!("nobody asked for {other:?}"),
            }
        }
        let away = closed || frame_bytes_max != u64::MAX;
        assert!(
            away || said.saturating_sub(relayed.got.len()) < HEAD_BYTES_MAX,
            "nothing but a header waits"
        );
    }
    relayed
}
