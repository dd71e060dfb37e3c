//! Single stories, each told from beginning to end.

use wire::error::Rule;
use wire::frame::{FrameHead, Opcode};
use wire::session::{Agreed, Cause, Config, End, Facts, Reason, Refused};
use wire::{Direction, Peer};

use super::stage::{Receiver, Stage, close, config, frame, plain, text};
use Peer::{Client, Server};

#[test]
fn a_conversation_passes_as_it_is_and_both_closes_are_on_record() {
    let mut stage = plain(config());
    stage.says(Client, &text(Client, "hi"));
    assert_eq!(stage.gets(Server), text(Client, "hi"));
    stage.says(Server, &text(Server, "ho"));
    assert_eq!(stage.gets(Client), text(Server, "ho"));
    stage.says(Client, &close(Client, 4001, "bye"));
    assert_eq!(stage.gets(Server), close(Client, 4001, "bye"));
    stage.says(Server, &close(Server, 4001, "")).ends(Server, End::Fin);
    assert!(stage.finished[Client.index()] && !stage.finished[Server.index()]);
    assert_eq!(stage.session.ending(), None);
    stage.ends(Client, End::Fin);
    let ending = stage.session.ending().unwrap();
    assert_eq!(ending.cause, Cause::Closed(Client));
    assert_eq!(
        ending.close.map(|close| (close.code, close.reason)),
        Some((Some(4001), "bye".into()))
    );
    let by_code = "\u{f}\u{fffd}"; // 4001 as two bytes, the second of which is no UTF-8
    assert_eq!(
        stage.record(),
        [
            r#"2 send text "hi" sent"#.to_owned(),
            r#"3 receive text "ho" sent"#.to_owned(),
            format!("4 send close {:?} sent", format!("{by_code}bye")),
            format!("5 receive close {by_code:?} sent"),
        ]
    );
}

