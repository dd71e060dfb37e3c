//! What a session is held to: its settings, and what was agreed on in the handshake.

use super::Gate;
use crate::Direction;
use crate::deflate::{Deflater, Params};

/// How a session behaves; shared by all connections of the same settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether a violation closes the connection; otherwise it is passed on and flagged. Limits always close, and so does
    /// what cannot be passed on: a compressed message that is held and does not inflate, and what a
    /// [bridged](Agreed::is_bridged) direction's receiver would misread.
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
    pub(super) const fn open(&self, legs: Legs) -> Gate {
        if self.close_on_violation || legs.are_bridged() {
            Gate::Check
        } else {
            Gate::Open
        }
    }
}

/// What was agreed on for one connection, on each of its legs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// permessage-deflate's parameters on the client's leg, if it is in use there: the proxy is the server.
    pub client: Option<Params>,
    /// The same on the server's leg: the proxy is the client.
    pub server: Option<Params>,
    /// Extensions that this engine does not know are in use: reserved bits and opcodes may be theirs. They are agreed on
    /// by client and server, so beside them both legs are the same.
    pub unknown: bool,
}

impl Agreed {
    /// Client and server have negotiated with each other, and so both legs are the same; no unknown extension is in use.
    #[must_use]
    pub const fn both(deflate: Option<Params>) -> Self {
        Self {
            client: deflate,
            server: deflate,
            unknown: false,
        }
    }

    /// How the peers compress what they send, for whoever inflates it beside the path: `client_…` as it is on the
    /// client's leg, `server_…` as it is on the server's.
    #[must_use]
    pub fn senders(&self) -> Option<Params> {
        let (client, server) = match (self.client, self.server) {
            (None, None) => return None,
            (client, server) => (client.unwrap_or_default(), server.unwrap_or_default()),
        };
        Some(Params {
            client_no_context_takeover: client.client_no_context_takeover,
            client_max_window_bits: client.client_max_window_bits,
            server_no_context_takeover: server.server_no_context_takeover,
            server_max_window_bits: server.server_max_window_bits,
        })
    }

    /// Whether the legs differ so that what a direction's sender compresses is nothing that its receiver can read, or its
    /// receiver can have compressed what its sender cannot. Such a direction is never at cut-through: its messages are
    /// held until they are whole, whoever judges or not.
    ///
    /// A message that came compressed leaves as one frame of its own, compressed for the receiver's leg or plain. So does
    /// one that came plain, if its sender could not have compressed it and it is long enough to gain by it; all others
    /// leave as they came. Two things cannot leave at all, and close the connection whatever
    /// [`Config::close_on_violation`] says: a compressed message that does not inflate (1007), and RSV1 where it means
    /// nothing on the sender's leg and something on the receiver's (1002).
    ///
    /// A smaller window than the receiver's leg allows, or one that is not kept, is nothing that differs: whoever reads the
    /// larger reads the smaller, and bytes pass as they are.
    #[must_use]
    pub fn is_bridged(&self, direction: Direction) -> bool {
        self.legs(direction).are_bridged()
    }

    /// What both legs of a direction say about its compressing.
    pub(super) fn legs(&self, direction: Direction) -> Legs {
        let (from, to) = match direction {
            Direction::Send => (self.client, self.server),
            Direction::Receive => (self.server, self.client),
        };
        // On either leg `client_…` is what governs the way to the server.
        let window = |params: Params| match direction {
            Direction::Send => Window {
                bits: params.client_max_window_bits,
                takeover: !params.client_no_context_takeover,
            },
            Direction::Receive => Window {
                bits: params.server_max_window_bits,
                takeover: !params.server_no_context_takeover,
            },
        };
        Legs {
            from: from.map(window),
            to: to.map(window),
        }
    }
}

/// How one direction is compressed on its two legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Legs {
    /// As its sender may; `None`: not at all.
    from: Option<Window>,
    /// As its receiver can read it; `None`: not at all.
    to: Option<Window>,
}

/// A sender's window on one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// Base-2 logarithm of its size.
    bits: u8,
    /// It is kept from message to message.
    takeover: bool,
}

impl Legs {
    /// What was compressed for a window can be read with any that is as large, and is kept where the other is.
    pub(super) const fn are_bridged(self) -> bool {
        match (self.from, self.to) {
            (None, None) => false,
            (Some(from), Some(to)) => from.bits > to.bits || from.takeover && !to.takeover,
            _ => true,
        }
    }

    /// The sender may compress: RSV1 of a message's first frame has a meaning.
    pub(super) const fn may_compress(self) -> bool {
        self.from.is_some()
    }

    /// RSV1 means nothing on the sender's leg and something on the receiver's: what was judged as one thing would be read
    /// as another.
    pub(super) const fn would_be_misread(self) -> bool {
        self.from.is_none() && self.to.is_some()
    }

    /// The sender's compressed messages refer to those before.
    pub(super) const fn take_over(self) -> bool {
        matches!(self.from, Some(Window { takeover: true, .. }))
    }

    /// The proxy's own end of the receiver's leg; `None`: what it writes leaves uncompressed.
    pub(super) fn deflater(self) -> Option<Deflater> {
        let to = self.to?;
        // Between messages that leave as they came nothing may be referred to, whatever the receiver keeps.
        let takeover = to.takeover && (self.are_bridged() || self.take_over());
        Deflater::new(to.bits, takeover)
    }
}
