//! Compressed directions that somebody changes: whatever is dropped, replaced or injected, with any window, the far end
//! reads what was meant, and all that can leave as it came does.
//!
//! The sender is zlib with the window that was agreed on, the receiver one that reads no further back than that.

use wire::deflate::Params;
use wire::frame::{FrameHead, Opcode};
use wire::message::NewMessage;
use wire::session::{Agreed, Config, Gate, Ticket, Verdict};
use wire::{Direction, Peer};

use super::dice::{Dice, seeds};
use super::inflate::Strict;
use super::stage::{KEY, Stage, config, frame};
use super::talk::{Sender, repeating, whole, whole_messages};

/// A message on its way.
struct Message {
    opcode: u8,
    compressed: bool,
    payload: Vec<u8>,
    /// As its sender framed it.
    raw: Vec<u8>,
    decision: Option<Verdict>,
    ticket: Option<Ticket>,
}

/// What must leave next.
enum Leaves {
    /// Exactly this.
    Bytes(Vec<u8>),
    /// One frame; what is in it, the receiver says.
    Frame(Opcode),
}

/// One direction, with all that is known of it.
struct Case {
    stage: Stage,
    direction: Direction,
    takeover: bool,
    sender: Sender,
    receiver: Strict,
    /// All that was said, for messages to repeat.
    history: Vec<u8>,
    waiting: Vec<Message>,
    diverged: bool,
    judged: bool,
    leaves: Vec<Leaves>,
    /// What the far end must read, data alone.
    meant: Vec<(u8, Vec<u8>)>,
    read: Vec<(u8, Vec<u8>)>,
}

impl Case {
    fn new(dice: &mut Dice) -> Self {
        let direction = dice.one_of(Direction::BOTH);
        let (window_bits, takeover) = (8 + dice.roll(8) as u8, !dice.one_in(3));
        let (mine, other) = ((window_bits, !takeover), (15, false));
        let (send, receive) = if direction == Direction::Send {
            (mine, other)
        } else {
            (other, mine)
        };
        let params = Params {
            client_max_window_bits: send.0,
            client_no_context_takeover: send.1,
            server_max_window_bits: receive.0,
            server_no_context_takeover: receive.1,
        };
        let agreed = Agreed::both(Some(params));
        let config = Config {
            inflate_ratio_max: u32::MAX,
            // All that is said is shown at once.
            held_max: usize::MAX,
            held_bytes_max: usize::MAX,
            ..config()
        };
        Self {
            stage: Stage::new(config, agreed),
            direction,
            takeover,
            sender: Sender::new(dice, window_bits, takeover),
            receiver: Strict::new(window_bits, takeover),
            history: Vec::new(),
            waiting: Vec::new(),
            diverged: false,
            judged: false,
            leaves: Vec::new(),
            meant: Vec::new(),
            read: Vec::new(),
        }
    }

    fn payload(&mut self, dice: &mut Dice) -> Vec<u8> {
        repeating(dice, &mut self.history)
    }

    fn key(&self, own: bool) -> Option<[u8; 4]> {
        let key = if own { (self.stage.config.mask_key)() } else { KEY };
        (self.direction == Direction::Send).then_some(key)
    }

    /// The sender says something: a message, in fragments perhaps, or a ping.
    fn says(&mut self, dice: &mut Dice) {
        let from = self.direction.from();
        let payload = self.payload(dice);
        let (opcode, compressed) = (1 + dice.roll(2) as u8, !dice.one_in(4));
        let mut rest = if compressed {
            self.sender.compress(&payload)
        } else {
            payload.clone()
        };
        let (mut raw, mut said) = (Vec::new(), Vec::new());
        let (mut code, mut rsv) = (opcode, if compressed { 4 } else { 0 });
        loop {
            let cut = if dice.one_in(3) {
                dice.roll(rest.len() as u64 + 1) as usize
            } else {
                rest.len()
            };
            let behind = rest.split_off(cut);
            let last = behind.is_empty();
            let part = frame(from, last, rsv, code, &rest);
            raw.extend_from_slice(&part);
            said.extend(part);
            (code, rsv, rest) = (0, 0, behind);
            if last {
                break;
            }
            if self.judged && dice.one_in(3) {
                // It passes the message that it stands in.
                let ping = frame(from, true, 0, 9, b"beat");
                said.extend_from_slice(&ping);
                self.leaves.push(Leaves::Bytes(ping));
            }
        }
        self.waiting.push(Message {
            opcode,
            compressed,
            payload,
            raw,
            decision: (!self.judged).then_some(Verdict::Pass),
            ticket: None,
        });
        let most = dice.one_of([10, 2_000]);
        let piece = 1 + dice.roll(most) as usize;
        said.chunks(piece).for_each(|piece| {
            self.stage.says(from, piece);
        });
        let mut inspects = std::mem::take(&mut self.stage.inspects).into_iter();
        for message in self
            .waiting
            .iter_mut()
            .filter(|message| message.decision.is_none() && message.ticket.is_none())
        {
            let inspect = inspects.next().expect("a judge is asked");
            assert!(*inspect.payload == message.payload, "and sees all of it");
            message.ticket = Some(inspect.ticket);
        }
        self.check();
    }

