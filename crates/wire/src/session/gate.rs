//! The gated and the re-encoding speeds: messages put together, shown to whoever judges, and handed to the queue.

use std::sync::Arc;

use super::config::Legs;
use super::output::{Facts, Fate, Inspect, Output, Payload, Recorded, Ticket, Verdict};
use super::queue::{Held, Queue, Raw};
use super::{Config, Cx};
use crate::Direction;
use crate::deflate::{Inflated, Inflater};
use crate::error::Rule;
use crate::frame::{FrameHead, Opcode};
use crate::mask;
use crate::message::Utf8;

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

/// One direction's messages under way, and those that wait.
#[derive(Debug)]
pub(super) struct Hold {
    judged: bool,
    /// The frames of the message under way, as they came.
    raw: Raw,
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
    inflater: Option<Inflater>,
    queue: Queue,
}

impl Hold {
    pub(super) fn new(direction: Direction, gate: Gate, legs: Legs, inflater: Option<Inflater>) -> Self {
        Self {
            judged: gate == Gate::Judge,
            raw: Raw::default(),
            key: None,
            plain: Inflated::default(),
            piece: Vec::new(),
            utf8: Utf8::default(),
            control_raw: Vec::new(),
            control_plain: Vec::new(),
            inflater,
            queue: Queue::new(direction, legs),
        }
    }

    /// A frame begins. `alone`: it is all of its message, and not compressed.
    pub(super) fn head(&mut self, head: &FrameHead, bytes: &[u8], alone: bool) {
        if head.opcode.is_control() {
            self.control_raw.extend_from_slice(bytes);
            return;
        }
        match &mut self.raw {
            Raw::Bytes(raw) if !raw.is_empty() => raw.extend_from_slice(bytes),
            raw => {
                self.key = head.mask;
                *raw = if alone {
                    Raw::frame(bytes)
                } else {
                    Raw::Bytes(bytes.to_vec())
                };
            }
        }
    }

    /// Payload of a control frame.
    pub(super) fn control_payload(&mut self, head: &FrameHead, bytes: &[u8], offset: u64) {
        self.control_raw.extend_from_slice(bytes);
        mask::unmask_into(&mut self.control_plain, bytes, head.mask, offset);
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
        if let Raw::Bytes(raw) = &mut self.raw {
            raw.extend_from_slice(bytes);
        }
        let before = self.plain.bytes.len();
        let result = if facts.compressed {
            self.piece.clear();
            mask::unmask_into(&mut self.piece, bytes, head.mask, offset);
            let inflater = inflater(&mut self.inflater, &self.queue);
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
        let held = Held {
            ticket: None,
            tickets: 0,
            facts,
            key: None,
            raw: Raw::Bytes(std::mem::take(&mut self.control_raw)),
            plain: Arc::new(std::mem::take(&mut self.control_plain)),
            verdict: Some(Verdict::Pass),
        };
        if passes {
            self.queue.push(held, cx);
        } else {
            held.drop(cx);
        }
    }

    /// The message under way is complete.
    pub(super) fn message_end(&mut self, mut facts: Facts, away: bool, cx: &mut Cx<'_>) -> Result<(), Rule> {
        let result = self.complete(&mut facts, cx);
        let mut held = Held {
            ticket: None,
            tickets: 0,
            facts,
            key: self.key.take(),
            raw: std::mem::take(&mut self.raw),
            plain: Arc::new(std::mem::take(&mut self.plain).bytes),
            verdict: None,
        };
        if away || result.is_err() {
            held.drop(cx);
            return if away { Ok(()) } else { result };
        }
        if self.judged {
            let ticket = cx.ticket();
            held.ticket = Some(ticket);
            cx.out.push(Output::Inspect(Inspect {
                ticket,
                facts,
                payload: Arc::clone(&held.plain),
            }));
        } else {
            held.verdict = Some(Verdict::Pass);
        }
        self.queue.push(held, cx);
        Ok(())
    }

    /// Ends inflating and UTF-8 of the message under way.
    fn complete(&mut self, facts: &mut Facts, cx: &Cx<'_>) -> Result<(), Rule> {
        let before = self.plain.bytes.len();
        if facts.compressed {
            let inflater = inflater(&mut self.inflater, &self.queue);
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
            self.raw = Raw::default();
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
        self.queue.verdict(ticket, verdict, cx)
    }

    /// Lets Pings and Pongs by what waits.
    pub(super) fn pass_by(&mut self, cx: &mut Cx<'_>) {
        self.queue.pass_by(cx);
    }

    /// Everything that waits is let go. Says whether the Close that the receiver has not had was among it.
    pub(super) fn abandon(&mut self, cx: &mut Cx<'_>) -> bool {
        self.queue.abandon(cx)
    }

    /// From the message under way on.
    pub(super) fn set_gate(&mut self, gate: Gate) {
        self.judged = gate == Gate::Judge;
    }

    /// Whether bytes could pass as they come again: nothing waits, and no message to come can refer to one that went
    /// through here. Under context takeover one that was inflated here is such a message: were the direction open again,
    /// nobody would have the window that the next gate needs. It goes on through here, judged by nobody, message by
    /// message and without a wait.
    pub(super) fn may_go(&self) -> bool {
        let rootless = self.inflater.is_none() && !self.queue.is_diverged();
        self.queue.is_empty() && (rootless || !self.queue.takes_over())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn holds_close(&self) -> bool {
        self.queue.holds_close()
    }

    pub(super) fn wants(&self, config: &Config) -> bool {
        self.queue.wants(config)
    }
}

/// The inflater, made with the first compressed message.
fn inflater<'a>(inflater: &'a mut Option<Inflater>, queue: &Queue) -> &'a mut Inflater {
    inflater.get_or_insert_with(|| Inflater::new(queue.takes_over()))
}
