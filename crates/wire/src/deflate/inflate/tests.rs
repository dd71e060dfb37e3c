//! Tests of inflating: what comes out, what is refused, and that neither depends on the pieces.

use super::*;
use crate::deflate::Deflater;
use proptest::prelude::*;

const CAPS: Caps = Caps {
    message_bytes_max: 1 << 20,
    ratio_max: 200,
    keep_bytes_max: usize::MAX,
};

fn inflate(inflater: &mut Inflater, message: &[u8], piece: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = Inflated::default();
    for piece in message.chunks(piece.max(1)) {
        inflater.push(piece, &CAPS, &mut out)?;
    }
    inflater.finish(&CAPS, &mut out)?;
    assert_eq!(out.size, out.bytes.len() as u64);
    Ok(out.bytes)
}

proptest! {
    #[test]
    fn what_was_deflated_inflates_in_any_pieces(
        messages in prop::collection::vec(prop_oneof![any::<Vec<u8>>(), "[ab]{0,400}".prop_map(String::into_bytes)], 1..8),
        bits in 9u8..=15, takeover: bool, piece in 1usize..40,
    ) {
        let mut deflater = Deflater::new(bits, takeover).expect("9 to 15");
        let mut inflater = Inflater::new(takeover);
        for message in &messages {
            let mut small = Vec::new();
            deflater.compress(message, &mut small);
            prop_assert_eq!(&inflate(&mut inflater, &small, piece).expect("inflates"), message);
        }
    }

    #[test]
    fn any_bytes_do_no_harm(messages: Vec<Vec<u8>>, piece in 1usize..40) {
        let mut inflater = Inflater::new(true);
        for message in &messages {
            let _ = inflate(&mut inflater, message, piece);
        }
    }
}

#[test]
fn the_examples_of_the_rfc_inflate() {
    // RFC 7692 §7.2.3.1 to §7.2.3.5: one block, a shared window, a stored block, BFINAL set, two blocks.
    let mut inflater = Inflater::new(true);
    let one = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let shared = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    for (name, message) in [
        ("one", &one[..]),
        ("shared", &shared),
        ("stored", &stored),
        ("last", &last),
        ("two", &two),
    ] {
        for piece in [1, 3, 100] {
            let mut inflater = Inflater::new(true);
            if name == "shared" {
                assert_eq!(inflate(&mut inflater, &one, piece).as_deref(), Ok(&b"Hello"[..]));
            }
            assert_eq!(
                inflate(&mut inflater, message, piece).as_deref(),
                Ok(&b"Hello"[..]),
                "{name}"
            );
        }
    }
    assert_eq!(inflate(&mut inflater, &[0x00], 1).as_deref(), Ok(&b""[..]), "empty");
    assert_eq!(
        inflate(&mut inflater, &[], 1).as_deref(),
        Ok(&b""[..]),
        "nothing at all"
    );
}

#[test]
fn a_bomb_is_stopped_by_ratio_and_by_size() {
    let mut bomb = Vec::new();
    Deflater::new(15, true)
        .expect("15")
        .compress(&vec![0; 8 << 20], &mut bomb);
    let caps = Caps {
        message_bytes_max: u64::MAX,
        ..CAPS
    };
    let mut out = Inflated::default();
    assert_eq!(
        Inflater::new(true).push(&bomb, &caps, &mut out),
        Err(InflateError::Ratio)
    );
    assert_eq!(out.size, Caps::RATIO_STEP * 200 + 1, "stops behind the limit");
    assert_eq!(out.bytes.len() as u64, out.size);
    let caps = Caps {
        ratio_max: u32::MAX,
        ..CAPS
    };
    let mut inflater = Inflater::new(true);
    assert_eq!(
        inflater.push(&bomb, &caps, &mut Inflated::default()),
        Err(InflateError::TooBig)
    );
    assert_eq!(
        inflater.push(b"", &caps, &mut Inflated::default()),
        Err(InflateError::TooBig),
        "for good"
    );
}

