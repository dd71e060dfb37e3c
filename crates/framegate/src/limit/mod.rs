//! What is counted of connections and of their sources, and which limit was gone beyond how often.
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

use std::sync::atomic::{AtomicU64, Ordering};

use wire::error::Rule;

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
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::MessageRate,
        Self::ByteRate,
        Self::MessageCount,
        Self::Lifetime,
        Self::SourceConnections,
        Self::SourceConnectionRate,
        Self::SourceMessageRate,
        Self::SourceByteRate,
        Self::Origin,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageRate => "message_rate",
            Self::ByteRate => "byte_rate",
            Self::MessageCount => "message_count",
            Self::Lifetime => "lifetime",
            Self::SourceConnections => "source_connections",
            Self::SourceConnectionRate => "source_connection_rate",
            Self::SourceMessageRate => "source_message_rate",
            Self::SourceByteRate => "source_byte_rate",
            Self::Origin => "origin",
        }
    }

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

/// How often each limit was gone beyond since the process began.
#[derive(Debug, Default)]
pub struct Counts([AtomicU64; Limit::ALL.len()]);

impl Counts {
    /// Once more.
    pub fn add(&self, limit: Limit) {
        self.0[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often.
    #[must_use]
    pub fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Limit};

    #[test]
    fn each_limit_has_a_count_and_a_name_of_its_own() {
        let counts = Counts::default();
        for (at, limit) in Limit::ALL.into_iter().enumerate() {
            (0..=at).for_each(|_| counts.add(limit));
        }
        let seen: Vec<u64> = Limit::ALL.into_iter().map(|limit| counts.of(limit)).collect();
        assert_eq!(seen, (1..=9).collect::<Vec<u64>>());
        let names: std::collections::HashSet<_> = Limit::ALL.into_iter().map(Limit::name).collect();
        assert_eq!(names.len(), Limit::ALL.len());
    }
}
