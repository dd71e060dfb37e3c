//! What waits in a gated direction, and how it leaves: in order; as it came, anew, or not at all.
//!
//! Who reads a compressed direction with context takeover has a window of what it has read (RFC 7692 §7.1.1). As long as
//! every compressed message has left as it came, that window is the sender's. A message that was dropped or replaced is
//! missing in it, and what the sender compresses from then on may refer to it: so from there on the direction is
//! *diverged*, and its compressed messages are compressed anew, by one deflater that begins with an empty window and
//! refers to nothing but its own. What travels uncompressed is in no window: it leaves as it came, and so do messages of
//! the proxy's own that replace nothing, which are never compressed (RFC 7692 §6 leaves that to the sender of each
//! message).

use std::collections::VecDeque;
use std::sync::Arc;

use super::config::Legs;
use super::half::{encode, own_key};
use super::output::{Facts, Fate, Payload, Recorded, Ticket, Verdict};
use super::{Config, Cx};
use crate::deflate::Deflater;
use crate::error::Rule;
use crate::frame::{HEAD_BYTES_MAX, Opcode, RSV1};
use crate::{Direction, Peer};

/// From so many bytes on a message is compressed whose sender had no choice. Shorter ones travel in one packet either
/// way, and with an empty window little is saved: messages of JSON shrink to 95 % at 64 bytes, to 58 % at 256.
const COMPRESSED_BYTES_MIN: usize = 256;

/// One direction's whole messages that have not left.
#[derive(Debug)]
pub(super) struct Queue {
    direction: Direction,
    waiting: VecDeque<Held>,
    /// Bytes that wait, on the wire and plain.
    bytes: usize,
    /// How many of those that wait are to be let by: Pings and Pongs.
    by: usize,
    legs: Legs,
    /// The proxy's own end of the receiver's leg.
    deflater: Option<Deflater>,
    /// The receiver's window is not what the sender's bytes refer to: compressed messages are sent anew. In a bridged
    /// direction it never is.
    diverged: bool,
}

/// A whole message that waits, or a control frame behind one.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) ticket: Option<Ticket>,
    /// How many tickets had been given out when it came to wait, its own included: never fewer than to those ahead of it.
    pub(super) tickets: u64,
    pub(super) facts: Facts,
    /// The masking key of its first frame.
    pub(super) key: Option<[u8; 4]>,
    pub(super) raw: Raw,
    pub(super) plain: Arc<Vec<u8>>,
    pub(super) verdict: Option<Verdict>,
}

/// A message as it came.
#[derive(Debug)]
pub(super) enum Raw {
    /// One frame with this header; its payload is the plain one under the masking key.
    Frame([u8; HEAD_BYTES_MAX], u8),
    /// All of its bytes.
    Bytes(Vec<u8>),
}