#[test]
fn bytes_leave_before_their_frame_is_complete_but_a_header_waits() {
    let mut stage = plain(config());
    let bytes = frame(Client, true, 0, 2, &[7; 300]);
    stage.says(Client, &bytes[..5]);
    assert_eq!(stage.gets(Server), b"");
    stage.says(Client, &bytes[5..20]);
    assert_eq!(stage.gets(Server), bytes[..20]);
    stage.says(Client, &bytes[20..]);
    assert_eq!(stage.gets(Server), bytes[20..]);
    assert_eq!(stage.seen[0].payload, [7; 300]);
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_header_alone() {
    let cases = [
        ((1u64 << 20) + 1, 1009u16, "frame over the limit"),
        ((1 << 63) - 1, 1009, "frame over the limit"),
        (1 << 63, 1002, "payload length of 64 bits"),
        (u64::MAX, 1002, "payload length of 64 bits"),
    ];
    for (declared, code, words) in cases {
        let mut stage = plain(config());
        let mut bytes = text(Client, "before");
        FrameHead::new(Opcode::Binary, Some([1; 4]), declared).encode(&mut bytes);
        bytes.extend_from_slice(&[0; 50]);
        stage.says(Client, &bytes);
        let closed = [(8, [&code.to_be_bytes()[..], words.as_bytes()].concat())];
        let mut got = Receiver::new(Direction::Send, &Agreed::default()).read(&stage.gets(Server));
        assert_eq!(got.remove(0), (1, b"before".to_vec()));
        assert_eq!(got, closed);
        let got = Receiver::new(Direction::Receive, &Agreed::default()).read(&stage.gets(Client));
        assert_eq!(got, closed);
        stage.says(Server, &close(Server, code, ""));
        assert!(
            stage.finished[Server.index()] && !stage.finished[Client.index()],
            "the client is still heard to its end"
        );
        stage.ends(Client, End::Fin);
        assert!(matches!(stage.session.ending().unwrap().cause, Cause::Proxy(Reason::Violation(v)) if v.by == Client));
        let facts = facts(&stage, Opcode::Binary);
        assert_eq!(
            (facts.wire_bytes, facts.payload_bytes),
            (14 + 50, 50),
            "counted to the byte"
        );
    }
}

/// What is on record of the one message of this kind.
fn facts(stage: &Stage, opcode: Opcode) -> Facts {
    let mut facts = stage.seen.iter().map(|seen| seen.facts);
    facts.find(|facts| facts.opcode == opcode).unwrap()
}

#[test]
fn a_length_of_64_bits_is_refused_where_nothing_else_is() {
    let boundless = Config {
        frame_bytes_max: u64::MAX,
        message_bytes_max: u64::MAX,
        ..config()
    };
    for (declared, passes) in [((1u64 << 63) - 1, true), (1 << 63, false), (u64::MAX, false)] {
        for (opcode, fin) in [(Opcode::Binary, true), (Opcode::Text, false)] {
            let mut stage = plain(boundless.clone());
            let mut bytes = Vec::new();
            let head = FrameHead::new(opcode, None, declared);
            FrameHead { fin, ..head }.encode(&mut bytes);
            bytes.extend_from_slice(&[0; 50]);
            stage.says(Server, &bytes).ends(Server, End::Fin);
            assert_eq!(stage.gets(Client) == bytes, passes, "{declared}");
            let rule = if passes { Rule::Unfinished } else { Rule::LengthBit };
            let facts = facts(&stage, opcode);
            assert_eq!((facts.violation, facts.payload_bytes), (Some(rule), 50));
        }
    }
}

#[test]
fn of_a_messages_flaws_the_first_on_the_wire_is_on_record() {
    let mut stage = plain(Config {
        message_bytes_max: 100,
        ..config()
    });
    stage
        .says(Client, &frame(Client, false, 0b010, 1, b"reserved bit, "))
        .says(Client, &frame(Client, true, 0, 0, &[b'a'; 100]))
        .ends(Client, End::Fin);
    assert_eq!(facts(&stage, Opcode::Text).violation, Some(Rule::ReservedBits));
    stage.ends(Server, End::Fin);
    let cause = stage.session.ending().unwrap().cause;
    assert!(matches!(cause, Cause::Proxy(Reason::Violation(v)) if v.rule == Rule::MessageTooBig));
}

#[test]
fn fragments_over_the_message_limit_are_refused_before_the_one_that_goes_beyond() {
    let mut stage = plain(Config {
        message_bytes_max: 100,
        ..config()
    });
    let first = frame(Server, false, 0, 1, &[b'a'; 60]);
    stage.says(Server, &first);
    assert_eq!(stage.gets(Client), first);
    stage.says(Server, &frame(Server, true, 0, 9, b"pings do not count"));
    stage.gets(Client);
    stage.says(Server, &frame(Server, true, 0, 0, &[b'a'; 41]));
    assert_eq!(&stage.gets(Client)[..4], [0x88, 24, 0x03, 0xf1], "only a Close 1009");
    assert_eq!(&stage.gets(Server)[..2], [0x88, 0x80 | 24], "masked towards the server");
}

#[test]
fn violations_are_relayed_and_flagged_or_closed_as_configured() {
    let cases: [(Peer, Vec<u8>, &str, u16); 9] = [
        (Client, frame(Client, true, 0b010, 1, b"x"), "reserved bit set", 1002),
        (Client, frame(Client, true, 0b100, 1, b"x"), "reserved bit set", 1002),
        (Client, frame(Client, true, 0, 3, b"x"), "reserved opcode", 1002),
        (Client, frame(Server, true, 0, 1, b"x"), "client frame not masked", 1002),
        (Server, frame(Client, true, 0, 1, b"x"), "server frame masked", 1002),
        (
            Client,
            frame(Client, true, 0, 9, &[b'x'; 126]),
            "control frame over 125 bytes",
            1002,
        ),
        (
            Server,
            frame(Server, true, 0, 0, b"x"),
            "continuation of no message",
            1002,
        ),
        (
            Server,
            frame(Server, true, 0, 8, b"\x03\xec"),
            "close code not allowed",
            1002,
        ),
        (
            Server,
            frame(Server, true, 0, 8, b"\x03\xe8\xff"),
            "close reason not UTF-8",
            1007,
        ),
    ];
    for (from, bytes, flaw, code) in cases {
        let mut stage = plain(config());
        stage.says(from, &bytes);
        assert_eq!(stage.gets(from.other()), bytes, "{flaw}");
        assert!(
            stage.record()[0].ends_with(&format!("sent ({})", flaw.to_lowercase())),
            "{:?}",
            stage.record()
        );

        let mut stage = plain(Config {
            close_on_violation: true,
            ..config()
        });
        stage.says(from, &bytes);
        for to in [Client, Server] {
            let got = Receiver::new(to.other().sends(), &Agreed::default()).read(&stage.gets(to));
            assert_eq!(got.len(), 1, "{flaw}");
            assert_eq!((got[0].0, &got[0].1[..2]), (8, &code.to_be_bytes()[..]), "{flaw}");
        }
    }
}

#[test]
fn bad_utf8_is_closed_with_1007_wherever_the_fragments_are_cut() {
    let strict = Config {
        close_on_violation: true,
        validate_utf8: true,
        ..config()
    };
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    for cut in 0..bad.len() {
        let mut stage = plain(strict.clone());
        stage.says(Client, &frame(Client, false, 0, 1, &bad[..cut]));
        stage.says(Client, &frame(Client, true, 0, 9, b"between"));
        stage.says(Client, &frame(Client, true, 0, 0, &bad[cut..]));
        let got = Receiver::new(Direction::Send, &Agreed::default()).read(&stage.gets(Server));
        let close = got.last().unwrap();
        assert_eq!((close.0, &close.1[..2]), (8, &1007u16.to_be_bytes()[..]), "{cut}");
        assert!(got.iter().all(|(opcode, _)| *opcode >= 8), "no text has left");
    }
    let mut stage = plain(strict);
    stage
        .says(Client, &frame(Client, false, 0, 1, "κό".as_bytes()))
        .says(Client, &frame(Client, true, 0, 0, b""));
    assert_eq!(stage.record(), [r#"2 send text "κό" sent"#]);
}

#[test]
fn an_injected_message_waits_for_the_fragmented_one_and_a_ping_for_the_frame() {
    let mut stage = plain(config());
    let first = frame(Client, false, 0, 1, b"one ");
    stage.says(Client, &first[..8]);
    stage.inject(Server, Opcode::Text, b"mine").unwrap();
    stage.inject(Server, Opcode::Ping, b"?").unwrap();
    assert_eq!(stage.gets(Server), first[..8]);
    stage.says(Client, &first[8..]);
    let got = stage.gets(Server);
    assert_eq!(got[..first.len() - 8], first[8..]);
    assert_eq!(got[first.len() - 8..][..2], [0x89, 0x81], "the ping, masked");
    let last = frame(Client, true, 0, 0, b"two");
    stage.says(Client, &last);
    let got = stage.gets(Server);
    assert_eq!(got[..last.len()], last);
    assert_eq!(got[last.len()..][..2], [0x81, 0x84]);
    stage.inject(Client, Opcode::Binary, b"to the client").unwrap();
    assert_eq!(stage.gets(Client), frame(Server, true, 0, 2, b"to the client"));
    assert_eq!(stage.inject(Client, Opcode::Ping, &[0; 126]), Err(Refused::NotAMessage));
    stage.says(Server, &close(Server, 1000, ""));
    assert_eq!(stage.inject(Client, Opcode::Text, b"late"), Err(Refused::Closed));
}
