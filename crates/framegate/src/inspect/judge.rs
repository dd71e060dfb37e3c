//! What a judge is given and what it says.

use std::sync::Arc;

use wire::frame::Opcode;
use wire::session::Facts;

use crate::flow::Timestamp;

/// A message on its way past the judges.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// What is known of it as it came.
    pub(crate) facts: Facts,
    /// When it was complete.
    pub(crate) at: Timestamp,
    /// What it is now: a judge may have made a text of a binary message, or the reverse.
    pub(crate) opcode: Opcode,
    /// Its payload now: unmasked, assembled, inflated, and as the judges before left it.
    pub(crate) payload: Arc<Vec<u8>>,
}

/// What a judge says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// Nothing: the next judge has it.
    Pass,
    /// This goes on in its place: [`Opcode::Text`] or [`Opcode::Binary`].
    Replace {
        /// What it is from now on.
        opcode: Opcode,
        /// Its payload from now on.
        payload: Vec<u8>,
    },
    /// It does not leave.
    Drop,
    /// It does not leave, and the conversation ends.
    Close {
        /// The status code of the Close to both peers.
        code: u16,
        /// Its reason, at most 123 bytes.
        reason: String,
    },
}
