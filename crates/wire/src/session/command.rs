//! What is said to a session by those at the proxy: verdicts, messages of its own, Closes, gates.

use super::{Cx, Gate, Millis, Output, Reason, Refused, Session, Ticket, Verdict};
use crate::close::may_be_sent;
use crate::deflate::Inflater;
use crate::frame::{CONTROL_BYTES_MAX, Opcode};
use crate::message::NewMessage;
use crate::{Direction, Peer};

impl Session {
    /// A judge has answered. An answer to a ticket that is not waiting any more changes nothing.
    ///
    /// # Errors
    /// [`Refused`]: what should replace the message cannot, or the Close may not be sent; it goes on waiting for another
    /// verdict.
    pub fn verdict(
        &mut self,
        ticket: Ticket,
        verdict: Verdict,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Result<(), Refused> {
        let close = match &verdict {
            Verdict::Replace(new) => {
                self.sendable(new, !new.opcode.is_control())?;
                None
            }
            Verdict::Close { code, .. } if !may_be_sent(*code) => return Err(Refused::CloseCode),
            Verdict::Close { code, reason } => Some(Reason::Verdict {
                code: *code,
                reason: reason.clone(),
            }),
            Verdict::Pass | Verdict::Drop => None,
        };
        if self.over {
            return Ok(());
        }
        self.last_activity = now;
        let mut verdict = Some(verdict);
        let mut found = false;
        for half in &mut self.halves {
            found |= half.verdict(ticket, &mut verdict, cx!(self, out));
            // The gate may have waited for that.
            half.turn(cx!(self, out));
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
            Opcode::Text | Opcode::Binary if kind && size > self.config.message_bytes_max => Err(Refused::TooBig),
            Opcode::Text if kind && simdutf8::basic::from_utf8(&message.payload).is_err() => Err(Refused::NotUtf8),
            Opcode::Text | Opcode::Binary if kind => Ok(()),
            Opcode::Ping | Opcode::Pong if kind && size <= CONTROL_BYTES_MAX => Ok(()),
            _ => Err(Refused::NotAMessage),
        }
    }

    /// Sends a message of the proxy's own to a peer: at once, or as soon as the frame or the fragmented message that
    /// is on its way there is through. It does not wait for messages that are held. It leaves uncompressed, whatever was
    /// agreed on.
    ///
    /// What became of it is told by exactly one [`super::Recorded`] with this ticket: [`super::Fate::Injected`], or
    /// [`super::Fate::Dropped`] if the conversation ended before it could leave.
    ///
    /// # Errors
    /// [`Refused`]; nothing was sent, and nothing will be.
    pub fn inject(&mut self, to: Peer, message: NewMessage, out: &mut Vec<Output>) -> Result<Ticket, Refused> {
        self.sendable(&message, true)?;
        if self.over {
            return Err(Refused::Closed);
        }
        self.halves[to.other().sends().index()].inject(message, cx!(self, out))
    }

    /// Ends the conversation: Close to both peers, as soon as the frame that is on its way to each is through. A
    /// peer that had a Close already gets no second one. What is held is let go.
    pub fn close(&mut self, reason: Reason, now: Millis, out: &mut Vec<Output>) {
        if self.over || self.closing.is_some() {
            return;
        }
        self.pass_by(out);
        self.last_activity = now;
        let close = reason.close();
        for half in &mut self.halves {
            half.close(&close, None, cx!(self, out));
        }
        self.closing = Some(Box::new(reason));
        self.settle(out);
    }

    /// Sends a Close to one peer alone, as soon as the frame that is on its way there is through. Nothing more goes to it:
    /// what is held for it or still comes is let go. What it answers goes to the other peer as always, which so learns
    /// that the conversation ends; it has [`super::Config::close_ms`] for that, whatever else it says meanwhile.
    ///
    /// [`Session::ending`] gives this command as the cause, unless a Close of a peer's came before. The ticket is told of
    /// as with [`Session::inject`].
    ///
    /// # Errors
    /// [`Refused::Closed`]: a Close has gone to that peer, or nothing can any more. [`Refused::CloseCode`]. Nothing was
    /// sent.
    pub fn close_peer(
        &mut self,
        to: Peer,
        code: u16,
        reason: &str,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Result<Ticket, Refused> {
        if !may_be_sent(code) {
            return Err(Refused::CloseCode);
        }
        if self.over {
            return Err(Refused::Closed);
        }
        self.pass_by(out);
        let reason = reason.to_owned();
        let reason = Reason::Command { code, reason };
        let half = &mut self.halves[to.other().sends().index()];
        let ticket = half.close_alone(&reason.close(), cx!(self, out))?;
        self.last_activity = now;
        if !self.has_closed() && self.first_close.is_none() {
            self.closed_alone = Some(Box::new((to, reason)));
        }
        self.settle(out);
        Ok(ticket)
    }

    /// Lets Pings and Pongs by the messages that wait for a verdict. To be called behind every input, when the verdicts
    /// that come at once have been given: what is decided by then has left in its order, and nothing else holds up a Ping.
    pub fn pass_by(&mut self, out: &mut Vec<Output>) {
        for half in &mut self.halves {
            half.pass_by(cx!(self, out));
        }
    }

    /// Changes what happens to whole messages of a direction, from the next one on. Whoever judged and does so no more
    /// still owes its verdicts. Where a violation closes the connection, and in a [bridged](super::Agreed::is_bridged)
    /// direction, [`Gate::Open`] is [`Gate::Check`].
    ///
    /// A gate shuts between two messages. If compressed messages have passed uninflated before, it shuts only with
    /// the inflater that has seen them: [`Output::NeedsInflater`] asks for it as soon as the message under way is
    /// through, which may be in a later call. A direction in which a message was inflated or changed under context takeover
    /// does not go back to cut-through: with [`Gate::Open`] its messages are still held until they are whole, but wait
    /// for nobody.
    pub fn set_gate(&mut self, direction: Direction, gate: Gate, out: &mut Vec<Output>) {
        let gate = match gate {
            Gate::Open => self.config.open(self.agreed.legs(direction)),
            shut => shut,
        };
        self.halves[direction.index()].set_gate(gate, cx!(self, out));
    }

    /// Answers [`Output::NeedsInflater`]: `inflater` has read every compressed message of the direction that has gone on
    /// record so far, to its end, and nothing behind. Without one, or with one that has failed, the direction goes on
    /// open, and nobody judges it. Gives back an inflater that is not needed: then the gate does not shut, because it
    /// is not to any more, the conversation is over, or nobody has asked.
    ///
    /// What [`Session::receive`] had not taken can be handed in then.
    #[must_use = "an inflater that is not needed here is still its owner's"]
    pub fn resume(&mut self, direction: Direction, inflater: Option<Inflater>) -> Option<Inflater> {
        self.halves[direction.index()].resume(inflater)
    }
}
