//! One message on its way to the store, borrowed from wherever it is.

use crate::flow::{Direction, Fate, FlowId, Kind, Message, Metadata, Payload, Timestamp};

/// Bytes that may be text: the borrowed twin of [`Payload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadRef<'a> {
    /// Valid UTF-8 that was sent as text; searchable.
    Text(&'a str),
    /// Anything else, exactly as received.
    Bytes(&'a [u8]),
}

impl<'a> PayloadRef<'a> {
    /// Its bytes, whichever they are.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Whether it is text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> From<&'a Payload> for PayloadRef<'a> {
    fn from(payload: &'a Payload) -> Self {
        match payload {
            Payload::Text(text) => Self::Text(text),
            Payload::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

/// One message: the borrowed twin of [`Message`], whose fields say what these mean. Writing one allocates nothing,
/// unless it has one of `decided_by`, `violation` and `more`.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// [`Message::flow`].
    pub flow: FlowId,
    /// [`Message::sequence`].
    pub sequence: u32,
    /// [`Message::direction`].
    pub direction: Direction,
    /// [`Message::at`].
    pub at: Timestamp,
    /// [`Message::kind`].
    pub kind: Kind,
    /// [`Message::head`].
    pub head: Option<&'a str>,
    /// [`Message::payload`].
    pub payload: PayloadRef<'a>,
    /// [`Message::size`].
    pub size: u64,
    /// [`Message::wire_bytes`].
    pub wire_bytes: u64,
    /// [`Message::frames`].
    pub frames: u32,
    /// [`Message::truncated`].
    pub truncated: bool,
    /// [`Message::fate`].
    pub fate: Fate,
    /// [`Message::decided_by`].
    pub decided_by: Option<&'a str>,
    /// [`Message::original`].
    pub original: Option<PayloadRef<'a>>,
    /// [`crate::flow::Metadata::opcode`].
    pub opcode: Option<u8>,
    /// [`crate::flow::Metadata::masked`].
    pub masked: bool,
    /// [`crate::flow::Metadata::compressed`].
    pub compressed: bool,
    /// [`crate::flow::Metadata::invalid_utf8`].
    pub invalid_utf8: bool,
    /// [`crate::flow::Metadata::violation`].
    pub violation: Option<&'a str>,
    /// [`crate::flow::Metadata::more`].
    pub more: &'a [(String, String)],
}

impl<'a> From<&'a Message> for Row<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            flow: message.flow,
            sequence: message.sequence,
            direction: message.direction,
            at: message.at,
            kind: message.kind,
            head: message.head.as_deref(),
            payload: (&message.payload).into(),
            size: message.size,
            wire_bytes: message.wire_bytes,
            frames: message.frames,
            truncated: message.truncated,
            fate: message.fate,
            decided_by: message.decided_by.as_deref(),
            original: message.original.as_ref().map(PayloadRef::from),
            opcode: message.metadata.opcode,
            masked: message.metadata.masked,
            compressed: message.metadata.compressed,
            invalid_utf8: message.metadata.invalid_utf8,
            violation: message.metadata.violation.as_deref(),
            more: &message.metadata.more,
        }
    }
}

impl From<&Row<'_>> for Message {
    fn from(row: &Row<'_>) -> Self {
        let owned = |payload: PayloadRef<'_>| match payload {
            PayloadRef::Text(text) => Payload::Text(text.to_owned()),
            PayloadRef::Bytes(bytes) => Payload::Bytes(bytes.to_owned()),
        };
        Self {
            flow: row.flow,
            sequence: row.sequence,
            direction: row.direction,
            at: row.at,
            kind: row.kind,
            head: row.head.map(str::to_owned),
            payload: owned(row.payload),
            size: row.size,
            wire_bytes: row.wire_bytes,
            frames: row.frames,
            truncated: row.truncated,
            fate: row.fate,
            decided_by: row.decided_by.map(str::to_owned),
            original: row.original.map(owned),
            metadata: Metadata {
                opcode: row.opcode,
                masked: row.masked,
                compressed: row.compressed,
                invalid_utf8: row.invalid_utf8,
                violation: row.violation.map(str::to_owned),
                more: row.more.to_vec(),
            },
        }
    }
}
