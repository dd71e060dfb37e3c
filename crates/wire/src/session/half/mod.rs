//! One direction of a session: its frames, and the cut-through speed. What may not pass is seen in `begin`; the common
//! case has a short way of its own in `whole`; what the proxy itself says in a direction is in `own`, how its gate shuts
//! and opens in `turn`.

mod begin;
mod whole;
mod own;
mod turn;

use std::collections::VecDeque;
use std::ops::Range;

use super::config::Legs;
use super::gate::{Gate, Hold};
use super::output::{Bytes, Entry, Facts, Fate, Output, Payload, Recorded, Span};
use super::{Allowance, Cx};
use crate::close::{self, Close};
use crate::error::Rule;
use crate::frame::{FrameHead, HEAD_BYTES_MAX, Opcode};
use crate::mask;
use crate::{Direction, Peer};
use own::Own;
pub(super) use own::{encode, own_key};

/// The connection must be closed for this; the bytes before `at` are done with.
pub(super) struct Stop {
    pub(super) at: usize,
    pub(super) rule: Rule,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Half {
    direction: Direction,
    legs: Legs,
    /// What is wanted: it is so from the next message on.
    gate: Gate,
    /// There while the gate is shut: what waits, the inflater, the deflater.
    hold: Option<Box<Hold>>,
    /// A header of which not all has come.
    partial: [u8; HEAD_BYTES_MAX],
    partial_len: u8,
    /// The frame whose payload is coming.
    frame: Option<Frame>,
    /// The data message under way.
    message: Option<Facts>,
    /// The payload of a Close under way.
    close_payload: Vec<u8>,
    /// The first Close of the sender, until the session takes it.
    close: Option<Box<Close>>,
    close_seen: bool,
    /// A Close of the sender's came behind the proxy's own.
    answered: bool,
    /// A Close has left for the receiver.
    closed_out: bool,
    /// The proxy has ended this direction: what still comes is recorded, but does not leave.
    away: bool,
    /// The proxy's own Close, which waits for the frame under way.
    closing: Option<Box<Own>>,
    /// What the sender may still say.
    allowance: Allowance,
    /// What was injected, and waits for the frame or message under way.
    injected: VecDeque<Own>,
    /// A compressed message has passed that no inflater of ours saw.
    uninflated: bool,
    /// The gate is to shut, and nothing is taken before there is an inflater that has seen what passed.
    stalled: bool,
    ended: bool,
    finished: bool,
}

/// A frame whose payload is coming.
#[derive(Clone, Copy, Debug)]
struct Frame {
    head: FrameHead,
    /// Payload bytes still to come.
    left: u64,
    /// Of a control frame: what it will be on record as.
    control: Option<Facts>,
    /// The connection is closed for it: none of it leaves.
    stopped: bool,
    /// Its payload is let go: it is beyond a limit.
    silent: bool,
}

impl Half {
    pub(super) fn new(direction: Direction, gate: Gate, legs: Legs) -> Self {
        Self {
            direction,
            legs,
            gate,
            hold: (gate != Gate::Open).then(|| Box::new(Hold::new(direction, gate, legs, None))),
            partial: [0; HEAD_BYTES_MAX],
            partial_len: 0,
            frame: None,
            message: None,
            close_payload: Vec::new(),
            close: None,
            close_seen: false,
            answered: false,
            closed_out: false,
            away: false,
            closing: None,
            allowance: Allowance::BOUNDLESS,
            injected: VecDeque::new(),
            uninflated: false,
            stalled: false,
            ended: false,
            finished: false,
        }
    }

    pub(super) const fn allowance(&mut self) -> &mut Allowance {
        &mut self.allowance
    }

    const fn to(&self) -> Peer {
        self.direction.to()
    }

