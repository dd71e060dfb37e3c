//! One recorded message.

use super::{Direction, FlowId, Timestamp};

/// What a recorded message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The client's request for a WebSocket; sequence 0. Its payload is the head as it came.
    UpgradeRequest,
    /// The server's 101; sequence 1. Its payload is the head as it came.
    UpgradeResponse,
    /// A text message (opcode 1).
    Text,
    /// A binary message (opcode 2).
    Binary,
    /// A Close frame (opcode 8).
    Close,
    /// A Ping frame (opcode 9).
    Ping,
    /// A Pong frame (opcode 10).
    Pong,
    /// A frame with a reserved opcode, or a continuation of nothing.
    Unknown,
    /// The request of an HTTP exchange.
    Request,
    /// The response of an HTTP exchange.
    Response,
}

impl Kind {
    /// Whether it is a message of a WebSocket that is no control frame.
    #[must_use]
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Text | Self::Binary | Self::Unknown)
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It left as it came.
    Sent,
    /// Another payload left in its place.
    Replaced,
    /// It did not leave.
    Dropped,
    /// A rule stopped it.
    Blocked,
    /// It never came: somebody at the proxy wrote it.
    Injected,
}

/// Bytes that may be text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Valid UTF-8 that was sent as text; searchable.
    Text(String),
    /// Anything else, exactly as received.
    Bytes(Vec<u8>),
}

impl Payload {
    /// The payload's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What else is known of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The frame's opcode (RFC 6455 §5.2); `None` for the upgrade and for HTTP.
    pub opcode: Option<u8>,
    /// The sender masked it.
    pub masked: bool,
    /// It came compressed (RFC 7692); the recorded payload is inflated.
    pub compressed: bool,
    /// It was sent as text but is not UTF-8.
    pub invalid_utf8: bool,
    /// What its sender did against RFC 6455 or RFC 7692, in a few words.
    pub violation: Option<String>,
    /// Further facts, such as `method` of an HTTP request and `status` of a response; names are unique.
    pub more: Vec<(String, String)>,
}

/// One message of a flow, as it is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The flow it belongs to.
    pub flow: FlowId,
    /// Its place in the flow, counted over both directions without a gap.
    pub sequence: u32,
    /// Which way it went.
    pub direction: Direction,
    /// When it was complete on arrival.
    pub at: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// Start line and header fields of an HTTP request or response, as they came; `None` for all else.
    pub head: Option<String>,
    /// The payload: unmasked, assembled, inflated, and cut at `record.payload_bytes_max`.
    pub payload: Payload,
    /// The payload's bytes before it was cut.
    pub size: u64,
    /// Bytes on the wire: its frames with their headers.
    pub wire_bytes: u64,
    /// How many frames it came in; 0 for the upgrade and for HTTP.
    pub frames: u32,
    /// The payload was cut.
    pub truncated: bool,
    /// What became of it.
    pub fate: Fate,
    /// Who decided that fate: a rule, a plugin, a hook, a person; `None` if nobody did.
    pub decided_by: Option<String>,
    /// The payload that a replacement replaced.
    pub original: Option<Payload>,
    /// What else is known.
    pub metadata: Metadata,
}
