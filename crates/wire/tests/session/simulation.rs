//! Stories made up from a seed, held against the invariants of the session.

use wire::deflate::{Deflater, Params};
use wire::frame::Opcode;
use wire::message::NewMessage;
use wire::session::{Agreed, Config, End, Fate, Gate, Reason, Verdict};
use wire::{Direction, Peer};

use super::dice::{Dice, seeds};
use super::invariants;
use super::stage::{Receiver, Stage, config, frame, leg};

fn payload(dice: &mut Dice) -> Vec<u8> {
    let len = match dice.roll(8) {
        0 => 0,
        1 => 125 + dice.roll(3),
        2 => 65_534 + dice.roll(4),
        _ => dice.roll(300),
    };
    let alphabet = 1 + dice.roll(26);
    (0..len).map(|_| b'a' + dice.roll(alphabet) as u8).collect()
}

/// Says what one peer sends: its bytes, and the data messages in them.
fn script(dice: &mut Dice, from: Peer, agreed: &Agreed, hostile: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
    let leg = leg(from, agreed);
    let params = leg.unwrap_or_default();
    let (bits, takeover) = match from {
        Peer::Client => (params.client_max_window_bits, !params.client_no_context_takeover),
        Peer::Server => (params.server_max_window_bits, !params.server_no_context_takeover),
    };
    let mut deflater = leg.and_then(|_| Deflater::new(bits, takeover));
    let (mut bytes, mut messages) = (Vec::new(), Vec::new());
    for _ in 0..dice.roll(12) {
        if hostile && dice.one_in(4) {
            bytes.extend(frame(
                from,
                dice.one_in(2),
                dice.roll(8) as u8,
                dice.roll(16) as u8,
                &payload(dice),
            ));
            continue;
        }
        let payload = payload(dice);
        let mut sent = payload.clone();
        let mut rsv = 0;
        if let Some(deflater) = &mut deflater
            && !dice.one_in(4)
        {
            sent.clear();
            deflater.compress(&payload, &mut sent);
            rsv = 4;
        }
        let mut opcode = 1 + dice.roll(2) as u8;
        loop {
            let cut = if dice.one_in(3) {
                dice.roll(sent.len() as u64 + 1) as usize
            } else {
                sent.len()
            };
            let rest = sent.split_off(cut);
            let last = rest.is_empty();
            bytes.extend(frame(from, last, rsv, opcode, &sent));
            (opcode, rsv, sent) = (0, 0, rest);
            if last {
                break;
            }
            if dice.one_in(3) {
                bytes.extend(frame(from, true, 0, 9 + dice.roll(2) as u8, b"beat"));
            }
        }
        messages.push(payload);
    }
    if dice.one_in(3) {
        bytes.extend(frame(from, true, 0, 8, b"\x03\xe8done"));
    }
    (bytes, messages)
}

/// Both legs the same, or each its own.
fn agreed(dice: &mut Dice) -> Agreed {
    if dice.one_in(2) {
        return same(dice);
    }
    Agreed {
        client: same(dice).client,
        server: same(dice).server,
        unknown: false,
    }
}

fn same(dice: &mut Dice) -> Agreed {
    let params = Params {
        server_no_context_takeover: dice.one_in(2),
        client_no_context_takeover: dice.one_in(2),
        server_max_window_bits: 9 + dice.roll(7) as u8,
        client_max_window_bits: 9 + dice.roll(7) as u8,
    };
    Agreed::both((!dice.one_in(3)).then_some(params))
}

/// Hands both scripts in, in pieces of any size, and lets `meanwhile` act between them.
fn perform(
    dice: &mut Dice,
    stage: &mut Stage,
    scripts: &[Vec<u8>; 2],
    mut meanwhile: impl FnMut(&mut Dice, &mut Stage),
) {
    let mut at = [0; 2];
    while (0..2).any(|i| at[i] < scripts[i].len()) && stage.session.ending().is_none() {
        let i = dice.roll(2) as usize;
        let peer = [Peer::Client, Peer::Server][i];
        let most = if dice.one_in(3) { 3 } else { 70_000 };
        let piece = (1 + dice.roll(most) as usize).min(scripts[i].len() - at[i]);
        if piece > 0 && stage.session.wants(peer) {
            stage.says(peer, &scripts[i][at[i]..at[i] + piece]);
            at[i] += piece;
        }
        meanwhile(dice, stage);
        invariants::gap_free(stage);
    }
}

