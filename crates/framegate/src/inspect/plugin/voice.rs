//! A plugin's lines in the log, and no more of them than can be read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Lines a second and plugin.
const LINES_PER_SECOND: u64 = 5;

/// Who may speak, and how often.
#[derive(Debug)]
pub(super) struct Voice {
    since: Instant,
    /// The second, and in the low 32 bits how many lines wanted to be said in it.
    said: AtomicU64,
}

impl Voice {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            said: AtomicU64::new(0),
        }
    }

    /// Says a line, unless there were enough in this second. The last one says that it is.
    pub(super) fn say(&self, line: impl FnOnce(&'static str)) {
        let second = self.since.elapsed().as_secs();
        match self.count(second) {
            count if count < LINES_PER_SECOND => line(""),
            LINES_PER_SECOND => line(" (further lines of this second are left out)"),
            _ => {}
        }
    }

    /// How many lines wanted to be said in this second, with this one.
    fn count(&self, second: u64) -> u64 {
        let mut before = self.said.load(Relaxed);
        loop {
            let count = if before >> 32 == second {
                (before & 0xffff_ffff) + 1
            } else {
                1
            };
            let after = second << 32 | count.min(0xffff_ffff);
            match self.said.compare_exchange_weak(before, after, Relaxed, Relaxed) {
                Ok(_) => return count,
                Err(other) => before = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_PER_SECOND, Voice};

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_has_them_again() {
        let voice = Voice::new();
        for second in [3, 4] {
            for count in 1..=LINES_PER_SECOND + 7 {
                assert_eq!(voice.count(second), count);
            }
        }
    }
}
