//! The answer to a question: objects or a file, in pieces.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use crate::control::json::{self as objects, MessageObject, ShapeError};
use crate::control::run_file::Door;
use crate::exchange::Imported;
use crate::flow::{Flow, Message, Timestamp};
use crate::inspect::{HeldMessage, PluginCounts};

/// One thing that an operation gives.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // a stream is nearly all messages, or all flows
pub enum Item {
    /// The state of the proxy.
    Status(Status),
    /// A flow.
    Flow(Flow),
    /// A message.
    Message(Message),
    /// A message that was found, and the text around what matched.
    Hit(Message, String),
    /// What an import did.
    Imported(Imported),
    /// It was done.
    Done,
    /// A message that is held.
    Held(HeldMessage),
    /// So many flows and messages of a live stream were missed, because they came faster than they were taken.
    Missed(u64),
    /// The next bytes of a file.
    Bytes(Vec<u8>),
}

/// The state of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The version of this framegate.
    pub version: &'static str,
    /// `None`: no proxy runs with this data directory.
    pub running: Option<StatusRunning>,
    /// The flows on record, if there are any: the newest.
    pub newest_flow: Option<crate::flow::FlowId>,
}

/// The state of a proxy that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRunning {
    /// Its process.
    pub pid: u32,
    /// Since when.
    pub started_at: Timestamp,
    /// Where it listens.
    pub doors: Vec<Door>,
    /// It takes no more connections.
    pub draining: bool,
    /// Its plugins, in order, and what their hooks have done since they were configured.
    pub plugins: Vec<(String, PluginCounts)>,
}

/// Why an operation was not done, or broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// What was given is wrong.
    #[error("{0}")]
    BadArgument(String),
    /// A file that was given breaks its format.
    #[error("{0}")]
    BadFile(String),
    /// There is no such flow.
    #[error("{0}")]
    NotFound(String),
    /// It needs the running proxy.
    #[error("{0}")]
    NotRunning(String),
    /// It cannot be done any more: somebody else was faster, or what it is about has ended.
    #[error("{0}")]
    Conflict(String),
    /// It went wrong on our side: the disk, the store.
    #[error("{0}")]
    Failed(String),
    /// Nobody waits for the answer any more.
    #[error("nobody waits for the answer")]
    Gone,
}

#[derive(Serialize)]
struct HitObject<'a> {
    #[serde(flatten)]
    message: MessageObject<'a>,
    snippet: &'a str,
}

impl Item {
    /// Appends the item's JSON object, without a line's end. Bytes of a file are appended as they are.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let written = match self {
            Self::Status(status) => serde_json::to_writer(out, &status.object()),
            Self::Flow(flow) => serde_json::to_writer(out, &objects::flow(flow)),
            Self::Message(message) => serde_json::to_writer(out, &objects::message(message)),
            Self::Hit(message, snippet) => serde_json::to_writer(
                out,
                &HitObject {
                    message: objects::message(message),
                    snippet,
                },
            ),
            Self::Imported(imported) => serde_json::to_writer(out, &imported_object(imported)),
            Self::Done => serde_json::to_writer(out, &json!({})),
            Self::Held(held) => serde_json::to_writer(out, &objects::held(held)),
            Self::Missed(count) => serde_json::to_writer(out, &json!({"missed": count})),
            Self::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        };
        // Every key is a string, and a Vec takes all that is written to it.
        debug_assert!(written.is_ok());
    }

    /// Reads the object of a flow, a message, a hit, an import or a gap: what streams and commands show to people.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read_json(json: &[u8]) -> Result<Self, ShapeError> {
        let shape = |error: serde_json::Error| ShapeError::new(error.to_string());
        let keys: Keys = serde_json::from_slice(json).map_err(shape)?;
        if keys.sequence.is_some() {
            if keys.held_since.is_some() {
                return Ok(Self::Held(objects::parse_held(json)?));
            }
            let message = objects::parse_message(json)?;
            return Ok(match keys.snippet {
                Some(snippet) => Self::Hit(message, snippet),
                None => Self::Message(message),
            });
        }
        if keys.protocol.is_some() {
            return Ok(Self::Flow(objects::parse_flow(json)?));
        }
        match (keys.missed, keys.flows, keys.messages) {
            (Some(missed), _, _) => Ok(Self::Missed(missed)),
            (None, Some(flows), Some(messages)) => {
                let warnings = keys
                    .warnings
                    .into_iter()
                    .map(|warning| (warning.count, warning.what))
                    .collect();
                Ok(Self::Imported(Imported {
                    flows,
                    messages,
                    warnings,
                }))
            }
            _ => Err(ShapeError::new("an object of unknown shape")),
        }
    }

    /// About how much memory it takes.
    fn weight(&self) -> usize {
        match self {
            Self::Message(message) | Self::Hit(message, _) => 256 + message.payload.as_bytes().len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Held(held) => 256 + held.payload.len(),
            _ => 512,
        }
    }
}

