//! One flow on the recorder's side: messages put together, inflated, cut.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use wire::deflate::{Caps, Inflater, Params};
use wire::error::Rule;
use wire::frame::Opcode;
use wire::session::{Facts, Fate as WireFate};

use super::batch::{Http, Lost, What, Whole};
use super::half::{Assembled, Half};
use super::redact::{emptied, redacted, redacted_ending};
use crate::flow::{Counts, Direction, Ending, Fate, FlowId, Kind, Opening, Timestamp};
use crate::inspect::Redactor;
use crate::store::{PayloadRef, Row};
use crate::telemetry::{self, LostBy};

/// What the recorder knows of a flow that is open.
#[derive(Debug)]
pub(super) struct FlowState {
    pub(super) id: FlowId,
    pub(super) opening: Arc<Opening>,
    /// The store has it for good.
    pub(super) stored: bool,
    /// The store has it in the transaction that is open.
    pub(super) opened: bool,
    pub(super) counts: Counts,
    /// Messages in the transaction that is open.
    pub(super) uncommitted: u64,
    /// The open transaction has something of it.
    pub(super) touched: bool,
    pub(super) ending: Option<Box<Ending>>,
    halves: [Half; 2],
    /// Takes out of the server's texts what does not go on record.
    redactor: Option<Arc<Redactor>>,
    /// Its messages cannot be read.
    unreadable: bool,
}

/// What is kept of payloads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) caps: Caps,
}

impl FlowState {
    pub(super) fn new(id: FlowId, opening: Arc<Opening>) -> Self {
        Self {
            id,
            opening,
            stored: false,
            opened: false,
            counts: Counts::default(),
            uncommitted: 0,
            touched: false,
            ending: None,
            halves: Default::default(),
            redactor: None,
            unreadable: false,
        }
    }

    /// Takes what happened to messages; `bytes` are those of its batch. `store` gets the row if there is one, and says
    /// whether it was taken: what was not is counted as lost.
    pub(super) fn take<E>(
        &mut self,
        what: &What,
        bytes: &[u8],
        keep: Keep,
        store: impl FnOnce(&Row<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let (redactor, unreadable) = (self.redactor.clone(), self.unreadable);
        let (keep, narrow) = (keep.with_margin(redactor.as_deref()), keep);
        let store = |row: &Row<'_>| match &redactor {
            None => store(row),
            Some(_) if unreadable && row.direction == Direction::Receive && row.kind.is_data() => store(&emptied(row)),
            Some(redactor) => redacted(redactor, narrow, what.may_be_text(), row, store),
        };
        let slice = |range: &Range<u32>| bytes.get(range.start as usize..range.end as usize).unwrap_or(&[]);
        let stored = match what {
            What::Message { at, facts, sent, bytes } => self.message(*at, facts, *sent, slice(bytes), keep, store),
            What::Whole(whole) => self.whole(whole, keep, store),
            What::Http(http) => self.http(http, keep, store),
            What::Part {
                direction,
                control,
                compressed,
                bytes,
            } => {
                self.halves[direction.index()].add(*control, *compressed, slice(bytes), &keep.caps);
                return Ok(());
            }
            What::Deflate(params) => {
                self.deflate(*params);
                return Ok(());
            }
            What::Redact { redactor, unreadable } => {
                (self.redactor, self.unreadable) = (redactor.clone(), *unreadable);
                return Ok(());
            }
            What::Lost { direction, lost } => {
                self.lost(*direction, *lost);
                return Ok(());
            }
            What::Tunnelled { direction, bytes } => {
                self.count(*direction, 0, *bytes);
                return Ok(());
            }
            // These are about the flow, not about what it carries.
            What::Opened(_) | What::Ended(_) => return Ok(()),
        };
        match stored {
            Ok(true) => self.uncommitted += 1,
            Ok(false) | Err(_) => {
                self.counts.messages_lost += 1;
                telemetry::counts().messages_lost.one(LostBy::Store);
            }
        }
        stored.map(drop)
    }

    /// The flow is over.
    pub(super) fn end(&mut self, ending: &Ending) {
        let ending = match &self.redactor {
            None => ending.clone(),
            Some(redactor) => redacted_ending(redactor, ending),
        };
        self.ending = Some(Box::new(ending));
    }