    /// Takes the bytes from `at` on: all of them unless the connection must be closed, the direction stalls, or as much is
    /// held as may be. Gives back where it stopped.
    pub(super) fn receive(&mut self, input: &[u8], mut at: usize, cx: &mut Cx<'_>) -> Result<usize, Stop> {
        if !self.wants(cx.config) {
            return Ok(at);
        }
        // What leaves is emitted as one range as late as possible: `from` is where it begins.
        let mut from = at;
        loop {
            if self.frame.is_none() {
                at = match self.hold {
                    Some(_) => self.held_messages(input, at, cx)?,
                    None => self.whole_messages(input, at, cx),
                };
                if !self.wants(cx.config) {
                    self.emit(from..at, cx);
                    return Ok(at);
                }
                let start = at;
                let Some(head) = self.head(input, &mut at) else {
                    self.emit(from..start, cx);
                    return Ok(at);
                };
                let stashed = std::mem::take(&mut self.partial_len) > 0;
                let begun = self.begin(head, cx);
                if stashed || begun.is_err() {
                    self.emit(from..start, cx);
                    from = at;
                }
                begun.map_err(|rule| Stop { at, rule })?;
                let head_len = usize::from(head.head_len);
                self.head_passes(&head, if stashed { None } else { Some(&input[at - head_len..at]) }, cx);
            }
            // A frame that interrupts a message has ended it, and that may have been the last that may wait.
            if self.frame.is_some_and(|frame| frame.left > 0) && !self.wants(cx.config) {
                return Ok(at);
            }
            let Some(frame) = &mut self.frame else { continue };
            let take = usize::try_from(frame.left).unwrap_or(usize::MAX).min(input.len() - at);
            frame.left -= take as u64;
            let frame = *frame;
            at += take;
            let last = self
                .payload(&frame, input, at - take..at, cx)
                .map_err(|rule| Stop { at, rule })?;
            if frame.left > 0 {
                self.emit(from..at, cx);
                return Ok(at);
            }
            self.frame = None;
            let awaited = self.closing.is_some() || !self.injected.is_empty() || self.is_turning();
            if awaited {
                self.emit(from..at, cx);
                from = at;
            }
            self.frame_end(&frame, last, cx).map_err(|rule| Stop { at, rule })?;
            if awaited {
                self.boundary(cx);
            }
        }
    }

    /// Sends what of a header has been kept from earlier, or hands the header to the hold.
    fn head_passes(&mut self, head: &FrameHead, read: Option<&[u8]>, cx: &mut Cx<'_>) {
        let bytes = read.unwrap_or(&self.partial[..usize::from(head.head_len)]);
        if self.away {
            // None of it leaves, so its header need not be kept.
            return;
        }
        if let Some(hold) = &mut self.hold {
            let first = self.message.filter(|message| message.frames == 1);
            let alone = head.fin && first.is_some_and(|message| !message.compressed);
            hold.head(head, bytes, alone);
        } else if read.is_none() {
            cx.send(self.direction.to(), bytes.to_vec());
        }
    }

    /// Reads a header at `at`, together with what came of it before; `None`: it is not complete, and kept.
    #[inline]
    fn head(&mut self, input: &[u8], at: &mut usize) -> Option<FrameHead> {
        let had = usize::from(self.partial_len);
        if had == 0
            && let Some(head) = FrameHead::parse(&input[*at..])
        {
            *at += usize::from(head.head_len);
            return Some(head);
        }
        let take = (HEAD_BYTES_MAX - had).min(input.len() - *at);
        self.partial[had..had + take].copy_from_slice(&input[*at..*at + take]);
        let head = FrameHead::parse(&self.partial[..had + take]);
        match head {
            Some(head) => *at += usize::from(head.head_len) - had,
            None => {
                *at += take;
                #[allow(clippy::cast_possible_truncation)] // at most 14
                let len = (had + take) as u8;
                self.partial_len = len;
            }
        }
        head
    }

