//! A frame begins: its header is held against the rules and the limits before a byte of it leaves.

use super::super::output::Facts;
use super::super::{Config, Cx};
use super::{Frame, Half};
use crate::Direction;
use crate::error::Rule;
use crate::frame::{CONTROL_BYTES_MAX, FrameHead, Opcode, PAYLOAD_BYTES_MAX, RSV1};

/// The headers of a message that is held are kept as well as its payload: they may take as much as a message may, and
/// so much in any case.
const HEADERS_BYTES_MIN: u64 = 1 << 20;

impl Half {
    /// A frame begins: holds it against the rules and the limits, and finds its place.
    pub(super) fn begin(&mut self, mut head: FrameHead, cx: &mut Cx<'_>) -> Result<(), Rule> {
        let flaw = self.flaw(&head, cx.agreed.unknown);
        let control = head.opcode.is_control();
        let stop = if head.payload_len > PAYLOAD_BYTES_MAX {
            // The frame has no end that could be reached; what comes of it is counted against the longest one.
            head.payload_len = PAYLOAD_BYTES_MAX;
            Some(Rule::LengthBit)
        } else if head.payload_len > cx.config.frame_bytes_max {
            Some(Rule::FrameTooBig)
        } else if !control && self.is_too_big_with(&head, cx.config) {
            Some(Rule::MessageTooBig)
        } else if self.is_misread(&head) {
            // It cannot be passed on, so it is not left to the settings.
            Some(Rule::ReservedBits)
        } else if let Err(beyond) = self.spend(&head) {
            Some(beyond)
        } else if cx.config.close_on_violation {
            flaw
        } else {
            None
        };
        // Of one header's flaws the one that ends the conversation counts; of a message's, the first on the wire.
        let facts = Facts {
            violation: stop.or(flaw),
            ..Facts::of(self.direction, &head)
        };
        self.frame = Some(Frame {
            head,
            left: head.payload_len,
            control: control.then_some(facts),
            stopped: stop.is_some(),
            silent: stop.is_some_and(Rule::is_limit),
        });
        let interrupted = if control { Ok(()) } else { self.begin_data(facts, cx) };
        match stop {
            Some(rule) if !self.away => Err(rule),
            _ => interrupted,
        }
    }

    /// Takes the frame from what its sender may still say. What does not leave anyway costs nothing.
    fn spend(&mut self, head: &FrameHead) -> Result<(), Rule> {
        if self.away {
            return Ok(());
        }
        let continues = head.opcode == Opcode::Continuation && self.message.is_some();
        let says_goodbye = head.opcode == Opcode::Close && !self.close_seen && head.payload_len <= CONTROL_BYTES_MAX;
        if says_goodbye {
            return Ok(());
        }
        self.allowance.take(head, !continues)
    }

    /// Whether the message is beyond its limit with this data frame.
    fn is_too_big_with(&self, head: &FrameHead, config: &Config) -> bool {
        let most = config.message_bytes_max;
        match &self.message {
            Some(message) if head.opcode == Opcode::Continuation => {
                let headers = message.wire_bytes.saturating_sub(message.payload_bytes);
                let too_many = self.hold.is_some() && headers > most.max(HEADERS_BYTES_MIN);
                too_many || message.payload_bytes.saturating_add(head.payload_len) > most
            }
            _ => head.payload_len > most,
        }
    }

    /// A data frame begins or continues a message. An error is of the message that it interrupts, if that cannot leave.
    fn begin_data(&mut self, mut facts: Facts, cx: &mut Cx<'_>) -> Result<(), Rule> {
        let mut interrupted = Ok(());
        match &mut self.message {
            Some(message) if facts.opcode == Opcode::Continuation => {
                message.frames = message.frames.saturating_add(1);
                message.wire_bytes = message.wire_bytes.saturating_add(facts.wire_bytes);
                message.payload_bytes = message.payload_bytes.saturating_add(facts.payload_bytes);
                message.violation = message.violation.or(facts.violation);
            }
            _ => {
                // A message inside a message: what came of the first is all that there will be of it.
                let stopped = self.frame.is_some_and(|frame| frame.stopped);
                if stopped && self.hold.is_some() {
                    if let Some(cut) = self.message.take() {
                        self.unfinished(cut, cx);
                    }
                } else {
                    interrupted = self.message_end(None, cx);
                }
                let rsv1 = self.frame.is_some_and(|frame| frame.head.rsv & RSV1 != 0);
                facts.compressed = rsv1 && self.legs.may_compress() && facts.opcode != Opcode::Continuation;
                self.uninflated |= facts.compressed && self.hold.is_none();
                self.message = Some(facts);
            }
        }
        interrupted
    }

    /// RSV1 would say to the receiver that this is compressed, and says nothing here.
    const fn is_misread(&self, head: &FrameHead) -> bool {
        head.rsv & RSV1 != 0 && self.legs.would_be_misread()
    }

    /// What is wrong with a header here.
    #[inline]
    pub(super) fn flaw(&self, head: &FrameHead, unknown: bool) -> Option<Rule> {
        let control = head.opcode.is_control();
        let first = !control && head.opcode != Opcode::Continuation;
        let meant = if self.legs.may_compress() && first { RSV1 } else { 0 };
        if self.close_seen {
            Some(Rule::FrameAfterClose)
        } else if head.rsv & !meant != 0 && (!unknown || self.is_misread(head)) {
            Some(Rule::ReservedBits)
        } else if matches!(head.opcode, Opcode::Reserved(_)) && !unknown {
            Some(Rule::ReservedOpcode)
        } else if head.mask.is_some() != (self.direction == Direction::Send) {
            Some(if head.mask.is_some() {
                Rule::Masked
            } else {
                Rule::Unmasked
            })
        } else if control && !head.fin {
            Some(Rule::FragmentedControl)
        } else if control && head.payload_len > CONTROL_BYTES_MAX {
            Some(Rule::LongControl)
        } else if head.opcode == Opcode::Continuation && self.message.is_none() {
            Some(Rule::OrphanContinuation)
        } else if first && self.message.is_some() {
            Some(Rule::InterruptedMessage)
        } else if !head.is_minimal() {
            Some(Rule::NonMinimalLength)
        } else {
            None
        }
    }
}
