//! The gated and the re-encoding speeds: messages held whole, released in order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::half::{encode, own_key};
use super::output::{Facts, Fate, Inspect, Output, Payload, Recorded, Ticket, Verdict};
use super::{Agreed, Config, Cx};
use crate::deflate::{Deflater, Inflated, Inflater};
use crate::error::Rule;
use crate::frame::{FrameHead, HEAD_BYTES_MAX, Opcode, RSV1};
use crate::mask;
use crate::message::Utf8;
use crate::{Direction, Peer};

/// What happens to the whole messages of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Nobody looks at them: bytes pass as they come.
    Open,
    /// They are held until they are whole and found to be in order, then they leave.
    Check,
    /// They are held until a judge has said what becomes of them.
    Judge,
}

/// One direction's held messages.
#[derive(Debug)]
pub(super) struct Hold {
    direction: Direction,
    judged: bool,
    /// The frames of the message under way, as they came.
    raw: Vec<u8>,
    /// The first masking key of the message under way.
    key: Option<[u8; 4]>,
    /// The payload of the message under way, plain.
    plain: Inflated,
    /// A piece of a compressed payload, unmasked.
    piece: Vec<u8>,
    utf8: Utf8,
    /// The control frame under way, as it came, and its payload.
    control_raw: Vec<u8>,
    control_plain: Vec<u8>,
    queue: VecDeque<Held>,
    /// Bytes in the queue, on the wire and plain.
    queued_bytes: usize,
    inflater: Option<Inflater>,
    takeover: bool,
    window_bits: u8,
    deflater: Option<Deflater>,
    /// The receiver's window is not what the sender's bytes refer to: compressed messages are sent anew.
    diverged: bool,
}

/// A whole message, or a Close behind one, that waits.
#[derive(Debug)]
struct Held {
    ticket: Option<Ticket>,
    facts: Facts,
    key: Option<[u8; 4]>,
    raw: Vec<u8>,
    plain: Arc<Vec<u8>>,
    verdict: Option<Verdict>,
}

impl Hold {
    pub(super) fn new(direction: Direction, gate: Gate, agreed: &Agreed, inflater: Option<Inflater>) -> Self {
        let (window_bits, no_takeover) = match (&agreed.deflate, direction) {
            (None, _) => (15, false),
            (Some(params), Direction::Send) => (params.client_max_window_bits, params.client_no_context_takeover),
            (Some(params), Direction::Receive) => (params.server_max_window_bits, params.server_no_context_takeover),
        };
        Self {
            direction,
            judged: gate == Gate::Judge,
            raw: Vec::new(),
            key: None,
            plain: Inflated::default(),
            piece: Vec::new(),
            utf8: Utf8::default(),
            control_raw: Vec::new(),
            control_plain: Vec::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            inflater,
            takeover: !no_takeover,
            window_bits,
            deflater: None,
            diverged: false,
        }
    }

    /// A frame begins.
    pub(super) fn head(&mut self, head: &FrameHead, bytes: &[u8]) {
        if head.opcode.is_control() {
            self.control_raw.extend_from_slice(bytes);
        } else {
            if self.raw.is_empty() {
                self.key = head.mask;
            }
            self.raw.extend_from_slice(bytes);
        }
    }

    /// Payload of a control frame.
    pub(super) fn control_payload(&mut self, head: &FrameHead, bytes: &[u8], offset: u64) -> Result<(), Rule> {
        self.control_raw.extend_from_slice(bytes);
        mask::unmask_into(&mut self.control_plain, bytes, head.mask, offset);
        Ok(())
    }

    /// Payload of the message under way.
    pub(super) fn payload(
        &mut self,
        facts: &mut Facts,
        head: &FrameHead,
        bytes: &[u8],
        offset: u64,
        cx: &Cx<'_>,
    ) -> Result<(), Rule> {
        self.raw.extend_from_slice(bytes);
        let before = self.plain.bytes.len();
        let result = if facts.compressed {
            self.piece.clear();
            mask::unmask_into(&mut self.piece, bytes, head.mask, offset);
            let inflater = self.inflater.get_or_insert_with(|| Inflater::new(self.takeover));
            inflater
                .push(&self.piece, &cx.caps(), &mut self.plain)
                .map_err(Rule::from)
        } else {
            mask::unmask_into(&mut self.plain.bytes, bytes, head.mask, offset);
            Ok(())
        };
        self.checked(result, facts, before, cx.config)
    }

