//! From a tap to the store, over a real file.
#![allow(clippy::unwrap_used)]

mod ids;
mod inflating;
mod shedding;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use wire::deflate::{Deflater, Params};
use wire::frame::Opcode;
use wire::session::{Entry, Facts, Fate, Payload, Recorded, Span};

use super::batch::{Batch, Event, Http, What};
use super::ids::Ids;
use super::queue::{Job, Jobs, Queue};
use super::*;
use crate::config::OnFull;
use crate::flow::{Direction, Ending, FlowType, Kind, Opening, Protocol, State, Timestamp};
use crate::store::{FlowQuery, Reader};

const TAKEOVER: Params = Params {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};
const NO_TAKEOVER: Params = Params {
    client_no_context_takeover: true,
    ..TAKEOVER
};

/// A store, and a queue to a recorder that has not begun.
struct Place {
    directory: TempDir,
    settings: Settings,
    runtime: tokio::runtime::Runtime,
    local: LocalSet,
    queue: Queue,
    jobs: Jobs,
    failed: CancellationToken,
}

/// What is on record.
#[derive(Debug)]
struct Kept {
    flow: Flow,
    messages: Vec<Message>,
}

impl Place {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.record.on_full = OnFull::Shed;
        change(&mut settings);
        let (queue, jobs) = queue::new(settings.record.queue_bytes_max);
        Self {
            directory: tempfile::tempdir().unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            local: LocalSet::new(),
            failed: CancellationToken::new(),
            settings,
            queue,
            jobs,
        }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("framegate.db")
    }

    /// Runs `say` with a tap that gives out ids from `first` on. It hands over nothing before its end.
    fn with_tap(&self, first: u32, say: impl FnOnce(&Tap)) {
        let ids = Arc::new(Ids::from(FlowId(first)));
        let tap = Tap::new(Some(self.queue.clone()), ids, &self.settings);
        let run = self.local.run_until(async { say(&tap) });
        self.runtime.block_on(run);
    }

    /// Runs `say` with the tap of a flow of its own.
    fn with_flow(&self, say: impl FnOnce(&mut Talk<'_>)) {
        self.with_tap(1, |tap| {
            let tap = tap.open(opening());
            let mut talk = Talk {
                place: self,
                tap,
                sequence: 0,
            };
            say(&mut talk);
            talk.tap.end(complete());
        });
    }

    /// From now on the queue is full.
    fn fill(&self) {
        let body = vec![0; self.settings.record.queue_bytes_max];
        let http = Http {
            direction: Direction::Send,
            kind: Kind::Request,
            sequence: 0,
            at: Timestamp(0),
            head: Vec::new(),
            size: 0,
            wire_bytes: 0,
            more: Vec::new(),
            body,
        };
        let what = What::Http(Box::new(http));
        let batch = Batch {
            held_bytes: what.held_bytes(),
            events: vec![Event { flow: FlowId(0), what }],
            bytes: Vec::new(),
        };
        assert!(self.queue.push(Job::Batch(batch)));
        assert!(!self.queue.has_room());
    }

    /// The queue has room again.
    fn drain(&self) {
        let Ok(Job::Batch(batch)) = self.jobs.next(Duration::ZERO) else {
            panic!("the queue was not full");
        };
        self.jobs.done(batch.weight());
        assert!(self.queue.has_room());
    }

    /// What a recorder makes of all that was handed over.
    fn kept(self) -> Vec<Kept> {
        let database = self.database();
        let Self {
            directory: _directory,
            settings,
            local,
            queue,
            jobs,
            failed,
            ..
        } = self;
        // What waits to hand over a batch goes with it.
        drop((local, queue));
        let config = RecorderConfig {
            database: database.clone(),
            settings: Arc::new(settings),
            failed,
        };
        let writer = Writer::open(&database).unwrap();
        recorder::Thread::new(writer, jobs, broadcast::channel(1).0, &config).run();
        let reader = Reader::open(&database).unwrap();
        let oldest_first = FlowQuery {
            newest_first: false,
            ..FlowQuery::default()
        };
        let flows = reader.flows(&oldest_first).unwrap();
        let kept = flows.into_iter().map(|flow| Kept {
            messages: reader.messages(flow.id, 0, usize::MAX).unwrap(),
            flow,
        });
        kept.collect()
    }

    /// What it makes of the only flow.
    fn only(self) -> Kept {
        let mut kept = self.kept();
        assert_eq!(kept.len(), 1);
        kept.remove(0)
    }
}

impl Kept {
    /// Each message's payload, as text or bytes, and what is wrong with it.
    fn heard(&self) -> Vec<(&[u8], Option<&str>)> {
        let heard = self
            .messages
            .iter()
            .map(|message| (message.payload.as_bytes(), message.metadata.violation.as_deref()));
        heard.collect()
    }
}

/// One flow, whose client talks.
struct Talk<'a> {
    place: &'a Place,
    tap: FlowTap,
    sequence: u32,
}

impl Talk<'_> {
    fn part(&mut self, opcode: Opcode, compressed: bool, bytes: &[u8]) {
        let entry = Entry::Part {
            direction: Direction::Send,
            control: opcode.is_control(),
            compressed,
            span: span(bytes),
        };
        self.tap.entry(entry, bytes, Timestamp(1), None);
    }

    /// The end of a message that had `payload_bytes` in all.
    fn end(&mut self, opcode: Opcode, compressed: bool, bytes: &[u8], payload_bytes: usize) {
        let facts = Facts {
            direction: Direction::Send,
            sequence: self.sequence,
            opcode,
            compressed,
            masked: true,
            frames: 1,
            wire_bytes: payload_bytes as u64 + 6,
            payload_bytes: payload_bytes as u64,
            violation: None,
        };
        self.sequence += 1;
        let recorded = Recorded {
            facts,
            payload: Payload::Parts(Some(span(bytes))),
            fate: Fate::Sent,
            ticket: None,
        };
        self.tap.entry(Entry::Message(recorded), bytes, Timestamp(1), None);
    }

    /// A message in these pieces.
    fn say(&mut self, opcode: Opcode, compressed: bool, pieces: &[&[u8]]) {
        let (last, parts) = pieces.split_last().unwrap();
        for part in parts {
            self.part(opcode, compressed, part);
        }
        let payload_bytes = pieces.iter().map(|piece| piece.len()).sum();
        self.end(opcode, compressed, last, payload_bytes);
    }

    /// Says this while the queue is full.
    fn shed(&mut self, say: impl FnOnce(&mut Self)) {
        self.place.fill();
        say(self);
        self.place.drain();
    }
}

fn span(bytes: &[u8]) -> Span {
    Span {
        range: 0..bytes.len(),
        key: None,
        offset: 0,
    }
}

fn opening() -> Opening {
    Opening {
        protocol: Protocol::WebSocket,
        flow_type: FlowType::Bidirectional,
        started_at: Timestamp(1),
        url: "ws://example.test/chat".to_owned(),
        subprotocol: None,
        extensions: None,
        mode: "regular".to_owned(),
        client_addr: "127.0.0.1:50000".to_owned(),
        server_addr: None,
        tls: None,
    }
}

fn complete() -> Ending {
    Ending {
        ended_at: Timestamp(2),
        state: State::Complete,
        error: None,
        close: None,
    }
}

fn deflated(deflater: &mut Deflater, message: &[u8]) -> Vec<u8> {
    let mut small = Vec::new();
    deflater.compress(message, &mut small);
    small
}

fn deflater(params: Params) -> Deflater {
    Deflater::new(15, !params.client_no_context_takeover).unwrap()
}
