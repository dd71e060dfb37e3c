//! The data plane's side: one tap a thread, one flow tap a connection.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wire::deflate::Inflater;
use wire::mask;
use wire::session::{Entry, Facts, Fate, Payload, Recorded, Span};

use super::batch::{Batch, Event, Http, Lost, What, Whole};
use super::ids::Ids;
use super::queue::{Job, Queue};
use crate::config::{OnFull, Settings};
use crate::flow::{Decision, Direction, Ending, FlowId, Kind, Opening, State, Timestamp};
use crate::inspect::Redactor;
use crate::telemetry::{self, LostBy};

/// A batch of so many payload bytes is handed over at once.
const BATCH_BYTES: usize = 256 << 10;

/// A batch of so many events is handed over at once.
const BATCH_EVENTS: usize = 4096;

/// How long a tap gathers before it hands over: a part of the time in which all must be stored.
pub(super) fn hand_over_after(settings: &Settings) -> Duration {
    Duration::from_millis(settings.store.flush_ms / 5).clamp(Duration::from_millis(1), Duration::from_millis(20))
}

/// The way of one data-plane thread to the recorder. Cheap to clone; stays on its thread.
#[derive(Clone, Debug)]
pub struct Tap {
    /// `None`: nothing is recorded.
    shared: Option<Rc<Shared>>,
    /// Flows have names all the same.
    ids: Arc<Ids>,
}

#[derive(Debug)]
struct Shared {
    queue: Queue,
    batch: RefCell<Batch>,
    hand_over_after: Duration,
    on_full: OnFull,
    payload_bytes_max: usize,
}

impl Tap {
    pub(super) fn new(queue: Option<Queue>, ids: Arc<Ids>, settings: &Settings) -> Self {
        let shared = queue.map(|queue| {
            Rc::new(Shared {
                queue,
                batch: RefCell::default(),
                hand_over_after: hand_over_after(settings),
                on_full: settings.record.on_full,
                payload_bytes_max: settings.record.payload_bytes_max,
            })
        });
        Self { shared, ids }
    }

    /// Puts a new flow on record. When the store has no id left for it, it passes unrecorded, and the recorder is told
    /// the first time.
    #[must_use]
    pub fn open(&self, opening: impl Into<Arc<Opening>>) -> FlowTap {
        let id = self.ids.take();
        let shared = self.shared.clone().filter(|shared| {
            if id.is_none() && self.ids.to_tell() {
                shared.queue.push(Job::OutOfIds);
            }
            id.is_some()
        });
        let id = id.unwrap_or(FlowId(0));
        if let Some(shared) = &shared {
            shared.push(id, What::Opened(opening.into()));
        }
        FlowTap {
            ended: shared.is_none(),
            shared,
            id,
            next_sequence: 0,
            shed: [Shed::default(); 2],
        }
    }
}

