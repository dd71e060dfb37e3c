//! Other judges for a conversation that goes on.
//!
//! From the next message on the new ones judge; the old ones answer for what they have. A direction whose compressed
//! messages have passed unread needs the inflater that has read them, which the recorder has: until it has handed it
//! over, the direction stands still.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use wire::deflate::Inflater;
use wire::session::Gate;

use super::websocket::Conversation;
use crate::flow::{Direction, Opening};
use crate::inspect::{Chain, Hooked, Judges};
use crate::record::FlowTap;

/// What a conversation needs to get other judges.
#[derive(Debug)]
pub(super) struct Rejudged {
    opening: Arc<Opening>,
    hooked: Option<Hooked>,
    judges_now: Arc<ArcSwap<Judges>>,
    /// Its messages cannot be read: an extension is in use that nobody here knows.
    unreadable: bool,
    /// From where the inflater of each direction comes that waits for one.
    inflaters: [Option<oneshot::Receiver<Option<Inflater>>>; 2],
}

impl Rejudged {
    pub(super) fn new(
        opening: Arc<Opening>,
        hooked: Option<Hooked>,
        judges_now: Arc<ArcSwap<Judges>>,
        unreadable: bool,
    ) -> Self {
        Self {
            opening,
            hooked,
            judges_now,
            unreadable,
            inflaters: [None, None],
        }
    }

    /// Asks the recorder for a direction's inflater.
    pub(super) fn fetch(&mut self, direction: Direction, flow: &FlowTap) {
        self.inflaters[direction.index()] = Some(flow.inflater(direction));
    }

    /// A direction whose inflater has come, or will not.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<(Direction, Option<Inflater>)> {
        Direction::BOTH.into_iter().find_map(|direction| {
            let at = direction.index();
            let inflater = Pin::new(self.inflaters[at].as_mut()?);
            let Poll::Ready(answer) = inflater.poll(cx) else {
                return None;
            };
            self.inflaters[at] = None;
            Some((direction, answer.ok().flatten()))
        })
    }
}

impl Conversation {
    /// There are other judges now.
    pub(super) fn rejudge(&mut self) {
        let judges = self.rejudged.judges_now.load_full();
        self.flow.redact(judges.recorded().cloned(), self.rejudged.unreadable);
        let hooked = self.rejudged.hooked.as_ref().map(|hooked| &*hooked.terms);
        if self.rejudged.unreadable && judges.concern(hooked) {
            let flow = self.flow.id();
            tracing::warn!(%flow, "not judged: the connection uses an extension that cannot be read");
        }
        self.seat(&judges);
    }

    /// From the next message on these judge. Of a connection whose messages nobody can read they see only what is injected.
    pub(super) fn seat(&mut self, judges: &Judges) {
        let Rejudged { opening, hooked, .. } = &self.rejudged;
        let mut next = judges.chain(self.flow.id(), opening, hooked.as_ref(), self.judges.as_deref());
        for direction in Direction::BOTH {
            let judged = !self.rejudged.unreadable && next.as_ref().is_some_and(|next| next.judges(direction));
            let gate = if judged { Gate::Judge } else { Gate::Open };
            self.session.set_gate(direction, gate, &mut self.out);
            if let Some(next) = next.as_mut().filter(|_| self.hurried[direction.index()]) {
                next.hurry(direction);
            }
        }
        let before = std::mem::replace(&mut self.judges, next.map(Box::new));
        self.retired
            .extend(before.map(|before| *before).filter(Chain::is_owing));
    }

    /// Lets directions go on whose inflater has come.
    pub(super) fn hear_recorder(&mut self, cx: &mut Context<'_>) {
        while let Some((direction, inflater)) = self.rejudged.poll(cx) {
            if inflater.is_none() {
                let flow = self.flow.id();
                tracing::warn!(%flow, ?direction, "not judged: nobody has read its compressed messages from the start");
            }
            // One that is not needed any more is nobody's: the recorder gets what the session has read.
            let _ = self.session.resume(direction, inflater);
        }
    }
}
