//! Compressed messages that are too long, bombs, or no deflate at all.

use super::*;
use wire::deflate::Caps;

const UNREAD: &str = "not inflated: a message before it inflates beyond the ratio limit";

/// Text that compresses well, but not as well as a bomb.
fn long_text() -> String {
    (0..20_000).map(|n| format!("{},", n * 7919 % 10_007)).collect()
}

#[test]
fn a_compressed_message_over_the_limit_is_cut_and_the_next_one_is_read() {
    let long = long_text();
    for params in [TAKEOVER, NO_TAKEOVER] {
        let place = Place::new(|settings| settings.limits.message_bytes_max = 70_000);
        let mut deflater = deflater(params);
        let [first, second] = [long.as_bytes(), b"the same words"].map(|text| deflated(&mut deflater, text));
        place.with_flow(|talk| {
            talk.tap.deflate(params);
            let pieces: Vec<_> = first.chunks(1000).collect();
            talk.say(Opcode::Text, true, &pieces);
            talk.say(Opcode::Text, true, &[&second]);
        });
        let kept = place.only();
        let expected = [
            (&long.as_bytes()[..70_000], Some("message over the limit")),
            (b"the same words", None),
        ];
        assert!(kept.heard() == expected);
        let cut = &kept.messages[0];
        assert_eq!((cut.truncated, cut.size), (true, long.len() as u64));
        assert!(matches!(cut.payload, crate::flow::Payload::Text(_)));
    }
}

#[test]
fn a_bomb_is_given_up_and_what_comes_behind_it_read_only_if_it_stands_for_itself() {
    for (params, read) in [(TAKEOVER, false), (NO_TAKEOVER, true)] {
        let place = Place::new(|settings| settings.limits.message_bytes_max = 100_000);
        let mut deflater = deflater(params);
        let mut bomb = deflated(&mut deflater, &vec![b'0'; 4 << 20]);
        // Behind the bomb nothing is inflated: what would be corrupt is no longer looked at.
        bomb.extend_from_slice(&[0xff; 2000]);
        let second = deflated(&mut deflater, b"0000");
        // A stored block of a letter: compressed bytes that look like text.
        let like_text = *b"\0\x01\0\xfe\xffA\0";
        place.with_flow(|talk| {
            talk.tap.deflate(params);
            let pieces: Vec<_> = bomb.chunks(1500).collect();
            talk.say(Opcode::Text, true, &pieces);
            talk.say(Opcode::Text, true, &[&second]);
            talk.say(Opcode::Text, true, &[&like_text[..2], &like_text[2..]]);
        });
        let kept = place.only();
        let heard = kept.heard();
        assert!(heard[0] == (&[b'0'; 100_000], Some("inflates beyond the ratio limit")));
        assert!(kept.messages[0].truncated);
        // What one step may inflate to at the most, and a byte.
        assert_eq!(kept.messages[0].size, Caps::RATIO_STEP * 200 + 1);
        if read {
            assert_eq!(heard[1..], [(&b"0000"[..], None), (b"A", None)]);
        } else {
            let unread = Some(UNREAD);
            assert_eq!(heard[1..], [(&second[..], unread), (&like_text[..], unread)]);
            for message in &kept.messages[1..] {
                assert!(matches!(message.payload, crate::flow::Payload::Bytes(_)));
                assert!(!message.truncated && !message.metadata.invalid_utf8);
            }
        }
    }
}

#[test]
fn of_a_message_that_breaks_only_what_was_inflated_is_kept() {
    for (params, read) in [(TAKEOVER, false), (NO_TAKEOVER, true)] {
        let place = Place::new(|_| {});
        let mut small = deflated(&mut deflater(params), b"all is well ");
        // The end that the sender has cut off, and a block of the type that there is none of (RFC 1951 §3.2.3).
        small.extend_from_slice(&[0, 0, 0xff, 0xff, 0xff, 0xff]);
        let next = deflated(&mut deflater(params), b"next");
        place.with_flow(|talk| {
            talk.tap.deflate(params);
            talk.say(Opcode::Text, true, &[&small, b"more of it", b"and more"]);
            talk.say(Opcode::Text, true, &[&next]);
        });
        let kept = place.only();
        let broken = Some("compressed message does not inflate");
        let behind = if read {
            (&b"next"[..], None)
        } else {
            (&next[..], broken)
        };
        assert_eq!(kept.heard(), [(&b"all is well "[..], broken), behind]);
        assert!(kept.messages[0].truncated && !kept.messages[1].truncated);
        assert_eq!(kept.messages[0].size, small.len() as u64 + 18);
    }
}
