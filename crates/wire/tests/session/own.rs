//! Stories of what the proxy says itself: injected messages and what became of them, and Closes to one peer.

use wire::Peer::{Client, Server};
use wire::frame::Opcode;
use wire::message::NewMessage;
use wire::session::{Agreed, Cause, Config, End, Fate, Reason, Refused, Ticket, Verdict};

use super::stage::{Stage, close, config, frame, judged, plain, text};

/// What became of an injected message; `None`: it still waits.
fn fate(stage: &Stage, ticket: Ticket) -> Option<Fate> {
    let mut told = stage.seen.iter().filter(|seen| seen.ticket == Some(ticket));
    let first = told.next().map(|seen| seen.fate.clone());
    assert!(told.next().is_none(), "told once");
    first
}

/// A stage on which an injected text waits for a fragmented message of the client's.
fn waiting(config: Config) -> (Stage, Ticket) {
    let mut stage = plain(config);
    stage.says(Client, &frame(Client, false, 0, 1, b"one "));
    let ticket = stage.inject(Server, Opcode::Text, b"mine").unwrap();
    assert_eq!(fate(&stage, ticket), None);
    (stage, ticket)
}

#[test]
fn whoever_injects_is_told_when_it_has_left() {
    let mut stage = judged(Agreed::default());
    let at_once = stage.inject(Client, Opcode::Text, b"now").unwrap();
    assert_eq!(fate(&stage, at_once), Some(Fate::Injected));

    let (mut stage, ticket) = waiting(config());
    let ping = stage.inject(Server, Opcode::Ping, b"?").unwrap();
    assert!(ping != ticket && fate(&stage, ping) == Some(Fate::Injected));
    stage.says(Client, &frame(Client, true, 0, 0, b"two"));
    assert_eq!(fate(&stage, ticket), Some(Fate::Injected));
}

#[test]
fn no_more_of_the_proxys_own_waits_than_may() {
    for (held_max, held_bytes_max, held) in [(3, 1 << 20, 3), (1_000, 8, 2), (1_000, 1, 1)] {
        let (mut stage, _) = waiting(Config {
            held_max,
            held_bytes_max,
            ..config()
        });
        let more = (1..100).take_while(|_| stage.inject(Server, Opcode::Binary, b"mine").is_ok());
        assert_eq!(1 + more.count(), held);
        assert_eq!(stage.inject(Server, Opcode::Text, b"mine"), Err(Refused::TooMany));
        assert!(stage.inject(Server, Opcode::Ping, b"mine").is_ok(), "it need not wait");
        stage.says(Client, &frame(Client, true, 0, 0, b"two"));
        assert!(stage.injected.is_empty() && stage.inject(Server, Opcode::Text, b"mine").is_ok());
    }
}

#[test]
fn whoever_injects_is_told_when_it_can_never_leave() {
    type Act = fn(&mut Stage);
    let acts: [(&str, Act); 6] = [
        ("the sender's stream ends", |stage| {
            stage.ends(Client, End::Fin);
        }),
        ("it is reset", |stage| {
            stage.ends(Client, End::Reset);
        }),
        ("the receiver is gone", |stage| {
            stage.ends(Server, End::Reset);
        }),
        ("a Close goes first", |stage| {
            stage.says(Client, &close(Client, 1000, ""));
        }),
        ("the proxy closes", |stage| {
            stage.close(Reason::Drain);
        }),
        ("the proxy closes to this peer", |stage| {
            stage.close_peer(Server, 1001, "").unwrap();
        }),
    ];
    for (how, act) in acts {
        for record_bytes_max in [Some(1 << 20), None] {
            let (mut stage, ticket) = waiting(Config {
                record_bytes_max,
                ..config()
            });
            act(&mut stage);
            assert_eq!(fate(&stage, ticket), Some(Fate::Dropped), "{how}");
            let told = stage.seen.iter().find(|seen| seen.ticket == Some(ticket)).unwrap();
            assert_eq!((told.facts.frames, told.facts.wire_bytes), (0, 0), "it is on no wire");
            assert_eq!(told.payload, b"mine");
        }
    }
}

