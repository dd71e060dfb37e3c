//! From what passes to what is kept: a bounded queue between the relay and the store.

use crate::flow::{Direction, Ending, FlowId, Kind, Opening, Timestamp};

/// The way of one data-plane thread to the recorder. Cheap to clone; stays on its thread.
#[derive(Clone, Debug)]
pub struct Tap(std::rc::Rc<()>);

impl Tap {
    /// Puts a new flow on record.
    #[must_use]
    pub fn open(&self, _opening: Opening) -> FlowTap {
        FlowTap {
            _tap: self.clone(),
            id: FlowId(0),
        }
    }
}

/// One flow's way to the recorder. Dropped before [`FlowTap::end`], the flow ends as an error.
#[derive(Debug)]
pub struct FlowTap {
    _tap: Tap,
    id: FlowId,
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
        self.id
    }

    /// Puts a message of HTTP on record.
    pub fn http(&mut self, _message: &HttpMessage<'_>) {}

    /// Counts bytes of a tunnel.
    pub fn tunnelled(&mut self, _direction: Direction, _bytes: u64) {}

    /// Waits until the recorder has room; at once unless the queue is full and `record.on_full` is "slow".
    pub async fn ready(&self) {}

    /// Ends the flow.
    pub fn end(self, _ending: Ending) {}
}