    /// What was added to a message behind `before` came before what is wrong behind it.
    fn checked(
        &mut self,
        result: Result<(), Rule>,
        facts: &mut Facts,
        before: usize,
        config: &Config,
    ) -> Result<(), Rule> {
        self.check_utf8(facts, before, config)?;
        if let Err(rule) = result {
            facts.violation.get_or_insert(rule);
        }
        result
    }

    /// Holds what was added to a text message behind `before` to UTF-8.
    fn check_utf8(&mut self, facts: &mut Facts, before: usize, config: &Config) -> Result<(), Rule> {
        let wanted = config.validate_utf8 && facts.opcode == Opcode::Text && facts.violation.is_none();
        if !wanted || self.utf8.push(&self.plain.bytes[before..]).is_ok() {
            return Ok(());
        }
        self.not_utf8(facts, config)
    }

    fn not_utf8(&mut self, facts: &mut Facts, config: &Config) -> Result<(), Rule> {
        self.utf8 = Utf8::default();
        facts.violation.get_or_insert(Rule::InvalidUtf8);
        if config.close_on_violation {
            Err(Rule::InvalidUtf8)
        } else {
            Ok(())
        }
    }

    /// A control frame is complete. Close waits for what came before it; all others pass.
    pub(super) fn control_end(&mut self, facts: Facts, passes: bool, cx: &mut Cx<'_>) {
        let raw = std::mem::take(&mut self.control_raw);
        let plain = Arc::new(std::mem::take(&mut self.control_plain));
        let held = Held {
            ticket: None,
            facts,
            key: None,
            raw,
            plain,
            verdict: Some(Verdict::Pass),
        };
        if !passes {
            drop_held(held, cx);
        } else if facts.opcode == Opcode::Close && !self.queue.is_empty() {
            self.push(held);
        } else {
            self.leave(held, Verdict::Pass, cx);
        }
    }

    /// The message under way is complete.
    pub(super) fn message_end(&mut self, mut facts: Facts, away: bool, cx: &mut Cx<'_>) -> Result<(), Rule> {
        let result = self.complete(&mut facts, cx);
        let mut held = Held {
            ticket: None,
            facts,
            key: self.key.take(),
            raw: std::mem::take(&mut self.raw),
            plain: Arc::new(std::mem::take(&mut self.plain).bytes),
            verdict: (!self.judged).then_some(Verdict::Pass),
        };
        if away || result.is_err() {
            drop_held(held, cx);
            return if away { Ok(()) } else { result };
        }
        if self.judged {
            let ticket = Ticket(*cx.next_ticket);
            *cx.next_ticket += 1;
            held.ticket = Some(ticket);
            cx.out.push(Output::Inspect(Inspect {
                ticket,
                facts,
                payload: Arc::clone(&held.plain),
            }));
        }
        self.push(held);
        self.release(cx);
        Ok(())
    }

    /// Ends inflating and UTF-8 of the message under way.
    fn complete(&mut self, facts: &mut Facts, cx: &Cx<'_>) -> Result<(), Rule> {
        let before = self.plain.bytes.len();
        if facts.compressed {
            let inflater = self.inflater.get_or_insert_with(|| Inflater::new(self.takeover));
            let result = inflater.finish(&cx.caps(), &mut self.plain).map_err(Rule::from);
            self.checked(result, facts, before, cx.config)?;
        }
        match self.utf8.finish() {
            Ok(()) => Ok(()),
            Err(_) if facts.violation == Some(Rule::InvalidUtf8) => Ok(()),
            Err(_) => self.not_utf8(facts, cx.config),
        }
    }

    /// The stream ended inside this message: it was never whole, so nobody has judged it and it does not leave.
    pub(super) fn unfinished(&mut self, facts: Facts, cx: &mut Cx<'_>) {
        let plain = if facts.opcode.is_control() {
            std::mem::take(&mut self.control_plain)
        } else {
            self.raw.clear();
            self.key = None;
            self.utf8 = Utf8::default();
            std::mem::take(&mut self.plain).bytes
        };
        let payload = Payload::Plain(Arc::new(plain));
        cx.record(Recorded {
            facts,
            payload,
            fate: Fate::Dropped,
            ticket: None,
        });
    }

