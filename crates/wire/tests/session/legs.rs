//! Legs that are compressed each in its own way: whatever one peer may send, the other reads what was meant, in the
//! window that was agreed on with it; and what need not change does not.

use wire::deflate::Params;
use wire::frame::{FrameHead, Opcode, RSV1};
use wire::message::NewMessage;
use wire::session::{Agreed, Config, Gate, Ticket, Verdict};
use wire::{Direction, Peer};

use super::dice::Dice;
use super::inflate::Strict;
use super::stage::{KEY, Stage, config, frame};
use super::talk::{Sender, repeating, whole, whole_messages};

/// A message that its sender could not have compressed is compressed from so many bytes on.
const COMPRESSED_BYTES_MIN: usize = 256;

/// Bits of a window, and whether it is kept; `None`: nothing is compressed.
type Window = Option<(u8, bool)>;

const WINDOWS: [Window; 7] = [
    None,
    Some((8, true)),
    Some((8, false)),
    Some((9, true)),
    Some((9, false)),
    Some((15, true)),
    Some((15, false)),
];

/// One leg's parameters, the same for both ways.
fn params(window: Window) -> Option<Params> {
    window.map(|(bits, takeover)| Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: bits,
        client_max_window_bits: bits,
    })
}

/// What must leave next.
enum Leaves {
    /// Exactly this.
    Bytes(Vec<u8>),
    /// One frame, compressed or not; what is in it, the receiver says.
    Frame(Opcode, bool),
}

/// A message that waits.
struct Message {
    opcode: u8,
    compressed: bool,
    payload: Vec<u8>,
    /// As it was framed, and with what stood between its frames.
    raw: Vec<u8>,
    ticket: Option<Ticket>,
    decision: Option<Verdict>,
}

/// One direction.
struct Way {
    direction: Direction,
    from: Window,
    to: Window,
    judged: bool,
    sender: Option<Sender>,
    receiver: Option<Strict>,
    history: Vec<u8>,
    waiting: Vec<Message>,
    diverged: bool,
    leaves: Vec<Leaves>,
    meant: Vec<(u8, Vec<u8>)>,
}

impl Way {
    fn new(dice: &mut Dice, direction: Direction, from: Window, to: Window, judged: bool) -> Self {
        Self {
            direction,
            from,
            to,
            judged,
            sender: from.map(|(bits, takeover)| Sender::new(dice, bits, takeover)),
            receiver: to.map(|(bits, takeover)| Strict::new(bits, takeover)),
            history: Vec::new(),
            waiting: Vec::new(),
            diverged: false,
            leaves: Vec::new(),
            meant: Vec::new(),
        }
    }

    fn is_bridged(&self) -> bool {
        match (self.from, self.to) {
            (Some((from, from_keeps)), Some((to, to_keeps))) => from > to || from_keeps && !to_keeps,
            (from, to) => from != to,
        }
    }

    /// Whether what the proxy frames is compressed. No library writes a window of 8 bits.
    fn compresses(&self, compressed: bool, payload: &[u8]) -> bool {
        let wanted = if self.from.is_some() {
            compressed
        } else {
            payload.len() >= COMPRESSED_BYTES_MIN
        };
        wanted && self.to.is_some_and(|(bits, _)| bits > 8)
    }

    fn key(&self, key: [u8; 4]) -> Option<[u8; 4]> {
        (self.direction == Direction::Send).then_some(key)
    }

    /// The sender says a message, in fragments perhaps, with pings between them.
    fn says(&mut self, dice: &mut Dice, stage: &mut Stage) {
        let from = self.direction.from();
        let payload = repeating(dice, &mut self.history);
        let opcode = 1 + dice.roll(2) as u8;
        let (mut rest, mut rsv) = (payload.clone(), 0);
        if let Some(sender) = &mut self.sender
            && !dice.one_in(4)
        {
            (rest, rsv) = (sender.compress(&payload), RSV1);
        }
        let compressed = rsv != 0;
        let held = self.judged || self.is_bridged();
        let (mut raw, mut said, mut code) = (Vec::new(), Vec::new(), opcode);
        loop {
            let cut = dice.roll(rest.len() as u64 + 1) as usize;
            let behind = rest.split_off(if dice.one_in(3) { cut } else { rest.len() });
            let part = frame(from, behind.is_empty(), rsv, code, &rest);
            raw.extend_from_slice(&part);
            said.extend(part);
            (code, rsv, rest) = (0, 0, behind);
            if rest.is_empty() {
                break;
            }
            if dice.one_in(3) {
                let ping = frame(from, true, 0, 9, b"beat");
                said.extend_from_slice(&ping);
                if held {
                    self.leaves.push(Leaves::Bytes(ping));
                }
            }
        }
        self.waiting.push(Message {
            opcode,
            compressed,
            payload,
            raw: if held { raw } else { said.clone() },
            ticket: None,
            decision: (!self.judged).then_some(Verdict::Pass),
        });
        let most = dice.one_of([10, 2_000]);
        let piece = (1 + dice.roll(most) as usize).max(said.len() / 50);
        said.chunks(piece).for_each(|piece| {
            stage.says(from, piece);
        });
        if self.judged {
            let inspect = stage.inspects.pop().expect("a judge is asked");
            let message = self.waiting.last_mut().expect("it was just said");
            assert!(*inspect.payload == message.payload, "and sees all of it");
            message.ticket = Some(inspect.ticket);
        }
    }