#[test]
fn an_injected_message_does_not_wait_for_a_judge_nor_for_the_close_behind_it() {
    let mut stage = judged(Agreed::default());
    let end = close(Client, 1000, "");
    stage.says(Client, &[&text(Client, "held")[..], &end].concat());
    stage.inject(Server, Opcode::Text, b"before").unwrap();
    let before = stage.gets(Server);
    assert_eq!(
        before[..2],
        [0x81, 0x80 | 6],
        "the Close has not left, so there is room"
    );
    stage.judge(Verdict::Pass);
    assert_eq!(stage.gets(Server), [text(Client, "held"), end].concat());
    assert_eq!(stage.inject(Server, Opcode::Text, b"late"), Err(Refused::Closed));
}

#[test]
fn the_proxy_itself_sends_no_text_that_is_not_utf8() {
    let mut stage = judged(Agreed::default());
    for payload in [&b"\xff"[..], b"half of \xe2\x82"] {
        assert_eq!(stage.inject(Client, Opcode::Text, payload), Err(Refused::NotUtf8));
        assert!(stage.inject(Client, Opcode::Binary, payload).is_ok());
        stage.says(Client, &text(Client, "held"));
        let [opcode, other] = [Opcode::Text, Opcode::Binary];
        let new = |opcode| {
            Verdict::Replace(NewMessage {
                opcode,
                payload: payload.to_vec(),
            })
        };
        let ticket = stage.inspects[0].ticket;
        assert_eq!(stage.try_judge(ticket, new(opcode)), Err(Refused::NotUtf8));
        assert_eq!(stage.gets(Server), b"", "it waits for another verdict");
        stage.judge(new(other));
        assert_eq!(stage.gets(Server), frame(Client, true, 0, 2, payload));
    }
}

#[test]
fn a_code_that_may_not_travel_never_does() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        let mut stage = judged(Agreed::default());
        stage.says(Client, &text(Client, "held"));
        let reason = "why".to_owned();
        let ticket = stage.inspects[0].ticket;
        let verdict = stage.try_judge(ticket, Verdict::Close { code, reason });
        assert_eq!(verdict, Err(Refused::CloseCode), "{code}");
        assert_eq!(stage.close_peer(Client, code, "why"), Err(Refused::CloseCode));
        assert!(stage.gets(Client).is_empty() && stage.gets(Server).is_empty());
        let reason = "why".to_owned();
        stage.close(Reason::Command { code, reason });
        assert_eq!(
            stage.gets(Client),
            [0x88, 0],
            "a Close all the same, which says nothing"
        );
    }
}

#[test]
fn a_reason_is_cut_between_characters_on_the_wire_and_on_record() {
    let long = "ä".repeat(100);
    let mut stage = judged(Agreed::default());
    stage.says(Client, &text(Client, "held"));
    let reason = long.clone();
    stage.judge(Verdict::Close { code: 1008, reason });
    let sent = close(Server, 1008, &"ä".repeat(61));
    assert_eq!(stage.gets(Client), sent);
    stage.ends(Client, End::Fin).ends(Server, End::Fin);
    let ending = stage.session.ending().unwrap();
    assert_eq!(ending.close.unwrap().reason, "ä".repeat(61));

    let mut stage = plain(config());
    stage.close_peer(Client, 1008, &long).unwrap();
    assert_eq!(stage.gets(Client), sent);
}

#[test]
fn a_close_to_one_peer_ends_the_conversation_in_the_ordinary_way() {
    for (one, other) in [(Client, Server), (Server, Client)] {
        let mut stage = plain(config());
        let ticket = stage.close_peer(one, 4000, "enough").unwrap();
        assert_eq!(fate(&stage, ticket), Some(Fate::Injected));
        assert_eq!(stage.gets(one)[0], 0x88);
        assert_eq!(stage.gets(other), b"", "the other hears nothing yet");
        let last = [text(one, "last words"), close(one, 4000, "")].concat();
        stage.says(other, &text(other, "too late")).says(one, &last);
        assert_eq!(stage.gets(one), b"", "nothing behind the Close");
        assert_eq!(stage.gets(other), last);
        stage.says(other, &close(other, 4000, "")).ends(other, End::Fin);
        assert_eq!(stage.gets(one), b"", "one Close is enough");
        assert!(stage.finished[one.index()]);
        stage.ends(one, End::Fin);
        let ending = stage.session.ending().unwrap();
        let reason = "enough".to_owned();
        assert_eq!(ending.cause, Cause::Proxy(Reason::Command { code: 4000, reason }));
        let dropped = stage.seen.iter().filter(|seen| seen.fate == Fate::Dropped);
        assert_eq!(dropped.count(), 2, "the text and the second Close");
    }
}

