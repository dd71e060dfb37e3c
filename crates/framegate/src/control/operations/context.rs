//! What operations run against: the record always, the running proxy when it is this process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{OperationError, Work};
use crate::config::Settings;
use crate::control::run_file::Door;
use crate::flow::{Flow, FlowId, Message, Timestamp};
use crate::inspect::{Hooks, Judges};
use crate::relay::Live;
use crate::store::{Reader, StoreError};

/// What operations run against. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    database: Arc<Path>,
    reader: Arc<Mutex<Option<Arc<Reader>>>>,
    /// The running proxy; `None`: this process only looks at the record.
    pub running: Option<Arc<Running>>,
}

/// The proxy, while it runs in this process.
pub struct Running {
    /// Its settings as they are now.
    pub settings: Arc<ArcSwap<Settings>>,
    /// Its recorder.
    pub recording: Box<dyn Recording>,
    /// Its judges: what is held, and the plugins.
    pub judges: Arc<ArcSwap<Judges>>,
    /// What the hooks of its connections share.
    pub hooks: Arc<Hooks>,
    /// Its open WebSockets.
    pub live: Arc<Live>,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Where it listens.
    pub doors: Vec<Door>,
    /// It takes no more connections; it is no longer ready for a load balancer.
    pub draining: CancellationToken,
    /// The store has failed, and `store.on_error` is "stop".
    pub store_failed: CancellationToken,
    /// It ends: live streams end with it.
    pub stopping: CancellationToken,
}

/// What happens on the wire, as it goes on record.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // each is behind its own Arc
pub enum Event {
    /// A flow opened or ended.
    Flow(Flow),
    /// A message passed.
    Message(Message),
}

/// The recorder of the running proxy, as the control doors know it.
pub trait Recording: Send + Sync {
    /// Waits until everything seen so far can be read from the store.
    fn flush(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Everything from now on.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>>;

    /// How many bytes wait to be stored, and how many may; `None`: nothing is recorded.
    fn queued(&self) -> Option<(usize, usize)>;

    /// Puts a flow that was recorded elsewhere on record, under a new id. Waits for it; not called on an async thread.
    ///
    /// # Errors
    /// Why the store did not take it; nothing of it is stored then.
    fn import(&self, flow: Flow, messages: Vec<Message>) -> Result<FlowId, String>;
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("doors", &self.doors)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// For a process that only looks at the record in the SQLite file `database`, which need not exist.
    #[must_use]
    pub fn of_record(database: PathBuf) -> Self {
        Self {
            database: database.into(),
            reader: Arc::default(),
            running: None,
        }
    }

    /// For the process that runs the proxy and records into `database`.
    #[must_use]
    pub fn of_running(database: PathBuf, running: Running) -> Self {
        Self {
            running: Some(Arc::new(running)),
            ..Self::of_record(database)
        }
    }

    /// The directory of the database, where temporary files may stand.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self.database.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    pub(in crate::control) fn database(&self) -> &Path {
        &self.database
    }

    /// The record; `None`: nothing was ever recorded.
    pub(super) fn reader(&self) -> Result<Option<Arc<Reader>>, OperationError> {
        let mut kept = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            match Reader::open(&self.database) {
                Ok(reader) => *kept = Some(Arc::new(reader)),
                Err(error) if error.is_missing() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(kept.clone())
    }
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Work that reads the record, on a thread that may wait for the disk.
pub(super) fn reading(call: super::Call, work: fn(Option<&Reader>, super::Call) -> Result<(), OperationError>) -> Work {
    blocking(move || work(call.context.reader()?.as_deref(), call))
}

/// Work on a thread that may wait.
pub(super) fn blocking(work: impl FnOnce() -> Result<(), OperationError> + Send + 'static) -> Work {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(OperationError::Failed(format!("the work was broken off: {error}"))))
    })
}
