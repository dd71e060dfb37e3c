//! The common case in few steps: whole messages of one frame each, at cut-through, with nothing unusual about them.
//! Whatever is unusual goes the long way, in `super`; both ways come to the same.

use super::super::Cx;
use super::super::output::{Facts, Fate, Payload, Recorded, Span};
use super::Half;
use crate::frame::{FrameHead, Opcode, RSV1};

impl Half {
    /// Takes whole messages from `at` on for as long as that is all that comes. Gives back where it stopped; the bytes
    /// before are still to be sent.
    #[inline]
    pub(super) fn whole_messages(&mut self, input: &[u8], mut at: usize, cx: &mut Cx<'_>) -> usize {
        if !self.is_at_rest() {
            return at;
        }
        let most = cx.config.frame_bytes_max.min(cx.config.message_bytes_max);
        while let Some(head) = FrameHead::parse(&input[at..]) {
            let start = at + usize::from(head.head_len);
            let one_frame = head.fin && matches!(head.opcode, Opcode::Text | Opcode::Binary);
            let here = head.payload_len <= most && head.payload_len <= (input.len() - start) as u64;
            if !one_frame || !here || self.flaw(&head, cx.agreed).is_some() {
                break;
            }
            #[allow(clippy::cast_possible_truncation)] // no longer than `input`
            let end = start + head.payload_len as usize;
            at = end;
            let compressed = head.rsv & RSV1 != 0 && cx.agreed.deflate.is_some();
            self.uninflated |= compressed;
            let sequence = cx.sequence();
            let Some(kept_max) = cx.config.record_bytes_max else {
                continue;
            };
            let facts = Facts {
                sequence,
                compressed,
                ..Facts::of(self.direction, &head)
            };
            let mut span = Span {
                range: start..end,
                key: head.mask,
                offset: 0,
            };
            if !compressed {
                span.keep(kept_max);
            }
            cx.record(Recorded {
                facts,
                payload: Payload::Parts((!span.range.is_empty()).then_some(span)),
                fate: Fate::Sent,
                ticket: None,
            });
        }
        at
    }

    /// Nothing is under way, nobody judges, and the proxy has nothing of its own to say.
    fn is_at_rest(&self) -> bool {
        self.frame.is_none()
            && self.message.is_none()
            && self.partial_len == 0
            && self.hold.is_none()
            && self.injected.is_empty()
            && self.closing.is_none()
            && !self.away
    }
}
