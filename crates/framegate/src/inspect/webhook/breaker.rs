//! Leaves a hook alone that fails again and again, so that nobody waits for it in vain.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// One hook's breaker, shared by all threads. Times are milliseconds of any clock that never goes back.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failures one after another.
    failures: AtomicU32,
    /// Until when the hook is left alone; 0: it is not.
    open_until: AtomicU64,
    /// One asks whether it is back.
    probing: AtomicBool,
    /// The log has it that the hook cannot be asked at all.
    told: AtomicBool,
}

/// A question that may be put. Dropped without a result it says nothing of the hook.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

/// What a result has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// From now on the hook is left alone.
    Opened,
    /// It is back.
    Closed,
}

impl Breaker {
    /// Whether the hook may be asked; after its time of rest only one may, until that one knows.
    pub(super) fn permit(&self, now: u64) -> Option<Permit<'_>> {
        let open_until = self.open_until.load(Ordering::Acquire);
        if open_until == 0 {
            return Some(Permit {
                breaker: self,
                probe: false,
            });
        }
        if now < open_until || self.probing.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Permit {
            breaker: self,
            probe: true,
        })
    }

    /// Whether the hook is left alone.
    pub(super) fn is_open(&self) -> bool {
        self.open_until.load(Ordering::Relaxed) != 0
    }

    /// Whether the log is still to be told that the hook cannot be asked at all: once.
    pub(super) fn is_news(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    /// Failures one after another.
    #[cfg(test)]
    fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }
}

impl Permit<'_> {
    /// Whether the breaker has opened since: who has only waited so far asks no more.
    pub(super) fn is_void(&self) -> bool {
        !self.probe && self.breaker.is_open()
    }

    /// The hook has answered.
    pub(super) fn answered(self) -> Option<Turn> {
        if self.breaker.failures.load(Ordering::Relaxed) != 0 {
            self.breaker.failures.store(0, Ordering::Relaxed);
        }
        // An answer to a question from before it opened says that it is back, too.
        let was_open = self.breaker.is_open() && self.breaker.open_until.swap(0, Ordering::AcqRel) != 0;
        was_open.then_some(Turn::Closed)
    }

    /// The hook has failed; `most` failures in a row open the breaker for so many `rest_ms`. With `most` 0 none do.
    pub(super) fn failed(self, now: u64, most: u32, rest_ms: u64) -> Option<Turn> {
        let failures = self.breaker.failures.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        if most == 0 || (!self.probe && failures < most) {
            return None;
        }
        let until = now.saturating_add(rest_ms).max(1);
        let before = match self.probe {
            true => self.breaker.open_until.swap(until, Ordering::AcqRel),
            // Those that were asked before it opened do not make the rest longer.
            false => self
                .breaker
                .open_until
                .compare_exchange(0, until, Ordering::AcqRel, Ordering::Acquire)
                .unwrap_or_else(|open| open),
        };
        (before == 0).then_some(Turn::Opened)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.probing.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Breaker, Turn};

    #[test]
    fn it_opens_after_failures_in_a_row_and_only_then() {
        let breaker = Breaker::default();
        for _ in 0..2 {
            assert_eq!(breaker.permit(0).unwrap().failed(0, 3, 100), None);
        }
        assert_eq!(breaker.permit(0).unwrap().answered(), None);
        assert_eq!(breaker.failures(), 0);
        for _ in 0..2 {
            assert_eq!(breaker.permit(0).unwrap().failed(0, 3, 100), None);
        }
        assert_eq!(breaker.permit(0).unwrap().failed(0, 3, 100), Some(Turn::Opened));
        assert!(breaker.permit(99).is_none());
    }

    #[test]
    fn one_probe_at_a_time_asks_whether_it_is_back() {
        let breaker = Breaker::default();
        assert_eq!(breaker.permit(0).unwrap().failed(0, 1, 100), Some(Turn::Opened));
        let probe = breaker.permit(100).unwrap();
        assert!(breaker.permit(100).is_none());
        assert_eq!(probe.failed(100, 1, 100), None);
        assert!(breaker.permit(199).is_none());
        drop(breaker.permit(200).unwrap());
        assert_eq!(breaker.permit(200).unwrap().answered(), Some(Turn::Closed));
        let (one, other) = (breaker.permit(200), breaker.permit(200));
        assert!(one.is_some() && other.is_some());
    }

    #[test]
    fn who_waits_while_it_opens_asks_no_more() {
        let breaker = Breaker::default();
        let (waits, asks) = (breaker.permit(0).unwrap(), breaker.permit(0).unwrap());
        assert!(!waits.is_void());
        assert_eq!(asks.failed(0, 1, 100), Some(Turn::Opened));
        assert!(waits.is_void());
        let probe = breaker.permit(100).unwrap();
        assert!(!probe.is_void());
    }

    #[test]
    fn zero_failures_never_open_it() {
        let breaker = Breaker::default();
        for _ in 0..100 {
            assert_eq!(breaker.permit(0).unwrap().failed(0, 0, 100), None);
        }
        assert!(!breaker.is_open());
    }
}
