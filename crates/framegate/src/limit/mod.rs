//! What connections and their sources may do, and which limit one has gone beyond.
//!
//! A source is whoever a client comes from: an IPv4 address, or an IPv6 network of 64 bits, which one subscriber has at
//! the least. This room has no sockets and sends nothing: `upgrade` asks it before anything is dialled, and
//! [`relay`](crate::relay) before it reads.
//!
//! Reading order: `bucket` (a rate) · `source` (who is there, how often, and what they may still say) · `origin`
//! (from which pages a WebSocket may be opened).

mod bucket;
mod source;
mod origin;

use wire::error::Rule;

use crate::flow::Word;

pub(crate) use bucket::Bucket;
pub(crate) use origin::{OriginPattern, check};
pub use source::Sources;
pub(crate) use source::{Crowded, Seat, Spending};

/// A limit of a connection or of a source, or another condition of being let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `limits.messages_per_second_max`.
    MessageRate,
    /// `limits.bytes_per_second_max`.
    ByteRate,
    /// `limits.messages_max`.
    MessageCount,
    /// `limits.lifetime_ms`.
    Lifetime,
    /// `limits.source_connections_max`.
    SourceConnections,
    /// `limits.source_connections_per_minute_max`.
    SourceConnectionRate,
    /// `limits.source_messages_per_second_max`.
    SourceMessageRate,
    /// `limits.source_bytes_per_second_max`.
    SourceByteRate,
    /// `upgrade.origins_allow`.
    Origin,
}

impl Limit {
    /// The limit that ended a conversation with this rule, if it is one of these.
    #[must_use]
    pub const fn of(rule: Rule) -> Option<Self> {
        match rule {
            Rule::MessageRate => Some(Self::MessageRate),
            Rule::ByteRate => Some(Self::ByteRate),
            Rule::MessageCount => Some(Self::MessageCount),
            Rule::SourceMessageRate => Some(Self::SourceMessageRate),
            Rule::SourceByteRate => Some(Self::SourceByteRate),
            _ => None,
        }
    }
}

impl Word for Limit {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::MessageRate, "message_rate"),
        (Self::ByteRate, "byte_rate"),
        (Self::MessageCount, "message_count"),
        (Self::Lifetime, "lifetime"),
        (Self::SourceConnections, "source_connections"),
        (Self::SourceConnectionRate, "source_connection_rate"),
        (Self::SourceMessageRate, "source_message_rate"),
        (Self::SourceByteRate, "source_byte_rate"),
        (Self::Origin, "origin"),
    ];
}