/// Nobody judges: whatever comes, however it is cut, leaves as it came.
fn cut_through(seed: u64) {
    let mut dice = Dice(seed);
    let agreed = same(&mut dice);
    let hostile = dice.one_in(2);
    let scripts = [Peer::Client, Peer::Server].map(|peer| script(&mut dice, peer, &agreed, hostile));
    let bytes = scripts.clone().map(|(bytes, _)| bytes);
    let whole = Config {
        frame_bytes_max: u64::MAX,
        message_bytes_max: u64::MAX,
        ..config()
    };
    let mut stage = Stage::new(whole.clone(), agreed);
    perform(&mut dice, &mut stage, &bytes, |_, _| {});
    assert!(stage.got[1] == bytes[0] && stage.got[0] == bytes[1], "byte for byte");
    invariants::hold(&stage);
    let mut at_once = Stage::new(whole, agreed);
    at_once.says(Peer::Client, &bytes[0]).says(Peer::Server, &bytes[1]);
    for direction in Direction::BOTH {
        let of = |stage: &Stage| -> Vec<_> {
            let mine = stage.seen.iter().filter(|seen| seen.facts.direction == direction);
            mine.map(|seen| {
                (
                    wire::session::Facts {
                        sequence: 0,
                        ..seen.facts
                    },
                    seen.payload.clone(),
                )
            })
            .collect()
        };
        assert!(
            of(&stage) == of(&at_once),
            "any split of the input gives the same record"
        );
    }
    if !hostile {
        for (i, (_, messages)) in scripts.iter().enumerate() {
            let data = stage
                .seen
                .iter()
                .filter(|seen| seen.facts.direction == Direction::BOTH[i] && !seen.facts.opcode.is_control());
            assert!(
                data.map(|seen| seen.payload.clone()).collect::<Vec<_>>() == *messages,
                "all is on record"
            );
        }
    }
}

/// Somebody judges, in any order, at any time: what reaches the far end is exactly what was let through.
fn judged(seed: u64) {
    let mut dice = Dice(seed);
    let agreed = agreed(&mut dice);
    let scripts = [Peer::Client, Peer::Server].map(|peer| script(&mut dice, peer, &agreed, false));
    let bytes = scripts.clone().map(|(bytes, _)| bytes);
    let mut stage = Stage::new(
        Config {
            held_max: 4,
            inflate_ratio_max: u32::MAX,
            ..config()
        },
        agreed,
    );
    for direction in Direction::BOTH {
        stage.gate(direction, Gate::Judge);
    }
    let tame = dice.one_in(3);
    let act = |dice: &mut Dice, stage: &mut Stage| {
        if stage.inspects.is_empty() || dice.one_in(3) {
            return;
        }
        let which = dice.roll(stage.inspects.len() as u64) as usize;
        let ticket = stage.inspects.remove(which).ticket;
        let verdict = match dice.roll(6) {
            0 if !tame => Verdict::Drop,
            1 if !tame => Verdict::Replace(NewMessage {
                opcode: Opcode::Text,
                payload: payload(dice),
            }),
            _ => Verdict::Pass,
        };
        stage.judge_ticket(ticket, verdict);
    };
    perform(&mut dice, &mut stage, &bytes, act);
    while !stage.inspects.is_empty() {
        stage.judge(Verdict::Pass);
    }
    invariants::hold(&stage);
    for (i, direction) in Direction::BOTH.into_iter().enumerate() {
        let mut expected = Vec::new();
        let mut mine: Vec<_> = stage
            .seen
            .iter()
            .filter(|seen| seen.facts.direction == direction && !seen.facts.opcode.is_control())
            .collect();
        mine.sort_by_key(|seen| seen.facts.sequence);
        assert!(
            mine.iter().map(|seen| &seen.payload).eq(&scripts[i].1),
            "judges see all"
        );
        for seen in mine {
            match &seen.fate {
                Fate::Sent => expected.push(seen.payload.clone()),
                Fate::Replaced(new) => expected.push(new.payload.clone()),
                _ => {}
            }
        }
        let got = Receiver::new(direction, &agreed).read(&stage.got[1 - i]);
        let data: Vec<_> = got
            .into_iter()
            .filter(|(opcode, _)| *opcode < 8)
            .map(|(_, payload)| payload)
            .collect();
        assert!(data == expected, "the far end decodes exactly what was let through");
        if tame && invariants::fit(direction, &agreed) {
            let control = |bytes: &[u8]| bytes.len();
            assert_eq!(control(&stage.got[1 - i]), control(&bytes[i]), "nothing was made anew");
        }
    }
}

