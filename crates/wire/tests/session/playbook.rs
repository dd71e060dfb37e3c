//! Single stories, each told from beginning to end.

use wire::deflate::{Deflater, Params};
use wire::frame::{FrameHead, Opcode};
use wire::message::NewMessage;
use wire::session::{Agreed, Cause, Config, End, Gate, GateError, InjectError, Reason, Verdict};
use wire::{Direction, Peer};

use super::stage::{Receiver, Stage, at, config, frame, text};
use Peer::{Client, Server};

fn plain(config: Config) -> Stage {
    Stage::new(config, Agreed::default())
}

fn judged(agreed: Agreed) -> Stage {
    let mut stage = Stage::new(config(), agreed);
    for direction in Direction::BOTH {
        stage.session.set_gate(direction, Gate::Judge, None).unwrap();
    }
    stage
}

fn deflate() -> Agreed {
    Agreed {
        deflate: Some(Params::default()),
        unknown: false,
    }
}

fn close(from: Peer, code: u16, reason: &str) -> Vec<u8> {
    frame(from, true, 0, 8, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

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
    assert!(stage.finished[at(Client)] && !stage.finished[at(Server)]);
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
    for declared in [(1u64 << 20) + 1, 1 << 63, u64::MAX] {
        let mut stage = plain(config());
        let mut bytes = text(Client, "before");
        FrameHead::new(Opcode::Binary, Some([1; 4]), declared).encode(&mut bytes);
        bytes.extend_from_slice(&[0; 50]);
        stage.says(Client, &bytes);
        let mut got = Receiver::new(Direction::Send, &Agreed::default()).read(&stage.gets(Server));
        assert_eq!(got.remove(0), (1, b"before".to_vec()));
        assert_eq!(
            got,
            [(8, [&1009u16.to_be_bytes()[..], b"frame over the limit"].concat())]
        );
        let got = Receiver::new(Direction::Receive, &Agreed::default()).read(&stage.gets(Client));
        assert_eq!(
            got,
            [(8, [&1009u16.to_be_bytes()[..], b"frame over the limit"].concat())]
        );
        stage.says(Server, &close(Server, 1009, ""));
        assert!(
            stage.finished[at(Server)] && !stage.finished[at(Client)],
            "the client is still heard to its end"
        );
        stage.ends(Client, End::Fin);
        assert!(matches!(stage.session.ending().unwrap().cause, Cause::Proxy(Reason::Violation(v)) if v.by == Client));
    }
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
fn a_verdict_releases_replaces_or_drops_in_order() {
    let mut stage = judged(Agreed::default());
    for word in ["one", "two", "three", "four"] {
        stage.says(Client, &text(Client, word));
    }
    assert_eq!(stage.gets(Server), b"");
    let tickets: Vec<_> = stage.inspects.iter().map(|inspect| inspect.ticket).collect();
    stage
        .judge_ticket(tickets[3], Verdict::Pass)
        .judge_ticket(tickets[1], Verdict::Drop);
    assert_eq!(stage.gets(Server), b"", "the first is not decided");
    stage.says(Client, &frame(Client, true, 0, 9, b"ping"));
    assert_eq!(
        stage.gets(Server),
        frame(Client, true, 0, 9, b"ping"),
        "control frames pass a held message"
    );
    stage.says(Client, &close(Client, 1000, ""));
    assert_eq!(stage.gets(Server), b"", "a Close waits");
    stage.judge_ticket(tickets[0], Verdict::Pass);
    assert_eq!(stage.gets(Server), text(Client, "one"));
    let new = NewMessage {
        opcode: Opcode::Text,
        payload: b"THREE".to_vec(),
    };
    stage.judge_ticket(tickets[2], Verdict::Replace(new));
    assert_eq!(
        stage.gets(Server),
        [text(Client, "THREE"), text(Client, "four"), close(Client, 1000, "")].concat()
    );
    assert_eq!(
        stage.record(),
        [
            r#"6 send ping "ping" sent"#,
            r#"2 send text "one" sent"#,
            r#"3 send text "two" dropped"#,
            r#"4 send text "three" replaced "three""#,
            r#"5 send text "four" sent"#,
            "7 send close \"\\u{3}�\" sent",
        ]
    );
}

#[test]
fn a_verdict_may_end_the_conversation() {
    let mut stage = judged(Agreed::default());
    stage
        .says(Client, &text(Client, "evil"))
        .says(Client, &text(Client, "more"));
    stage.judge(Verdict::Close {
        code: 1008,
        reason: "policy".into(),
    });
    assert_eq!(stage.gets(Client), [&[0x88, 8, 0x03, 0xf0][..], b"policy"].concat());
    assert_eq!(
        Receiver::new(Direction::Send, &Agreed::default())
            .read(&stage.gets(Server))
            .len(),
        1
    );
    stage
        .says(Client, &close(Client, 1008, ""))
        .says(Server, &close(Server, 1008, ""));
    assert!(stage.finished == [true, true]);
    assert_eq!(
        stage.session.ending().unwrap().cause,
        Cause::Proxy(Reason::Verdict {
            code: 1008,
            reason: "policy".into()
        })
    );
    assert!(
        stage
            .seen
            .iter()
            .filter(|seen| seen.facts.opcode == Opcode::Text)
            .all(|seen| { seen.fate == wire::session::Fate::Dropped })
    );
}

#[test]
fn judges_see_compressed_fragments_whole_and_a_change_never_desynchronises() {
    let mut stage = judged(deflate());
    let mut deflater = Deflater::new(15, true).unwrap();
    let mut receiver = Receiver::new(Direction::Send, &deflate());
    let words = [
        "select the first",
        "select the second",
        "select the third",
        "select the first again",
    ];
    let mut got = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let mut small = Vec::new();
        deflater.compress(word.as_bytes(), &mut small);
        let (a, b) = small.split_at(small.len() / 2);
        let frames = [frame(Client, false, 4, 1, a), frame(Client, true, 0, 0, b)].concat();
        stage.says(Client, &frames);
        assert_eq!(**stage.inspects[0].payload, *word.as_bytes());
        if i == 1 {
            stage.judge(Verdict::Drop);
        } else {
            stage.judge(Verdict::Pass);
        }
        let bytes = stage.gets(Server);
        assert_eq!(
            bytes == frames,
            i == 0,
            "verbatim before the divergence, anew behind it"
        );
        got.extend(receiver.read(&bytes));
    }
    assert_eq!(got, [0, 2, 3].map(|i| (1, words[i].as_bytes().to_vec())));
}

#[test]
fn without_takeover_verbatim_relaying_resumes() {
    let params = Params {
        client_no_context_takeover: true,
        ..Params::default()
    };
    let mut stage = judged(Agreed {
        deflate: Some(params),
        unknown: false,
    });
    let mut deflater = Deflater::new(15, false).unwrap();
    for verdict in [Verdict::Drop, Verdict::Pass] {
        let mut small = Vec::new();
        deflater.compress(b"the same words", &mut small);
        let bytes = frame(Client, true, 4, 1, &small);
        stage.says(Client, &bytes).judge(verdict.clone());
        assert_eq!(
            stage.gets(Server),
            if verdict == Verdict::Pass { bytes } else { Vec::new() }
        );
    }
}

#[test]
fn nothing_compressed_passes_a_judge_unread() {
    for payload in [&b"\xff\xff\xff"[..], b"\x00\x11\x22"] {
        let mut stage = judged(deflate());
        stage.says(Client, &frame(Client, true, 4, 1, payload));
        assert_eq!(stage.inspects.len(), 0);
        let got = Receiver::new(Direction::Send, &Agreed::default()).read(&stage.gets(Server));
        assert_eq!(
            (got.len(), got[0].0, &got[0].1[..2]),
            (1, 8, &1007u16.to_be_bytes()[..])
        );
    }
    let mut stage = judged(deflate());
    let mut bomb = Vec::new();
    Deflater::new(15, true).unwrap().compress(&vec![0; 3 << 20], &mut bomb);
    stage.says(Server, &frame(Server, true, 4, 2, &bomb));
    assert_eq!(&stage.gets(Client)[2..4], 1009u16.to_be_bytes());
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
    assert_eq!(
        stage.inject(Client, Opcode::Ping, &[0; 126]),
        Err(InjectError::NotAMessage)
    );
    stage.says(Server, &close(Server, 1000, ""));
    assert_eq!(stage.inject(Client, Opcode::Text, b"late"), Err(InjectError::Closed));
}

#[test]
fn a_drain_in_the_middle_of_a_frame_lets_the_frame_through_first() {
    let mut stage = plain(config());
    let bytes = frame(Server, true, 0, 2, &[1; 1000]);
    stage.says(Server, &bytes[..500]);
    stage.close(Reason::Drain);
    assert!(stage.gets(Client) == bytes[..500]);
    assert_eq!(stage.gets(Server)[..2], [0x88, 0x80 | 21]);
    stage
        .says(Server, &bytes[500..])
        .says(Server, &text(Server, "too late"));
    let got = stage.gets(Client);
    let (rest, own) = got.split_at(bytes.len() - 500);
    assert!(*rest == bytes[500..]);
    assert_eq!((own.len(), &own[..4]), (23, &[0x88, 21, 0x03, 0xe9][..]));
    assert_eq!(stage.record().last().unwrap(), r#"5 receive text "too late" dropped"#);
    stage
        .says(Client, &close(Client, 1001, ""))
        .says(Server, &close(Server, 1001, ""));
    assert_eq!(stage.finished, [true, true]);
}

#[test]
fn silence_ends_with_1001_and_a_peer_that_never_answers_is_not_waited_for() {
    let mut stage = plain(Config {
        idle_ms: 1_000,
        ..config()
    });
    stage.later(999);
    assert_eq!(stage.gets(Client), b"");
    stage.later(1);
    assert_eq!(stage.gets(Client)[..4], [0x88, 14, 0x03, 0xe9]);
    assert_eq!(stage.session.deadline(), Some(6_000));
    stage.later(5_000);
    assert_eq!(stage.finished, [true, true]);
    assert_eq!(stage.session.ending().unwrap().cause, Cause::Proxy(Reason::Idle));
}

#[test]
fn a_half_closed_stream_leaves_the_other_direction_open() {
    let mut stage = plain(config());
    stage.says(Client, &text(Client, "last")).ends(Client, End::Fin);
    assert_eq!(stage.finished, [false, true]);
    stage.says(Server, &text(Server, "answer"));
    assert_eq!(stage.gets(Client), text(Server, "answer"));
    stage.ends(Server, End::Fin);
    assert_eq!(stage.session.ending().unwrap().cause, Cause::Broken(Client, End::Fin));
}

#[test]
fn a_reset_reaches_the_other_peer_and_what_was_cut_is_recorded() {
    let mut stage = plain(config());
    let bytes = text(Client, "never finished");
    stage.says(Client, &bytes[..10]).ends(Client, End::Reset);
    assert_eq!(stage.aborted, [false, true]);
    assert_eq!(stage.record(), [r#"2 send text "neve" sent (message unfinished)"#]);
    assert_eq!(stage.seen[0].facts.wire_bytes, 10);
    assert_eq!(stage.session.ending().unwrap().cause, Cause::Broken(Client, End::Reset));
}

#[test]
fn a_gate_can_be_shut_on_a_living_connection() {
    let mut stage = Stage::new(config(), deflate());
    let mut deflater = Deflater::new(15, true).unwrap();
    let mut small = Vec::new();
    deflater.compress(b"seen by nobody", &mut small);
    stage.says(Client, &frame(Client, true, 4, 1, &small));
    assert_eq!(
        stage.session.set_gate(Direction::Send, Gate::Judge, None),
        Err(GateError::NeedsInflater)
    );
    stage.says(Server, &frame(Server, false, 0, 1, b"half"));
    assert_eq!(
        stage.session.set_gate(Direction::Receive, Gate::Judge, None),
        Err(GateError::Busy)
    );
    stage.says(Server, &frame(Server, true, 0, 0, b""));
    assert_eq!(stage.session.set_gate(Direction::Receive, Gate::Judge, None), Ok(()));
    stage.gets(Client);
    stage.says(Server, &text(Server, "held"));
    assert_eq!(stage.gets(Client), b"");
    stage.judge(Verdict::Pass);
    assert_eq!(stage.session.set_gate(Direction::Receive, Gate::Open, None), Ok(()));
    stage.says(Server, &text(Server, "free")[..4]);
    assert_eq!(
        stage.gets(Client),
        [text(Server, "held"), text(Server, "free")[..4].to_vec()].concat()
    );
}

#[test]
fn as_much_as_may_be_held_is_asked_for_and_no_more() {
    let mut stage = Stage::new(
        Config {
            held_max: 2,
            ..config()
        },
        Agreed::default(),
    );
    stage.session.set_gate(Direction::Send, Gate::Judge, None).unwrap();
    stage.says(Client, &text(Client, "1"));
    assert!(stage.session.wants(Client));
    stage.says(Client, &text(Client, "2"));
    assert!(!stage.session.wants(Client) && stage.session.wants(Server));
    stage.judge(Verdict::Pass);
    assert!(stage.session.wants(Client));
}