    /// Payload of the frame under way. Gives back the span that the complete message takes with it.
    #[inline]
    fn payload(
        &mut self,
        frame: &Frame,
        input: &[u8],
        range: Range<usize>,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Span>, Rule> {
        let offset = frame.head.payload_len - frame.left - range.len() as u64;
        if frame.head.opcode == Opcode::Close {
            let room = 125usize.saturating_sub(self.close_payload.len()).min(range.len());
            let bytes = &input[range.start..range.start + room];
            mask::unmask_into(&mut self.close_payload, bytes, frame.head.mask, offset);
        }
        if range.is_empty() || frame.silent {
            return Ok(None);
        }
        if let Some(hold) = &mut self.hold {
            let result = match &mut self.message {
                _ if frame.control.is_some() => {
                    hold.control_payload(&frame.head, &input[range], offset);
                    Ok(())
                }
                Some(message) => hold.payload(message, &frame.head, &input[range], offset, cx),
                None => Ok(()),
            };
            return result
                .map(|()| None)
                .or_else(|rule| if self.away { Ok(None) } else { Err(rule) });
        }
        let Some(kept_max) = cx.config.record_bytes_max else {
            return Ok(None);
        };
        let mut span = Span {
            range,
            key: frame.head.mask,
            offset,
        };
        let complete = frame.left == 0 && (frame.control.is_some() || frame.head.fin);
        if let (None, Some(message)) = (&frame.control, &self.message)
            && !message.compressed
        {
            // What the record does not want of a long message is not even copied.
            let before = message.payload_bytes - frame.head.payload_len + offset;
            span.keep(kept_max.saturating_sub(before));
        }
        if span.range.is_empty() {
            return Ok(None);
        }
        if complete {
            return Ok(Some(span));
        }
        let control = frame.control.is_some();
        let compressed = !control && self.message.is_some_and(|message| message.compressed);
        let direction = self.direction;
        cx.out.push(Output::Record(Entry::Part {
            direction,
            control,
            compressed,
            span,
        }));
        Ok(None)
    }

    /// The frame under way is complete.
    #[inline]
    fn frame_end(&mut self, frame: &Frame, last: Option<Span>, cx: &mut Cx<'_>) -> Result<(), Rule> {
        match frame.control {
            Some(facts) => self.control_end(facts, last, cx),
            None if frame.head.fin => self.message_end(last, cx),
            None => Ok(()),
        }
    }

    fn control_end(&mut self, mut facts: Facts, last: Option<Span>, cx: &mut Cx<'_>) -> Result<(), Rule> {
        let mut stop = None;
        if facts.opcode == Opcode::Close {
            let payload = std::mem::take(&mut self.close_payload);
            let flaw = close::flaw(&payload);
            facts.violation = facts.violation.or(flaw);
            stop = flaw.filter(|_| cx.config.close_on_violation && !self.away);
            self.answered |= self.away;
            if !self.close_seen {
                self.close_seen = true;
                self.close = Some(Box::new(Close::parse(&payload)));
            }
        }
        facts.sequence = cx.sequence();
        let passes = !self.away && stop.is_none();
        self.closed_out |= passes && facts.opcode == Opcode::Close;
        // Behind a Close nothing matters any more (RFC 6455 §1.4): where violations are not passed on, what still comes
        // is let go, and the other peer's answer is not cut short for it.
        self.away |= passes && facts.opcode == Opcode::Close && cx.config.close_on_violation;
        match &mut self.hold {
            Some(hold) => hold.control_end(facts, passes, cx),
            None => {
                let fate = if passes { Fate::Sent } else { Fate::Dropped };
                cx.record(Recorded {
                    facts,
                    payload: Payload::Parts(last),
                    fate,
                    ticket: None,
                });
            }
        }
        stop.map_or(Ok(()), Err)
    }

    #[inline]
    fn message_end(&mut self, last: Option<Span>, cx: &mut Cx<'_>) -> Result<(), Rule> {
        let Some(mut facts) = self.message.take() else {
            return Ok(());
        };
        facts.sequence = cx.sequence();
        if let Some(hold) = &mut self.hold {
            return hold.message_end(facts, self.away, cx);
        }
        let fate = if self.away { Fate::Dropped } else { Fate::Sent };
        cx.record(Recorded {
            facts,
            payload: Payload::Parts(last),
            fate,
            ticket: None,
        });
        Ok(())
    }

    /// Sends what was read as it is, if anything passes.
    #[inline]
    fn emit(&self, range: Range<usize>, cx: &mut Cx<'_>) {
        if !range.is_empty() && !self.away && self.hold.is_none() {
            cx.out.push(Output::Send {
                to: self.to(),
                bytes: Bytes::Read(range),
            });
        }
    }
}
