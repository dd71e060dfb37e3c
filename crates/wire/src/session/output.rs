//! What a session takes and what it gives: the nouns of its interface.

use std::ops::Range;
use std::sync::Arc;

use crate::close::Close;
use crate::error::{Rule, Violation};
use crate::frame::{FrameHead, Opcode};
use crate::message::NewMessage;
use crate::{Direction, Peer};

/// What must be done now, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// These bytes leave for a peer, behind all that left for it before.
    Send {
        /// The peer that they are for.
        to: Peer,
        /// The bytes.
        bytes: Bytes,
    },
    /// Nothing more leaves for this peer: shut its stream down for writing once all is written.
    Finish {
        /// The peer.
        to: Peer,
    },
    /// The far end vanished: reset the connection to this peer.
    Abort {
        /// The peer.
        to: Peer,
    },
    /// Somebody must judge this message; the answer comes as [`super::Session::verdict`].
    Inspect(Inspect),
    /// The gate of this direction is to shut, but under context takeover (RFC 7692 §7.1.1) what comes now can be read only
    /// by the inflater that has read all that came before. The direction stands still until [`super::Session::resume`].
    NeedsInflater {
        /// The direction.
        direction: Direction,
    },
    /// Something goes on record.
    Record(Entry),
}

/// Bytes that leave.
#[derive(Debug, PartialEq, Eq)]
pub enum Bytes {
    /// These bytes of what was handed in just now, as they are.
    Read(Range<usize>),
    /// Bytes that were kept from earlier, or made.
    New(Vec<u8>),
}

/// Names one message that waits for a verdict, or one of the proxy's own. Each ends in exactly one [`Recorded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A whole message, for a judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspect {
    /// Names it in the verdict.
    pub ticket: Ticket,
    /// What is known of it.
    pub facts: Facts,
    /// Its payload: unmasked, assembled, inflated.
    pub payload: Arc<Vec<u8>>,
}

/// What a judge says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It leaves as it came.
    Pass,
    /// This leaves in its place: text in UTF-8 or binary, within the message limit.
    Replace(NewMessage),
    /// It does not leave.
    Drop,
    /// It does not leave, and the conversation ends.
    Close {
        /// The status code of the Close to both peers; one that may be sent ([`crate::close::may_be_sent`]).
        code: u16,
        /// Its reason, cut at [`crate::close::REASON_BYTES_MAX`].
        reason: String,
    },
}

/// What is known of a message without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which way it goes.
    pub direction: Direction,
    /// Its place in the conversation, over both directions without a gap.
    pub sequence: u32,
    /// The opcode of its first frame; [`Opcode::Continuation`] if that continued nothing.
    pub opcode: Opcode,
    /// Its sender compressed it (RSV1 of its first frame, RFC 7692 §6).
    pub compressed: bool,
    /// Its sender masked it.
    pub masked: bool,
    /// How many frames it came in; 0 for one of the proxy's own that could not leave any more.
    pub frames: u32,
    /// Bytes on the wire, headers included.
    pub wire_bytes: u64,
    /// Payload bytes on the wire: compressed ones, if it was compressed.
    pub payload_bytes: u64,
    /// The first thing its sender did wrong with it.
    pub violation: Option<Rule>,
}

impl Facts {
    /// What a message's first frame says of it, without a place in the conversation yet.
    pub(super) const fn of(direction: Direction, head: &FrameHead) -> Self {
        Self {
            direction,
            sequence: 0,
            opcode: head.opcode,
            compressed: false,
            masked: head.mask.is_some(),
            frames: 1,
            wire_bytes: (head.head_len as u64).saturating_add(head.payload_len),
            payload_bytes: head.payload_len,
            violation: None,
        }
    }

    /// A message of the proxy's own, of which nothing is on the wire.
    pub(super) const fn unsent(direction: Direction, opcode: Opcode) -> Self {
        Self {
            direction,
            sequence: 0,
            opcode,
            compressed: false,
            masked: false,
            frames: 0,
            wire_bytes: 0,
            payload_bytes: 0,
            violation: None,
        }
    }
}

