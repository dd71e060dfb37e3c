//! What a judge is: what it is given, and what it says.

use std::sync::Arc;
use std::task::{Context, Poll};

use wire::frame::Opcode;
use wire::session::{Facts, Ticket};

use crate::flow::{Decision, Direction, FlowId, Kind, Timestamp};
use crate::query::{FlowFacts, MessageFacts};
use crate::telemetry::JudgeKind;

/// The flow whose messages are judged.
#[derive(Debug)]
pub(crate) struct JudgedFlow {
    /// Its name; 0 if it is not on record.
    pub(crate) id: FlowId,
    /// What filters can ask of it.
    pub(crate) facts: FlowFacts<'static>,
    /// `limits.message_bytes_max`: nothing larger can take a message's place.
    pub(crate) message_bytes_max: u64,
}

/// A message on its way past the judges.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Names it.
    pub(crate) ticket: Ticket,
    /// What is known of it as it came.
    pub(crate) facts: Facts,
    /// When it was complete.
    pub(crate) at: Timestamp,
    /// What it is now: a judge may have made a text of a binary message, or the reverse.
    pub(crate) opcode: Opcode,
    /// Its payload now: unmasked, assembled, inflated, and as the judges before left it.
    pub(crate) payload: Arc<Vec<u8>>,
    /// It is not what came any more.
    pub(crate) changed: bool,
}

impl Subject {
    /// What filters can ask of it.
    pub(crate) fn message(&self) -> MessageFacts<'_> {
        MessageFacts {
            sequence: self.facts.sequence,
            direction: self.facts.direction,
            at: self.at,
            kind: match self.opcode {
                Opcode::Text => Kind::Text,
                Opcode::Binary => Kind::Binary,
                _ => Kind::Unknown,
            },
            opcode: Some(self.opcode.bits()),
            compressed: self.facts.compressed,
            head: None,
            body: &self.payload,
            size: self.payload.len() as u64,
            wire_bytes: self.facts.wire_bytes,
            frames: self.facts.frames,
            fate: None,
            decided_by: None,
            violation: None,
        }
    }
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

/// An opinion, and whose it is as the record says it, such as `plugin:redact`.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) opinion: Opinion,
    pub(crate) by: String,
}

/// What a judge answers when it is shown a message.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The next judge has it.
    Pass,
    /// This.
    Decided(Decided),
    /// It takes time: [`Judge::poll`] has the answer.
    Later,
}

/// Whoever may look at messages. Each connection has its own.
pub(crate) trait Judge {
    /// As what its decisions are counted.
    fn kind(&self) -> JudgeKind;

    /// Looks at a message. What is to be said about it on record, besides who decided, goes into `decision`.
    fn judge(&mut self, flow: &JudgedFlow, subject: &Subject, decision: &mut Decision) -> Answer;

    /// The next answer about a message that was answered with [`Answer::Later`].
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<(Ticket, Decided)> {
        Poll::Pending
    }

    /// Says what is to be said on record about the message whose answer [`Judge::poll`] has just given, besides who decided.
    fn note(&mut self, _: &mut Decision) {}

    /// A message that was answered with [`Answer::Later`] is not there to be judged any more.
    fn forget(&mut self, _: Ticket) {}

    /// The peer that this direction's messages are for is gone, or theirs that sends them: whoever holds one for
    /// somebody lets it go. The answers come from [`Judge::poll`].
    fn hurry(&mut self, _: Direction) {}
}
