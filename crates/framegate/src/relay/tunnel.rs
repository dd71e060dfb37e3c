//! Passes bytes on unread, and counts them.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::{Leg as Side, Policy, READ, leg::Leg};
use crate::flow::{Direction, Ending, State, Timestamp, millis};
use crate::record::FlowTap;

/// Passes bytes on until both streams have ended, one of them broke, or `limits.idle_ms` has passed without a byte;
/// and ends the flow.
pub async fn tunnel(client: Side, server: Side, policy: &Policy, mut flow: FlowTap, close_now: &CancellationToken) {
    let limits = &policy.settings.limits;
    let mut pipes = Pipes {
        legs: [client, server].map(Leg::new),
        passed: [0; 2],
        last_activity: millis(),
        idle_ms: limits.idle_ms,
        half_closed_ms: limits.keep_alive_ms,
        sleep: None,
    };
    let close_now = close_now.child_token();
    let error = {
        let mut closing = pin!(close_now.cancelled());
        poll_fn(|cx| {
            let over = READ.with_borrow_mut(|read| pipes.poll(cx, read));
            if over.is_pending() && closing.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some("proxy shut down".to_owned()));
            }
            over
        })
        .await
    };
    for (direction, bytes) in Direction::BOTH.into_iter().zip(pipes.passed) {
        flow.tunnelled(direction, bytes);
    }
    let state = if error.is_some() { State::Error } else { State::Complete };
    flow.end(Ending {
        ended_at: Timestamp::now(),
        state,
        error,
        close: None,
    });
}

struct Pipes {
    legs: [Leg; 2],
    passed: [u64; 2],
    last_activity: u64,
    idle_ms: u64,
    /// One stream has ended: so long without a byte, and the other one is not waited for.
    half_closed_ms: u64,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pipes {
    /// Ready: all is over, with what went wrong.
    fn poll(&mut self, cx: &mut Context<'_>, read: &mut [u8]) -> Poll<Option<String>> {
        loop {
            let mut moved = false;
            for from in 0..2 {
                match self.pass(cx, from, read) {
                    Ok(any) => moved |= any,
                    Err(error) => {
                        self.legs[1 - from].abort(cx);
                        return Poll::Ready(Some(error));
                    }
                }
            }
            if !moved {
                break;
            }
        }
        if self.legs.iter().all(Leg::is_shut) {
            return Poll::Ready(None);
        }
        self.poll_idle(cx)
    }

    fn pass(&mut self, cx: &mut Context<'_>, from: usize, read: &mut [u8]) -> Result<bool, String> {
        if self.legs[1 - from].poll_out(cx).is_pending() || self.legs[from].ended {
            return Ok(false);
        }
        if self.legs[1 - from].is_gone() {
            self.legs[from].abort(cx);
            return Err(format!("{} broke the connection", name(1 - from)));
        }
        let early = std::mem::take(&mut self.legs[from].unread);
        if !early.is_empty() {
            self.passes(cx, from, &early);
            return Ok(true);
        }
        match self.legs[from].poll_read(cx, read) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => {
                self.legs[from].ended = true;
                self.legs[1 - from].finish();
                self.last_activity = millis();
                Ok(true)
            }
            Poll::Ready(Ok(n)) => {
                self.passes(cx, from, &read[..n]);
                Ok(true)
            }
            Poll::Ready(Err(error)) => {
                self.legs[from].ended = true;
                Err(format!("{} broke the connection: {error}", name(from)))
            }
        }
    }

    fn passes(&mut self, cx: &mut Context<'_>, from: usize, bytes: &[u8]) {
        self.passed[from] += bytes.len() as u64;
        self.last_activity = millis();
        self.legs[1 - from].write(cx, bytes);
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        let half_closed = self.legs.iter().any(|leg| leg.ended);
        let patience = if half_closed {
            self.half_closed_ms.max(self.idle_ms)
        } else {
            self.idle_ms
        };
        if patience == 0 {
            return Poll::Pending;
        }
        loop {
            let (now, deadline) = (millis(), self.last_activity.saturating_add(patience));
            if now >= deadline {
                return Poll::Ready((!half_closed).then(|| "idle timeout".to_owned()));
            }
            let rest = Duration::from_millis(deadline - now);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(rest)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
    }
}

const fn name(leg: usize) -> &'static str {
    if leg == 0 { "client" } else { "server" }
}