impl Default for Raw {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Raw {
    /// One frame, of which this is the header.
    pub(super) fn frame(head: &[u8]) -> Self {
        let mut kept = [0; HEAD_BYTES_MAX];
        kept[..head.len()].copy_from_slice(head);
        #[allow(clippy::cast_possible_truncation)] // at most 14
        Self::Frame(kept, head.len() as u8)
    }
}

impl Queue {
    pub(super) fn new(direction: Direction, legs: Legs) -> Self {
        Self {
            direction,
            waiting: VecDeque::new(),
            bytes: 0,
            by: 0,
            legs,
            deflater: legs.deflater(),
            diverged: legs.are_bridged(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The sender's compressed messages refer to those before.
    pub(super) const fn takes_over(&self) -> bool {
        self.legs.take_over()
    }

    pub(super) const fn is_diverged(&self) -> bool {
        self.diverged
    }

    pub(super) fn wants(&self, config: &Config) -> bool {
        self.waiting.len() < config.held_max && self.bytes < config.held_bytes_max
    }

    /// The sender's Close waits: the receiver has had none yet. A second one may wait where violations are passed on,
    /// and does not count: the first has left.
    pub(super) fn holds_close(&self) -> bool {
        self.waiting.iter().any(Held::is_close)
    }

    /// Puts a message behind all others, and lets go what is decided.
    pub(super) fn push(&mut self, mut held: Held, cx: &mut Cx<'_>) {
        if self.waiting.is_empty() && held.verdict.is_some() {
            self.leave(held, cx);
            return;
        }
        held.tickets = *cx.next_ticket;
        self.bytes += held.bytes();
        self.by += usize::from(held.goes_by());
        self.waiting.push_back(held);
    }

    /// Lets Pings and Pongs by what waits for its verdict.
    pub(super) fn pass_by(&mut self, cx: &mut Cx<'_>) {
        if self.by == 0 {
            return;
        }
        // All in one go: a peer can put tens of thousands of them behind one that is held.
        let (by, waiting): (VecDeque<_>, _) = std::mem::take(&mut self.waiting).into_iter().partition(Held::goes_by);
        self.waiting = waiting;
        for held in by {
            self.forget(&held);
            self.leave(held, cx);
        }
    }

    /// One does not wait any more.
    fn forget(&mut self, held: &Held) {
        self.bytes -= held.bytes();
        self.by -= usize::from(held.goes_by());
    }

    /// A judge has answered. Says whether the ticket is one of those that wait for it.
    pub(super) fn verdict(&mut self, ticket: Ticket, verdict: &mut Option<Verdict>, cx: &mut Cx<'_>) -> bool {
        // Tens of thousands may wait behind one that is held, each with a verdict of its own: none looks through all.
        let at = self.waiting.partition_point(|held| held.tickets <= ticket.0);
        let held = self.waiting.get_mut(at);
        let Some(held) = held.filter(|held| held.ticket == Some(ticket) && held.verdict.is_none()) else {
            return false;
        };
        held.verdict = verdict.take();
        // What ends the conversation lets nothing go that waits behind it.
        if !matches!(held.verdict, Some(Verdict::Close { .. })) {
            self.release(cx);
        }
        true
    }

    /// Lets go what is decided, up to the first that is not.
    fn release(&mut self, cx: &mut Cx<'_>) {
        while self.waiting.front().is_some_and(|held| held.verdict.is_some()) {
            if let Some(held) = self.waiting.pop_front() {
                self.forget(&held);
                self.leave(held, cx);
            }
        }
    }

    /// Everything that waits is let go. Says whether the Close that the receiver has not had was among it.
    pub(super) fn abandon(&mut self, cx: &mut Cx<'_>) -> bool {
        let close = self.holds_close();
        (self.bytes, self.by) = (0, 0);
        for held in std::mem::take(&mut self.waiting) {
            held.drop(cx);
        }
        close
    }

    /// What its verdict says becomes of a message.
    pub(super) fn leave(&mut self, held: Held, cx: &mut Cx<'_>) {
        let Held {
            ticket,
            facts,
            key,
            raw,
            plain,
            verdict,
            ..
        } = held;
        let to: Peer = self.direction.to();
        // Without context takeover each message stands for itself, and none is missed by the next.
        let missed = facts.compressed && self.takes_over();
        let fate = match verdict {
            Some(Verdict::Pass) if self.passes_anew(&facts, plain.len()) => {
                cx.send(to, self.anew(facts.opcode, facts.compressed, key, &plain, cx.config));
                Fate::Sent
            }
            Some(Verdict::Pass) => {
                match raw {
                    Raw::Bytes(bytes) => cx.send(to, bytes),
                    Raw::Frame(head, len) => cx.send_frame(to, &head[..usize::from(len)], &plain, key),
                }
                Fate::Sent
            }
            Some(Verdict::Replace(new)) => {
                self.diverged |= missed;
                let bytes = self.anew(new.opcode, facts.compressed, key, &new.payload, cx.config);
                cx.send(to, bytes);
                Fate::Replaced(new)
            }
            Some(Verdict::Drop | Verdict::Close { .. }) | None => {
                self.diverged |= missed;
                Fate::Dropped
            }
        };
        cx.record_beside(Recorded {
            facts,
            payload: Payload::Plain(plain),
            fate,
            ticket,
        });
    }

    /// Whether a message that nobody changed leaves otherwise than it came. What is wrong with an uncompressed one is
    /// passed on with it.
    fn passes_anew(&self, facts: &Facts, len: usize) -> bool {
        if facts.compressed {
            return self.diverged;
        }
        let data = matches!(facts.opcode, Opcode::Text | Opcode::Binary);
        data && facts.violation.is_none() && self.compresses(false, len)
    }

    /// Whether a message leaves compressed, if it is the proxy that frames it: as its sender chose, where it had a
    /// choice.
    fn compresses(&self, compressed: bool, len: usize) -> bool {
        let chosen = if self.legs.may_compress() {
            compressed
        } else {
            len >= COMPRESSED_BYTES_MIN
        };
        chosen && self.deflater.is_some()
    }

    /// A message as one frame of the proxy's own; `compressed`: as the original came.
    fn anew(
        &mut self,
        opcode: Opcode,
        compressed: bool,
        key: Option<[u8; 4]>,
        plain: &[u8],
        config: &Config,
    ) -> Vec<u8> {
        let key = own_key(self.direction, key, config);
        let mut bytes = Vec::with_capacity(plain.len() + HEAD_BYTES_MAX);
        let compresses = self.compresses(compressed, plain.len());
        match &mut self.deflater {
            Some(deflater) if compresses => {
                let mut small = Vec::new();
                deflater.compress(plain, &mut small);
                encode(opcode, RSV1, key, &small, &mut bytes);
            }
            _ => encode(opcode, 0, key, plain, &mut bytes),
        }
        bytes
    }
}

impl Held {
    /// What it takes to keep it.
    fn bytes(&self) -> usize {
        let raw = match &self.raw {
            Raw::Frame(_, len) => usize::from(*len),
            Raw::Bytes(bytes) => bytes.len(),
        };
        raw + self.plain.len()
    }

    fn goes_by(&self) -> bool {
        self.facts.opcode.is_control() && self.facts.opcode != Opcode::Close
    }

    fn is_close(&self) -> bool {
        self.facts.opcode == Opcode::Close && self.facts.violation != Some(Rule::FrameAfterClose)
    }

    /// It does not leave, because the conversation has ended or it cannot be seen whole. Nothing of its direction leaves
    /// behind it, so nothing diverges.
    pub(super) fn drop(self, cx: &mut Cx<'_>) {
        cx.record(Recorded {
            facts: self.facts,
            payload: Payload::Plain(self.plain),
            fate: Fate::Dropped,
            ticket: self.ticket,
        });
    }
}
