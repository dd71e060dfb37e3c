//! The cells in which is counted: each is written to by one thread, and read by all.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::labels::Label;

/// One or several labels, or none: which of a metric's cells is meant.
pub(super) trait Labels: Copy {
    /// How many cells there are.
    const COUNT: usize;

    /// Which of them.
    fn place(self) -> usize;

    /// Names and words of the cell at that place.
    fn words(place: usize) -> Vec<(&'static str, &'static str)>;
}

impl Labels for () {
    const COUNT: usize = 1;

    fn place(self) -> usize {
        0
    }

    fn words(_: usize) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

impl<L: Label> Labels for L {
    const COUNT: usize = L::WORDS.len();

    #[inline]
    fn place(self) -> usize {
        // A noun that is not among its own words is counted as the last of them.
        let at = L::WORDS.iter().position(|(value, _)| *value == self);
        at.unwrap_or(L::WORDS.len() - 1)
    }

    fn words(place: usize) -> Vec<(&'static str, &'static str)> {
        vec![(L::NAME, L::WORDS[place].1)]
    }
}

impl<A: Label, B: Label> Labels for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    #[inline]
    fn place(self) -> usize {
        self.0.place() * B::COUNT + self.1.place()
    }

    fn words(place: usize) -> Vec<(&'static str, &'static str)> {
        [A::words(place / B::COUNT), B::words(place % B::COUNT)].concat()
    }
}

impl<A: Label, B: Label, C: Label> Labels for (A, B, C) {
    const COUNT: usize = A::COUNT * <(B, C)>::COUNT;

    #[inline]
    fn place(self) -> usize {
        self.0.place() * <(B, C)>::COUNT + (self.1, self.2).place()
    }

    fn words(place: usize) -> Vec<(&'static str, &'static str)> {
        let rest = <(B, C)>::COUNT;
        [A::words(place / rest), <(B, C)>::words(place % rest)].concat()
    }
}

/// Something that all threads have one of, and that is told as one metric.
pub(super) trait Metric: Sized {
    fn new() -> Self;

    /// Writes the sum over all threads, under this name.
    fn encode(all: &[&Self], name: &str, help: &str, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result;
}

/// Cells that only one thread adds to.
#[derive(Debug)]
struct Cells(Box<[AtomicU64]>);

impl Cells {
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU64::new(0)).collect())
    }

    #[inline]
    fn add(&self, at: usize, count: u64) {
        // Nobody else writes to it, so it need not be locked for that.
        let cell = &self.0[at];
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    fn get(&self, at: usize) -> u64 {
        // What was counted before what is seen here is seen, too: what has left has come.
        self.0[at].load(Ordering::Acquire)
    }
}

/// Counts what happens.
#[derive(Debug)]
pub(crate) struct Counter<L> {
    cells: Cells,
    labels: PhantomData<fn(L)>,
}

#[allow(private_bounds)] // labels are made in this folder alone
impl<L: Labels> Counter<L> {
    /// It has happened so many times.
    #[inline]
    pub(crate) fn add(&self, labels: L, count: u64) {
        self.cells.add(labels.place(), count);
    }

    /// It has happened.
    #[inline]
    pub(crate) fn one(&self, labels: L) {
        self.add(labels, 1);
    }

    /// How often the calling thread has counted it: other tests are on other threads.
    #[cfg(test)]
    pub(crate) fn on_this_thread(&self, labels: L) -> u64 {
        self.cells.get(labels.place())
    }
}

impl<L: Labels> Metric for Counter<L> {
    fn new() -> Self {
        Self {
            cells: Cells::new(L::COUNT),
            labels: PhantomData,
        }
    }

    fn encode(all: &[&Self], name: &str, help: &str, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for place in 0..L::COUNT {
            let sum: u64 = all.iter().map(|one| one.cells.get(place)).sum();
            labelled::<L>(&mut metric, place, |metric| {
                metric.encode_counter::<NoLabelSet, u64, u64>(&sum, None)
            })?;
        }
        Ok(())
    }
}

/// Counts what is open now: what has come, less what has gone.
#[derive(Debug)]
pub(crate) struct Open<L> {
    come: Cells,
    gone: Cells,
    labels: PhantomData<fn(L)>,
}

/// Something that is open, until this is dropped. It stays on its thread.
#[derive(Debug)]
pub(crate) struct Entered {
    gone: &'static Cells,
    place: usize,
    on_its_thread: PhantomData<*const ()>,
}

#[allow(private_bounds)] // labels are made in this folder alone
impl<L: Labels> Open<L> {
    /// One more is open.
    pub(crate) fn enter(&'static self, labels: L) -> Entered {
        let place = labels.place();
        self.come.add(place, 1);
        Entered {
            gone: &self.gone,
            place,
            on_its_thread: PhantomData,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.gone.add(self.place, 1);
    }
}

impl<L: Labels> Metric for Open<L> {
    fn new() -> Self {
        Self {
            come: Cells::new(L::COUNT),
            gone: Cells::new(L::COUNT),
            labels: PhantomData,
        }
    }

