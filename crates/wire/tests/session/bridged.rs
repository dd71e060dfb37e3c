//! Stories of directions whose legs are compressed differently: what leaves when nobody judges, and what a hostile peer
//! may try.

use wire::Direction;
use wire::Peer::{self, Client, Server};
use wire::deflate::{Deflater, Params};
use wire::error::{Rule, Violation};
use wire::frame::Opcode;
use wire::message::NewMessage;
use wire::session::{Agreed, Cause, Config, End, Fate, Gate, Reason, Verdict};

use super::stage::{Receiver, Stage, close, config, frame, judged, text};

/// The client's leg is compressed, the server's is not.
fn client_only() -> Agreed {
    Agreed {
        client: Some(Params::default()),
        ..Agreed::default()
    }
}

fn compressed(deflater: &mut Deflater, from: Peer, payload: &[u8]) -> Vec<u8> {
    let mut small = Vec::new();
    deflater.compress(payload, &mut small);
    frame(from, true, 4, 1, &small)
}

fn deflater() -> Deflater {
    Deflater::new(15, true).unwrap()
}

/// The conversation is closed towards both for this, and nothing else has left in this direction.
fn is_closed_for(stage: &mut Stage, by: Peer, rule: Rule) {
    for to in [Client, Server] {
        let got = Receiver::new(to.other().sends(), &stage.agreed).read(&stage.gets(to));
        assert_eq!(got.len(), 1, "{to} gets a Close alone: {got:?}");
        assert_eq!((got[0].0, &got[0].1[..2]), (8, &rule.close_code().to_be_bytes()[..]));
    }
    stage.ends(Client, End::Fin).ends(Server, End::Fin);
    let violation = Violation { by, rule };
    let cause = stage.session.ending().unwrap().cause;
    assert_eq!(cause, Cause::Proxy(Reason::Violation(violation)));
    let flagged = stage.seen.iter().find(|seen| seen.facts.violation == Some(rule));
    assert_eq!(
        flagged.map(|seen| &seen.fate),
        Some(&Fate::Dropped),
        "and it is on record"
    );
}