#[test]
fn what_is_not_kept_is_counted_and_still_feeds_the_window() {
    let message: Vec<u8> = (0..60_000u32).flat_map(|i| (i % 251).to_le_bytes()).collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut deflater = Deflater::new(15, true).expect("15");
    deflater.compress(&message, &mut first);
    deflater.compress(&message, &mut second);
    let caps = Caps {
        keep_bytes_max: 100,
        ratio_max: u32::MAX,
        ..CAPS
    };
    let mut inflater = Inflater::new(true);
    for small in [first, second] {
        let mut out = Inflated::default();
        inflater.push(&small, &caps, &mut out).expect("inflates");
        inflater.finish(&caps, &mut out).expect("ends");
        assert_eq!(
            (out.bytes.as_slice(), out.size),
            (&message[..100], message.len() as u64)
        );
    }
}

/// Bytes that deflate well, and within the ratio of [`CAPS`].
fn numbers(count: u32) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("{},", n % 1000 * 7).into_bytes())
        .collect()
}

#[test]
fn reading_on_a_long_message_is_cut_at_its_limit_and_the_next_one_can_be_read() {
    let caps = Caps {
        message_bytes_max: 100_000,
        ..CAPS
    };
    let messages = [numbers(50_000), numbers(1000), numbers(50_000)];
    for piece in [7, 1000, usize::MAX] {
        let mut deflater = Deflater::new(15, true).expect("15");
        let mut inflater = Inflater::new(true).reading_on();
        for message in &messages {
            let (mut small, mut out) = (Vec::new(), Inflated::default());
            deflater.compress(message, &mut small);
            for piece in small.chunks(piece) {
                inflater.push(piece, &caps, &mut out).expect("its ratio is fair");
            }
            inflater.finish(&caps, &mut out).expect("ends");
            assert_eq!(out.size, message.len() as u64);
            assert!(out.bytes == message[..message.len().min(100_000)]);
        }
    }
}

#[test]
fn reading_on_the_ratio_is_held_beyond_the_size_and_soon() {
    let zeros = vec![0; 8 << 20];
    let mut bomb = Vec::new();
    Deflater::new(15, true).expect("15").compress(&zeros, &mut bomb);
    for (message_bytes_max, result) in [
        (8 << 20, Ok(())),
        (4 << 20, Err(InflateError::Ratio)),
        (1 << 10, Err(InflateError::Ratio)),
    ] {
        let caps = Caps {
            message_bytes_max,
            ..CAPS
        };
        let mut inflater = Inflater::new(true).reading_on();
        let mut out = Inflated::default();
        assert_eq!(inflater.push(&bomb, &caps, &mut out), result);
        let soon = message_bytes_max.max(Caps::RATIO_STEP * 200) + 1;
        assert!(out.size <= soon, "{} of {soon}", out.size);
        assert_eq!(out.bytes.len() as u64, message_bytes_max.min(out.size));
    }
    let caps = Caps {
        message_bytes_max: 1 << 10,
        ..CAPS
    };
    let mut small = Vec::new();
    Deflater::new(15, true)
        .expect("15")
        .compress(&zeros[..Caps::RATIO_FROM as usize], &mut small);
    let mut out = Inflated::default();
    let mut inflater = Inflater::new(true).reading_on();
    assert_eq!(
        inflater.push(&small, &caps, &mut out),
        Ok(()),
        "the first 64 KiB are free"
    );
    assert_eq!(out.size, Caps::RATIO_FROM);
}

/// How a message ends in pieces of this size, and how far it was inflated.
fn outcome(inflater: &mut Inflater, message: &[u8], piece: usize, caps: &Caps) -> (Option<InflateError>, Inflated) {
    let mut out = Inflated::default();
    let mut pieces = message.chunks(piece);
    let result = pieces
        .try_for_each(|piece| inflater.push(piece, caps, &mut out))
        .and_then(|()| inflater.finish(caps, &mut out));
    (result.err(), out)
}

fn deflated(message: &[u8]) -> Vec<u8> {
    let mut small = Vec::new();
    Deflater::new(15, true).expect("15").compress(message, &mut small);
    small
}

