//! Stories of held messages: verdicts in any order, re-encoding, and gates that are shut and opened.

use wire::Direction;
use wire::Peer::{Client, Server};
use wire::deflate::{Deflater, Params};
use wire::error::{Rule, Violation};
use wire::frame::Opcode;
use wire::message::NewMessage;
use wire::session::{Agreed, Bytes, Cause, Config, End, Gate, Output, Reason, Refused, Verdict};

use super::stage::{Receiver, Stage, close, config, deflate, frame, judged, plain, text};

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
fn a_ping_overtakes_only_what_takes_its_time() {
    let mut stage = judged(Agreed::default());
    let ping = frame(Client, true, 0, 9, b"ping");
    let read = [text(Client, "one"), ping.clone(), text(Client, "two"), ping.clone()].concat();
    let sent = |out: &[Output]| -> Vec<u8> {
        let sent = out.iter().filter_map(|output| match output {
            Output::Send {
                bytes: Bytes::New(bytes),
                ..
            } => Some(bytes.clone()),
            _ => None,
        });
        sent.flatten().collect()
    };
    let mut out = Vec::new();
    assert_eq!(stage.session.receive(Client, &read, 0, &mut out), read.len());
    assert_eq!(sent(&out), b"", "nothing is decided");
    let tickets: Vec<_> = out
        .iter()
        .filter_map(|output| match output {
            Output::Inspect(inspect) => Some(inspect.ticket),
            _ => None,
        })
        .collect();
    out.clear();
    stage.session.verdict(tickets[0], Verdict::Pass, 0, &mut out).unwrap();
    assert_eq!(
        sent(&out),
        [text(Client, "one"), ping.clone()].concat(),
        "in their order"
    );
    out.clear();
    stage.session.pass_by(&mut out);
    assert_eq!(sent(&out), ping, "past what waits");
    out.clear();
    stage.session.verdict(tickets[1], Verdict::Pass, 0, &mut out).unwrap();
    assert_eq!(sent(&out), text(Client, "two"));
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
    let mut stage = judged(Agreed::both(Some(params)));
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
fn a_gate_can_be_shut_on_a_living_connection() {
    let mut stage = Stage::new(config(), deflate());
    let mut deflater = Deflater::new(15, true).unwrap();
    let mut small = Vec::new();
    deflater.compress(b"seen by nobody", &mut small);
    stage.says(Client, &frame(Client, true, 4, 1, &small));
    stage.gate(Direction::Send, Gate::Judge);
    assert!(stage.stalled == [true, false] && !stage.session.wants(Client) && stage.session.wants(Server));
    stage.says(Server, &frame(Server, false, 0, 1, b"half"));
    stage.gate(Direction::Receive, Gate::Judge);
    let last = frame(Server, true, 0, 0, b"");
    stage.says(Server, &[&last[..], &text(Server, "held")].concat());
    assert_eq!(stage.gets(Client), [frame(Server, false, 0, 1, b"half"), last].concat());
    stage.judge(Verdict::Pass).gate(Direction::Receive, Gate::Open);
    stage.says(Server, &text(Server, "free")[..4]);
    assert_eq!(
        stage.gets(Client),
        [text(Server, "held"), text(Server, "free")[..4].to_vec()].concat()
    );
}

/// A stage on which somebody judges what the client says, and so much of it may be held.
fn holding(held_max: usize, held_bytes_max: usize) -> Stage {
    let mut stage = plain(Config {
        held_max,
        held_bytes_max,
        ..config()
    });
    stage.gate(Direction::Send, Gate::Judge);
    stage
}

#[test]
fn as_much_as_may_be_held_is_asked_for_and_no_more() {
    let mut stage = holding(2, 1 << 20);
    stage.says(Client, &text(Client, "1"));
    assert!(stage.session.wants(Client));
    stage.says(Client, &text(Client, "2"));
    assert!(!stage.session.wants(Client) && stage.session.wants(Server));
    stage.judge(Verdict::Pass);
    assert!(stage.session.wants(Client));
}

#[test]
fn no_more_is_taken_of_one_read_than_may_be_held() {
    let all = (0..9).map(|number| text(Client, &number.to_string()));
    let read = all.clone().collect::<Vec<_>>().concat();
    for (held_max, held_bytes_max, held) in [(2, 1 << 20, 2), (1_000, 20, 3), (1, 1, 1)] {
        let mut stage = holding(held_max, held_bytes_max);
        // In one read with its end cut off: what came of the last header is not taken either.
        stage
            .says(Client, &read[..read.len() - 1])
            .says(Client, &read[read.len() - 1..]);
        for (number, message) in all.clone().enumerate() {
            assert_eq!(stage.inspects.len(), held.min(9 - number), "no more than may be");
            stage.judge(Verdict::Pass);
            assert_eq!(stage.gets(Server), message, "in order, and as it came");
        }
        assert!(stage.inspects.is_empty() && stage.unread[0].is_empty());
    }
}

#[test]
fn pings_behind_a_held_message_are_held_to_the_limit_and_pass_all_the_same() {
    let mut stage = holding(4, 1 << 20);
    let pings = frame(Client, true, 0, 9, b"").repeat(1_000);
    let read = [text(Client, "one"), pings.clone(), text(Client, "two")].concat();
    let mut out = Vec::new();
    let taken = stage.session.receive(Client, &read, 0, &mut out);
    assert_eq!(taken, text(Client, "one").len() + 3 * pings.len() / 1_000);

    let mut stage = judged(Agreed::default());
    stage.says(Client, &read);
    assert_eq!((stage.gets(Server), stage.inspects.len()), (pings, 2));
}

#[test]
fn a_close_lets_go_what_was_not_taken() {
    let mut stage = holding(1, 1 << 20);
    let answer = close(Client, 1001, "");
    stage.says(Client, &[text(Client, "one"), text(Client, "two"), answer].concat());
    stage.close(Reason::Drain);
    stage.says(Server, &close(Server, 1001, ""));
    assert!(stage.session.ending().is_some(), "the answer behind it was heard");
    let mut record = stage.record();
    record.retain(|line| line.contains("text"));
    assert_eq!(record, ["2 send text \"one\" dropped", "5 send text \"two\" dropped"]);
}

#[test]
fn a_held_message_of_empty_fragments_has_a_limit_too() {
    let fragments = frame(Client, false, 0, 0, b"").repeat(10_000);
    let mut stage = plain(config());
    stage.gate(Direction::Send, Gate::Judge);
    stage.says(Client, &frame(Client, false, 0, 1, b"endless"));
    for _ in 0..100 {
        stage.says(Client, &fragments);
    }
    let got = Receiver::new(Direction::Receive, &Agreed::default()).read(&stage.gets(Client));
    assert_eq!(
        got,
        [(8, [&1009u16.to_be_bytes()[..], b"message over the limit"].concat())]
    );
    stage.ends(Client, End::Fin).ends(Server, End::Fin);
    let message = r#"4 send text "endless" dropped (message over the limit)"#;
    assert!(stage.record().contains(&message.to_owned()), "{:?}", stage.record());
    // Nobody keeps what is not held.
    let mut stage = plain(config());
    stage.says(Client, &frame(Client, false, 0, 1, b"endless"));
    for _ in 0..100 {
        stage.says(Client, &fragments);
    }
    stage.says(Client, &frame(Client, true, 0, 0, b"ly"));
    assert_eq!(stage.record(), [r#"2 send text "endlessly" sent"#]);
}

#[test]
fn a_replacement_that_cannot_be_sent_is_refused_and_the_message_waits_on() {
    let mut stage = plain(Config {
        message_bytes_max: 200,
        ..config()
    });
    stage.gate(Direction::Send, Gate::Judge);
    stage.says(Client, &text(Client, "secret"));
    let ticket = stage.inspects[0].ticket;
    for (opcode, len, refused) in [
        (Opcode::Text, 201, Refused::TooBig),
        (Opcode::Close, 2, Refused::NotAMessage),
        (Opcode::Ping, 2, Refused::NotAMessage),
        (Opcode::Continuation, 2, Refused::NotAMessage),
    ] {
        let new = NewMessage {
            opcode,
            payload: vec![b'x'; len],
        };
        let mut out = Vec::new();
        let verdict = stage.session.verdict(ticket, Verdict::Replace(new), 0, &mut out);
        assert_eq!((verdict, out), (Err(refused), Vec::new()), "{opcode:?}");
    }
    stage.judge(Verdict::Drop);
    assert_eq!(stage.gets(Server), b"");
    assert_eq!(stage.record(), [r#"2 send text "secret" dropped"#]);
}

#[test]
fn where_a_violation_closes_an_open_gate_still_checks() {
    let mut stage = plain(Config {
        close_on_violation: true,
        ..config()
    });
    stage
        .gate(Direction::Send, Gate::Judge)
        .gate(Direction::Send, Gate::Open);
    stage.says(Client, &frame(Client, false, 0, 1, b"held until it is whole"));
    assert_eq!(stage.gets(Server), b"");
}

#[test]
fn of_a_compressed_messages_flaws_the_first_counts_in_any_pieces() {
    let stored = |text: &[u8]| [&[0, text.len() as u8, 0, !text.len() as u8, 0xff], text].concat();
    let corrupt = [0xff; 5];
    let cases = [
        ([stored(b"\xff"), corrupt.to_vec()].concat(), Rule::InvalidUtf8),
        ([corrupt.to_vec(), stored(b"\xff")].concat(), Rule::CorruptDeflate),
        ([stored(&[b'a'; 30]), corrupt.to_vec()].concat(), Rule::MessageTooBig),
        ([stored(b"a\xff"), stored(&[b'a'; 30])].concat(), Rule::InvalidUtf8),
        (stored(b"a"), Rule::CorruptDeflate),
        (vec![0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07], Rule::CorruptDeflate),
    ];
    for (small, rule) in cases {
        for piece in [1, 2, 5, 100] {
            let config = Config {
                close_on_violation: true,
                validate_utf8: true,
                message_bytes_max: 25,
                ..config()
            };
            let mut stage = Stage::new(config, deflate());
            let fragments = small.chunks(20).enumerate();
            let last = small.len().div_ceil(20) - 1;
            let bytes: Vec<u8> = fragments
                .flat_map(|(n, part)| {
                    let (rsv, opcode) = if n == 0 { (4, 1) } else { (0, 0) };
                    frame(Client, n == last, rsv, opcode, part)
                })
                .collect();
            for piece in bytes.chunks(piece) {
                stage.says(Client, piece);
            }
            stage.ends(Client, End::Fin).ends(Server, End::Fin);
            let cause = stage.session.ending().unwrap().cause;
            let by = Client;
            assert_eq!(
                cause,
                Cause::Proxy(Reason::Violation(Violation { by, rule })),
                "{piece}"
            );
            let text = stage.seen.iter().find(|seen| seen.facts.compressed).unwrap();
            assert_eq!(text.facts.violation, Some(rule), "{piece}");
        }
    }
}