#[test]
fn a_close_to_one_peer_waits_for_the_frame_and_drops_what_is_held() {
    let mut stage = plain(config());
    let bytes = frame(Server, true, 0, 2, &[1; 300]);
    stage.says(Server, &bytes[..100]);
    let ticket = stage.close_peer(Client, 1001, "").unwrap();
    assert_eq!(fate(&stage, ticket), None);
    assert_eq!(
        stage.close_peer(Client, 1001, ""),
        Err(Refused::Closed),
        "one is enough"
    );
    assert_eq!(stage.inject(Client, Opcode::Ping, b""), Err(Refused::Closed));
    stage.says(Server, &bytes[100..]).says(Server, &text(Server, "behind"));
    assert_eq!(stage.gets(Client), [bytes, close(Server, 1001, "")].concat());

    let mut stage = judged(Agreed::default());
    stage.says(Server, &[text(Server, "held"), close(Server, 1000, "")].concat());
    let held = stage.inspects[0].ticket;
    stage.close_peer(Client, 1001, "").unwrap();
    stage.judge_ticket(held, Verdict::Pass);
    assert_eq!(stage.gets(Client), close(Server, 1001, ""), "nothing that was held");

    let mut stage = plain(config());
    stage.says(Server, &text(Server, "cut")[..3]);
    let ticket = stage.close_peer(Client, 1001, "").unwrap();
    stage.ends(Server, End::Fin);
    assert_eq!(
        fate(&stage, ticket),
        Some(Fate::Dropped),
        "nothing can follow half a frame"
    );
}

#[test]
fn after_a_close_to_one_peer_the_other_can_still_be_closed() {
    let mut stage = plain(config());
    let bytes = text(Server, "under way");
    stage.says(Server, &bytes[..5]);
    let ticket = stage.close_peer(Client, 4000, "enough").unwrap();
    stage.close(Reason::Drain).says(Server, &bytes[5..]);
    assert_eq!(stage.gets(Client), [bytes, close(Server, 4000, "enough")].concat());
    assert_eq!(fate(&stage, ticket), Some(Fate::Injected));
    assert_eq!(stage.gets(Server)[..2], [0x88, 0x80 | 21], "the proxy goes down");
    stage
        .says(Client, &close(Client, 4000, ""))
        .says(Server, &close(Server, 1001, ""));
    let cause = stage.session.ending().unwrap().cause;
    assert!(
        matches!(cause, Cause::Proxy(Reason::Command { code: 4000, .. })),
        "what came first"
    );

    let mut stage = plain(Config {
        frame_bytes_max: 100,
        ..config()
    });
    stage.close_peer(Client, 4000, "").unwrap();
    stage.says(Client, &frame(Client, true, 0, 2, &[0; 101]));
    assert_eq!(stage.gets(Server)[..2], [0x88, 0x80 | 22], "limits are held");
    assert_eq!(stage.gets(Client), close(Server, 4000, ""));
}

#[test]
fn who_is_told_to_go_and_talks_on_has_close_ms_for_it() {
    let mut stage = plain(config());
    stage.close_peer(Client, 1001, "").unwrap();
    for _ in 0..5 {
        assert_eq!(stage.session.ending(), None);
        stage
            .later(1_000)
            .says(Client, &text(Client, "on and on"))
            .says(Server, &text(Server, "so do I"));
    }
    assert_eq!(stage.finished, [true, true]);
    assert!(stage.session.ending().is_some());
}

#[test]
fn a_close_of_a_peers_that_came_before_stays_the_cause() {
    let mut stage = plain(config());
    stage.says(Client, &close(Client, 1000, "bye"));
    stage.close_peer(Client, 1001, "").unwrap();
    assert_eq!(stage.gets(Client), close(Server, 1001, ""));
    assert_eq!(stage.close_peer(Server, 1001, ""), Err(Refused::Closed));
    stage.says(Server, &close(Server, 1000, "bye"));
    assert_eq!(stage.gets(Client), b"", "it has had a Close");
    stage.ends(Server, End::Fin).ends(Client, End::Fin);
    assert_eq!(stage.session.ending().unwrap().cause, Cause::Closed(Client));
    assert_eq!(stage.close_peer(Client, 1001, ""), Err(Refused::Closed));
}
