//! What a peer may still say. The session has no clock: whoever has one fills this up before each
//! [`receive`](super::Session::receive), and sees behind it what is left.

use crate::error::Rule;
use crate::frame::FrameHead;

/// So many messages and bytes may still begin in a direction, and which limit is gone beyond with the next one.
///
/// Control frames are messages too, a peer's first Close apart: nothing that matters follows it. A fragmented message
/// counts where it begins. Bytes are those of frames as they came, headers included, so that empty fragments are not
/// free; a frame counts with all that its header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Messages.
    pub messages: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// The limit that is gone beyond with one message more.
    pub messages_rule: Rule,
    /// The limit that is gone beyond with more bytes.
    pub bytes_rule: Rule,
}

impl Allowance {
    /// Without limits.
    pub const BOUNDLESS: Self = Self {
        messages: u64::MAX,
        bytes: u64::MAX,
        messages_rule: Rule::MessageRate,
        bytes_rule: Rule::ByteRate,
    };

    /// Takes what a frame needs; what there is too little of is not taken from.
    ///
    /// # Errors
    /// The limit that the frame is beyond.
    #[inline]
    pub(super) fn take(&mut self, head: &FrameHead, is_message: bool) -> Result<(), Rule> {
        let messages = u64::from(is_message);
        let bytes = head.payload_len.saturating_add(u64::from(head.head_len));
        if messages > self.messages {
            return Err(self.messages_rule);
        }
        if bytes > self.bytes {
            return Err(self.bytes_rule);
        }
        self.messages -= messages;
        self.bytes -= bytes;
        Ok(())
    }
}
