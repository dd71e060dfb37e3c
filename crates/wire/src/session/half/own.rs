//! What the proxy itself does in a direction: its own messages, its Close, and how it ends.

use std::sync::Arc;

use super::super::output::{Facts, Fate, Output, Payload, Recorded, Ticket, Verdict};
use super::super::{Config, Cx, Refused};
use super::Half;
use crate::Direction;
use crate::close::Close;
use crate::error::Rule;
use crate::frame::{FrameHead, HEAD_BYTES_MAX, Opcode};
use crate::mask;
use crate::message::NewMessage;

/// A message of the proxy's own.
#[derive(Debug)]
pub(super) struct Own {
    /// There if somebody asked for it, and is to be told what became of it.
    ticket: Option<Ticket>,
    message: NewMessage,
}

impl Half {
    /// A frame has just passed: what waited for that leaves.
    pub(super) fn boundary(&mut self, cx: &mut Cx<'_>) {
        let inside = self.message.is_some();
        for own in std::mem::take(&mut self.injected) {
            if self.closed_out {
                self.drop_own(own, cx);
            } else if inside && !own.message.opcode.is_control() {
                self.injected.push_back(own);
            } else {
                self.send_own(own, cx);
            }
        }
        if let Some(close) = self.closing.take() {
            self.close_now(*close, cx);
        }
        self.turn(cx);
    }

    /// The sender's stream has ended inside a header: what came of it is passed on too.
    pub(in crate::session) fn cut(&mut self, cx: &mut Cx<'_>) {
        let partial = std::mem::take(&mut self.partial_len);
        if partial > 0 && self.hold.is_none() && !self.away {
            cx.send(self.to(), self.partial[..usize::from(partial)].to_vec());
        }
    }

    /// The sender's stream has ended. What of a message had come is recorded as that.
    pub(in crate::session) fn end(&mut self, cx: &mut Cx<'_>) {
        (self.ended, self.stalled) = (true, false);
        let cut = self.frame.take();
        let missing = cut.map_or(0, |frame| frame.left);
        let control = cut.and_then(|frame| frame.control);
        if control.is_none()
            && let Some(message) = &mut self.message
        {
            message.payload_bytes -= missing;
            message.wire_bytes -= missing;
        }
        let control = control.map(|facts| Facts {
            payload_bytes: facts.payload_bytes - missing,
            wire_bytes: facts.wire_bytes - missing,
            ..facts
        });
        for cut in control.into_iter().chain(self.message.take()) {
            self.unfinished(cut, cx);
        }
        // What waited for the end of a frame or a message that will not come.
        self.drop_injected(cx);
        if let Some(close) = self.closing.take() {
            self.drop_own(*close, cx);
        }
    }

    /// What came of a message that will never be whole goes on record.
    pub(super) fn unfinished(&mut self, mut facts: Facts, cx: &mut Cx<'_>) {
        facts.violation = facts.violation.or(Some(Rule::Unfinished));
        facts.sequence = cx.sequence();
        match &mut self.hold {
            Some(hold) => hold.unfinished(facts, cx),
            None => {
                let fate = if self.away { Fate::Dropped } else { Fate::Sent };
                cx.record(Recorded {
                    facts,
                    payload: Payload::Parts(None),
                    fate,
                    ticket: None,
                });
            }
        }
    }

    /// Nothing that waits will leave.
    pub(in crate::session) fn abandon(&mut self, cx: &mut Cx<'_>) {
        if let Some(hold) = &mut self.hold
            && hold.abandon(cx)
        {
            // The sender's Close is let go: the receiver has had none yet.
            self.closed_out = false;
        }
        self.drop_injected(cx);
    }

    /// Nothing more will leave for the receiver.
    pub(in crate::session) fn finish(&mut self, cx: &mut Cx<'_>) {
        if !self.finished {
            self.finished = true;
            cx.out.push(Output::Finish { to: self.to() });
        }
    }

    /// The proxy ends this direction. Its Close waits for the frame under way, and one that waits already stays.
    pub(in crate::session) fn close(&mut self, close: &Close, ticket: Option<Ticket>, cx: &mut Cx<'_>) {
        self.abandon(cx);
        let inside = self.hold.is_none() && self.frame.is_some_and(|frame| !frame.stopped);
        let close = self.closing.take().unwrap_or_else(|| {
            let message = NewMessage {
                opcode: Opcode::Close,
                payload: close.payload(),
            };
            Box::new(Own { ticket, message })
        });
        if inside && !self.closed_out && !self.ended {
            self.closing = Some(close);
        } else {
            self.close_now(*close, cx);
        }
    }

    fn close_now(&mut self, close: Own, cx: &mut Cx<'_>) {
        // What still comes is read, if only to go on record as dropped.
        (self.away, self.stalled) = (true, false);
        if self.closed_out || self.finished {
            self.drop_own(close, cx);
            return;
        }
        self.closed_out = true;
        self.send_own(close, cx);
    }

    /// Sends a message of the proxy's own, uncompressed, as one frame. That is right in a compressed direction too: it is
    /// in nobody's window (RFC 7692 §6).
    fn send_own(&self, own: Own, cx: &mut Cx<'_>) {
        let NewMessage { opcode, payload } = own.message;
        let key = own_key(self.direction, None, cx.config);
        let mut bytes = Vec::with_capacity(payload.len() + HEAD_BYTES_MAX);
        encode(opcode, 0, key, &payload, &mut bytes);
        let facts = Facts {
            sequence: cx.sequence(),
            masked: key.is_some(),
            frames: 1,
            wire_bytes: bytes.len() as u64,
            payload_bytes: payload.len() as u64,
            ..Facts::unsent(self.direction, opcode)
        };
        cx.send(self.to(), bytes);
        cx.record_beside(Recorded {
            facts,
            payload: Payload::Plain(Arc::new(payload)),
            fate: Fate::Injected,
            ticket: own.ticket,
        });
    }

