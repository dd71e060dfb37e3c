//! What hooks were asked and what came of it, as numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted of one direction's hooks. Each message adds to exactly one of the numbers that say what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Requests that were made for messages.
    Asked,
    /// The hook let it go.
    Passed,
    /// The hook did not.
    Blocked,
    /// A web application firewall could not read it: 400 or 413.
    Uninspected,
    /// The hook put another message in its place.
    Replaced,
    /// The hook dropped it.
    Dropped,
    /// No answer in time.
    FailedTimeout,
    /// No connection, or it broke.
    FailedConnect,
    /// No TLS.
    FailedTls,
    /// An answer that is none.
    FailedProtocol,
    /// 429 or 5xx.
    FailedStatus,
    /// The breaker was open.
    FailedBreaker,
    /// The hook has an address that it may not have.
    FailedReach,
    /// Went on although the hook had failed.
    SkippedOpen,
    /// Went on before the hook was asked, as `shadow` has it.
    SkippedShadow,
    /// Went on unasked in `shadow`, because enough were under way.
    SkippedFull,
    /// Of one that was too long the hook saw the beginning.
    SkippedTruncated,
    /// Too long: went on.
    SkippedOversize,
    /// Binary: went on.
    SkippedBinary,
    /// The hook saw it in base64 alone, in which it finds little.
    Opaque,
    /// Ended the conversation because it was binary.
    ClosedBinary,
    /// Ended the conversation because it was too long.
    ClosedOversize,
    /// A verdict that was kept.
    CacheHits,
    /// A request that was made again, because the one before had no answer.
    Retried,
    /// Microseconds from question to verdict, summed up.
    LatencyMicros,
}

impl Count {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 25] = [
        (Self::Asked, "asked"),
        (Self::Passed, "passed"),
        (Self::Blocked, "blocked"),
        (Self::Uninspected, "uninspected"),
        (Self::Replaced, "replaced"),
        (Self::Dropped, "dropped"),
        (Self::FailedTimeout, "failed_timeout"),
        (Self::FailedConnect, "failed_connect"),
        (Self::FailedTls, "failed_tls"),
        (Self::FailedProtocol, "failed_protocol"),
        (Self::FailedStatus, "failed_status"),
        (Self::FailedBreaker, "failed_breaker"),
        (Self::FailedReach, "failed_reach"),
        (Self::SkippedOpen, "skipped_open"),
        (Self::SkippedShadow, "skipped_shadow"),
        (Self::SkippedFull, "skipped_full"),
        (Self::SkippedTruncated, "skipped_truncated"),
        (Self::SkippedOversize, "skipped_oversize"),
        (Self::SkippedBinary, "skipped_binary"),
        (Self::Opaque, "opaque"),
        (Self::ClosedBinary, "closed_binary"),
        (Self::ClosedOversize, "closed_oversize"),
        (Self::CacheHits, "cache_hits"),
        (Self::Retried, "retried"),
        (Self::LatencyMicros, "latency_micros"),
    ];
}

/// The numbers of one direction.
#[derive(Debug, Default)]
pub struct Counts([AtomicU64; Count::ALL.len()]);

impl Counts {
    pub(super) fn add(&self, count: Count, by: u64) {
        self.0[count as usize].fetch_add(by, Ordering::Relaxed);
    }

    /// One of the numbers.
    #[must_use]
    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn the_list_has_each_at_its_place() {
        for (at, (count, _)) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, at);
        }
    }
}