    fn encode(all: &[&Self], name: &str, help: &str, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for place in 0..L::COUNT {
            // Those that have gone first: none of them is missing among those that have come.
            let gone: u64 = all.iter().map(|one| one.gone.get(place)).sum();
            let come: u64 = all.iter().map(|one| one.come.get(place)).sum();
            labelled::<L>(&mut metric, place, |metric| {
                metric.encode_gauge(&count(come.saturating_sub(gone)))
            })?;
        }
        Ok(())
    }
}

/// The upper ends of a histogram's buckets, in microseconds: from what a neighbour needs to what nobody waits for.
const BUCKETS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];

/// Counts how long something takes, in seconds.
#[derive(Debug)]
pub(crate) struct Histogram<L> {
    /// For each place the buckets, one for what is longer, and the sum in microseconds.
    cells: Cells,
    labels: PhantomData<fn(L)>,
}

const HISTOGRAM_CELLS: usize = BUCKETS_US.len() + 2;

#[allow(private_bounds)] // labels are made in this folder alone
impl<L: Labels> Histogram<L> {
    /// It has taken so long.
    pub(crate) fn took(&self, labels: L, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let from = labels.place() * HISTOGRAM_CELLS;
        self.cells.add(from + BUCKETS_US.partition_point(|most| *most < us), 1);
        self.cells.add(from + HISTOGRAM_CELLS - 1, us);
    }
}

impl<L: Labels> Metric for Histogram<L> {
    fn new() -> Self {
        Self {
            cells: Cells::new(L::COUNT * HISTOGRAM_CELLS),
            labels: PhantomData,
        }
    }

    #[allow(clippy::cast_precision_loss)] // of sums beyond 2^53 microseconds, which are centuries
    fn encode(all: &[&Self], name: &str, help: &str, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for place in 0..L::COUNT {
            let get = |at: usize| -> u64 {
                let at = place * HISTOGRAM_CELLS + at;
                all.iter().map(|one| one.cells.get(at)).sum()
            };
            let ends = BUCKETS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::MAX]);
            let buckets: Vec<(f64, u64)> = ends.enumerate().map(|(at, end)| (end, get(at))).collect();
            let count = buckets.iter().map(|bucket| bucket.1).sum();
            let sum = get(HISTOGRAM_CELLS - 1) as f64 / 1e6;
            labelled::<L>(&mut metric, place, |metric| {
                metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            })?;
        }
        Ok(())
    }
}

/// Writes the cell at that place behind its labels, if there are any.
fn labelled<L: Labels>(
    metric: &mut MetricEncoder<'_>,
    place: usize,
    write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    let labels = L::words(place);
    match labels.is_empty() {
        true => write(metric),
        false => write(&mut metric.encode_family(&labels)?),
    }
}

/// As a gauge takes it.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hint::black_box;
    use std::time::Instant;

    use wire::session::Sort;

    use super::*;
    use crate::flow::{Direction, Fate, Word};

    type Three = (Direction, Sort, Fate);

    #[test]
    fn every_combination_of_labels_has_a_cell_of_its_own() {
        let mut seen = BTreeSet::new();
        for (direction, first) in Direction::WORDS {
            for (sort, second) in Sort::WORDS {
                for (fate, third) in Fate::WORDS {
                    let place = (*direction, *sort, *fate).place();
                    assert!(place < Three::COUNT && seen.insert(place));
                    let words: Vec<_> = Three::words(place).into_iter().map(|(_, word)| word).collect();
                    assert_eq!(words, [*first, *second, *third]);
                }
            }
        }
        assert_eq!(seen.len(), Three::COUNT);
    }

    #[test]
    fn a_bucket_has_what_took_no_longer_than_its_end() {
        let histogram = Histogram::<()>::new();
        for us in [0, 100, 101, 5_000_000, 5_000_001, u64::MAX] {
            histogram.took((), Duration::from_micros(us));
        }
        let bucket = |at| histogram.cells.get(at);
        let last = BUCKETS_US.len();
        assert_eq!((bucket(0), bucket(1), bucket(last - 1), bucket(last)), (2, 1, 1, 2));
    }

    #[test]
    fn what_was_entered_and_left_is_not_open() {
        let open: &'static Open<()> = Box::leak(Box::new(Open::new()));
        let one = open.enter(());
        drop(open.enter(()));
        assert_eq!((open.come.get(0), open.gone.get(0)), (2, 1));
        drop(one);
        assert_eq!((open.come.get(0), open.gone.get(0)), (2, 2));
    }

    #[test]
    #[ignore = "measures: cargo test --release -p framegate --lib telemetry -- --ignored --nocapture"]
    fn what_counting_costs() {
        const TIMES: u32 = 10_000_000;
        let began = Instant::now();
        for _ in 0..TIMES {
            let labels = black_box((Direction::Receive, Sort::Binary, Fate::Sent));
            super::super::counts().messages.one(labels);
        }
        println!("{:?} for one count with three labels", began.elapsed() / TIMES);
    }
}