    /// A judge has answered. Says whether the ticket was one of this direction's.
    pub(super) fn verdict(&mut self, ticket: Ticket, verdict: &mut Option<Verdict>, cx: &mut Cx<'_>) -> bool {
        let held = self
            .queue
            .iter_mut()
            .find(|held| held.ticket == Some(ticket) && held.verdict.is_none());
        let Some(held) = held else { return false };
        held.verdict = verdict.take();
        // What ends the conversation lets nothing go that waits behind it.
        if !matches!(held.verdict, Some(Verdict::Close { .. })) {
            self.release(cx);
        }
        true
    }

    /// Everything that waits is let go. Says whether a Close was among it.
    pub(super) fn abandon(&mut self, cx: &mut Cx<'_>) -> bool {
        self.queued_bytes = 0;
        let mut close = false;
        for held in std::mem::take(&mut self.queue) {
            // A second Close may wait where violations are passed on: the first has left.
            close |= held.facts.opcode == Opcode::Close && held.facts.violation != Some(Rule::FrameAfterClose);
            drop_held(held, cx);
        }
        close
    }

    pub(super) fn set_gate(&mut self, gate: Gate) {
        self.judged = gate == Gate::Judge;
    }

    /// Whether bytes could pass as they come again: nothing waits, and no compressed message went through here.
    pub(super) fn may_go(&self) -> bool {
        self.queue.is_empty() && self.inflater.is_none() && !self.diverged
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn wants(&self, config: &Config) -> bool {
        self.queue.len() < config.held_max && self.queued_bytes < config.held_bytes_max
    }

    fn push(&mut self, held: Held) {
        self.queued_bytes += held.bytes();
        self.queue.push_back(held);
    }

    /// Lets go what is decided, up to the first that is not.
    fn release(&mut self, cx: &mut Cx<'_>) {
        while let Some(held) = self.queue.front_mut() {
            let Some(verdict) = held.verdict.take() else { break };
            if let Some(held) = self.queue.pop_front() {
                self.queued_bytes -= held.bytes();
                self.leave(held, verdict, cx);
            }
        }
    }

    fn leave(&mut self, held: Held, verdict: Verdict, cx: &mut Cx<'_>) {
        let Held {
            ticket,
            facts,
            key,
            raw,
            plain,
            ..
        } = held;
        let to: Peer = self.direction.to();
        // Without context takeover each message stands for itself, and none is missed by the next.
        let missed = facts.compressed && self.takeover;
        let fate = match verdict {
            Verdict::Pass if facts.compressed && self.diverged => {
                cx.send(to, self.anew(facts.opcode, true, key, &plain, cx.config));
                Fate::Sent
            }
            Verdict::Pass => {
                cx.send(to, raw);
                Fate::Sent
            }
            Verdict::Replace(new) => {
                self.diverged |= missed;
                cx.send(
                    to,
                    self.anew(new.opcode, facts.compressed, key, &new.payload, cx.config),
                );
                Fate::Replaced(new)
            }
            Verdict::Drop | Verdict::Close { .. } => {
                self.diverged |= missed;
                Fate::Dropped
            }
        };
        cx.record(Recorded {
            facts,
            payload: Payload::Plain(plain),
            fate,
            ticket,
        });
    }

    /// A message as one frame of the proxy's own, compressed if the original was and the window allows it.
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
        if compressed && self.deflater.is_none() {
            self.deflater = Deflater::new(self.window_bits, self.takeover);
        }
        match &mut self.deflater {
            Some(deflater) if compressed => {
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
    fn bytes(&self) -> usize {
        self.raw.len() + self.plain.len()
    }
}

/// A message that does not leave, because the conversation has ended or it cannot be seen whole.
fn drop_held(held: Held, cx: &mut Cx<'_>) {
    let Held {
        ticket, facts, plain, ..
    } = held;
    cx.record(Recorded {
        facts,
        payload: Payload::Plain(plain),
        fate: Fate::Dropped,
        ticket,
    });
}
