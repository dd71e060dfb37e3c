//! One relayed connection as a state machine, from the 101 to the end.
//!
//! ```text
//! bytes from a peer, end of a stream, a verdict, a command, a tick
//!     -> Session ->
//! send (a range of what was read, or new bytes), finish, abort, inspect, record
//! ```
//!
//! Each direction runs at one of three speeds, chosen by what is configured and switchable between any two messages while
//! the connection lives:
//!
//! 1. **Cut-through** ([`Gate::Open`]): nobody judges. Bytes leave as they arrive, as ranges of what was read, and are
//!    parsed beside the path. Only a header that is not complete waits, because limits are held before a frame's
//!    first byte leaves.
//! 2. **Gated** ([`Gate::Judge`], [`Gate::Check`]): a message's frames are held until it is whole and judged; then they
//!    leave byte-identical, or replaced, or not at all, strictly in order. Control frames pass a held message, but a
//!    Close waits for what came before it.
//! 3. **Re-encoding**: after a message of a compressed direction with context takeover was dropped or replaced, the
//!    receiver's window is not what the sender's next bytes refer to. From then on compressed messages of that
//!    direction are sent anew (RFC 7692 §7.1.1). The inflater always gets the sender's original stream. There is no way
//!    back: the receiver's window is never again what the sender takes it for.
//!
//! Each leg has parameters of permessage-deflate of its own ([`Agreed`]). A direction whose receiver cannot read what its
//! sender compresses, or could have compressed what its sender cannot, is *bridged*: never at cut-through, and sent anew
//! from its first message on. Where the legs are the same, or fit, none of this costs anything.
//!
//! Whatever the order of inputs: no byte leaves that was not received or commanded, every message that arrives gets
//! one fate and one place in the sequence, and the same inputs give the same outputs.

/// What the parts of a session share, borrowed from a session's fields one by one: its halves are not among them.
macro_rules! cx {
    ($self:ident, $out:ident) => {
        &mut Cx {
            config: &$self.config,
            agreed: &$self.agreed,
            next_sequence: &mut $self.next_sequence,
            next_ticket: &mut $self.next_ticket,
            tally: &mut $self.tally,
            out: $out,
        }
    };
}

mod config;
mod allowance;
mod output;
mod half;
mod gate;
mod queue;
mod command;
mod tally;

use std::sync::Arc;

pub use allowance::Allowance;
pub use config::{Agreed, Config};
pub use gate::Gate;
pub use output::{
    Bytes, Cause, End, Ending, Entry, Facts, Fate, Inspect, Output, Payload, Reason, Recorded, Refused, Span, Ticket,
    Verdict,
};
pub use tally::{Counted, Sort, Tally};

use crate::close::Close;
use crate::deflate::Caps;
use crate::error::Violation;
use crate::mask;
use crate::{Direction, Peer};
use half::{Half, Stop};

/// Milliseconds on a clock of the caller's that never goes back.
pub type Millis = u64;

/// Bytes of several messages leave as one output as long as they are no more than this.
const JOINED_BYTES_MAX: usize = 16 << 10;

/// What the parts of a session share while they work.
struct Cx<'a> {
    config: &'a Config,
    agreed: &'a Agreed,
    next_sequence: &'a mut u32,
    next_ticket: &'a mut u64,
    tally: &'a mut Tally,
    out: &'a mut Vec<Output>,
}

