//! What a session is held to: its settings, and what was agreed on in the handshake.

use super::Gate;
use crate::Direction;
use crate::deflate::Params;

/// How a session behaves; shared by all connections of the same settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether a violation closes the connection; otherwise it is passed on and flagged. Limits always close.
    pub close_on_violation: bool,
    /// Text messages must be UTF-8. Seen only in directions that are not [`Gate::Open`].
    pub validate_utf8: bool,
    /// One frame's payload, in bytes.
    pub frame_bytes_max: u64,
    /// One message, assembled, and inflated where the session inflates, in bytes.
    pub message_bytes_max: u64,
    /// Inflated to compressed size of one message; see [`crate::deflate::Caps::ratio_max`].
    pub inflate_ratio_max: u32,
    /// How many messages of one direction may wait for a verdict, or behind one that waits, and at most an empty one more
    /// that interrupted the last of them. As many of the proxy's own may wait for the end of a fragmented message.
    pub held_max: usize,
    /// How many bytes of one direction may wait, before nothing more is taken; the message that goes beyond it is
    /// still taken to its end. As many bytes of the proxy's own may wait, or one longer message.
    pub held_bytes_max: usize,
    /// Both peers silent for so long: Close 1001. 0: never.
    pub idle_ms: u64,
    /// For the second Close, and for the end of a stream after the first one ended; counted from the last byte.
    pub close_ms: u64,
    /// Payload bytes of an uncompressed message that the record wants; `None`: there is no record.
    pub record_bytes_max: Option<u64>,
    /// Where masking keys for frames of the proxy's own come from (RFC 6455 §5.3: unpredictable).
    pub mask_key: fn() -> [u8; 4],
}

impl Config {
    /// The gate where nobody judges.
    pub(super) const fn open(&self) -> Gate {
        if self.close_on_violation {
            Gate::Check
        } else {
            Gate::Open
        }
    }
}

/// What was agreed on for one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// permessage-deflate's parameters, if it is in use.
    pub deflate: Option<Params>,
    /// Extensions that this engine does not know are in use: reserved bits and opcodes may be theirs.
    pub unknown: bool,
}

impl Agreed {
    /// How messages of a direction are compressed: the window's bits, and whether it is kept from message to message.
    pub(super) const fn window(&self, direction: Direction) -> (u8, bool) {
        match (&self.deflate, direction) {
            (None, _) => (15, true),
            (Some(params), Direction::Send) => (params.client_max_window_bits, !params.client_no_context_takeover),
            (Some(params), Direction::Receive) => (params.server_max_window_bits, !params.server_no_context_takeover),
        }
    }
}
