//! Whole sessions: the input is a script of what peers say, in which pieces, and of what is commanded meanwhile.
//!
//! The same script is performed twice, the second time with all that peers say cut anew. Both must hold the session's
//! invariants, and both must come to the same.

mod cast;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "it is a stage of the session's own tests"
)]
#[path = "../../crates/wire/tests/session/stage.rs"]
mod stage;
#[allow(unreachable_pub, reason = "it is public among the session's own tests")]
#[path = "../../crates/wire/tests/session/invariants.rs"]
mod invariants;

use wire::deflate::Params;
use wire::frame::{FrameHead, Opcode, PAYLOAD_BYTES_MAX};
use wire::message::NewMessage;
use wire::session::{Agreed, Config, End, Facts, Gate, Reason, Ticket, Verdict};
use wire::{Direction, Peer};

use crate::script::Script;
use cast::Cast;
use stage::Stage;

/// Bytes that may be said in one script: what is long is made up of few bytes of the script.
const SAID_BYTES_MAX: usize = 400_000;

/// Performs the script.
///
/// # Panics
/// When an invariant does not hold.
pub fn check(data: &[u8]) {
    let (first, second) = (perform(data, None), perform(data, Some(())));
    compare(&first, &second);
}

/// Performs the script to its end; `cut`: what peers say is handed in in pieces of a size that the script names.
fn perform(data: &[u8], cut: Option<()>) -> Stage {
    let mut script = Script::new(data);
    let (config, agreed) = (config(&mut script), agreed(&mut script));
    let piece = 1 + usize::from(script.byte()) % 64;
    let mut play = Play {
        cast: Cast::new(&agreed),
        stage: Stage::new(config, agreed),
        piece: cut.map(|()| piece),
        ended: [false; 2],
        gone: [false; 2],
        quiet: true,
    };
    for direction in Direction::BOTH {
        play.gate(direction, &mut script);
    }
    while !script.is_over() && play.stage.session.ending().is_none() {
        play.act(&mut script);
        play.holds_no_more_than_it_may();
    }
    play.cut_through();
    play.end();
    play.stage
}

fn config(script: &mut Script<'_>) -> Config {
    let flags = script.byte();
    Config {
        close_on_violation: flags & 1 != 0,
        validate_utf8: flags & 2 != 0,
        record_bytes_max: [Some(u64::MAX), Some(10), Some(0), None][usize::from(flags >> 2) % 4],
        idle_ms: if flags & 0x10 != 0 { 1_000 } else { 0 },
        frame_bytes_max: script.one_of([u64::MAX, 1 << 20, 200, 5]),
        message_bytes_max: script.one_of([u64::MAX, 1 << 20, 300, 8]),
        inflate_ratio_max: script.one_of([u32::MAX, 200, 1]),
        held_max: script.one_of([1, 4, 16]),
        held_bytes_max: script.one_of([1, 300, 1 << 20]),
        ..stage::config()
    }
}

fn agreed(script: &mut Script<'_>) -> Agreed {
    let (flags, bits) = (script.byte(), script.byte());
    let client = params(flags, bits);
    // Rare flags, so that most of what was found before legs could differ still means what it did.
    let server = if flags & 0xc0 == 0x80 {
        params(script.byte(), script.byte())
    } else {
        client
    };
    Agreed {
        client,
        server,
        // Client and server agree on what nobody here knows, and so on all the rest.
        unknown: flags & 8 != 0 && client == server,
    }
}

fn params(flags: u8, bits: u8) -> Option<Params> {
    let params = Params {
        server_no_context_takeover: flags & 1 != 0,
        client_no_context_takeover: flags & 2 != 0,
        server_max_window_bits: 8 + bits % 8,
        client_max_window_bits: 8 + (bits >> 3) % 8,
    };
    (flags & 4 != 0).then_some(params)
}

/// A session on its stage, with those who act on it.
struct Play {
    stage: Stage,
    cast: Cast,
    piece: Option<usize>,
    ended: [bool; 2],
    gone: [bool; 2],
    /// Nobody has judged, injected or closed, and no time has passed.
    quiet: bool,
}

impl Play {
    fn act(&mut self, script: &mut Script<'_>) {
        let code = script.byte();
        let peer = if code & 1 == 0 { Peer::Client } else { Peer::Server };
        let kind = (code >> 1) % 16;
        let back = if code & 0x20 != 0 {
            usize::from(script.byte())
        } else {
            0
        };
        match kind {
            0..=2 => self.cast.frame(peer, script),
            3..=5 => self.cast.message(peer, script),
            6 => self.cast.raw(peer, script),
            7 => self.cast.close(peer, script),
            8 | 9 => self.judge(script),
            10 => self.inject(peer, script),
            11 => self.close(peer, script),
            12 => self.gate(peer.sends(), script),
            13 => self.later(script.one_of([1, 999, 1_000, 5_000])),
            14 => {}
            _ => self.end_of(peer, script.one_of([End::Fin, End::Fin, End::Fin, End::Reset])),
        }
        if kind < 8 || kind == 14 {
            self.deliver(peer, back);
        }
    }

