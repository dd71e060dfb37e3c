//! The queue between the data plane and the recorder: bounded in bytes, no lock on the way in but the channel's own,
//! and that once a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio::sync::{Notify, oneshot};
use wire::deflate::Inflater;

use super::batch::Batch;
use crate::flow::{Direction, Flow, FlowId, Message};

/// What the recorder is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Keep this.
    Batch(Batch),
    /// Commit all that came before, then answer.
    Flush(oneshot::Sender<()>),
    /// Keep a flow that was recorded elsewhere.
    Import(Box<Import>),
    /// Hand over the inflater of a direction.
    Inflater {
        flow: FlowId,
        direction: Direction,
        to: oneshot::Sender<Option<Inflater>>,
    },
    /// Say that flows pass unrecorded, because all ids have been given out.
    OutOfIds,
}

/// A flow that was recorded elsewhere.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) id: FlowId,
    pub(super) flow: Flow,
    pub(super) messages: Vec<Message>,
    pub(super) done: oneshot::Sender<Result<(), String>>,
}

/// The data plane's end.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    gauge: Arc<Gauge>,
}

/// How much waits.
#[derive(Debug)]
struct Gauge {
    bytes: AtomicUsize,
    bytes_max: usize,
    room: Notify,
}

/// The recorder's end.
#[derive(Debug)]
pub(super) struct Jobs {
    jobs: mpsc::Receiver<Job>,
    gauge: Arc<Gauge>,
}

pub(super) fn new(bytes_max: usize) -> (Queue, Jobs) {
    let (sender, receiver) = mpsc::channel();
    let gauge = Arc::new(Gauge {
        bytes: AtomicUsize::new(0),
        bytes_max,
        room: Notify::new(),
    });
    (
        Queue {
            jobs: sender,
            gauge: Arc::clone(&gauge),
        },
        Jobs { jobs: receiver, gauge },
    )
}

impl Queue {
    /// Hands a job over; `false`: the recorder is gone.
    pub(super) fn push(&self, job: Job) -> bool {
        if let Job::Batch(batch) = &job {
            self.gauge.bytes.fetch_add(batch.weight(), Ordering::Relaxed);
        }
        let taken = self.jobs.send(job).is_ok();
        if !taken {
            // Nobody will ever make room again, so nobody must wait for it.
            self.gauge.bytes.store(0, Ordering::Relaxed);
        }
        taken
    }

    /// Whether more may be handed over.
    pub(super) fn has_room(&self) -> bool {
        self.gauge.bytes.load(Ordering::Relaxed) < self.gauge.bytes_max
    }

    /// How many bytes wait, and how many may.
    pub(super) fn filled(&self) -> (usize, usize) {
        (self.gauge.bytes.load(Ordering::Relaxed), self.gauge.bytes_max)
    }

    /// Waits for room.
    pub(super) async fn room(&self) {
        loop {
            let room = self.gauge.room.notified();
            if self.has_room() {
                return;
            }
            room.await;
        }
    }
}

impl Jobs {
    /// The next job, if one comes within `patience`.
    pub(super) fn next(&self, patience: std::time::Duration) -> Result<Job, mpsc::RecvTimeoutError> {
        self.jobs.recv_timeout(patience)
    }

    /// A batch of this weight is done with: its room is free.
    pub(super) fn done(&self, weight: usize) {
        let before = self.gauge.bytes.fetch_sub(weight, Ordering::Relaxed);
        if before >= self.gauge.bytes_max {
            self.gauge.room.notify_waiters();
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        // Whoever waits for room must not wait for a recorder that is gone.
        self.gauge.bytes.store(0, Ordering::Relaxed);
        self.gauge.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::frame::Opcode;
    use wire::session::{Facts, Fate};

    use super::super::batch::{Event, What, Whole};
    use super::*;
    use crate::flow::{Direction, Timestamp};

    fn batch(payload_bytes: usize) -> Job {
        let facts = Facts {
            direction: Direction::Send,
            sequence: 2,
            opcode: Opcode::Binary,
            compressed: false,
            masked: true,
            frames: 1,
            wire_bytes: 0,
            payload_bytes: payload_bytes as u64,
            violation: None,
        };
        let what = What::Whole(Box::new(Whole {
            at: Timestamp::now(),
            facts,
            payload: Arc::new(vec![0; payload_bytes]),
            fate: Fate::Sent,
            decision: None,
        }));
        let held_bytes = what.held_bytes();
        let events = vec![Event { flow: FlowId(1), what }];
        Job::Batch(Batch {
            events,
            bytes: Vec::new(),
            held_bytes,
        })
    }

    #[test]
    fn payloads_that_the_session_put_together_take_room() {
        let (queue, _jobs) = new(1 << 20);
        queue.push(batch(1 << 10));
        assert!(queue.has_room());
        queue.push(batch(1 << 20));
        assert!(!queue.has_room());
    }

    #[test]
    fn nobody_waits_for_a_recorder_that_is_gone() {
        let (queue, jobs) = new(1 << 10);
        drop(jobs);
        assert!(!queue.push(batch(1 << 20)));
        assert!(queue.has_room());
    }
}
