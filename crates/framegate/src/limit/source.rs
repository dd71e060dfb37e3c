//! Who is there, how often, and what all connections of one source together may still say.
//!
//! The map is locked when a connection comes and when it goes. What one source may say has a lock of its own, which only
//! its connections share, and which is not even there without a limit on that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Bucket, Limit};
use crate::config::Limits;
use crate::telemetry;

/// How long a source is remembered after its last connection: so a new connection does not fill its buckets anew.
const REMEMBERED_MS: u64 = 60_000;
/// Sources that are remembered at the most; beyond it those without a connection are forgotten.
const REMEMBERED_MAX: usize = 100_000;

/// All sources.
#[derive(Debug, Default)]
pub struct Sources {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    sources: HashMap<u128, Source>,
    /// With so many it is time to forget some.
    tidy_at: usize,
}

#[derive(Debug)]
struct Source {
    open: usize,
    /// New connections a minute.
    new: Option<Bucket>,
    spending: Arc<Spending>,
    left_at: u64,
}

/// What all connections of a source together may still say.
#[derive(Debug, Default)]
pub(crate) struct Spending(Mutex<Rates>);

/// Messages and bytes a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) messages: Option<Bucket>,
    pub(crate) bytes: Option<Bucket>,
}

/// A connection's place among those of its source; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    sources: Arc<Sources>,
    key: u128,
    /// There if what a source says is limited.
    pub(crate) spending: Option<Arc<Spending>>,
}

/// A source that has too many connections.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crowded {
    pub(crate) limit: Limit,
    pub(crate) retry_after_ms: u64,
}