/// Something that goes on record.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// Payload of a message that is not complete yet, in order.
    Part {
        /// Whose.
        direction: Direction,
        /// Of a control frame, which may stand between the fragments of a message.
        control: bool,
        /// Of a compressed message: these bytes are to be inflated.
        compressed: bool,
        /// Where it is.
        span: Span,
    },
    /// A message is complete.
    Message(Recorded),
}

/// A complete message, for the record.
#[derive(Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What is known of it.
    pub facts: Facts,
    /// Its payload.
    pub payload: Payload,
    /// What became of it.
    pub fate: Fate,
    /// The ticket under which it was judged, or injected. What has one is told of even where there is no record.
    pub ticket: Option<Ticket>,
}

/// Where the payload of a recorded message is.
#[derive(Debug, PartialEq, Eq)]
pub enum Payload {
    /// All [`Entry::Part`]s since the last message of the same kind (control or not) and direction, and then these
    /// bytes. Still compressed if [`Facts::compressed`] says so.
    Parts(Option<Span>),
    /// Here, plain: the session has inflated it.
    Plain(Arc<Vec<u8>>),
}

/// A stretch of what was handed in just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which bytes.
    pub range: Range<usize>,
    /// The key to unmask them with.
    pub key: Option<[u8; 4]>,
    /// How far behind the start of their frame's payload they begin.
    pub offset: u64,
}

impl Span {
    /// Cuts it down to `most` bytes.
    pub(super) fn keep(&mut self, most: u64) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.range.end = self.range.end.min(self.range.start.saturating_add(most));
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its content left as it came.
    Sent,
    /// This left in its place.
    Replaced(NewMessage),
    /// It did not leave.
    Dropped,
    /// It never came: the proxy wrote it.
    Injected,
}

/// Why the proxy ends a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A peer broke a rule or went beyond a limit.
    Violation(Violation),
    /// Neither peer sent anything for the idle time.
    Idle,
    /// The connection has lived as long as it may.
    Lifetime,
    /// The proxy goes down.
    Drain,
    /// A judge wants it so.
    Verdict {
        /// The status code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// Somebody at the proxy wants it so.
    Command {
        /// The status code.
        code: u16,
        /// The reason.
        reason: String,
    },
}

impl Reason {
    /// The Close that says so. A code that may not be sent is left out, and the reason with it; a reason that is too long
    /// is cut.
    #[must_use]
    pub fn close(&self) -> Close {
        match self {
            Self::Violation(violation) => Close::new(violation.rule.close_code(), violation.rule.words()),
            Self::Idle => Close::new(1001, "idle timeout"),
            Self::Lifetime => Close::new(1001, "lifetime over"),
            Self::Drain => Close::new(1001, "proxy shutting down"),
            Self::Verdict { code, reason } | Self::Command { code, reason } => Close::new(*code, reason),
        }
    }
}

/// Why a message of the proxy's own, or a verdict, was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A Close has gone to that peer.
    Closed,
    /// Only text and binary can replace a message; text, binary, ping and pong can be injected, a ping or pong of at
    /// most 125 bytes.
    NotAMessage,
    /// The payload is beyond the message limit.
    TooBig,
    /// As much of the proxy's own as may waits already, for a message that its sender does not end.
    TooMany,
    /// A text is not UTF-8 (RFC 6455 §8.1): what peers send may pass, but the proxy sends no such thing itself.
    NotUtf8,
    /// A Close may not carry this code (RFC 6455 §7.4).
    CloseCode,
}

/// How a peer's stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: nothing more comes.
    Fin,
    /// It broke: reset, or a TLS failure.
    Reset,
    /// It broke because the peer, or the way to it, is gone: TCP asked and nobody answered.
    Lost,
}

/// How a conversation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What ended it.
    pub cause: Cause,
    /// The Close that came first, or that the proxy sent.
    pub close: Option<Close>,
}

/// What ended a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A Close of this peer.
    Closed(Peer),
    /// The proxy.
    Proxy(Reason),
    /// This peer's stream ended without a Close.
    Broken(Peer, End),
}
