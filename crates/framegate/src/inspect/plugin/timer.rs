//! How much of the processor's time a call has had.
//!
//! Not how long it took: on a busy machine a thread can wait for longer than any call may take, and a call that is ended
//! for that is a message that nobody has judged. Whoever can make the machine busy must not be able to bring that about.

use std::time::{Duration, Instant};

/// For one call. The processor's clock costs as much as a small call, so it begins with the first reading, and is read
/// again only when so much time has passed that the call can have had its share.
#[derive(Clone, Copy)]
pub(super) struct Timer {
    limit: Duration,
    running: Option<Running>,
}

#[derive(Clone, Copy)]
struct Running {
    /// What the thread had had of the processor when the timer began.
    before: Duration,
    /// Not before then has the call had more than its limit.
    next: Instant,
}

impl Timer {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, running: None }
    }

    /// Whether the time is used up.
    pub(super) fn is_up(&mut self) -> bool {
        let now = Instant::now();
        let Some(running) = &mut self.running else {
            let (before, next) = (processor_time(), now + self.limit);
            self.running = Some(Running { before, next });
            return false;
        };
        if now < running.next {
            return false;
        }
        let had = processor_time().saturating_sub(running.before);
        running.next = now + self.limit.saturating_sub(had);
        had >= self.limit
    }
}

/// What this thread has had of the processor.
#[cfg(unix)]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Where that cannot be asked for: the time that has passed.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    use std::sync::LazyLock;
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGINNING.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_uses_no_time() {
        let mut timer = Timer::new(Duration::from_millis(20));
        assert!(!timer.is_up());
        for _ in 0..3 {
            // Longer than the limit, but the processor is somebody else's.
            std::thread::sleep(Duration::from_millis(25));
            assert!(!timer.is_up());
        }
    }

    #[test]
    fn who_works_uses_it_up() {
        let mut timer = Timer::new(Duration::from_millis(5));
        assert!(!timer.is_up());
        // Were the time never up, this would never end.
        while !timer.is_up() {}
        let mut none = Timer::new(Duration::ZERO);
        assert!(!none.is_up());
        assert!(none.is_up());
    }
}