/// Strict and hostile: never a panic, never a byte that was neither received nor commanded, always an end.
fn strict(seed: u64) {
    let mut dice = Dice(seed);
    let agreed = agreed(&mut dice);
    let scripts = [Peer::Client, Peer::Server].map(|peer| script(&mut dice, peer, &agreed, true).0);
    let strict = Config {
        close_on_violation: true,
        validate_utf8: dice.one_in(2),
        frame_bytes_max: 200 + dice.roll(70_000),
        message_bytes_max: 200 + dice.roll(70_000),
        ..config()
    };
    let mut stage = Stage::new(strict, agreed);
    perform(&mut dice, &mut stage, &scripts, |_, _| {});
    stage.later(1).ends(Peer::Client, End::Fin).ends(Peer::Server, End::Fin);
    stage.later(60_000);
    assert!(stage.session.ending().is_some());
    invariants::hold(&stage);
    for (i, direction) in Direction::BOTH.into_iter().enumerate() {
        let got = Receiver::new(direction, &agreed).read(&stage.got[1 - i]);
        let closes = got.iter().filter(|(opcode, _)| *opcode == 8).count();
        assert!(closes <= 1, "at most one Close reaches a peer");
        assert!(
            closes == 0 || got.last().is_some_and(|(opcode, _)| *opcode == 8),
            "and nothing behind it"
        );
    }
}

/// Those at the proxy do whatever they may at any time: judge, inject, shut and open gates, close to one peer or both.
fn meddled(seed: u64) {
    let mut dice = Dice(seed);
    let agreed = agreed(&mut dice);
    let hostile = dice.one_in(3);
    let scripts = [Peer::Client, Peer::Server].map(|peer| script(&mut dice, peer, &agreed, hostile).0);
    let config = Config {
        close_on_violation: hostile && dice.one_in(2),
        held_max: 4,
        inflate_ratio_max: u32::MAX,
        record_bytes_max: Some(u64::MAX),
        ..config()
    };
    let mut stage = Stage::new(config, agreed);
    perform(&mut dice, &mut stage, &scripts, meddle);
    for _ in 0..2 {
        for direction in Direction::BOTH {
            if stage.stalled[direction.from().index()] {
                stage.resume(direction, true);
            }
        }
        while !stage.inspects.is_empty() {
            stage.judge(Verdict::Pass);
        }
    }
    invariants::hold(&stage);
    stage.later(1).ends(Peer::Client, End::Fin).ends(Peer::Server, End::Fin);
    stage.later(60_000);
    assert!(stage.session.ending().is_some());
    invariants::hold(&stage);
}

fn meddle(dice: &mut Dice, stage: &mut Stage) {
    let direction = dice.one_of(Direction::BOTH);
    let side = direction.from().index();
    let (to, gate) = (
        direction.to(),
        dice.one_of([Gate::Open, Gate::Check, Gate::Judge, Gate::Judge]),
    );
    let before = stage.got[to.index()].len();
    match dice.roll(12) {
        0 if stage.stalled[side] => {
            let with = !dice.one_in(4);
            stage.resume(direction, with);
        }
        1 | 2 => {
            let strict = stage.config.close_on_violation && gate == Gate::Open;
            stage.gate(direction, if strict { Gate::Check } else { gate });
        }
        3 => {
            let opcode = dice.one_of([Opcode::Text, Opcode::Binary, Opcode::Ping, Opcode::Close]);
            if stage.inject(to, opcode, &payload(dice)).is_err() {
                assert_eq!(stage.got[to.index()].len(), before, "nothing was injected");
            }
        }
        4 if dice.one_in(10) => {
            let code = dice.one_of([1000, 1005, 4000]);
            if stage.close_peer(to, code, "go").is_err() {
                assert_eq!(stage.got[to.index()].len(), before, "nothing was sent");
            }
        }
        5 if dice.one_in(30) => {
            stage.close(Reason::Drain);
        }
        6..10 if !stage.inspects.is_empty() => {
            let which = dice.roll(stage.inspects.len() as u64) as usize;
            let ticket = stage.inspects.remove(which).ticket;
            let opcode = dice.one_of([Opcode::Text, Opcode::Binary]);
            let payload = payload(dice);
            let (code, reason) = (4000, "judged".to_owned());
            let verdict = match dice.roll(8) {
                0 | 1 => Verdict::Drop,
                2 | 3 => Verdict::Replace(NewMessage { opcode, payload }),
                4 if dice.one_in(10) => Verdict::Close { code, reason },
                _ => Verdict::Pass,
            };
            stage.judge_ticket(ticket, verdict);
        }
        _ => {}
    }
}

#[test]
fn stories_keep_the_invariants() {
    for seed in seeds(300) {
        let story = std::panic::catch_unwind(|| {
            cut_through(seed);
            judged(seed);
            strict(seed);
            meddled(seed);
        });
        assert!(story.is_ok(), "replay with FRAMEGATE_SEED={seed}");
    }
}
