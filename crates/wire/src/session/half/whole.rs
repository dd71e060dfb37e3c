//! The common case in few steps: whole messages of one frame each, with nothing unusual about them. Whatever is unusual
//! goes the long way, in `super`; both ways come to the same.

use super::super::Cx;
use super::super::output::{Entry, Facts, Fate, Output, Payload, Recorded, Span};
use super::{Frame, Half, Stop};
use crate::frame::{FrameHead, Opcode, RSV1};

impl Half {
    /// Takes whole messages from `at` on for as long as that is all that comes, at cut-through. Gives back where it
    /// stopped; the bytes before are still to be sent.
    #[inline]
    pub(super) fn whole_messages(&mut self, input: &[u8], mut at: usize, cx: &mut Cx<'_>) -> usize {
        if !self.is_at_rest() || self.hold.is_some() {
            return at;
        }
        let most = cx.config.frame_bytes_max.min(cx.config.message_bytes_max);
        while let Some((head, start, end)) = self.whole_message(input, at, most, cx.agreed.unknown) {
            if self.allowance.take(&head, true).is_err() {
                break;
            }
            at = end;
            let compressed = head.rsv & RSV1 != 0 && self.legs.may_compress();
            self.uninflated |= compressed;
            let facts = Facts {
                sequence: cx.sequence(),
                compressed,
                ..Facts::of(self.direction, &head)
            };
            cx.tally.count(&facts, &Fate::Sent);
            let Some(kept_max) = cx.config.record_bytes_max else {
                continue;
            };
            let mut span = Span {
                range: start..end,
                key: head.mask,
                offset: 0,
            };
            if !compressed {
                span.keep(kept_max);
            }
            cx.out.push(Output::Record(Entry::Message(Recorded {
                facts,
                payload: Payload::Parts((!span.range.is_empty()).then_some(span)),
                fate: Fate::Sent,
                ticket: None,
            })));
        }
        at
    }

    /// The same behind a shut gate, for messages that are not compressed.
    pub(super) fn held_messages(&mut self, input: &[u8], mut at: usize, cx: &mut Cx<'_>) -> Result<usize, Stop> {
        if !self.is_at_rest() {
            return Ok(at);
        }
        let most = cx.config.frame_bytes_max.min(cx.config.message_bytes_max);
        while let Some((head, start, end)) = self.whole_message(input, at, most, cx.agreed.unknown) {
            let compressed = head.rsv & RSV1 != 0 && self.legs.may_compress();
            let hold = self.hold.as_mut();
            let Some(hold) = hold.filter(|hold| !compressed && hold.wants(cx.config)) else {
                break;
            };
            if self.allowance.take(&head, true).is_err() {
                break;
            }
            hold.head(&head, &input[at..start], true);
            at = end;
            let mut facts = Facts::of(self.direction, &head);
            if let Err(rule) = hold.payload(&mut facts, &head, &input[start..end], 0, cx) {
                // It ends behind the Close.
                self.message = Some(facts);
                self.frame = Some(Frame {
                    head,
                    left: 0,
                    control: None,
                    stopped: false,
                    silent: false,
                });
                return Err(Stop { at, rule });
            }
            facts.sequence = cx.sequence();
            hold.message_end(facts, false, cx).map_err(|rule| Stop { at, rule })?;
        }
        Ok(at)
    }

    /// The header of the message at `at`, where its payload begins, and where it ends: if it is whole, in one frame and
    /// without a flaw.
    #[inline(always)]
    fn whole_message(&self, input: &[u8], at: usize, most: u64, unknown: bool) -> Option<(FrameHead, usize, usize)> {
        let head = FrameHead::parse(&input[at..])?;
        let start = at + usize::from(head.head_len);
        let one_frame = head.fin && matches!(head.opcode, Opcode::Text | Opcode::Binary);
        let here = head.payload_len <= most && head.payload_len <= (input.len() - start) as u64;
        if !one_frame || !here || self.flaw(&head, unknown).is_some() {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)] // no longer than `input`
        let end = start + head.payload_len as usize;
        Some((head, start, end))
    }

    /// Nothing is under way, the gate is what is wanted, and the proxy has nothing of its own to say.
    fn is_at_rest(&self) -> bool {
        self.frame.is_none()
            && self.message.is_none()
            && self.partial_len == 0
            && !self.is_turning()
            && self.injected.is_empty()
            && self.closing.is_none()
            && !self.away
    }
}