#[test]
fn nobody_judges_and_yet_a_message_waits_until_it_is_whole() {
    let mut stage = Stage::new(config(), client_only());
    for direction in Direction::BOTH {
        assert!(stage.agreed.is_bridged(direction));
        stage.gate(direction, Gate::Open);
    }
    let bytes = compressed(&mut deflater(), Client, b"hello, hello, hello");
    let (first, last) = bytes.split_at(bytes.len() - 1);
    stage.says(Client, first);
    assert_eq!(stage.gets(Server), b"");
    stage.says(Client, last);
    assert_eq!(
        stage.gets(Server),
        text(Client, "hello, hello, hello"),
        "one plain frame, the client's key"
    );
    assert!(stage.inspects.is_empty() && stage.session.wants(Client));
    assert_eq!(stage.record(), [r#"2 send text "hello, hello, hello" sent"#]);
}

#[test]
fn what_came_plain_and_may_leave_plain_leaves_as_it_came() {
    let mut stage = Stage::new(config(), client_only());
    let ping = frame(Client, true, 0, 9, b"?");
    let parts = [
        frame(Client, false, 0, 1, b"one "),
        frame(Client, true, 0, 0, &[b'x'; 5_000]),
    ];
    stage.says(Client, &parts[0]).says(Client, &ping);
    assert_eq!(stage.gets(Server), ping, "a ping passes the message that it stands in");
    stage.says(Client, &parts[1]);
    assert_eq!(
        stage.gets(Server),
        parts.concat(),
        "its sender could have compressed it, and did not"
    );
    stage.says(Server, &text(Server, "short"));
    assert_eq!(stage.gets(Client), text(Server, "short"));
    let long = "a long message ".repeat(100);
    let parts = [
        frame(Server, false, 0, 1, &long.as_bytes()[..700]),
        frame(Server, true, 0, 0, &long.as_bytes()[700..]),
    ];
    stage.says(Server, &parts.concat());
    let got = stage.gets(Client);
    assert!(got[0] == 0xc1 && got.len() < 100, "one compressed frame");
    let read = Receiver::new(Direction::Receive, &stage.agreed).read(&got);
    assert_eq!(read, [(1, long.into_bytes())]);
}

#[test]
fn a_window_that_fits_passes_as_it_is() {
    let narrow = Params {
        client_max_window_bits: 10,
        client_no_context_takeover: true,
        server_max_window_bits: 10,
        server_no_context_takeover: true,
    };
    let agreed = Agreed {
        client: Some(narrow),
        server: Some(Params::default()),
        unknown: false,
    };
    assert!(!agreed.is_bridged(Direction::Send) && agreed.is_bridged(Direction::Receive));
    let mut stage = Stage::new(config(), agreed);
    let bytes = compressed(&mut Deflater::new(10, false).unwrap(), Client, b"as it is");
    stage.says(Client, &bytes[..7]);
    assert_eq!(stage.gets(Server), bytes[..7], "before it is whole");
    let senders = agreed.senders().unwrap();
    assert!(senders.client_no_context_takeover && !senders.server_no_context_takeover);
    assert_eq!(
        (senders.client_max_window_bits, senders.server_max_window_bits),
        (10, 15)
    );
}

#[test]
fn a_bit_that_only_the_receiver_would_understand_closes() {
    // Plain to a judge, and something else to who inflates it.
    let mut small = Vec::new();
    deflater().compress(b"evil", &mut small);
    let first = frame(Server, false, 0, 1, b"half");
    for (before, bytes) in [
        (vec![], frame(Server, true, 4, 1, &small)),
        (vec![], frame(Server, false, 4, 2, &small)),
        (vec![], frame(Server, true, 4 | 2, 1, &small)),
        (vec![], frame(Server, true, 4, 3, &small)),
        (vec![], frame(Server, true, 4, 9, b"")),
        (first.clone(), frame(Server, true, 4, 0, &small)),
        (first, frame(Server, true, 4, 1, &small)),
    ] {
        for (close_on_violation, unknown) in [(false, false), (true, false), (false, true)] {
            for gate in [Gate::Open, Gate::Judge] {
                let config = Config {
                    close_on_violation,
                    ..config()
                };
                let agreed = Agreed {
                    unknown,
                    ..client_only()
                };
                let mut stage = Stage::new(config, agreed);
                stage.gate(Direction::Receive, gate);
                stage.says(Server, &before).says(Server, &bytes);
                assert!(stage.inspects.is_empty());
                is_closed_for(&mut stage, Server, Rule::ReservedBits);
            }
        }
    }
}

#[test]
fn behind_a_close_too_no_bit_reaches_who_would_misread_it() {
    let mut stage = Stage::new(config(), client_only());
    let goodbye = close(Server, 1000, "");
    stage.says(
        Server,
        &[&goodbye[..], &frame(Server, true, 4, 1, b"\x4a\x4c\x02\x00")].concat(),
    );
    assert_eq!(stage.gets(Client), goodbye, "and nothing else");
}

#[test]
fn a_bit_that_nobody_understands_is_a_violation_like_others() {
    let mut stage = Stage::new(config(), client_only());
    let bytes = frame(Client, true, 2, 1, b"plain");
    stage.says(Client, &bytes);
    assert_eq!(stage.gets(Server), bytes);
    assert_eq!(stage.record(), [r#"2 send text "plain" sent (reserved bit set)"#]);
    let mut stage = Stage::new(config(), Agreed::default());
    let bytes = frame(Client, true, 4, 1, b"plain");
    stage.says(Client, &bytes);
    assert_eq!(stage.gets(Server), bytes, "neither leg gives it a meaning");
}

#[test]
fn what_does_not_inflate_closes_even_where_violations_are_passed_on() {
    for payload in [&b"\xff\xff\xff"[..], b"\x00\x11\x22", b"\x4a\x4c"] {
        for gate in [Gate::Open, Gate::Check, Gate::Judge] {
            let mut stage = Stage::new(config(), client_only());
            stage.gate(Direction::Send, gate);
            stage.says(Client, &frame(Client, true, 4, 1, payload));
            is_closed_for(&mut stage, Client, Rule::CorruptDeflate);
        }
    }
}

#[test]
fn a_message_that_is_interrupted_where_it_cannot_be_inflated_closes() {
    let mut stage = Stage::new(config(), client_only());
    let bytes = [frame(Client, false, 4, 1, b"\x4a\x4c"), text(Client, "next")].concat();
    stage.says(Client, &bytes);
    is_closed_for(&mut stage, Client, Rule::CorruptDeflate);
}

#[test]
fn a_bomb_closes_before_it_is_written_out() {
    for (size, ratio, rule) in [
        (3 << 20, u32::MAX, Rule::MessageTooBig),
        (1 << 20, 20, Rule::InflateRatio),
    ] {
        let config = Config {
            inflate_ratio_max: ratio,
            ..config()
        };
        let mut stage = Stage::new(config, client_only());
        stage.says(Client, &compressed(&mut deflater(), Client, &vec![b'a'; size]));
        is_closed_for(&mut stage, Client, rule);
    }
}

#[test]
fn a_stream_that_is_cut_inside_a_message_sends_none_of_it() {
    let bytes = compressed(&mut deflater(), Client, b"never to be whole");
    for cut in 1..bytes.len() {
        let mut stage = Stage::new(config(), client_only());
        stage.says(Client, &bytes[..cut]).ends(Client, End::Fin);
        assert_eq!(stage.gets(Server), b"");
        assert!(stage.finished[Server.index()]);
        let unfinished = stage.seen.iter().all(|seen| seen.fate == Fate::Dropped);
        assert!(unfinished, "{:?}", stage.record());
    }
}

#[test]
fn text_that_is_not_utf8_is_seen_through_the_compression() {
    let config = Config {
        close_on_violation: true,
        validate_utf8: true,
        ..config()
    };
    let mut stage = Stage::new(config, client_only());
    stage.says(Client, &compressed(&mut deflater(), Client, b"\xed\xa0\x80"));
    is_closed_for(&mut stage, Client, Rule::InvalidUtf8);
}

#[test]
fn verdicts_change_a_bridged_direction_as_any_other() {
    let mut stage = judged(client_only());
    let (mut talker, mut reader) = (deflater(), Receiver::new(Direction::Receive, &client_only()));
    for word in ["first", "second", "third"] {
        stage.says(Client, &compressed(&mut talker, Client, word.as_bytes()));
    }
    let new = |payload: &str| {
        Verdict::Replace(NewMessage {
            opcode: Opcode::Binary,
            payload: payload.into(),
        })
    };
    stage.judge(Verdict::Drop).judge(new("changed")).judge(Verdict::Pass);
    let expected = [frame(Client, true, 0, 2, b"changed"), text(Client, "third")].concat();
    assert_eq!(stage.gets(Server), expected);
    // The other way what replaces a message is compressed as the receiver's leg has it, if it is worth it.
    let long = "over and over ".repeat(50);
    stage.says(Server, &text(Server, "short")).judge(new(&long));
    stage.inject(Client, Opcode::Text, long.as_bytes()).unwrap();
    stage.says(Server, &text(Server, &long)).judge(new("short"));
    stage.says(Server, &text(Server, &long)).judge(Verdict::Pass);
    let got = stage.gets(Client);
    let read = reader.read(&got);
    let long = long.into_bytes();
    assert_eq!(
        read,
        [
            (2, long.clone()),
            (1, long.clone()),
            (2, b"short".to_vec()),
            (1, long.clone())
        ]
    );
    assert!(
        got.len() < long.len() + 200,
        "only what was injected is as long as it is"
    );
    stage.says(Server, &text(Server, "no")).judge(Verdict::Close {
        code: 1008,
        reason: "policy".into(),
    });
    assert_eq!(&stage.gets(Client)[2..4], 1008u16.to_be_bytes());
}
