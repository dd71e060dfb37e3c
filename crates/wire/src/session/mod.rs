//! One relayed connection as a state machine, from the 101 to the end.
//!
//! ```text
//! bytes from a peer, end of a stream, a verdict, a command, a tick
//!     -> Session ->
//! send (a range of what was read, or new bytes), finish, abort, inspect, record
//! ```
//!
//! Each direction runs at one of three speeds, chosen by what is configured and switchable while the connection lives:
//!
//! 1. **Cut-through** ([`Gate::Open`]): nobody judges. Bytes leave as they arrive, as ranges of what was read, and are
//!    parsed beside the path. Only a header that is not complete waits, because limits are held before a frame's
//!    first byte leaves.
//! 2. **Gated** ([`Gate::Judge`], [`Gate::Check`]): a message's frames are held until it is whole and judged; then they
//!    leave byte-identical, or replaced, or not at all, strictly in order. Control frames pass a held message, but a
//!    Close waits for what came before it.
//! 3. **Re-encoding**: after a message of a compressed direction with context takeover was dropped or replaced, the
//!    receiver's window is not what the sender's next bytes refer to. From then on compressed messages of that
//!    direction are sent anew (RFC 7692 §7.1.1). The inflater always gets the sender's original stream.
//!
//! Whatever the order of inputs: no byte leaves that was not received or commanded, every message that arrives gets
//! one fate and one place in the sequence, and the same inputs give the same outputs.

mod output;
mod half;
mod gate;

use std::sync::Arc;

pub use gate::Gate;
pub use output::{
    Bytes, Cause, End, Ending, Entry, Facts, Fate, Inspect, Output, Payload, Reason, Recorded, Span, Ticket, Verdict,
};

use crate::close::Close;
use crate::deflate::{Caps, Inflater, Params};
use crate::error::Violation;
use crate::frame::{CONTROL_BYTES_MAX, Opcode};
use crate::message::NewMessage;
use crate::{Direction, Peer};
use half::{Half, Stop};

/// Milliseconds on a clock of the caller's that never goes back.
pub type Millis = u64;

/// How a session behaves; shared by all connections of the same settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether a violation closes the connection; otherwise it is passed on and flagged. Limits always close.
    pub close_on_violation: bool,
    /// Text messages must be UTF-8. Seen only in directions that are not [`Gate::Open`].
    pub validate_utf8: bool,
    /// One frame's payload, in bytes.
    pub frame_bytes_max: u64,
    /// One message, assembled, and inflated where the session inflates, in bytes.
    pub message_bytes_max: u64,
    /// Inflated to compressed size of one message; see [`Caps::ratio_max`].
    pub inflate_ratio_max: u32,
    /// How many messages of one direction may wait for a verdict, or behind one that waits.
    pub held_max: usize,
    /// How many bytes of one direction may wait, before nothing more is read; the message that goes beyond it is
    /// still read to its end.
    pub held_bytes_max: usize,
    /// Both peers silent for so long: Close 1001. 0: never.
    pub idle_ms: u64,
    /// For the second Close, and for the end of a stream after the first one ended; counted from the last byte.
    pub close_ms: u64,
    /// Payload bytes of an uncompressed message that the record wants; `None`: there is no record.
    pub record_bytes_max: Option<u64>,
    /// Where masking keys for frames of the proxy's own come from (RFC 6455 §5.3: unpredictable).
    pub mask_key: fn() -> [u8; 4],
}

impl Config {
    /// The gate where nobody judges.
    const fn open(&self) -> Gate {
        if self.close_on_violation {
            Gate::Check
        } else {
            Gate::Open
        }
    }
}

/// What was agreed on for one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// permessage-deflate's parameters, if it is in use.
    pub deflate: Option<Params>,
    /// Extensions that this engine does not know are in use: reserved bits and opcodes may be theirs.
    pub unknown: bool,
}

/// Why a gate was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateError {
    /// A message is under way: ask again when it is through.
    Busy,
    /// Compressed messages have passed uninflated: the inflater that saw them must be handed in.
    NeedsInflater,
}

/// Why a message of the proxy's own was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A Close has gone to that peer.
    Closed,
    /// Only text and binary can replace a message; text, binary, ping and pong can be injected, a ping or pong of at
    /// most 125 bytes.
    NotAMessage,
    /// The payload is beyond the message limit.
    TooBig,
}

/// What the parts of a session share while they work.
struct Cx<'a> {
    config: &'a Config,
    agreed: &'a Agreed,
    next_sequence: &'a mut u32,
    next_ticket: &'a mut u64,
    out: &'a mut Vec<Output>,
}

impl Cx<'_> {
    fn sequence(&mut self) -> u32 {
        let sequence = *self.next_sequence;
        *self.next_sequence = sequence.saturating_add(1);
        sequence
    }

    fn send(&mut self, to: Peer, bytes: Vec<u8>) {
        self.out.push(Output::Send {
            to,
            bytes: Bytes::New(bytes),
        });
    }

    fn record(&mut self, recorded: Recorded) {
        if self.config.record_bytes_max.is_some() {
            self.out.push(Output::Record(Entry::Message(recorded)));
        }
    }

    /// What inflating is held to. A judge must see all of a message, so all of it is kept.
    fn caps(&self) -> Caps {
        Caps {
            message_bytes_max: self.config.message_bytes_max,
            ratio_max: self.config.inflate_ratio_max,
            keep_bytes_max: usize::MAX,
        }
    }
}