    /// A message of the proxy's own can never leave: whoever asked for it is told.
    fn drop_own(&self, own: Own, cx: &mut Cx<'_>) {
        if own.ticket.is_none() {
            return;
        }
        let NewMessage { opcode, payload } = own.message;
        let facts = Facts {
            sequence: cx.sequence(),
            ..Facts::unsent(self.direction, opcode)
        };
        cx.record(Recorded {
            facts,
            payload: Payload::Plain(Arc::new(payload)),
            fate: Fate::Dropped,
            ticket: own.ticket,
        });
    }

    fn drop_injected(&mut self, cx: &mut Cx<'_>) {
        for own in std::mem::take(&mut self.injected) {
            self.drop_own(own, cx);
        }
    }

    pub(in crate::session) fn inject(&mut self, message: NewMessage, cx: &mut Cx<'_>) -> Result<Ticket, Refused> {
        let inside =
            self.hold.is_none() && (self.frame.is_some() || self.message.is_some() && !message.opcode.is_control());
        if self.takes_nothing_own() {
            return Err(Refused::Closed);
        }
        if inside && !self.may_wait(&message, cx.config) {
            return Err(Refused::TooMany);
        }
        let ticket = cx.ticket();
        let own = Own {
            ticket: Some(ticket),
            message,
        };
        if inside {
            self.injected.push_back(own);
        } else {
            self.send_own(own, cx);
        }
        Ok(ticket)
    }

    /// Whether one more message of the proxy's own may wait: a sender can keep a fragmented message open for good.
    fn may_wait(&self, message: &NewMessage, config: &Config) -> bool {
        let waiting = self.injected.iter().map(|own| own.message.payload.len());
        let bytes = waiting.sum::<usize>().saturating_add(message.payload.len());
        self.injected.len() < config.held_max && (self.injected.is_empty() || bytes <= config.held_bytes_max)
    }

    /// A Close of the proxy's to this direction's receiver alone.
    pub(in crate::session) fn close_alone(&mut self, close: &Close, cx: &mut Cx<'_>) -> Result<Ticket, Refused> {
        if self.takes_nothing_own() {
            return Err(Refused::Closed);
        }
        let ticket = cx.ticket();
        self.close(close, Some(ticket), cx);
        Ok(ticket)
    }

    /// The receiver has had a Close or is about to get one, or the direction is over. A Close of the sender's that waits
    /// behind a held message has not left yet.
    fn takes_nothing_own(&self) -> bool {
        let closed = self.closed_out && !self.hold.as_ref().is_some_and(|hold| hold.holds_close());
        // What has ended may have ended inside a frame: nothing can follow that.
        closed || self.closing.is_some() || self.finished || self.ended && self.hold.is_none()
    }

    pub(in crate::session) fn verdict(
        &mut self,
        ticket: Ticket,
        verdict: &mut Option<Verdict>,
        cx: &mut Cx<'_>,
    ) -> bool {
        self.hold.as_mut().is_some_and(|hold| hold.verdict(ticket, verdict, cx))
    }

    pub(in crate::session) fn pass_by(&mut self, cx: &mut Cx<'_>) {
        if let Some(hold) = &mut self.hold {
            hold.pass_by(cx);
        }
    }

    pub(in crate::session) fn take_close(&mut self) -> Option<Close> {
        self.close.take().map(|close| *close)
    }

    /// The sender will say nothing more that matters.
    pub(in crate::session) const fn is_through(&self) -> bool {
        self.close_seen || self.ended
    }

    /// The sender has nothing on its way that could meet a connection which is not there any more: it has answered the
    /// proxy's Close, or ended its stream.
    pub(in crate::session) const fn is_quiet(&self) -> bool {
        self.answered || self.ended
    }

    /// The receiver has had a Close, or can get none.
    pub(in crate::session) const fn has_closed_out(&self) -> bool {
        self.closed_out || self.ended
    }

    /// What still comes does not leave.
    pub(in crate::session) const fn is_away(&self) -> bool {
        self.away
    }

    /// All that came has left.
    pub(in crate::session) fn may_finish(&self) -> bool {
        self.ended && !self.holds()
    }

    /// A message waits for a verdict.
    pub(in crate::session) fn holds(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| !hold.is_empty())
    }

    pub(in crate::session) const fn is_finished(&self) -> bool {
        self.finished
    }
}

/// The key for a frame of the proxy's own: the client's end must mask (RFC 6455 §5.1). What replaces a message keeps
/// the key of its first frame.
pub(in crate::session) fn own_key(direction: Direction, original: Option<[u8; 4]>, config: &Config) -> Option<[u8; 4]> {
    (direction == Direction::Send).then(|| original.unwrap_or_else(config.mask_key))
}

/// Appends one whole frame to `out`.
pub(in crate::session) fn encode(opcode: Opcode, rsv: u8, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    FrameHead {
        rsv,
        ..FrameHead::new(opcode, key, payload.len() as u64)
    }
    .encode(out);
    mask::unmask_into(out, payload, key, 0);
}