impl Cx<'_> {
    fn sequence(&mut self) -> u32 {
        let sequence = *self.next_sequence;
        *self.next_sequence = sequence.saturating_add(1);
        sequence
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(*self.next_ticket);
        *self.next_ticket += 1;
        ticket
    }

    /// What leaves next for a peer, in the same output as what left last if that is for the same peer, and small.
    fn send(&mut self, to: Peer, bytes: Vec<u8>) {
        match self.last_bytes(to, bytes.len()) {
            Some(last) => last.extend_from_slice(&bytes),
            None => self.out.push(Output::Send {
                to,
                bytes: Bytes::New(bytes),
            }),
        }
    }

    /// Sends one frame with this header, masked anew.
    fn send_frame(&mut self, to: Peer, head: &[u8], plain: &[u8], key: Option<[u8; 4]>) {
        let len = head.len() + plain.len();
        if let Some(last) = self.last_bytes(to, len) {
            last.extend_from_slice(head);
            mask::unmask_into(last, plain, key, 0);
            return;
        }
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(head);
        mask::unmask_into(&mut bytes, plain, key, 0);
        self.out.push(Output::Send {
            to,
            bytes: Bytes::New(bytes),
        });
    }

    /// What leaves last, if so many bytes may join it.
    fn last_bytes(&mut self, peer: Peer, len: usize) -> Option<&mut Vec<u8>> {
        match self.out.last_mut() {
            Some(Output::Send {
                to,
                bytes: Bytes::New(last),
            }) if *to == peer && last.len() + len <= JOINED_BYTES_MAX => Some(last),
            _ => None,
        }
    }

    fn record(&mut self, recorded: Recorded) {
        self.tally.count(&recorded.facts, &recorded.fate);
        if self.config.record_bytes_max.is_some() || recorded.ticket.is_some() {
            self.out.push(Output::Record(Entry::Message(recorded)));
        }
    }

    /// Puts on record what has just been sent, before the sending: what is sent next can join it.
    fn record_beside(&mut self, recorded: Recorded) {
        self.record(recorded);
        if let [.., sent @ Output::Send { .. }, record @ Output::Record(_)] = &mut self.out[..] {
            std::mem::swap(sent, record);
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
    tally: Tally,
    last_activity: Millis,
    /// The Close of a peer that came first.
    first_close: Option<Box<(Peer, Close)>>,
    /// The first stream that ended, and whether a Close had come before.
    broken: Option<(Peer, End)>,
    /// A peer that is gone altogether: what is sent to it reaches nobody.
    gone: Option<Peer>,
    /// Why the proxy closes, once it does.
    closing: Option<Box<Reason>>,
    /// The peer to which alone the proxy has sent a Close before anything else ended the conversation, and why.
    closed_alone: Option<Box<(Peer, Reason)>>,
    over: bool,
}

impl Session {
    /// A session whose first message gets the number `first_sequence`. Both directions begin at [`Gate::Open`], or at
    /// [`Gate::Check`] where a violation must not have left in part before it is seen, or where the direction is
    /// [bridged](Agreed::is_bridged).
    #[must_use]
    pub fn new(config: Arc<Config>, agreed: Agreed, first_sequence: u32, now: Millis) -> Self {
        Self {
            halves: Direction::BOTH.map(|direction| {
                let legs = agreed.legs(direction);
                Half::new(direction, config.open(legs), legs)
            }),
            config,
            agreed,
            next_sequence: first_sequence,
            next_ticket: 0,
            tally: Tally::default(),
            last_activity: now,
            first_close: None,
            broken: None,
            gone: None,
            closing: None,
            closed_alone: None,
            over: false,
        }
    }

    /// Bytes came from a peer. Gives back how many of them were taken: all, unless the direction has come to where it
    /// [needs an inflater](Output::NeedsInflater), or as much of it is held as may be. What was not taken must be handed
    /// in again, ahead of anything else, once the session [wants](Session::wants) more of this peer.
    #[must_use = "what was not taken must be handed in again"]
    pub fn receive(&mut self, from: Peer, input: &[u8], now: Millis, out: &mut Vec<Output>) -> usize {
        if self.over {
            return input.len();
        }
        if self.keeps_alive(from) {
            self.last_activity = now;
        }
        let mut at = 0;
        let taken = loop {
            match self.halves[from.index()].receive(input, at, cx!(self, out)) {
                Ok(taken) => break taken,
                Err(Stop { at: stopped, rule }) => {
                    at = stopped;
                    self.close(Reason::Violation(Violation { by: from, rule }), now, out);
                }
            }
        };
        let half = &mut self.halves[from.index()];
        if self.first_close.is_none()
            && let Some(close) = half.take_close()
        {
            self.last_activity = now;
            self.first_close = Some(Box::new((from, close)));
        }
        self.settle(out);
        taken
    }

    /// What this peer may still say: what its [`Session::receive`] has left of it, [`Allowance::BOUNDLESS`] at first. The
    /// connection is closed for the frame that needs more, before a byte of it leaves.
    pub const fn allowance(&mut self, from: Peer) -> &mut Allowance {
        self.halves[from.index()].allowance()
    }

    /// Whether what a peer says keeps the connection alive: else a peer that never stops never ends. What reaches nobody
    /// does not, nor what somebody says to whom the proxy has said a Close.
    fn keeps_alive(&self, from: Peer) -> bool {
        let told = self.closed_alone.as_ref().is_some_and(|closed| closed.0 == from);
        !told && !self.halves[from.index()].is_away() && self.gone != Some(from.other())
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
        let end = if self.first_close.is_some() || self.has_closed() {
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

    /// Whether more of this peer's bytes would be taken: not while as much of them is held as may be, nor while the direction
    /// waits for an inflater.
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
        let alone = self.closed_alone.as_ref().map(|closed| &closed.1);
        Some(
            match (
                alone.or(self.closing.as_deref()),
                self.first_close.as_deref(),
                self.broken,
            ) {
                (Some(reason), _, _) => Ending {
                    cause: Cause::Proxy(reason.clone()),
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
            },
        )
    }

    /// What was counted and nobody has taken yet.
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn is_ending(&self) -> bool {
        self.has_closed() || self.first_close.is_some() || self.broken.is_some()
    }

    /// The proxy itself ends the conversation.
    fn has_closed(&self) -> bool {
        self.closing.is_some() || self.closed_alone.is_some()
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
