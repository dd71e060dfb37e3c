//! A rate, as a bucket that fills up by itself: full at first, it never holds more than one period's worth.

/// So many in a period; what is saved up is one period's worth at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    max: u64,
    period_ms: u64,
    /// In parts of one, `period_ms` of them: then each millisecond brings `max` parts, and nothing is rounded.
    parts: u128,
    filled_at: u64,
}

impl Bucket {
    /// `max` in `period_ms`, which is not 0.
    pub(crate) const fn new(max: u64, period_ms: u64, now: u64) -> Self {
        Self {
            max,
            period_ms,
            parts: max as u128 * period_ms as u128,
            filled_at: now,
        }
    }

    /// `max` a second; `None`: 0 is no limit.
    pub(crate) fn per_second(max: u64, now: u64) -> Option<Self> {
        (max > 0).then(|| Self::new(max, 1000, now))
    }

    pub(crate) const fn max(&self) -> u64 {
        self.max
    }

    /// How many there are, at the time `now` of a clock that never goes back.
    pub(crate) fn fill(&mut self, now: u64) -> u64 {
        let full = u128::from(self.max) * u128::from(self.period_ms);
        let since = u128::from(now.saturating_sub(self.filled_at));
        self.parts = full.min(self.parts + since * u128::from(self.max));
        self.filled_at = self.filled_at.max(now);
        u64::try_from(self.parts / u128::from(self.period_ms)).unwrap_or(u64::MAX)
    }

    /// Takes some; no more than there are.
    pub(crate) fn take(&mut self, count: u64) {
        self.parts = self
            .parts
            .saturating_sub(u128::from(count) * u128::from(self.period_ms));
    }

    /// How long until there is one again.
    pub(crate) fn next_ms(&self) -> u64 {
        let missing = u128::from(self.period_ms).saturating_sub(self.parts);
        u64::try_from(missing.div_ceil(u128::from(self.max.max(1)))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn it_is_full_at_first_and_fills_up_to_one_period() {
        let mut bucket = Bucket::new(5, 1000, 100);
        assert_eq!(bucket.fill(100), 5);
        bucket.take(5);
        assert_eq!((bucket.fill(299), bucket.next_ms()), (0, 1));
        assert_eq!(bucket.fill(300), 1);
        // Nothing is lost however often one looks.
        (300..=700).for_each(|now| {
            bucket.fill(now);
        });
        assert_eq!(bucket.fill(700), 3);
        assert_eq!(bucket.fill(1_000_000), 5);
        // Time that goes back brings nothing.
        bucket.take(5);
        assert_eq!(bucket.fill(5), 0);
        assert_eq!(bucket.fill(1_000_000), 0);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut bucket = Bucket::new(u64::MAX, u64::MAX, 0);
        assert_eq!(bucket.fill(1), u64::MAX);
        bucket.take(u64::MAX);
        assert_eq!(bucket.fill(2), 1);
        assert!(Bucket::per_second(0, 0).is_none());
    }
}