/// One relayed connection.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    agreed: Agreed,
    halves: [Half; 2],
    next_sequence: u32,
    next_ticket: u64,
    last_activity: Millis,
    /// The Close of a peer that came first.
    first_close: Option<Box<(Peer, Close)>>,
    /// The first stream that ended, and whether a Close had come before.
    broken: Option<(Peer, End)>,
    /// A peer that is gone altogether: what is sent to it reaches nobody.
    gone: Option<Peer>,
    /// Why the proxy closes, once it does.
    closing: Option<Box<Reason>>,
    over: bool,
}

macro_rules! cx {
    ($self:ident, $out:ident) => {
        &mut Cx {
            config: &$self.config,
            agreed: &$self.agreed,
            next_sequence: &mut $self.next_sequence,
            next_ticket: &mut $self.next_ticket,
            out: $out,
        }
    };
}

impl Session {
    /// A session whose first message gets the number `first_sequence`. Both directions begin at [`Gate::Open`], or at
    /// [`Gate::Check`] where a violation must not have left in part before it is seen.
    #[must_use]
    pub fn new(config: Arc<Config>, agreed: Agreed, first_sequence: u32, now: Millis) -> Self {
        Self {
            halves: Direction::BOTH.map(|direction| Half::new(direction, config.open(), &agreed)),
            config,
            agreed,
            next_sequence: first_sequence,
            next_ticket: 0,
            last_activity: now,
            first_close: None,
            broken: None,
            gone: None,
            closing: None,
            over: false,
        }
    }

    /// Bytes came from a peer. All of them are taken.
    pub fn receive(&mut self, from: Peer, input: &[u8], now: Millis, out: &mut Vec<Output>) {
        if self.over {
            return;
        }
        // Bytes that reach nobody do not keep a connection alive: else a peer that never stops never ends.
        if !self.halves[from.index()].is_away() && self.gone != Some(from.other()) {
            self.last_activity = now;
        }
        let mut at = 0;
        while let Err(Stop { at: stopped, rule }) = self.halves[from.index()].receive(input, at, cx!(self, out)) {
            at = stopped;
            self.close(Reason::Violation(Violation { by: from, rule }), now, out);
        }
        let half = &mut self.halves[from.index()];
        if self.first_close.is_none()
            && let Some(close) = half.take_close()
        {
            self.last_activity = now;
            self.first_close = Some(Box::new((from, close)));
        }
        self.settle(out);
    }

    /// A peer's stream ended. [`End::Reset`] or [`End::Lost`] may follow [`End::Fin`]: the peer takes nothing any more either.
    pub fn end(&mut self, from: Peer, end: End, now: Millis, out: &mut Vec<Output>) {
        self.last_activity = now;
        if self.over {
            return;
        }
        if end != End::Fin {
            self.gone.get_or_insert(from);
        }
        // Behind a Close it does not matter how a stream ends: a reset must not cost the other peer what is on its way.
        let end = if self.first_close.is_some() || self.closing.is_some() {
            End::Fin
        } else {
            end
        };
        self.broken.get_or_insert((from, end));
        let half = &mut self.halves[from.index()];
        half.cut(cx!(self, out));
        half.end(cx!(self, out));
        if end != End::Fin {
            // What waits can reach nobody from a peer that is gone, and nobody reads what is on its way to it.
            for half in &mut self.halves {
                half.abandon(cx!(self, out));
            }
            out.push(Output::Abort { to: from.other() });
            self.conclude(out);
        }
        self.settle(out);
    }

