//! The time by which a hook has to have answered. It nearly always has, so the clockwork is not wound for each question:
//! a timer that was armed for an earlier one is used again, and armed anew only when that time comes.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep, sleep_until};

thread_local! {
    /// Armed timers that nobody waits for, as many as were needed at once.
    static IDLE: RefCell<Vec<Pin<Box<Sleep>>>> = RefCell::default();
}

/// What comes of the future; `None`: it takes longer than until then.
pub(super) async fn until<F: Future>(deadline: Instant, mut future: Pin<&mut F>) -> Option<F::Output> {
    let idle = IDLE.with_borrow_mut(Vec::pop);
    let mut timer = idle.unwrap_or_else(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() > deadline {
        timer.as_mut().reset(deadline);
    }
    let output = poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await;
    IDLE.with_borrow_mut(|idle| idle.push(timer));
    output
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::until;

    const SOON: Duration = Duration::from_millis(200);
    const LATE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn each_question_has_its_own_time() {
        for timeout in [SOON, LATE, SOON, SOON] {
            let began = Instant::now();
            assert_eq!(until(began + timeout, pin!(ready(7))).await, Some(7));
            assert_eq!(until(began + timeout, pin!(pending::<()>())).await, None);
            assert_eq!(began.elapsed(), timeout, "whatever the timer was armed for before");
        }
    }
}