/// The keys that tell one shape from another.
#[derive(serde::Deserialize)]
struct Keys {
    sequence: Option<serde::de::IgnoredAny>,
    protocol: Option<serde::de::IgnoredAny>,
    held_since: Option<serde::de::IgnoredAny>,
    snippet: Option<String>,
    missed: Option<u64>,
    flows: Option<u64>,
    messages: Option<u64>,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(serde::Deserialize)]
struct Warning {
    count: u64,
    what: String,
}

impl Status {
    fn object(&self) -> serde_json::Value {
        let running = self.running.as_ref();
        json!({
            "version": self.version,
            "running": running.is_some(),
            "pid": running.map(|running| running.pid),
            "started_at": running.map(|running| running.started_at.rfc3339()),
            "modes": running.map(|running| &running.doors),
            "draining": running.map(|running| running.draining),
            "plugins": running.map(|running| running.plugins.iter().map(plugin_object).collect::<Vec<_>>()),
            "newest_flow": self.newest_flow.map(|id| id.to_string()),
        })
    }
}

fn plugin_object((id, counts): &(String, PluginCounts)) -> serde_json::Value {
    let PluginCounts {
        calls,
        failures,
        replaced,
        dropped,
        closed,
    } = counts;
    json!({
        "id": id, "calls": calls, "failures": failures, "replaced": replaced, "dropped": dropped, "closed": closed,
    })
}

fn imported_object(imported: &Imported) -> serde_json::Value {
    let warnings = imported
        .warnings
        .iter()
        .map(|(count, what)| json!({"count": count, "what": what}));
    let warnings: Vec<serde_json::Value> = warnings.collect();
    json!({"flows": imported.flows, "messages": imported.messages, "warnings": warnings})
}

/// Items that wait to be taken: at most so many batches,
const BATCHES: usize = 4;
/// of so many items
const BATCH_ITEMS: usize = 128;
/// or about so many bytes.
const BATCH_BYTES: usize = 256 << 10;

type Batch = Result<Vec<Item>, OperationError>;

/// An answer, to be taken piece by piece.
#[derive(Debug)]
pub struct Answer(mpsc::Receiver<Batch>);

/// Where an operation puts its items.
pub(super) struct Out {
    to: mpsc::Sender<Batch>,
    batch: Vec<Item>,
    bytes: usize,
}

/// Where the failure of an operation goes.
pub(super) struct Failing(mpsc::Sender<Batch>);

pub(super) fn channel() -> (Out, Answer) {
    let (to, answer) = mpsc::channel(BATCHES);
    (
        Out {
            to,
            batch: Vec::new(),
            bytes: 0,
        },
        Answer(answer),
    )
}

impl Answer {
    /// The next items; a live stream begins with none, once it has begun. `None`: that was all. After an error there is
    /// nothing more.
    pub async fn next(&mut self) -> Option<Batch> {
        self.0.recv().await
    }

    /// As [`Answer::next`], for those who poll.
    pub fn poll_next(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Batch>> {
        self.0.poll_recv(cx)
    }
}

impl Failing {
    pub(super) async fn fail(self, error: OperationError) {
        // Nobody waiting is no failure.
        let _ = self.0.send(Err(error)).await;
    }
}

impl Out {
    pub(super) fn failing(&self) -> Failing {
        Failing(self.to.clone())
    }

    /// Gives an item; waits for room. Not on an async thread.
    pub(super) fn give(&mut self, item: Item) -> Result<(), OperationError> {
        self.bytes += item.weight();
        self.batch.push(item);
        if self.batch.len() < BATCH_ITEMS && self.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.finish()
    }

    /// Sends what has been given. Not on an async thread.
    pub(super) fn finish(&mut self) -> Result<(), OperationError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.to.blocking_send(Ok(batch)).map_err(|_| OperationError::Gone)
    }

    /// Gives items at once.
    pub(super) async fn send(&mut self, items: Vec<Item>) -> Result<(), OperationError> {
        self.to.send(Ok(items)).await.map_err(|_| OperationError::Gone)
    }

    /// Waits until nobody waits for the answer any more.
    pub(super) async fn gone(&self) {
        self.to.closed().await;
    }
}

/// Bytes of a file; the caller buffers.
impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let given = self.give(Item::Bytes(bytes.to_vec()));
        given
            .map(|()| bytes.len())
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.finish().map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