    /// Hands in what a peer has said, all but the last bytes.
    fn deliver(&mut self, peer: Peer, back: usize) {
        let room = SAID_BYTES_MAX.saturating_sub(self.stage.said[peer.index()].len());
        if self.ended[peer.index()] || !self.stage.session.wants(peer) {
            return;
        }
        let bytes = self.cast.leave(peer, back, room);
        if bytes.is_empty() {
            return;
        }
        // A long frame is not cut into more pieces than anybody needs.
        let size = self.piece.map_or(bytes.len(), |piece| piece.max(bytes.len() / 200));
        for piece in bytes.chunks(size) {
            self.stage.says(peer, piece);
        }
    }

    fn judge(&mut self, script: &mut Script<'_>) {
        let (which, kind) = (usize::from(script.byte()), script.byte());
        let verdict = match kind % 8 {
            0 => Verdict::Drop,
            1 | 2 => Verdict::Replace(NewMessage {
                opcode: script.one_of([Opcode::Text, Opcode::Binary]),
                payload: script.payload(),
            }),
            3 if kind > 200 => Verdict::Close {
                code: 4000,
                reason: "judged".to_owned(),
            },
            _ => Verdict::Pass,
        };
        self.quiet = false;
        let waiting = self.stage.inspects.len();
        if waiting == 0 || kind == 255 {
            let _ = self.stage.try_judge(Ticket(which as u64), verdict);
            return;
        }
        let ticket = self.stage.inspects[which % waiting].ticket;
        if self.stage.try_judge(ticket, verdict).is_ok() {
            self.stage.inspects.remove(which % waiting);
        }
    }

    fn inject(&mut self, to: Peer, script: &mut Script<'_>) {
        let opcode = script.one_of([Opcode::Text, Opcode::Binary, Opcode::Ping, Opcode::Pong, Opcode::Close]);
        let before = self.stage.got[to.index()].len();
        self.quiet = false;
        if self.stage.inject(to, opcode, &script.payload()).is_err() {
            assert_eq!(self.stage.got[to.index()].len(), before, "nothing was injected");
        }
    }

    fn close(&mut self, peer: Peer, script: &mut Script<'_>) {
        self.quiet = false;
        let code = script.byte();
        if code < 100 {
            self.stage.close(Reason::Drain);
            return;
        }
        let reason = String::from_utf8_lossy(&script.payload()).into_owned();
        if code < 180 {
            let code = 900 + u16::from(code);
            self.stage.close(Reason::Command { code, reason });
            return;
        }
        let before = self.stage.got[peer.index()].len();
        if self.stage.close_peer(peer, 820 + u16::from(code), &reason).is_err() {
            assert_eq!(self.stage.got[peer.index()].len(), before, "nothing was sent");
        }
    }

    fn gate(&mut self, direction: Direction, script: &mut Script<'_>) {
        if self.stage.stalled[direction.from().index()] {
            self.stage.resume(direction, script.byte() & 3 != 0);
            return;
        }
        let gate = script.one_of([Gate::Open, Gate::Check, Gate::Judge]);
        // Where a violation must not leave in part before it is seen, no gate is open.
        let strict = self.stage.config.close_on_violation && gate == Gate::Open;
        let gate = if strict { Gate::Check } else { gate };
        self.stage.gate(direction, gate);
        self.quiet &= gate == Gate::Open;
    }

    fn later(&mut self, millis: u64) {
        self.quiet = false;
        self.stage.later(millis);
    }

    fn end_of(&mut self, peer: Peer, end: End) {
        if self.gone[peer.index()] || self.ended[peer.index()] && end == End::Fin {
            return;
        }
        self.ended[peer.index()] = true;
        self.gone[peer.index()] |= end != End::Fin;
        self.stage.ends(peer, end);
    }

    /// As long as nobody does anything but the peers, bytes leave as they came, and at once.
    fn cut_through(&self) {
        let unlimited =
            self.stage.config.frame_bytes_max == u64::MAX && self.stage.config.message_bytes_max == u64::MAX;
        if !self.quiet || !unlimited || self.stage.config.close_on_violation {
            return;
        }
        if self.stage.said.iter().any(|said| has_no_end(said)) {
            return;
        }
        // What is said in a bridged direction waits until it is whole, and may end the conversation.
        let may_wait = |direction: Direction| {
            let silent = self.stage.said[direction.from().index()].is_empty();
            !silent && !invariants::fit(direction, &self.stage.agreed)
        };
        if Direction::BOTH.into_iter().any(may_wait) {
            return;
        }
        for peer in [Peer::Client, Peer::Server] {
            let (said, got) = (&self.stage.said[peer.index()], &self.stage.got[peer.other().index()]);
            assert!(said.starts_with(got), "byte for byte");
            assert!(
                said.len() - got.len() < wire::frame::HEAD_BYTES_MAX,
                "but for a header that is not complete"
            );
        }
    }