    fn deflate(&mut self, params: Params) {
        let [client, server] = &mut self.halves;
        client.deflate(params.client_no_context_takeover);
        server.deflate(params.server_no_context_takeover);
    }

    /// The inflater that has read all of a direction; what comes is not for the recorder to inflate any more.
    pub(super) fn take_inflater(&mut self, direction: Direction) -> Option<Inflater> {
        self.halves[direction.index()].take_inflater()
    }

    fn lost(&mut self, direction: Direction, lost: Lost) {
        self.counts.messages_lost += lost.messages;
        self.count(direction, lost.messages, lost.wire_bytes);
        self.halves[direction.index()].lost(lost.data, lost.control, lost.compressed);
    }

    fn count(&mut self, direction: Direction, messages: u64, bytes: u64) {
        match direction {
            Direction::Send => {
                self.counts.messages_sent += messages;
                self.counts.bytes_sent += bytes;
            }
            Direction::Receive => {
                self.counts.messages_received += messages;
                self.counts.bytes_received += bytes;
            }
        }
    }

    /// A message whose last bytes are `last`; `with` gets its row.
    fn message<T>(
        &mut self,
        at: Timestamp,
        facts: &Facts,
        sent: bool,
        last: &[u8],
        keep: Keep,
        with: impl FnOnce(&Row<'_>) -> T,
    ) -> T {
        self.count(facts.direction, 1, facts.wire_bytes);
        let fate = if sent { Fate::Sent } else { Fate::Dropped };
        let id = self.id;
        let half = &mut self.halves[facts.direction.index()];
        let control = facts.opcode.is_control();
        if !facts.compressed && half.is_empty(control) {
            // The common case: one frame, read at once, kept where it is.
            let whole = last.len() as u64 == facts.payload_bytes && last.len() <= keep.caps.keep_bytes_max;
            if whole {
                return with(&row(id, at, facts, last, facts.payload_bytes, false, fate, None));
            }
        }
        half.add(control, facts.compressed, last, &keep.caps);
        if control {
            let payload = half.finish_control();
            let truncated = (payload.len() as u64) < facts.payload_bytes;
            return with(&row(
                id,
                at,
                facts,
                &payload,
                facts.payload_bytes,
                truncated,
                fate,
                None,
            ));
        }
        let Assembled {
            bytes,
            size,
            truncated,
            raw,
            flag,
        } = half.finish(facts.compressed, facts.payload_bytes, &keep.caps);
        let mut row = row(id, at, facts, &bytes, size, truncated, fate, flag.as_deref());
        if raw {
            // Compressed bytes are not text, even where they look like it.
            (row.payload, row.invalid_utf8) = (PayloadRef::Bytes(&bytes), false);
            if self.redactor.is_some() && facts.direction == Direction::Receive && facts.opcode != Opcode::Binary {
                row = emptied(&row);
            }
        }
        with(&row)
    }

    /// A message that the session has put together.
    fn whole<T>(&mut self, whole: &Whole, keep: Keep, with: impl FnOnce(&Row<'_>) -> T) -> T {
        self.count(whole.facts.direction, 1, whole.facts.wire_bytes);
        let cut = |bytes: &[u8]| bytes.len().min(keep.caps.keep_bytes_max);
        let plain = &whole.payload[..cut(&whole.payload)];
        let size = whole.payload.len() as u64;
        let truncated = plain.len() < whole.payload.len();
        let decision = whole.decision.as_deref();
        let fate = match &whole.fate {
            WireFate::Sent => Fate::Sent,
            WireFate::Dropped if decision.is_some_and(|decision| decision.blocked) => Fate::Blocked,
            WireFate::Dropped => Fate::Dropped,
            WireFate::Injected => Fate::Injected,
            WireFate::Replaced(_) => Fate::Replaced,
        };
        let mut row = match &whole.fate {
            WireFate::Replaced(new) => {
                let kept = &new.payload[..cut(&new.payload)];
                let facts = Facts {
                    opcode: new.opcode,
                    ..whole.facts
                };
                let cut = kept.len() < new.payload.len();
                let mut row = row(
                    self.id,
                    whole.at,
                    &facts,
                    kept,
                    new.payload.len() as u64,
                    cut,
                    fate,
                    None,
                );
                row.original = Some(payload(whole.facts.opcode, plain, truncated).0);
                row
            }
            _ => row(self.id, whole.at, &whole.facts, plain, size, truncated, fate, None),
        };
        row.decided_by = match decision {
            Some(decision) if !decision.by.is_empty() => Some(&decision.by),
            // A Close of the proxy's own.
            _ if fate == Fate::Injected => Some("proxy"),
            _ => None,
        };
        row.more = decision.map_or(&[], |decision| &decision.more);
        with(&row)
    }

    /// A message of HTTP.
    fn http<T>(&mut self, http: &Http, keep: Keep, with: impl FnOnce(&Row<'_>) -> T) -> T {
        let upgrade = matches!(http.kind, Kind::UpgradeRequest | Kind::UpgradeResponse);
        if !upgrade {
            self.count(http.direction, 1, http.size);
        }
        let head = String::from_utf8_lossy(&http.head);
        let body = if upgrade { &http.head } else { &http.body };
        let kept = &body[..body.len().min(keep.caps.keep_bytes_max)];
        let size = if upgrade { http.head.len() as u64 } else { http.size };
        let truncated = (kept.len() as u64) < size;
        let mut more: Cow<'_, [(String, String)]> = Cow::Borrowed(&http.more);
        let violation = http
            .more
            .iter()
            .position(|(name, _)| name == "violation")
            .map(|at| more.to_mut().remove(at).1);
        let payload = match text(kept, truncated) {
            Some(text) => PayloadRef::Text(text),
            None => PayloadRef::Bytes(kept),
        };
        with(&Row {
            flow: self.id,
            sequence: http.sequence,
            direction: http.direction,
            at: http.at,
            kind: http.kind,
            head: (!upgrade).then_some(&*head),
            payload,
            size,
            wire_bytes: http.wire_bytes,
            frames: 0,
            truncated,
            fate: Fate::Sent,
            decided_by: None,
            original: None,
            opcode: None,
            masked: false,
            compressed: false,
            invalid_utf8: false,
            violation: violation.as_deref(),
            more: &more,
        })
    }
}

/// The row of a WebSocket message.
#[allow(clippy::too_many_arguments)] // each is one column
fn row<'a>(
    flow: FlowId,
    at: Timestamp,
    facts: &Facts,
    bytes: &'a [u8],
    size: u64,
    truncated: bool,
    fate: Fate,
    violation: Option<&'a str>,
) -> Row<'a> {
    let (payload, invalid_utf8) = payload(facts.opcode, bytes, truncated);
    Row {
        flow,
        sequence: facts.sequence,
        direction: facts.direction,
        at,
        kind: kind(facts.opcode),
        head: None,
        payload,
        size,
        wire_bytes: facts.wire_bytes,
        frames: facts.frames,
        truncated,
        fate,
        decided_by: None,
        original: None,
        opcode: Some(facts.opcode.bits()),
        masked: facts.masked,
        compressed: facts.compressed,
        invalid_utf8,
        violation: violation.or_else(|| facts.violation.map(Rule::words)),
        more: &[],
    }
}

/// A payload as text if it was sent as such and is; and whether it was sent as such and is not.
fn payload(opcode: Opcode, bytes: &[u8], truncated: bool) -> (PayloadRef<'_>, bool) {
    if opcode != Opcode::Text {
        return (PayloadRef::Bytes(bytes), false);
    }
    match text(bytes, truncated) {
        Some(text) => (PayloadRef::Text(text), false),
        None => (PayloadRef::Bytes(bytes), true),
    }
}

/// The bytes as UTF-8. Where they were cut, they may have been cut inside a character.
fn text(bytes: &[u8], truncated: bool) -> Option<&str> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if truncated && error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

const fn kind(opcode: Opcode) -> Kind {
    match opcode {
        Opcode::Text => Kind::Text,
        Opcode::Binary => Kind::Binary,
        Opcode::Close => Kind::Close,
        Opcode::Ping => Kind::Ping,
        Opcode::Pong => Kind::Pong,
        Opcode::Continuation | Opcode::Reserved(_) => Kind::Unknown,
    }
}
