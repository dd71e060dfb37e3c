//! From what passes to what is kept: batches, a bounded queue, and one recorder thread.
//!
//! ```text
//! relay --FlowTap--> batch of its thread --queue--> recorder: put together, inflate, cut --rows--> store
//! ```
//!
//! The data plane only copies payloads into its thread's batch. Assembling, inflating and checking UTF-8 happen here,
//! on the recorder's thread, which commits several times within `store.flush_ms`. When more waits than
//! `record.queue_bytes_max`, `record.on_full` says whether the relay waits or messages are counted instead of kept.

mod batch;
mod queue;
mod tap;
mod half;
mod assemble;
mod redact;
mod recorder;
mod ids;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::control::operations::{Event, Recording};
use crate::flow::{Flow, FlowId, Message};
use crate::store::{StoreError, Writer};
use ids::Ids;
use queue::{Job, Queue};
pub use tap::{FlowTap, HttpMessage, Tap};

/// How many events a subscriber may lag behind before it misses some.
const LIVE_EVENTS: usize = 4096;

/// What a recorder works with.
#[derive(Clone, Debug)]
pub struct RecorderConfig {
    /// The SQLite file.
    pub database: PathBuf,
    /// The settings at the start; what concerns the recorder takes effect then.
    pub settings: Arc<Settings>,
    /// Cancelled when the store failed and `store.on_error` is "stop".
    pub failed: CancellationToken,
}

/// The way to the recorder's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: Option<Queue>,
    live: broadcast::Sender<Arc<Event>>,
    ids: Arc<Ids>,
    settings: Arc<Settings>,
}

/// The recorder's thread.
#[derive(Debug)]
pub struct RecorderThread(JoinHandle<()>);

impl RecorderThread {
    /// Waits until every tap and every [`Recorder`] is gone and all they said is stored.
    pub fn join(self) {
        // The thread reports its own failures; a panic of it has been printed.
        let _ = self.0.join();
    }
}

impl Recorder {
    /// Opens the store and starts the recorder's thread.
    ///
    /// # Errors
    /// The store cannot be opened, or can hold no further flow: [`StoreError`] says why.
    pub fn start(config: RecorderConfig) -> Result<(Self, RecorderThread), StoreError> {
        let writer = Writer::open(&config.database)?;
        let next = writer.next_flow_id();
        if next > FlowId::MAX {
            return Err(StoreError::OutOfIds);
        }
        let (queue, jobs) = queue::new(config.settings.record.queue_bytes_max);
        let recorder = Self {
            live: broadcast::channel(LIVE_EVENTS).0,
            ids: Arc::new(Ids::from(next)),
            settings: Arc::clone(&config.settings),
            queue: Some(queue),
        };
        let live = recorder.live.clone();
        let database = config.database.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || recorder::Thread::new(writer, jobs, live, &config).run())
            .map_err(|source| StoreError::Io {
                what: "start the recorder's thread for",
                path: database,
                source,
            })?;
        Ok((recorder, RecorderThread(thread)))
    }

    /// A recorder that keeps nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self {
            queue: None,
            live: broadcast::channel(1).0,
            ids: Arc::new(Ids::from(FlowId(1))),
            settings: Arc::default(),
        }
    }

    /// The way of the calling thread to the recorder. Its flows live on a tokio runtime of that thread.
    #[must_use]
    pub fn tap(&self) -> Tap {
        Tap::new(self.queue.clone(), Arc::clone(&self.ids), &self.settings)
    }

    /// Waits until everything that the taps have handed over is committed. What a tap has gathered it hands over
    /// within a fraction of `store.flush_ms`; this waits for that, too.
    pub async fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        tokio::time::sleep(tap::hand_over_after(&self.settings) * 2).await;
        let (done, committed) = oneshot::channel();
        if queue.push(Job::Flush(done)) {
            let _ = committed.await;
        }
    }

    /// What is recorded from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.live.subscribe()
    }
}

impl Recording for Recorder {
    fn flush(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.flush())
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.subscribe()
    }

    fn queued(&self) -> Option<(usize, usize)> {
        self.queue.as_ref().map(Queue::filled)
    }

    fn import(&self, flow: Flow, messages: Vec<Message>) -> Result<FlowId, String> {
        let Some(queue) = &self.queue else {
            return Err("nothing is recorded: record.enabled is false".to_owned());
        };
        let id = self.ids.take().ok_or_else(|| StoreError::OutOfIds.to_string())?;
        let (done, stored) = oneshot::channel();
        let import = queue::Import {
            id,
            flow,
            messages,
            done,
        };
        if !queue.push(Job::Import(Box::new(import))) {
            return Err("the recorder has stopped".to_owned());
        }
        let stored = stored
            .blocking_recv()
            .map_err(|_| "the recorder has stopped".to_owned())?;
        stored.map(|()| id)
    }
}
