//! What one thread hands over at once: events, and one stretch of memory with all their payloads.

use std::ops::Range;
use std::sync::Arc;

use wire::deflate::Params;
use wire::frame::Opcode;
use wire::session::{Facts, Fate};

use crate::flow::{Decision, Direction, Ending, FlowId, Kind, Opening, Timestamp};
use crate::inspect::Redactor;

/// What one thread has gathered.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) bytes: Vec<u8>,
    /// Bytes that the events hold outside of `bytes`.
    pub(super) held_bytes: usize,
}

impl Batch {
    /// Payload bytes that it keeps in memory, wherever they are.
    pub(super) fn payload_bytes(&self) -> usize {
        self.bytes.len() + self.held_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes of memory that it takes, roughly.
    pub(super) fn weight(&self) -> usize {
        self.payload_bytes() + self.events.len() * size_of::<Event>()
    }
}

/// Something happened in a flow.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) flow: FlowId,
    pub(super) what: What,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    Opened(Arc<Opening>),
    /// Compressed messages follow.
    Deflate(Params),
    /// What this takes out of the server's texts does not go on record; of messages that nobody can read, because an
    /// unknown extension is in use, nothing does. `None`: all of it goes on record again.
    Redact {
        redactor: Option<Arc<Redactor>>,
        unreadable: bool,
    },
    Http(Box<Http>),
    /// Payload of a message that is not complete, unmasked.
    Part {
        direction: Direction,
        control: bool,
        compressed: bool,
        bytes: Range<u32>,
    },
    /// A message whose parts, and then these bytes, are its payload.
    Message {
        at: Timestamp,
        facts: Facts,
        sent: bool,
        bytes: Range<u32>,
    },
    /// A message that the session has put together itself.
    Whole(Box<Whole>),
    /// Something of this direction is not handed over. What was handed over of the same before belongs to nothing.
    Lost {
        direction: Direction,
        lost: Lost,
    },
    Tunnelled {
        direction: Direction,
        bytes: u64,
    },
    Ended(Box<Ending>),
}

impl What {
    /// Whether it is a message that somebody could read as text, as it came or as it left: any that is not binary.
    pub(super) fn may_be_text(&self) -> bool {
        let may = |opcode| opcode != Opcode::Binary;
        match self {
            Self::Message { facts, .. } => may(facts.opcode),
            Self::Whole(whole) => {
                may(whole.facts.opcode) || matches!(&whole.fate, Fate::Replaced(new) if may(new.opcode))
            }
            _ => false,
        }
    }

    /// Bytes of payload that it holds itself.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Http(http) => http.head.len() + http.body.len(),
            Self::Whole(whole) => {
                let new = match &whole.fate {
                    Fate::Replaced(new) => new.payload.len(),
                    _ => 0,
                };
                whole.payload.len() + new + whole.decision.as_deref().map_or(0, size_of_val)
            }
            _ => 0,
        }
    }
}

/// What is not handed over: messages as a whole, or so far parts of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Those that are complete.
    pub(super) messages: u64,
    /// Of those.
    pub(super) wire_bytes: u64,
    /// Data messages, or a part of one, are among it.
    pub(super) data: bool,
    /// Control frames, or a part of one, are among it.
    pub(super) control: bool,
    /// A compressed message is among it: under context takeover those behind it cannot be inflated.
    pub(super) compressed: bool,
}

/// A head of an upgrade, or a request or response.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) direction: Direction,
    pub(super) kind: Kind,
    pub(super) sequence: u32,
    pub(super) at: Timestamp,
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) size: u64,
    pub(super) wire_bytes: u64,
    pub(super) more: Vec<(String, String)>,
}

/// A message with its plain payload.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) at: Timestamp,
    pub(super) facts: Facts,
    pub(super) payload: Arc<Vec<u8>>,
    pub(super) fate: Fate,
    /// What was decided about it, if anybody did.
    pub(super) decision: Option<Box<Decision>>,
}
