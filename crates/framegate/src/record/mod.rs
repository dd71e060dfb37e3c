//! Stands in for the recorder until it is there: keeps nothing, tells subscribers.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::broadcast;

use crate::flow::{
    Counts, Direction, Ending, Fate, Flow, FlowId, Kind, Message, Metadata, Opening, Payload, State, Timestamp,
};

/// What is new.
#[derive(Clone, Debug)]
pub enum Live {
    /// A flow opened or ended.
    Flow(Flow),
    /// A message was recorded.
    Message(Message),
}

/// Makes taps. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    live: broadcast::Sender<Arc<Live>>,
    next: Arc<AtomicU32>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            live: broadcast::channel(4096).0,
            next: Arc::new(AtomicU32::new(1)),
        }
    }
}

impl Recorder {
    /// The way of the calling thread to the recorder.
    #[must_use]
    pub fn tap(&self) -> Tap {
        Tap(std::rc::Rc::new(self.clone()))
    }

    /// What is recorded from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Live>> {
        self.live.subscribe()
    }
}

/// The way of one data-plane thread to the recorder. Cheap to clone; stays on its thread.
#[derive(Clone, Debug)]
pub struct Tap(std::rc::Rc<Recorder>);

impl Tap {
    /// Puts a new flow on record.
    #[must_use]
    pub fn open(&self, opening: Opening) -> FlowTap {
        let flow = Flow {
            id: FlowId(self.0.next.fetch_add(1, Ordering::Relaxed)),
            opening,
            counts: Counts::default(),
            ending: None,
        };
        let _ = self.0.live.send(Arc::new(Live::Flow(flow.clone())));
        FlowTap {
            tap: self.clone(),
            flow: RefCell::new(flow),
            sequence: 0,
        }
    }
}

/// One flow's way to the recorder. Dropped before [`FlowTap::end`], the flow ends as an error.
#[derive(Debug)]
pub struct FlowTap {
    tap: Tap,
    flow: RefCell<Flow>,
    sequence: u32,
}

/// A head of an upgrade, or a whole request or response, as it goes on record.
#[derive(Clone, Debug)]
pub struct HttpMessage<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// [`Kind::UpgradeRequest`], [`Kind::UpgradeResponse`], [`Kind::Request`] or [`Kind::Response`].
    pub kind: Kind,
    /// When it was complete on arrival.
    pub at: Timestamp,
    /// Start line and header fields exactly as they came, the empty line included.
    pub head: &'a [u8],
    /// The body, without its transfer coding, cut at `record.payload_bytes_max`; empty for an upgrade.
    pub body: &'a [u8],
    /// The body's bytes before it was cut.
    pub size: u64,
    /// Head and body as they were on the wire.
    pub wire_bytes: u64,
    /// Further facts, such as ("status", "200").
    pub more: Vec<(String, String)>,
}

impl FlowTap {
    /// The flow's name.
    #[must_use]
    pub fn id(&self) -> FlowId {
        self.flow.borrow().id
    }

    /// Puts a message of HTTP on record.
    pub fn http(&mut self, message: &HttpMessage<'_>) {
        let recorded = Message {
            flow: self.id(),
            sequence: self.sequence,
            direction: message.direction,
            at: message.at,
            kind: message.kind,
            head: Some(String::from_utf8_lossy(message.head).into_owned()),
            payload: Payload::Bytes(message.body.to_vec()),
            size: message.size,
            wire_bytes: message.wire_bytes,
            frames: 0,
            truncated: (message.body.len() as u64) < message.size,
            fate: Fate::Sent,
            decided_by: None,
            original: None,
            metadata: Metadata {
                more: message.more.clone(),
                ..Metadata::default()
            },
        };
        self.sequence += 1;
        let _ = self.tap.0.live.send(Arc::new(Live::Message(recorded)));
    }

    /// Counts bytes of a tunnel.
    pub fn tunnelled(&mut self, direction: Direction, bytes: u64) {
        let counts = &mut self.flow.get_mut().counts;
        match direction {
            Direction::Send => counts.bytes_sent += bytes,
            Direction::Receive => counts.bytes_received += bytes,
        }
    }

    /// Waits until the recorder has room; at once unless the queue is full and `record.on_full` is "slow".
    pub async fn ready(&self) {}

    /// Ends the flow.
    pub fn end(self, ending: Ending) {
        self.flow.borrow_mut().ending = Some(ending);
    }
}

impl Drop for FlowTap {
    fn drop(&mut self) {
        let mut flow = self.flow.borrow().clone();
        flow.ending.get_or_insert_with(|| Ending {
            ended_at: Timestamp::now(),
            state: State::Error,
            error: Some("given up".to_owned()),
            close: None,
        });
        let _ = self.tap.0.live.send(Arc::new(Live::Flow(flow)));
    }
}