impl Shared {
    /// Adds an event, and sees to it that the batch is handed over in time.
    fn push(self: &Rc<Self>, flow: FlowId, what: What) {
        let mut batch = self.batch.borrow_mut();
        if batch.is_empty() {
            let shared = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(shared.hand_over_after).await;
                shared.hand_over();
            });
        }
        batch.held_bytes += what.held_bytes();
        batch.events.push(Event { flow, what });
        if batch.payload_bytes() >= BATCH_BYTES || batch.events.len() >= BATCH_EVENTS {
            drop(batch);
            self.hand_over();
        }
    }

    fn hand_over(&self) {
        let mut batch = self.batch.borrow_mut();
        if !batch.is_empty() {
            let next = Batch {
                events: Vec::with_capacity(batch.events.len()),
                bytes: Vec::with_capacity(batch.bytes.len()),
                held_bytes: 0,
            };
            let full = std::mem::replace(&mut *batch, next);
            // A recorder that is gone has said why; what passes now is not recorded.
            self.queue.push(Job::Batch(full));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// One flow's way to the recorder. Dropped before [`FlowTap::end`], the flow ends as an error.
#[derive(Debug)]
pub struct FlowTap {
    shared: Option<Rc<Shared>>,
    id: FlowId,
    next_sequence: u32,
    /// What was not handed over, of each direction.
    shed: [Shed; 2],
    ended: bool,
}

/// What of one direction was counted instead of kept.
#[derive(Clone, Copy, Debug, Default)]
struct Shed {
    /// Since the recorder was last told.
    untold: Lost,
    /// Of the message under way, control or not, a part is lost already: the rest of it must be, too.
    cut: [bool; 2],
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
    /// Further facts, such as ("status", "200"). "violation" is what its sender did wrong.
    pub more: Vec<(String, String)>,
}

impl FlowTap {
    /// The flow's name; 0 if all names have been given out.
    #[must_use]
    pub fn id(&self) -> FlowId {
        self.id
    }

    /// Payload bytes of one message that the recorder wants to see, what lies across its cut included; `None`: nothing
    /// is recorded.
    #[must_use]
    pub fn wanted_bytes_max(&self) -> Option<u64> {
        match self.shared.as_ref()?.payload_bytes_max {
            0 => Some(0),
            kept => Some((kept + Redactor::margin_bytes()) as u64),
        }
    }

    /// Asks the recorder for the inflater of a direction that has read all of it so far: from now on the session inflates
    /// that direction. It answers `None` if it has read only a part; nobody answers if nothing is recorded.
    pub(crate) fn inflater(&self, direction: Direction) -> oneshot::Receiver<Option<Inflater>> {
        let (to, inflater) = oneshot::channel();
        if let Some(shared) = &self.shared {
            shared.hand_over();
            shared.queue.push(Job::Inflater {
                flow: self.id,
                direction,
                to,
            });
        }
        inflater
    }

    /// The number that the flow's next message gets.
    #[must_use]
    pub fn next_sequence(&self) -> u32 {
        self.next_sequence
    }

    /// Puts a message of HTTP on record.
    pub fn http(&mut self, message: &HttpMessage<'_>) {
        let Some(shared) = &self.shared else { return };
        let http = Http {
            direction: message.direction,
            kind: message.kind,
            sequence: self.next_sequence,
            at: message.at,
            head: message.head.to_vec(),
            body: message.body.to_vec(),
            size: message.size,
            wire_bytes: message.wire_bytes,
            more: message.more.clone(),
        };
        self.next_sequence += 1;
        shared.push(self.id, What::Http(Box::new(http)));
    }

    /// Says that messages of this flow may come compressed.
    pub fn deflate(&mut self, params: wire::deflate::Params) {
        if let Some(shared) = &self.shared {
            shared.push(self.id, What::Deflate(params));
        }
    }

    /// Says that from now on what `redactor` takes out of the server's texts does not go on record, or without one, that
    /// all of it does again; and with `unreadable`, that nobody can read them, so that no redacted one goes on record.
    pub(crate) fn redact(&mut self, redactor: Option<Arc<Redactor>>, unreadable: bool) {
        if let Some(shared) = &self.shared {
            shared.push(self.id, What::Redact { redactor, unreadable });
        }
    }

    /// Puts an entry of the session on record. `read` is what its spans are stretches of, `decision` what was decided
    /// about the message.
    pub fn entry(&mut self, entry: Entry, read: &[u8], at: Timestamp, decision: Option<Box<Decision>>) {
        let Some(shared) = self.shared.clone() else { return };
        match entry {
            Entry::Part {
                direction,
                control,
                compressed,
                span,
            } => {
                let shed = &mut self.shed[direction.index()];
                if shed.cut[usize::from(control)] || shared.sheds() {
                    shed.part(control, compressed);
                    return;
                }
                self.tell_lost(direction);
                let bytes = shared.copy(&span, read);
                shared.push(
                    self.id,
                    What::Part {
                        direction,
                        control,
                        compressed,
                        bytes,
                    },
                );
            }
            Entry::Message(Recorded {
                facts, payload, fate, ..
            }) => {
                let shed = &mut self.shed[facts.direction.index()];
                let cut = std::mem::take(&mut shed.cut[usize::from(facts.opcode.is_control())]);
                if cut || shared.sheds() {
                    shed.message(&facts);
                    return;
                }
                self.tell_lost(facts.direction);
                let what = match payload {
                    Payload::Parts(span) => {
                        let bytes = span.map_or(0..0, |span| shared.copy(&span, read));
                        What::Message {
                            at,
                            facts,
                            sent: fate == Fate::Sent,
                            bytes,
                        }
                    }
                    Payload::Plain(payload) => What::Whole(Box::new(Whole {
                        at,
                        facts,
                        payload,
                        fate,
                        decision,
                    })),
                };
                shared.push(self.id, what);
            }
        }
    }

    /// Counts bytes of a tunnel.
    pub fn tunnelled(&mut self, direction: Direction, bytes: u64) {
        if let Some(shared) = &self.shared {
            shared.push(self.id, What::Tunnelled { direction, bytes });
        }
    }

    /// Whether more may be put on record now: always, unless the queue is full and the relay is to wait for it.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared
            .as_ref()
            .is_none_or(|shared| shared.on_full == OnFull::Shed || shared.queue.has_room())
    }

    /// Waits until [`FlowTap::has_room`].
    pub async fn ready(&self) {
        if !self.has_room()
            && let Some(shared) = &self.shared
        {
            shared.hand_over();
            shared.queue.room().await;
        }
    }

    /// Ends the flow.
    pub fn end(mut self, ending: Ending) {
        self.finish(ending);
    }

    /// Tells the recorder what is lost, before anything else of that direction: parts that it has of a message that
    /// was cut must not become parts of the next one.
    fn tell_lost(&mut self, direction: Direction) {
        let lost = std::mem::take(&mut self.shed[direction.index()].untold);
        if lost != Lost::default()
            && let Some(shared) = &self.shared
        {
            shared.push(self.id, What::Lost { direction, lost });
        }
    }

    fn finish(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        for direction in Direction::BOTH {
            self.tell_lost(direction);
        }
        if let Some(shared) = &self.shared {
            shared.push(self.id, What::Ended(Box::new(ending)));
        }
    }
}

impl Drop for FlowTap {
    fn drop(&mut self) {
        self.finish(Ending {
            ended_at: Timestamp::now(),
            state: State::Error,
            error: Some("the proxy let the connection go".to_owned()),
            close: None,
        });
    }
}

impl Shed {
    /// A part of a message is not handed over.
    fn part(&mut self, control: bool, compressed: bool) {
        self.cut[usize::from(control)] = true;
        self.untold.data |= !control;
        self.untold.control |= control;
        self.untold.compressed |= compressed;
    }

    /// A message is not handed over, or not its end.
    fn message(&mut self, facts: &Facts) {
        let control = facts.opcode.is_control();
        telemetry::counts().messages_lost.one(LostBy::Shed);
        self.untold.messages += 1;
        self.untold.wire_bytes += facts.wire_bytes;
        self.untold.data |= !control;
        self.untold.control |= control;
        self.untold.compressed |= facts.compressed;
    }
}

impl Shared {
    /// Whether a message that comes now is counted instead of kept.
    fn sheds(&self) -> bool {
        self.on_full == OnFull::Shed && !self.queue.has_room()
    }

    /// Copies a stretch of what was read into the batch, unmasked.
    fn copy(&self, span: &Span, read: &[u8]) -> std::ops::Range<u32> {
        let bytes = &mut self.batch.borrow_mut().bytes;
        let from = bytes.len();
        mask::unmask_into(bytes, &read[span.range.clone()], span.key, span.offset);
        // A batch is handed over at a small part of 4 GiB.
        let at = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        at(from)..at(bytes.len())
    }
}
