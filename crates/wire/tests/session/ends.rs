//! Stories of how a conversation ends when something was still on its way.

use wire::Direction;
use wire::Peer::{Client, Server};
use wire::session::{Agreed, Config, End, Gate, Reason, Verdict};

use super::stage::{Stage, at, config, frame, text};

fn judged() -> Stage {
    let mut stage = Stage::new(config(), Agreed::default());
    stage.session.set_gate(Direction::Send, Gate::Judge, None).unwrap();
    stage
}

#[test]
fn a_close_that_waited_in_vain_is_made_good_by_the_proxys_own() {
    let mut stage = judged();
    stage
        .says(Client, &text(Client, "held"))
        .says(Client, &frame(Client, true, 0, 8, b"\x03\xe8"));
    assert_eq!(stage.gets(Server), b"");
    stage.close(Reason::Drain);
    assert_eq!(stage.gets(Server)[..2], [0x88, 0x80 | 21], "the server gets a Close");
}

#[test]
fn nothing_that_waits_behind_a_blocked_message_leaves() {
    let mut stage = judged();
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
    let mut stage = Stage::new(config(), Agreed::default());
    stage.close(Reason::Drain);
    for _ in 0..6 {
        stage.later(1_000).says(Server, &text(Server, "on and on"));
    }
    assert_eq!(stage.finished, [true, true], "closed by the proxy");

    let mut stage = Stage::new(config(), Agreed::default());
    stage
        .says(Client, &frame(Client, true, 0, 8, b"\x03\xe8"))
        .ends(Client, End::Fin)
        .ends(Client, End::Reset);
    assert_eq!(stage.aborted, [false, false], "the Close may still be on its way");
    for _ in 0..6 {
        stage.later(1_000).says(Server, &text(Server, "to nobody"));
    }
    assert_eq!(stage.finished, [true, true], "the receiver is gone");

    let mut stage = Stage::new(config(), Agreed::default());
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
    let mut stage = Stage::new(config(), Agreed::default());
    stage.says(Server, half).ends(Client, End::Reset);
    assert_eq!(stage.record(), [cut]);

    let mut stage = Stage::new(
        Config {
            idle_ms: 1_000,
            ..config()
        },
        Agreed::default(),
    );
    stage.says(Server, half).later(1_000).later(5_000);
    assert!(stage.finished[at(Client)]);
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
        let mut stage = Stage::new(config(), Agreed::default());
        stage.close(Reason::Drain).ends(one, End::Fin);
        assert!(stage.finished[at(one)] && !stage.finished[at(other)]);
        assert_eq!(stage.session.ending(), None, "the other has not answered yet");
        stage.says(other, &frame(other, true, 0, 8, &1001u16.to_be_bytes()));
        assert_eq!(stage.finished, [true, true]);
        assert!(stage.session.ending().is_some());
    }
}
