//! Which counts are whose: each thread that counts has some to itself, and those of a thread that has ended go to the
//! next one that begins.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use super::counts::Counts;

/// The counts of the calling thread.
#[inline]
pub(crate) fn counts() -> &'static Counts {
    // A thread that is about to end has none any more: the worst that can come of sharing is one that is not counted.
    MINE.try_with(|mine| mine.0).unwrap_or_else(|_| *SHARED)
}

/// The counts of all threads.
pub(super) fn all() -> Vec<&'static Counts> {
    pool().all.clone()
}

thread_local! {
    static MINE: Mine = Mine::take();
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    all: Vec::new(),
    free: Vec::new(),
});

static SHARED: LazyLock<&'static Counts> = LazyLock::new(|| pool().more());

/// All counts that there are. None is ever given back: there are as many as threads at once.
struct Pool {
    all: Vec<&'static Counts>,
    free: Vec<&'static Counts>,
}

impl Pool {
    fn more(&mut self) -> &'static Counts {
        let counts: &'static Counts = Box::leak(Box::new(Counts::new()));
        self.all.push(counts);
        counts
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    // Nothing that holds the lock can leave it half done.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's own, until it ends.
struct Mine(&'static Counts);

impl Mine {
    fn take() -> Self {
        let mut pool = pool();
        let free = pool.free.pop();
        Self(free.unwrap_or_else(|| pool.more()))
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        pool().free.push(self.0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn threads_at_once_have_counts_of_their_own_and_a_later_one_takes_over() {
        let own = std::ptr::from_ref(counts()).addr();
        let other = || std::ptr::from_ref(counts()).addr();
        let one = std::thread::spawn(other).join().unwrap();
        assert_ne!(one, own);
        let before = all().len();
        for _ in 0..100 {
            assert_ne!(std::thread::spawn(other).join().unwrap(), own);
        }
        // Other tests may have threads of their own at the same time, but not one for each of these.
        assert!(all().len() < before + 100);
    }
}
