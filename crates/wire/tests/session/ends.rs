//! Stories of how a conversation ends when something was still on its way.

use wire::Peer::{Client, Server};
use wire::session::{Agreed, Cause, Config, End, Reason, Verdict};

use super::stage::{close, config, frame, judged, plain, text};

#[test]
fn a_close_that_waited_in_vain_is_made_good_by_the_proxys_own() {
    let mut stage = judged(Agreed::default());
    stage
        .says(Client, &text(Client, "held"))
        .says(Client, &frame(Client, true, 0, 8, b"\x03\xe8"));
    assert_eq!(stage.gets(Server), b"");
    stage.close(Reason::Drain);
    assert_eq!(stage.gets(Server)[..2], [0x88, 0x80 | 21], "the server gets a Close");
}

#[test]
fn nothing_that_waits_behind_a_blocked_message_leaves() {
    let mut stage = judged(Agreed::default());
    stage
        .says(Client, &text(Client, "evil"))
        .says(Client, &text(Client, "behind"));
    let tickets: Vec<_> = stage.inspects.iter().map(|inspect| inspect.ticket).collect();
    stage.judge_ticket(tickets[1], Verdict::Pass).judge_ticket(
        tickets[0],
        Verdict::Close {
            code: 1008,
            reason: "policy".into(),
        },
    );
    assert_eq!(
        stage.gets(Server)[..2],
        [0x88, 0x80 | 8],
        "a Close and nothing before it"
    );
    assert_eq!(
        stage.record()[..2],
        [r#"2 send text "evil" dropped"#, r#"3 send text "behind" dropped"#]
    );
}

#[test]
fn a_peer_that_never_stops_is_not_waited_for() {
    let mut stage = plain(config());
    stage.close(Reason::Drain);
    for _ in 0..6 {
        stage.later(1_000).says(Server, &text(Server, "on and on"));
    }
    assert_eq!(stage.finished, [true, true], "closed by the proxy");

    let mut stage = plain(config());
    stage
        .says(Client, &frame(Client, true, 0, 8, b"\x03\xe8"))
        .ends(Client, End::Fin)
        .ends(Client, End::Reset);
    assert_eq!(stage.aborted, [false, false], "the Close may still be on its way");
    for _ in 0..6 {
        stage.later(1_000).says(Server, &text(Server, "to nobody"));
    }
    assert_eq!(stage.finished, [true, true], "the receiver is gone");

    let mut stage = plain(config());
    stage.ends(Client, End::Fin).says(Server, &text(Server, "to nobody"));
    assert_eq!(stage.session.ending(), None);
    stage.ends(Client, End::Reset);
    assert_eq!(stage.aborted, [false, true]);
    assert!(stage.session.ending().is_some());
}

#[test]
fn a_message_under_way_is_on_record_however_the_conversation_ends() {
    let half = &text(Server, "half")[..4];
    let cut = r#"2 receive text "ha" sent (message unfinished)"#;
    let mut stage = plain(config());
    stage.says(Server, half).ends(Client, End::Reset);
    assert_eq!(stage.record(), [cut]);

    let mut stage = plain(Config {
        idle_ms: 1_000,
        ..config()
    });
    stage.says(Server, half).later(1_000).later(5_000);
    assert!(stage.finished[Client.index()]);
    assert!(
        stage
            .record()
            .iter()
            .any(|line| line.ends_with(r#"receive text "ha" sent (message unfinished)"#))
    );
}

#[test]
fn after_the_proxys_close_each_peer_may_answer_whatever_the_other_does() {
    for (one, other) in [(Client, Server), (Server, Client)] {
        let mut stage = plain(config());
        stage.close(Reason::Drain).ends(one, End::Fin);
        assert!(stage.finished[one.index()] && !stage.finished[other.index()]);
        assert_eq!(stage.session.ending(), None, "the other has not answered yet");
        stage.says(other, &frame(other, true, 0, 8, &1001u16.to_be_bytes()));
        assert_eq!(stage.finished, [true, true]);
        assert!(stage.session.ending().is_some());
    }
}

#[test]
fn a_peer_that_closed_wrongly_may_say_more_before_it_leaves() {
    let mut stage = plain(Config {
        close_on_violation: true,
        ..config()
    });
    // Code 1005 may not travel: the proxy closes with its own.
    stage.says(Client, &frame(Client, true, 0, 8, &1005u16.to_be_bytes()));
    stage.says(Server, &frame(Server, true, 0, 8, &1002u16.to_be_bytes()));
    assert_eq!(stage.finished, [true, true]);
    assert_eq!(stage.session.ending(), None, "what it still says must not meet a reset");
    stage.says(Client, &frame(Client, true, 0, 8, &1002u16.to_be_bytes()));
    assert!(stage.session.ending().is_some());
}

#[test]
fn what_came_of_a_header_is_passed_on_when_the_stream_ends_in_it() {
    let mut stage = plain(config());
    let bytes = text(Client, "never");
    stage.says(Client, &bytes[..1]).ends(Client, End::Fin);
    assert_eq!(stage.gets(Server), bytes[..1]);
    stage.says(Server, &[0x82, 126, 1]).later(6_000);
    assert_eq!(
        stage.gets(Client),
        b"",
        "a stream that has not ended may still complete it"
    );
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
fn what_came_with_the_frame_that_ends_all_is_on_record_before_the_end() {
    let mut stage = plain(Config {
        frame_bytes_max: 10,
        ..config()
    });
    stage.ends(Server, End::Fin);
    // The server has ended and the client is told: nothing is left to wait for but what is in hand.
    let bytes = [frame(Client, true, 0, 8, b""), frame(Client, true, 0, 2, &[0; 30])].concat();
    stage.says(Client, &bytes);
    let record = stage.record();
    assert_eq!(record[0], r#"2 send close "" sent"#);
    assert!(
        record[1].contains(r#"3 send binary "" dropped (frame over the limit)"#),
        "{record:?}"
    );
    assert_eq!(record.len(), 2, "{record:?}");
}

#[test]
fn what_comes_behind_a_close_does_not_cut_the_answer_short() {
    let mut stage = plain(Config {
        close_on_violation: true,
        ..config()
    });
    let asked = close(Client, 1000, "");
    stage.says(Client, &asked).says(Client, &text(Client, "too late"));
    assert_eq!(stage.gets(Server), asked, "and nothing behind it");
    let answer = close(Server, 1000, "");
    stage.says(Server, &answer);
    assert_eq!(stage.gets(Client), answer);
    assert_eq!(
        stage.record()[1],
        r#"3 send text "too late" dropped (frame after close)"#
    );
}

#[test]
fn a_message_that_another_one_interrupts_is_never_taken_for_whole() {
    let mut stage = plain(Config {
        close_on_violation: true,
        ..config()
    });
    stage
        .says(Client, &frame(Client, false, 0, 1, b"half of"))
        .says(Client, &text(Client, "another"));
    let got = stage.gets(Server);
    assert_eq!(got[0], 0x88, "nothing before the Close");
    assert!(
        stage.record()[0].starts_with(r#"2 send text "half of" dropped"#),
        "{:?}",
        stage.record()
    );
}

#[test]
fn a_second_close_that_waits_is_not_made_good_by_a_third() {
    let mut stage = judged(Agreed::default());
    let first = close(Client, 1000, "");
    stage.says(Client, &first).says(Client, &text(Client, "held"));
    stage.says(Client, &close(Client, 1001, "")).close(Reason::Drain);
    assert_eq!(stage.gets(Server), first);
}