impl Sources {
    /// Lets a connection of that address in; `None`: no limit asks for its source.
    ///
    /// # Errors
    /// The source has too many, or opens too many.
    pub(crate) fn enter(self: &Arc<Self>, addr: IpAddr, limits: &Limits, now: u64) -> Result<Option<Seat>, Crowded> {
        let rated = limits.source_messages_per_second_max > 0 || limits.source_bytes_per_second_max > 0;
        let counted = limits.source_connections_max > 0 || limits.source_connections_per_minute_max > 0;
        if !rated && !counted {
            return Ok(None);
        }
        let key = key(addr);
        let mut known = self.lock();
        known.tidy(now);
        let source = known.sources.entry(key).or_insert_with(|| Source {
            open: 0,
            new: None,
            spending: Arc::default(),
            left_at: now,
        });
        let entered = source.enter(limits, now);
        if let Err(crowded) = entered {
            telemetry::counts().limits_exceeded.one(crowded.limit);
            return Err(crowded);
        }
        Ok(Some(Seat {
            sources: Arc::clone(self),
            key,
            spending: rated.then(|| Arc::clone(&source.spending)),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets whose last connection is long gone, each time that their number has doubled.
    fn tidy(&mut self, now: u64) {
        if self.sources.len() < self.tidy_at.clamp(64, REMEMBERED_MAX) {
            return;
        }
        let fresh = |source: &Source| now.saturating_sub(source.left_at) < REMEMBERED_MS;
        self.sources.retain(|_, source| source.open > 0 || fresh(source));
        if self.sources.len() >= REMEMBERED_MAX {
            self.sources.retain(|_, source| source.open > 0);
        }
        self.tidy_at = self.sources.len() * 2;
    }
}

impl Source {
    fn enter(&mut self, limits: &Limits, now: u64) -> Result<(), Crowded> {
        let per_minute = limits.source_connections_per_minute_max;
        adjust(&mut self.new, per_minute, 60_000, now);
        // Whoever asks in vain has asked.
        if let Some(new) = &mut self.new {
            if new.fill(now) == 0 {
                return Err(Crowded {
                    limit: Limit::SourceConnectionRate,
                    retry_after_ms: new.next_ms(),
                });
            }
            new.take(1);
        }
        let most = limits.source_connections_max;
        if most > 0 && self.open >= most {
            return Err(Crowded {
                limit: Limit::SourceConnections,
                retry_after_ms: 10_000,
            });
        }
        self.open += 1;
        let mut rates = self.spending.lock();
        adjust(&mut rates.messages, limits.source_messages_per_second_max, 1000, now);
        adjust(&mut rates.bytes, limits.source_bytes_per_second_max, 1000, now);
        Ok(())
    }
}

impl Spending {
    /// Nobody else of the source says anything meanwhile, so that two cannot spend the same.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Rates> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut known = self.sources.lock();
        if let Some(source) = known.sources.get_mut(&self.key) {
            source.open = source.open.saturating_sub(1);
            source.left_at = crate::flow::millis();
        }
    }
}

/// A limit may have changed with the settings: then its bucket begins anew.
fn adjust(bucket: &mut Option<Bucket>, max: u64, period_ms: u64, now: u64) {
    if bucket.map_or(0, |bucket| bucket.max()) != max {
        *bucket = (max > 0).then(|| Bucket::new(max, period_ms, now));
    }
}

/// What sources are told apart by: an IPv4 address, or the first half of an IPv6 address.
fn key(addr: IpAddr) -> u128 {
    match addr.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits() & (u128::MAX << 64),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::{Crowded, Limit, REMEMBERED_MAX, REMEMBERED_MS, Sources, key};
    use crate::config::Limits;
    use crate::telemetry;

    fn limits(adjust: impl FnOnce(&mut Limits)) -> Limits {
        let mut limits = Limits::default();
        adjust(&mut limits);
        limits
    }

    #[test]
    fn sources_are_addresses_and_networks_of_64_bits() {
        let key = |text: &str| key(text.parse().unwrap());
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8::1"), key("2001:db8:0:0:ffff::2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("::1"), key("0.0.0.0"));
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let limits = limits(|limits| limits.source_connections_max = 2);
        let sources = Arc::new(Sources::default());
        let enter = |addr: &str| sources.enter(addr.parse().unwrap(), &limits, 0);
        let refused = || {
            telemetry::counts()
                .limits_exceeded
                .on_this_thread(Limit::SourceConnections)
        };
        let before = refused();
        let first = enter("2001:db8::1").unwrap();
        let _second = enter("2001:db8::2").unwrap();
        assert_eq!(enter("2001:db8::3").unwrap_err().limit, Limit::SourceConnections);
        assert!(enter("2001:db8:0:1::3").is_ok());
        drop(first);
        assert!(enter("2001:db8::3").is_ok());
        assert_eq!(refused() - before, 1);
    }

    #[test]
    fn connections_a_minute_are_counted_after_they_ended() {
        let limits = limits(|limits| limits.source_connections_per_minute_max = 2);
        let sources = Arc::new(Sources::default());
        let enter = |now| sources.enter([192, 0, 2, 1].into(), &limits, now);
        drop(enter(0).unwrap());
        drop(enter(0).unwrap());
        let crowded = Crowded {
            limit: Limit::SourceConnectionRate,
            retry_after_ms: 30_000,
        };
        assert_eq!(enter(0).unwrap_err(), crowded);
        assert!(enter(30_000).is_ok());
        assert!(enter(30_001).is_err());
    }

    #[test]
    fn connections_a_minute_are_counted_that_were_asked_for_in_vain() {
        let limits = limits(|limits| {
            limits.source_connections_max = 1;
            limits.source_connections_per_minute_max = 3;
        });
        let sources = Arc::new(Sources::default());
        let enter = || sources.enter([192, 0, 2, 1].into(), &limits, 0);
        let _open = enter().unwrap();
        let refused: Vec<_> = (0..4).map(|_| enter().unwrap_err().limit).collect();
        let (crowd, rate) = (Limit::SourceConnections, Limit::SourceConnectionRate);
        assert_eq!(refused, [crowd, crowd, rate, rate]);
    }

    #[test]
    fn a_limit_that_changes_goes_for_the_next_connection() {
        let sources = Arc::new(Sources::default());
        let enter = |max| {
            let limits = limits(|limits| limits.source_connections_per_minute_max = max);
            sources.enter([192, 0, 2, 1].into(), &limits, 0).map(drop)
        };
        assert!(enter(1).is_ok() && enter(1).is_err());
        assert!(enter(2).is_ok() && enter(2).is_ok() && enter(2).is_err());
        assert!(enter(0).is_ok(), "it is off");
    }

    #[test]
    fn sources_without_a_connection_are_forgotten_in_time_and_in_number() {
        let limits = limits(|limits| limits.source_connections_max = 1);
        let sources = Arc::new(Sources::default());
        let enter = |at: u32, now| sources.enter(at.to_be_bytes().into(), &limits, now).unwrap();
        let stays = enter(0, 0);
        (1..1000).for_each(|at| drop(enter(at, 0)));
        assert_eq!(sources.lock().sources.len(), 1000);
        // Far beyond any time at which one of them left.
        let late = u64::MAX - REMEMBERED_MS;
        (1000..3000).for_each(|at| drop(enter(at, late)));
        assert!(sources.lock().sources.contains_key(&key([0, 0, 0, 0].into())));
        assert!(sources.lock().sources.len() < 2000);
        (0..=u32::try_from(REMEMBERED_MAX).unwrap()).for_each(|at| drop(enter(10_000 + at, 0)));
        assert!(sources.lock().sources.len() <= REMEMBERED_MAX);
        drop(stays);
    }
}