    fn judges(&mut self, dice: &mut Dice, stage: &mut Stage) {
        let mut undecided = self.waiting.iter_mut().filter(|message| message.decision.is_none());
        let Some(message) = undecided.nth(dice.roll(3) as usize) else {
            return;
        };
        let verdict = match dice.roll(5) {
            0 => Verdict::Drop,
            1 => Verdict::Replace(NewMessage {
                opcode: dice.one_of([Opcode::Text, Opcode::Binary]),
                payload: repeating(dice, &mut self.history),
            }),
            _ => Verdict::Pass,
        };
        message.decision = Some(verdict.clone());
        stage.judge_ticket(message.ticket.expect("it was shown"), verdict);
    }

    fn injects(&mut self, dice: &mut Dice, stage: &mut Stage) {
        let payload = repeating(dice, &mut self.history);
        stage.inject(self.direction.to(), Opcode::Text, &payload).unwrap();
        let key = self.key((stage.config.mask_key)());
        self.leaves.push(Leaves::Bytes(whole(Opcode::Text, key, &payload)));
        self.meant.push((1, payload));
    }

    /// What is decided leaves in order.
    fn decided(&mut self) {
        while self.waiting.first().is_some_and(|message| message.decision.is_some()) {
            let Message {
                opcode,
                compressed,
                payload,
                raw,
                decision,
                ..
            } = self.waiting.remove(0);
            let missed = compressed && self.from.is_some_and(|(_, takeover)| takeover);
            match decision {
                Some(Verdict::Pass) => {
                    let compresses = self.compresses(compressed, &payload);
                    let anew = if compressed {
                        self.is_bridged() || self.diverged
                    } else {
                        compresses
                    };
                    self.leaves.push(if anew {
                        Leaves::Frame(Opcode::from_bits(opcode), compresses)
                    } else {
                        Leaves::Bytes(raw)
                    });
                    self.meant.push((opcode, payload));
                }
                Some(Verdict::Replace(new)) => {
                    let compresses = self.compresses(compressed, &new.payload);
                    self.leaves.push(Leaves::Frame(new.opcode, compresses));
                    self.meant.push((new.opcode.bits(), new.payload));
                    self.diverged |= missed;
                }
                _ => self.diverged |= missed,
            }
        }
    }

    /// All that has left is what had to, and reads as it was meant.
    fn check(&mut self, stage: &mut Stage) {
        self.decided();
        let got = stage.gets(self.direction.to());
        let key = self.key(KEY);
        let mut rest = &got[..];
        for leaves in self.leaves.drain(..) {
            match leaves {
                Leaves::Bytes(bytes) => rest = rest.strip_prefix(&bytes[..]).expect("byte for byte"),
                Leaves::Frame(opcode, compressed) => {
                    let head = FrameHead::parse(rest).expect("a frame");
                    let rsv = if compressed { RSV1 } else { 0 };
                    assert!(head.fin && head.opcode == opcode && head.mask == key && head.is_minimal());
                    assert_eq!(head.rsv, rsv, "{:?} to {:?}", self.from, self.to);
                    rest = &rest[usize::from(head.head_len) + head.payload_len as usize..];
                }
            }
        }
        assert!(rest.is_empty(), "nothing else leaves");
        let read = whole_messages(&got, |small| {
            let receiver = self.receiver.as_mut().expect("its leg is compressed");
            let read = receiver.message(small);
            read.expect("it inflates in the window that was agreed on")
        });
        assert!(read == self.meant, "the far end reads what was meant");
        self.meant.clear();
    }
}

/// So many messages both ways, with whatever a judge or somebody at the proxy does meanwhile.
fn talk(dice: &mut Dice, client: Window, server: Window, messages: usize) {
    let agreed = Agreed {
        client: params(client),
        server: params(server),
        unknown: false,
    };
    let config = Config {
        inflate_ratio_max: u32::MAX,
        held_max: usize::MAX,
        held_bytes_max: usize::MAX,
        ..config()
    };
    let mut stage = Stage::new(config, agreed);
    let judged = [dice.one_in(2), dice.one_in(2)];
    let mut ways = [
        Way::new(dice, Direction::Send, client, server, judged[0]),
        Way::new(dice, Direction::Receive, server, client, judged[1]),
    ];
    for way in &ways {
        assert_eq!(agreed.is_bridged(way.direction), way.is_bridged());
        stage.gate(way.direction, if way.judged { Gate::Judge } else { Gate::Open });
    }
    let mut said = 0;
    while said < messages {
        let way = &mut ways[dice.roll(2) as usize];
        match dice.roll(8) {
            0..4 => {
                way.says(dice, &mut stage);
                said += 1;
            }
            4..7 => way.judges(dice, &mut stage),
            _ => way.injects(dice, &mut stage),
        }
        ways.iter_mut().for_each(|way| way.check(&mut stage));
    }
    for way in &mut ways {
        while way.waiting.iter().any(|message| message.decision.is_none()) {
            way.judges(dice, &mut stage);
        }
        way.check(&mut stage);
    }
    assert!(
        [Peer::Client, Peer::Server]
            .iter()
            .all(|peer| stage.session.wants(*peer))
    );
}

#[test]
fn each_peer_reads_what_was_meant_in_the_window_of_its_own_leg() {
    for (row, client) in WINDOWS.into_iter().enumerate() {
        for (column, server) in WINDOWS.into_iter().enumerate() {
            let seed = (row * WINDOWS.len() + column) as u64;
            let told = std::panic::catch_unwind(|| talk(&mut Dice(seed), client, server, 250));
            assert!(told.is_ok(), "client {client:?}, server {server:?}");
        }
    }
}
