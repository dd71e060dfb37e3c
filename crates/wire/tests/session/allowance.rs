//! What a peer may still say, whatever one read brings and however its messages are made.

use wire::error::Rule;
use wire::frame::Opcode;
use wire::session::{Allowance, Cause, Fate, Gate, Reason};
use wire::{Direction, Peer};

use crate::stage::{Stage, close, config, deflate, frame, judged, plain, text};
use Peer::{Client, Server};

fn few(messages: u64) -> Allowance {
    Allowance {
        messages,
        ..Allowance::BOUNDLESS
    }
}

fn is_closed_for(stage: &mut Stage, rule: Rule) {
    stage
        .says(Client, &close(Client, 1008, ""))
        .says(Server, &close(Server, 1008, ""))
        .ends(Client, wire::session::End::Fin)
        .ends(Server, wire::session::End::Fin);
    let cause = stage.session.ending().expect("it has ended").cause;
    assert!(
        matches!(cause, Cause::Proxy(Reason::Violation(v)) if v.rule == rule),
        "{cause:?}"
    );
}

#[test]
fn of_many_messages_in_one_read_only_those_allowed_leave() {
    for split in [1, 3, 7, usize::MAX] {
        let mut stage = plain(config());
        *stage.session.allowance(Client) = few(5);
        let all = text(Client, "x").repeat(1000);
        for part in all.chunks(split.min(all.len())) {
            stage.says(Client, part);
        }
        let passed = text(Client, "x").repeat(5);
        let got = stage.gets(Server);
        assert_eq!(got[..passed.len()], passed[..]);
        assert_eq!(got[passed.len()], 0x88, "a Close is next");
        is_closed_for(&mut stage, Rule::MessageRate);
        let sent = stage
            .seen
            .iter()
            .filter(|seen| seen.fate == Fate::Sent && seen.facts.opcode == Opcode::Text);
        assert_eq!(sent.count(), 5);
        let first = stage
            .seen
            .iter()
            .find(|seen| seen.fate == Fate::Dropped)
            .map(|seen| seen.facts.violation);
        assert_eq!(first, Some(Some(Rule::MessageRate)));
    }
}

#[test]
fn held_messages_are_counted_as_they_come() {
    for agreed in [wire::session::Agreed::default(), deflate()] {
        let mut stage = judged(agreed);
        *stage.session.allowance(Client) = few(3);
        stage.says(Client, &text(Client, "x").repeat(10));
        assert_eq!(stage.gets(Server)[0], 0x88);
        is_closed_for(&mut stage, Rule::MessageRate);
    }
}

#[test]
fn pings_count_and_fragments_count_once() {
    let mut stage = plain(config());
    *stage.session.allowance(Client) = few(2);
    stage
        .says(Client, &frame(Client, false, 0, 1, b"a"))
        .says(Client, &frame(Client, false, 0, 0, b"b").repeat(5))
        .says(Client, &frame(Client, true, 0, 9, b"p"))
        .says(Client, &frame(Client, true, 0, 0, b"c"));
    assert_eq!(stage.session.allowance(Client).messages, 0);
    stage.gets(Server);
    stage.says(Client, &frame(Client, true, 0, 10, b"p"));
    assert_eq!(stage.gets(Server)[0], 0x88);
    is_closed_for(&mut stage, Rule::MessageRate);
}

#[test]
fn empty_fragments_use_up_bytes() {
    let mut stage = plain(config());
    *stage.session.allowance(Client) = Allowance {
        bytes: 60,
        ..Allowance::BOUNDLESS
    };
    let begins = frame(Client, false, 0, 1, b"");
    let goes_on = frame(Client, false, 0, 0, b"");
    stage.says(Client, &[begins.clone(), goes_on.repeat(1000)].concat());
    let got = stage.gets(Server);
    assert_eq!(got[..60], [begins, goes_on.repeat(9)].concat()[..]);
    assert_eq!(got[60], 0x88);
    is_closed_for(&mut stage, Rule::ByteRate);
}

#[test]
fn a_frame_counts_with_all_that_its_header_announces() {
    for gate in [Gate::Open, Gate::Judge] {
        let mut stage = plain(config());
        stage.gate(Direction::Send, gate);
        let long = frame(Client, true, 0, 2, &[0; 200]);
        *stage.session.allowance(Client) = Allowance {
            bytes: long.len() as u64 - 1,
            bytes_rule: Rule::SourceByteRate,
            ..Allowance::BOUNDLESS
        };
        // Not even what would still fit.
        stage.says(Client, &long[..20]);
        assert_eq!(stage.gets(Server)[0], 0x88);
        stage.says(Client, &long[20..]);
        is_closed_for(&mut stage, Rule::SourceByteRate);
    }
}

#[test]
fn a_peer_that_has_said_all_it_may_can_still_say_goodbye() {
    let mut stage = plain(config());
    *stage.session.allowance(Client) = few(1);
    stage
        .says(Client, &text(Client, "x"))
        .says(Client, &close(Client, 1000, ""));
    assert_eq!(
        stage.gets(Server),
        [text(Client, "x"), close(Client, 1000, "")].concat()
    );
    stage.says(Server, &close(Server, 1000, ""));
    assert_eq!(stage.gets(Client), close(Server, 1000, ""));
}

#[test]
fn one_peer_does_not_use_up_what_the_other_may_say() {
    let mut stage = plain(config());
    *stage.session.allowance(Client) = few(1);
    stage.says(Server, &text(Server, "x").repeat(100));
    assert_eq!(stage.gets(Client), text(Server, "x").repeat(100));
    stage.says(Client, &text(Client, "x"));
    assert_eq!(stage.gets(Server), text(Client, "x"));
}