#[test]
fn the_verdict_is_the_same_in_any_pieces() {
    let mut noise = 1u32;
    let mut noisy = vec![0; 300_000];
    noisy.extend((0..3_000).map(|_| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    }));
    let zeros = vec![0; 300_000];
    let corrupt = [deflated(&zeros), vec![0xff; 5]].concat();
    let caps = |message_bytes_max, ratio_max| Caps {
        message_bytes_max,
        ratio_max,
        keep_bytes_max: usize::MAX,
    };
    use InflateError::{Corrupt, Ratio, TooBig};
    for (message, caps, error, size) in [
        (deflated(&noisy), caps(1 << 20, 200), None, 303_000),
        (deflated(&zeros), caps(1 << 20, 200), Some(Ratio), 300_000),
        (deflated(&zeros), caps(1 << 20, 8), Some(Ratio), 131_073),
        (deflated(&zeros), caps(299_999, 200), Some(TooBig), 300_000),
        (deflated(&zeros), caps(100_000, 8), Some(TooBig), 100_001),
        (corrupt.clone(), caps(1 << 20, 2_000), Some(Corrupt), 300_000),
        (corrupt.clone(), caps(300_000, 2_000), Some(Corrupt), 300_000),
        (corrupt.clone(), caps(299_999, 2_000), Some(TooBig), 300_000),
        (corrupt, caps(1 << 20, 10), Some(Ratio), 163_841),
    ] {
        for piece in [1, 2, 7, 100, 300, usize::MAX] {
            for keep_bytes_max in [0, 1_000, usize::MAX] {
                let caps = Caps { keep_bytes_max, ..caps };
                let (failed, out) = outcome(&mut Inflater::new(true), &message, piece, &caps);
                assert_eq!((failed, out.size), (error, size), "{caps:?} in pieces of {piece}");
                assert_eq!(out.bytes.len() as u64, size.min(keep_bytes_max as u64));
            }
        }
    }
}

#[test]
fn how_far_back_a_message_refers_does_not_make_the_verdict_depend_on_the_pieces() {
    let far: Vec<u8> = (0..2_000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
    let message = deflated(&[&far[..], &far].concat());
    for piece in [1, 50, usize::MAX] {
        let (failed, out) = outcome(&mut Inflater::new(true), &message, piece, &CAPS);
        assert_eq!((failed, out.size), (None, 16_000), "in pieces of {piece}");
    }
}

#[test]
fn a_message_that_ends_inside_a_block_is_corrupt() {
    let whole = deflated(&numbers(300));
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    let untrimmed = [&whole[..], &TAIL].concat();
    for (name, message) in [
        ("inside a Huffman block", &whole[..whole.len() / 2]),
        ("inside its codes", &whole[..10]),
        ("inside stored bytes", &stored[..7]),
        ("behind stored bytes, without the block of the tail", &stored[..]),
        ("behind the tail that was to be cut off", &untrimmed),
    ] {
        for piece in [1, 3, usize::MAX] {
            let (failed, _) = outcome(&mut Inflater::new(true), message, piece, &CAPS);
            assert_eq!(failed, Some(InflateError::Corrupt), "{name}");
        }
    }
    let stored = [&stored[..], &[0x00]].concat();
    for message in [&whole[..], &stored] {
        assert_eq!(outcome(&mut Inflater::new(true), message, 3, &CAPS).0, None);
    }
}

#[test]
fn behind_a_last_block_a_new_stream_begins_in_any_pieces() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let one = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let with = [&last[..], &[0x00]].concat();
    let twice = [&last[..], &one].concat();
    let thrice = [&last[..], &last, &last].concat();
    let back = [&last[..], &[0xf2, 0x00, 0x11, 0x00, 0x00]].concat();
    for piece in [1, 2, 7, 8, usize::MAX] {
        let mut inflater = Inflater::new(true);
        for (message, text) in [
            (&last[..], "Hello"),
            (&one, "Hello"),
            (&with, "Hello"),
            (&[], ""),
            (&twice, "HelloHello"),
            (&thrice, "HelloHelloHello"),
            (&[], ""),
            (&one, "Hello"),
        ] {
            let (failed, out) = outcome(&mut inflater, message, piece, &CAPS);
            assert_eq!((failed, &out.bytes[..]), (None, text.as_bytes()), "{piece}");
        }
        let (failed, out) = outcome(&mut inflater, &back, piece, &CAPS);
        assert_eq!(failed, Some(InflateError::Corrupt), "the new one has no history");
        assert!(b"HelloH".starts_with(&out.bytes), "{:?}", out.bytes);
        assert!(out.bytes.len() >= 5);
    }
}