    /// A judge has answered. An answer to a ticket that is not waiting any more changes nothing.
    ///
    /// # Errors
    /// [`Refused`]: what should replace the message cannot; it goes on waiting for another verdict.
    pub fn verdict(
        &mut self,
        ticket: Ticket,
        verdict: Verdict,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Result<(), Refused> {
        if let Verdict::Replace(new) = &verdict {
            self.sendable(new, !new.opcode.is_control())?;
        }
        if self.over {
            return Ok(());
        }
        self.last_activity = now;
        let close = match &verdict {
            Verdict::Close { code, reason } => Some(Reason::Verdict {
                code: *code,
                reason: reason.clone(),
            }),
            _ => None,
        };
        let mut verdict = Some(verdict);
        let mut found = false;
        for half in &mut self.halves {
            found |= half.verdict(ticket, &mut verdict, cx!(self, out));
        }
        if found && let Some(reason) = close {
            self.close(reason, now, out);
        }
        self.settle(out);
        Ok(())
    }

    /// Whether a message of the proxy's own may be sent, if its kind is right here.
    fn sendable(&self, message: &NewMessage, kind: bool) -> Result<(), Refused> {
        let size = message.payload.len() as u64;
        match message.opcode {
            Opcode::Text | Opcode::Binary if kind && size <= self.config.message_bytes_max => Ok(()),
            Opcode::Text | Opcode::Binary if kind => Err(Refused::TooBig),
            Opcode::Ping | Opcode::Pong if kind && size <= CONTROL_BYTES_MAX => Ok(()),
            _ => Err(Refused::NotAMessage),
        }
    }

    /// Sends a message of the proxy's own to a peer: at once, or as soon as the frame or the fragmented message that
    /// is on its way there is through.
    ///
    /// # Errors
    /// [`Refused`]; nothing was sent.
    pub fn inject(&mut self, to: Peer, message: NewMessage, out: &mut Vec<Output>) -> Result<(), Refused> {
        self.sendable(&message, true)?;
        if self.over {
            return Err(Refused::Closed);
        }
        self.halves[to.other().sends().index()].inject(message, cx!(self, out))
    }

    /// Ends the conversation: Close to both peers, as soon as the frame that is on its way to each is through. A
    /// peer that had a Close already gets no second one.
    pub fn close(&mut self, reason: Reason, now: Millis, out: &mut Vec<Output>) {
        if self.over || self.closing.is_some() {
            return;
        }
        self.last_activity = now;
        let close = reason.close();
        for half in &mut self.halves {
            half.close(&close, cx!(self, out));
        }
        self.closing = Some(Box::new(reason));
        self.settle(out);
    }

    /// Changes what happens to whole messages of a direction. `inflater` is the one that inflated the direction's
    /// messages so far, if they passed compressed while the gate was open. Where a violation closes the connection,
    /// [`Gate::Open`] is [`Gate::Check`].
    ///
    /// # Errors
    /// [`GateError`]; nothing was changed.
    pub fn set_gate(&mut self, direction: Direction, gate: Gate, inflater: Option<Inflater>) -> Result<(), GateError> {
        let gate = if gate == Gate::Open { self.config.open() } else { gate };
        self.halves[direction.index()].set_gate(gate, inflater, &self.agreed)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Millis, out: &mut Vec<Output>) {
        if self.over || self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.is_ending() {
            for half in &mut self.halves {
                half.abandon(cx!(self, out));
                half.finish(cx!(self, out));
            }
            self.conclude(out);
        } else {
            self.close(Reason::Idle, now, out);
        }
    }

    /// When [`Session::tick`] has something to do, unless bytes come before.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        // Whoever holds a message has a limit of its own for that; the peers' time begins behind it.
        let holds = self.closing.is_none() && self.halves.iter().any(Half::holds);
        if self.over || holds {
            None
        } else if self.is_ending() {
            Some(self.last_activity.saturating_add(self.config.close_ms))
        } else if self.config.idle_ms > 0 {
            Some(self.last_activity.saturating_add(self.config.idle_ms))
        } else {
            None
        }
    }

    /// Whether more of this peer's bytes may be handed in: not while as much of them is held as may be.
    #[must_use]
    pub fn wants(&self, from: Peer) -> bool {
        !self.over && self.halves[from.index()].wants(&self.config)
    }

    /// How the conversation ended; `None` while it goes on.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        if !self.over {
            return None;
        }
        let closed = self.first_close.as_deref();
        Some(match (&self.closing, closed, self.broken) {
            (Some(reason), _, _) => Ending {
                cause: Cause::Proxy((**reason).clone()),
                close: Some(reason.close()),
            },
            (None, Some((peer, close)), _) => Ending {
                cause: Cause::Closed(*peer),
                close: Some(close.clone()),
            },
            (None, None, Some((peer, end))) => Ending {
                cause: Cause::Broken(peer, end),
                close: None,
            },
            (None, None, None) => Ending {
                cause: Cause::Proxy(Reason::Idle),
                close: None,
            },
        })
    }

    fn is_ending(&self) -> bool {
        self.closing.is_some() || self.first_close.is_some() || self.broken.is_some()
    }

    /// Passes on the ends of streams, and sees whether all is over.
    fn settle(&mut self, out: &mut Vec<Output>) {
        if self.over {
            return;
        }
        for direction in Direction::BOTH {
            let [from, to] = [direction, direction.to().sends()].map(|it| &self.halves[it.index()]);
            // In closing, a peer is through when its own Close or its end has come and ours has gone to it: the end of
            // the other one is no reason to leave before it has answered.
            let through = if self.closing.is_some() {
                to.is_through() && from.has_closed_out()
            } else {
                from.may_finish()
            };
            if through {
                self.halves[direction.index()].finish(cx!(self, out));
            }
        }
        // A connection that is let go while its peer still says something is reset, which can cost the peer the Close.
        let quiet = self.closing.is_none() || self.halves.iter().all(Half::is_quiet);
        if quiet && self.halves.iter().all(Half::is_finished) {
            self.conclude(out);
        }
    }

    /// All is over. What came of a message that was still under way is recorded as that.
    fn conclude(&mut self, out: &mut Vec<Output>) {
        for half in &mut self.halves {
            half.end(cx!(self, out));
        }
        self.over = true;
    }
}
