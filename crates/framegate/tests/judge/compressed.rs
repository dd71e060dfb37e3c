//! The same in compressed messages, and what becomes of those behind one that was blocked.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::evasion::{DEFLATE, SHORT, attempt, fragments, is_blocked, is_closed};
use crate::peers::{Heard, RSV1, Stage, TEXT, ended, messages, part};
use crate::safety::{ATTACK, BLOCK};

/// Whole messages as a sender with that window compresses them, each behind the others.
pub(crate) fn squeezed(bits: u8, texts: &[&str]) -> Vec<Vec<u8>> {
    let mut deflate = Compress::new_with_window_bits(Compression::new(9), false, bits);
    let squeeze = |text: &&str| {
        let mut small = Vec::with_capacity(text.len() + 64);
        deflate
            .compress_vec(text.as_bytes(), &mut small, FlushCompress::Sync)
            .unwrap();
        small.truncate(small.len() - 4);
        small
    };
    texts.iter().map(squeeze).collect()
}

/// A stored block (RFC 1951 §3.2.4).
fn stored(last: bool, text: &[u8]) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap();
    [&[u8::from(last)][..], &len.to_le_bytes(), &(!len).to_le_bytes(), text].concat()
}

/// The end of a message behind whole blocks: the first byte of an empty stored one.
const OPEN: &[u8] = &[0];

#[test]
fn compressed_in_any_way() {
    let stage = Stage::new(&[BLOCK, SHORT]);
    let mut id = 0;
    let mut blocked = |name: &str, payload: &[u8]| {
        for size in [payload.len(), 1] {
            id += 1;
            let pieces: Vec<&[u8]> = payload.chunks(size).collect();
            let got = attempt(&stage, id, DEFLATE, |client| {
                fragments(client, TEXT | RSV1, &pieces).concat()
            });
            is_blocked(name, &got);
        }
    };
    for bits in 9..=15 {
        blocked("by a compressor", &squeezed(bits, &[ATTACK])[0]);
    }
    let (one, other) = ATTACK.as_bytes().split_at(7);
    let empty = stored(false, b"");
    blocked("a stored block", &[&stored(false, ATTACK.as_bytes()), OPEN].concat());
    blocked(
        "two blocks",
        &[&stored(false, one), &stored(false, other), OPEN].concat(),
    );
    blocked(
        "the last block of a stream",
        &[&stored(true, ATTACK.as_bytes()), OPEN].concat(),
    );
    blocked(
        "the last block, and nothing behind it",
        &stored(true, ATTACK.as_bytes()),
    );
    blocked(
        "two streams",
        &[&stored(true, one), &stored(true, other), OPEN].concat(),
    );
    let between = [
        &empty[..],
        &stored(false, one),
        &empty,
        &empty,
        &stored(false, other),
        &empty,
        OPEN,
    ];
    blocked("empty blocks between", &between.concat());
}

#[test]
fn what_does_not_inflate_reaches_nobody() {
    let stage = Stage::new(&[BLOCK, SHORT]);
    let cases: [(&str, Vec<u8>); 5] = [
        ("not compressed at all", ATTACK.as_bytes().to_vec()),
        (
            "a block that does not end",
            stored(false, ATTACK.as_bytes())[..12].to_vec(),
        ),
        (
            "with the tail that is to be left out",
            [stored(false, ATTACK.as_bytes()), stored(false, b"")].concat(),
        ),
        (
            "a block of no type",
            [&stored(false, ATTACK.as_bytes())[..], &[6]].concat(),
        ),
        ("back to what nobody has said", vec![0x4a, 0x04, 0x41, 0x00]),
    ];
    for (at, (name, payload)) in cases.iter().enumerate() {
        let got = attempt(&stage, at + 1, DEFLATE, |client| client.frame(TEXT | RSV1, payload));
        is_closed(name, &got, 1007);
    }
}

#[test]
fn behind_a_blocked_message_the_compressed_ones_are_readable() {
    let stage = Stage::new(&[BLOCK]);
    for (at, extensions) in [DEFLATE, "permessage-deflate; client_no_context_takeover"]
        .iter()
        .enumerate()
    {
        let (mut client, mut server) = stage.open_with(extensions);
        let long = format!("{ATTACK} and words that the later ones refer to");
        let texts = [
            "words that came first",
            &long,
            "words that the later ones refer to",
            "and words that came first",
        ];
        let mut inflate = Decompress::new(false);
        let together = squeezed(15, &texts);
        for (at, text) in texts.iter().enumerate() {
            let small = if extensions.len() == DEFLATE.len() {
                &together[at]
            } else {
                &squeezed(15, &[text])[0]
            };
            client.send(TEXT | RSV1, small);
            if at == 1 {
                continue;
            }
            let Heard::Frame(frame) = server.hear() else {
                panic!("no frame")
            };
            assert_eq!(frame.first, TEXT | RSV1);
            let mut plain = Vec::with_capacity(1000);
            let small = [frame.payload, vec![0, 0, 0xff, 0xff]].concat();
            inflate
                .decompress_vec(&small, &mut plain, FlushDecompress::Sync)
                .unwrap();
            assert_eq!(String::from_utf8(plain).unwrap(), *text);
            if extensions.len() != DEFLATE.len() {
                inflate.reset(false);
            }
        }
        part(client, server);
        let id = (at + 1).to_string();
        ended(&stage.proxy, &id);
        let rows = messages(&stage.proxy, &id);
        assert_eq!((&rows[1]["fate"], &rows[1]["body"]), (&"blocked".into(), &long.into()));
    }
}