    /// One of those that wait gets its verdict.
    fn judges(&mut self, dice: &mut Dice, pass: bool) {
        let undecided: Vec<usize> = (0..self.waiting.len())
            .filter(|at| self.waiting[*at].decision.is_none())
            .collect();
        if undecided.is_empty() {
            return;
        }
        let at = undecided[dice.roll(undecided.len() as u64) as usize];
        let verdict = match dice.roll(6) {
            0 if !pass => Verdict::Drop,
            1 if !pass => {
                let payload = if dice.one_in(3) { Vec::new() } else { self.payload(dice) };
                let opcode = dice.one_of([Opcode::Text, Opcode::Binary]);
                Verdict::Replace(NewMessage { opcode, payload })
            }
            _ => Verdict::Pass,
        };
        let ticket = self.waiting[at].ticket.expect("it was shown");
        self.waiting[at].decision = Some(verdict.clone());
        self.stage.judge_ticket(ticket, verdict);
        self.check();
    }

    fn injects(&mut self, dice: &mut Dice) {
        let payload = self.payload(dice);
        let opcode = dice.one_of([Opcode::Text, Opcode::Binary]);
        self.stage.inject(self.direction.to(), opcode, &payload).unwrap();
        self.meant.push((opcode.bits(), payload.clone()));
        self.leaves.push(Leaves::Bytes(whole(opcode, self.key(true), &payload)));
        self.check();
    }

    fn turns(&mut self, gate: Gate) {
        self.judged = gate == Gate::Judge;
        self.stage.gate(self.direction, gate);
        if self.stage.stalled[self.direction.from().index()] {
            assert!(self.takeover && self.stage.resume(self.direction, true));
        }
    }

    /// What is decided has left, in order, and reads as it was meant.
    fn check(&mut self) {
        while self.waiting.first().is_some_and(|message| message.decision.is_some()) {
            let message = self.waiting.remove(0);
            let missed = message.compressed && self.takeover;
            match message.decision {
                Some(Verdict::Pass) => {
                    self.meant.push((message.opcode, message.payload));
                    self.leaves.push(if missed && self.diverged {
                        Leaves::Frame(Opcode::from_bits(message.opcode))
                    } else {
                        Leaves::Bytes(message.raw)
                    });
                }
                Some(Verdict::Replace(new)) => {
                    self.leaves.push(if message.compressed {
                        Leaves::Frame(new.opcode)
                    } else {
                        Leaves::Bytes(whole(new.opcode, self.key(false), &new.payload))
                    });
                    self.meant.push((new.opcode.bits(), new.payload));
                    self.diverged |= missed;
                }
                _ => self.diverged |= missed,
            }
        }
        let got = self.stage.gets(self.direction.to());
        let mut rest = &got[..];
        let key = self.key(false);
        for leaves in self.leaves.drain(..) {
            match leaves {
                Leaves::Bytes(bytes) => rest = rest.strip_prefix(&bytes[..]).expect("byte for byte"),
                Leaves::Frame(opcode) => {
                    let head = FrameHead::parse(rest).expect("a frame");
                    assert!(head.fin && head.opcode == opcode && head.mask == key);
                    rest = &rest[usize::from(head.head_len) + head.payload_len as usize..];
                }
            }
        }
        assert!(rest.is_empty(), "nothing else leaves");
        let read = whole_messages(&got, |small| {
            let read = self.receiver.message(small);
            read.expect("it inflates in the window that was agreed on")
        });
        self.read.extend(read);
        assert!(self.read == self.meant, "the far end reads what was meant");
    }
}

fn case(seed: u64) {
    let mut dice = Dice(seed);
    let mut case = Case::new(&mut dice);
    if !dice.one_in(3) {
        case.turns(Gate::Judge);
    }
    for _ in 0..4 + dice.roll(24) {
        match dice.roll(12) {
            0..6 => case.says(&mut dice),
            6..9 => case.judges(&mut dice, false),
            9 => case.injects(&mut dice),
            10 => case.turns(Gate::Judge),
            _ if dice.one_in(4) => case.turns(dice.one_of([Gate::Open, Gate::Check])),
            _ => {}
        }
    }
    while case.waiting.iter().any(|message| message.decision.is_none()) {
        case.judges(&mut dice, true);
    }
    case.says(&mut dice);
    assert!(case.stage.session.wants(case.direction.from()) || case.judged);
    assert_eq!(
        case.stage.gets(Peer::other(case.direction.to())),
        b"",
        "nothing goes the other way"
    );
}

#[test]
fn whoever_changes_a_compressed_direction_never_desynchronises_it() {
    for seed in seeds(1_500) {
        let result = std::panic::catch_unwind(|| case(seed));
        assert!(result.is_ok(), "replay with FRAMEGATE_SEED={seed}");
    }
}

#[test]
fn the_strict_receiver_reads_zlib_and_no_further_back_than_its_window() {
    for (seed, bits) in (8..=15).enumerate() {
        for takeover in [false, true] {
            let mut dice = Dice(seed as u64);
            let mut sender = Sender::new(&mut dice, bits, takeover);
            let mut receiver = Strict::new(bits, takeover);
            let far: Vec<u8> = (0..1_usize << bits).map(|n| (n * n / 7) as u8).collect();
            for message in [&far[..], b"", &far[..100], &far[..]] {
                assert!(receiver.message(&sender.compress(message)).unwrap() == message);
            }
        }
    }
    let mut sender = Sender::new(&mut Dice(1), 15, true);
    let mut receiver = Strict::new(9, true);
    let noise: Vec<u8> = (0..1_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    receiver.message(&sender.compress(&noise)).unwrap();
    assert_eq!(receiver.message(&sender.compress(&noise)), Err("behind the window"));
}