    /// No more waits than may, and more is asked for only while less does.
    fn holds_no_more_than_it_may(&self) {
        let Stage {
            session,
            config,
            waiting,
            stalled,
            ..
        } = &self.stage;
        if session.ending().is_some() {
            return;
        }
        // Where violations are passed on, the last message can end because an empty one has interrupted it.
        let most = config.held_max + usize::from(!config.close_on_violation);
        for peer in [Peer::Client, Peer::Server] {
            let mine = waiting.values().filter(|(direction, _)| *direction == peer.sends());
            let (count, bytes) = mine.fold((0, 0), |(count, bytes), (_, len)| (count + 1, bytes + len));
            assert!(count <= most, "no more waits than may");
            if session.wants(peer) {
                assert!(
                    count < config.held_max && bytes < config.held_bytes_max,
                    "more is wanted only where it may wait"
                );
            } else {
                let stalled = stalled[peer.index()];
                assert!(count > 0 || stalled, "nothing waits, so more is wanted");
            }
        }
    }

    /// Nothing waits any more for those at the proxy.
    fn let_go(&mut self) {
        for direction in Direction::BOTH {
            if self.stage.stalled[direction.from().index()] {
                self.stage.resume(direction, true);
            }
        }
        while !self.stage.inspects.is_empty() {
            self.stage.judge(Verdict::Pass);
        }
    }

    /// Everybody finishes: then all is over, and all of it is on record.
    fn end(&mut self) {
        for peer in [Peer::Client, Peer::Server] {
            self.let_go();
            self.deliver(peer, 0);
        }
        self.let_go();
        if self.stage.config.record_bytes_max.is_some() {
            invariants::hold(&self.stage);
        }
        for peer in [Peer::Client, Peer::Server] {
            self.end_of(peer, End::Fin);
        }
        for _ in 0..2 {
            self.stage.later(1_000 + self.stage.config.close_ms);
        }
        let ending = self.stage.session.ending();
        assert!(ending.is_some(), "all conversations end");
        assert_eq!(self.stage.session.deadline(), None);
        for peer in [Peer::Client, Peer::Server] {
            let told = self.stage.finished[peer.index()] || self.stage.aborted[peer.index()] || self.gone[peer.index()];
            assert!(told, "{peer} is told the end");
        }
        if self.stage.config.record_bytes_max.is_some() {
            invariants::hold(&self.stage);
        }
        let got = self.stage.got.clone();
        self.stage
            .says(Peer::Client, b"late")
            .later(60_000)
            .close(Reason::Drain);
        assert!(
            self.stage.got == got && self.stage.session.ending() == ending,
            "over is over"
        );
    }
}

/// Whether a frame's length has its highest bit set: that is refused under any limits.
fn has_no_end(mut said: &[u8]) -> bool {
    while let Some(head) = FrameHead::parse(said) {
        if head.payload_len > PAYLOAD_BYTES_MAX {
            return true;
        }
        let end = u64::from(head.head_len).saturating_add(head.payload_len);
        said = usize::try_from(end).ok().and_then(|end| said.get(end..)).unwrap_or(&[]);
    }
    false
}

/// However the bytes are cut, the same leaves and the same is on record.
fn compare(first: &Stage, second: &Stage) {
    assert_eq!(first.session.ending(), second.session.ending());
    assert!(first.got == second.got, "the same bytes leave");
    assert_eq!((first.finished, first.aborted), (second.finished, second.aborted));
    if first.said != second.said {
        // All was over within one piece; of the same piece cut in two, the second is not read any more.
        return;
    }
    assert_eq!(first.seen.len(), second.seen.len(), "the same messages are on record");
    // What is not taken at first may come behind what the other peer says next, or ahead of it, as pieces end.
    let had_unread = first.had_unread || second.had_unread;
    // When a Ping has been let by what waits depends on where a piece ends; its place in the conversation does not.
    let in_place = |stage: &Stage| {
        let mut seen: Vec<_> = (0..stage.seen.len()).collect();
        seen.sort_by_key(|at| {
            let facts = &stage.seen[*at].facts;
            (had_unread && facts.direction == Direction::Receive, facts.sequence)
        });
        seen
    };
    for (one, other) in in_place(first).into_iter().zip(in_place(second)) {
        let (one, other) = (&first.seen[one], &second.seen[other]);
        let sequence = if had_unread {
            other.facts.sequence
        } else {
            one.facts.sequence
        };
        assert_eq!(Facts { sequence, ..one.facts }, other.facts);
        assert!(one.fate == other.fate && one.held == other.held);
        assert!(one.payload == other.payload, "{:?}", one.facts);
    }
}
