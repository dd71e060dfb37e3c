//! Relays a WebSocket: asks the session what must leave, and does that.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use wire::session::{self, Agreed, Cause, End, Output, Reason, Session, Ticket, Verdict};

use super::allowance::Allowances;
use super::ending::ending;
use super::live::Orders;
use super::rejudging::Rejudged;
use super::terms::config;
use super::{Leg as Side, Policy, READ, leg::Leg};
use crate::config::Limits;
use crate::flow::{Direction, Opening, Peer, State, Timestamp, millis, millis_at};
use crate::inspect::{Chain, Judges};
use crate::limit::{Limit, Seat};
use crate::record::FlowTap;
use crate::telemetry::{self, Door, EndedBy, Entered};

/// Room for outputs that a connection keeps.
const OUTPUTS_KEPT: usize = 256;

/// A WebSocket that is to be relayed.
#[derive(Debug)]
pub struct WebSocket {
    /// Between the client and the proxy.
    pub client: Side,
    /// Between the proxy and the server.
    pub server: Side,
    /// What goes on each leg.
    pub agreed: Agreed,
    /// How it is relayed.
    pub policy: Policy,
    /// How its flow began.
    pub opening: Arc<Opening>,
    /// Its way to the recorder.
    pub flow: FlowTap,
    /// The judges by whom the upgrade went.
    pub judges: Arc<Judges>,
    /// What the control doors want of it; `None`: they do not know of it.
    pub(crate) orders: Option<Orders>,
    /// Its place among the connections of its source.
    pub(crate) seat: Option<Seat>,
}

/// Relays a WebSocket from the 101 to its end, and ends the flow.
pub async fn websocket(relayed: WebSocket, close_now: &CancellationToken) {
    let WebSocket {
        client,
        server,
        agreed,
        policy,
        opening,
        mut flow,
        judges,
        orders,
        seat,
    } = relayed;
    if let Some(params) = agreed.senders() {
        flow.deflate(params);
    }
    let counts = telemetry::counts();
    let door = Door::named(&opening.mode);
    counts.websockets.one(door);
    let limits = &policy.settings.limits;
    let spending = seat.as_ref().and_then(|seat| seat.spending.clone());
    let mut conversation = Conversation {
        session: Session::new(Arc::new(config(&policy, &flow)), agreed, flow.next_sequence(), millis()),
        orders,
        judges: None,
        retired: Vec::new(),
        hurried: [false; 2],
        rejudged: Rejudged::new(
            opening,
            policy.hooked.clone(),
            Arc::clone(&policy.judges_now),
            agreed.unknown,
        ),
        verdicts: Vec::new(),
        withheld: Vec::new(),
        injected: Vec::new(),
        allowances: Allowances::new(limits, spending, millis()),
        lifetime: lifetime(limits),
        legs: [client, server].map(Leg::new),
        flow,
        out: Vec::new(),
        sleep: None,
        grace: None,
        close_ms: policy.settings.limits.close_ms,
        gone: [false; 2],
        _open: counts.websockets_open.enter(door),
    };
    conversation.seat(&judges);
    if !Arc::ptr_eq(&judges, &policy.judges_now.load()) {
        // They changed before the conversation could be told so.
        conversation.rejudge();
    }
    drop(judges);
    // A token of its own: its lock is nobody else's.
    let close_now = close_now.child_token();
    {
        let mut closing = pin!(close_now.cancelled());
        loop {
            let step = poll_fn(|cx| match conversation.poll(cx, closing.as_mut()) {
                Step::Wait => Poll::Pending,
                step => Poll::Ready(step),
            });
            match step.await {
                Step::Full => conversation.flow.ready().await,
                Step::Over | Step::Wait => break,
            }
        }
    }
    conversation.end();
    drop(seat);
}

/// Goes off when the conversation has lasted long enough, if there is such a limit.
fn lifetime(limits: &Limits) -> Option<Pin<Box<Sleep>>> {
    let most = Duration::from_millis(limits.lifetime_ms);
    (!most.is_zero()).then(|| Box::pin(tokio::time::sleep(most)))
}

/// Where the relay stands when it can do no more for now.
enum Step {
    /// All is over.
    Over,
    /// The recorder has no room.
    Full,
    /// A peer or the clock is to move.
    Wait,
}

pub(super) struct Conversation {
    pub(super) session: Session,
    /// What the control doors want of it.
    pub(super) orders: Option<Orders>,
    pub(super) judges: Option<Box<Chain>>,
    /// Who judged before, and still owes verdicts.
    pub(super) retired: Vec<Chain>,
    /// Directions in which there is nobody any more to hold a message for.
    pub(super) hurried: [bool; 2],
    pub(super) rejudged: Rejudged,
    /// What judges have said and the session has not heard yet.
    pub(super) verdicts: Vec<(Ticket, Verdict)>,
    /// What ends the conversation as soon as those who judged before hold nothing of that direction any more.
    pub(super) withheld: Vec<(Direction, Ticket, Verdict)>,
    /// What was injected and is not on record yet.
    pub(super) injected: Vec<Ticket>,
    /// What the peers may still say; `None`: as much as they like.
    allowances: Option<Box<Allowances>>,
    /// Until it must end.
    lifetime: Option<Pin<Box<Sleep>>>,
    legs: [Leg; 2],
    pub(super) flow: FlowTap,
    pub(super) out: Vec<Output>,
    /// For the session's deadline. It is set anew when it has gone off, not with every byte.
    sleep: Option<Pin<Box<Sleep>>>,
    /// The session is over: so long the peers may take what is still on its way to them.
    grace: Option<Pin<Box<Sleep>>>,
    close_ms: u64,
    /// Peers of which the session knows that they are gone altogether.
    gone: [bool; 2],
    /// It is counted among those that are open.
    _open: Entered,
}

impl Conversation {
    fn poll(&mut self, cx: &mut Context<'_>, closing: Pin<&mut impl Future<Output = ()>>) -> Step {
        // Before anything is read: closing may be what lets a peer be heard again.
        if closing.poll(cx).is_ready() {
            self.session.close(Reason::Drain, millis(), &mut self.out);
            self.perform(cx, &[]);
        }
        if let Some(lifetime) = &mut self.lifetime
            && lifetime.as_mut().poll(cx).is_ready()
        {
            self.lifetime = None;
            self.session.close(Reason::Lifetime, millis(), &mut self.out);
            self.perform(cx, &[]);
        }
        self.obey(cx);
        self.hear_recorder(cx);
        let full = loop {
            let full = READ.with_borrow_mut(|read| self.relay(cx, read));
            // What the session hears from others than the peers may let more be read.
            let heard = !full && self.hear_judges(cx);
            let ticked = self.keep_time(cx);
            if full || !(heard || ticked) {
                break full;
            }
        };
        if self.session.ending().is_none() {
            return if full { Step::Full } else { Step::Wait };
        }
        let [client, server] = &mut self.legs;
        let out = client.poll_out(cx).is_ready() & server.poll_out(cx).is_ready();
        let close_ms = self.close_ms;
        let grace = self
            .grace
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(close_ms))));
        if out || grace.as_mut().poll(cx).is_ready() {
            Step::Over
        } else {
            Step::Wait
        }
    }

    /// Relays until neither direction can move. Says whether that is for want of the recorder's room.
    fn relay(&mut self, cx: &mut Context<'_>, read: &mut [u8]) -> bool {
        loop {
            let mut moved = false;
            for from in [Peer::Client, Peer::Server] {
                if !self.flow.has_room() {
                    // What has been taken for a peer does not wait for the recorder.
                    for leg in &mut self.legs {
                        let _ = leg.poll_out(cx);
                    }
                    return true;
                }
                moved |= self.pass(cx, from, read);
                moved |= self.notice_gone(cx, from);
            }
            if !moved {
                return false;
            }
        }
    }

    /// One read of one direction, and what comes of it: first what the session has not taken of the last one. Says
    /// whether there may be more.
    fn pass(&mut self, cx: &mut Context<'_>, from: Peer, read: &mut [u8]) -> bool {
        // A receiver that does not keep up stops its own direction, and only that.
        if self.legs[from.other().index()].poll_out(cx).is_pending() || self.legs[from.index()].ended {
            return false;
        }
        if !self.session.wants(from) {
            return false;
        }
        let leg = &mut self.legs[from.index()];
        let mut unread = std::mem::take(&mut leg.unread);
        if !unread.is_empty() {
            let taken = self.receive(from, &unread);
            self.perform(cx, &unread);
            unread.advance(taken);
            self.legs[from.index()].unread = unread;
            return true;
        }
        let read = match leg.poll_read(cx, read) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => {
                leg.ended = true;
                self.ended(from, End::Fin);
                &[][..]
            }
            Poll::Ready(Err(error)) => {
                leg.ended = true;
                let end = match error.kind() {
                    // A TLS peer that leaves without saying so has ended its stream all the same.
                    ErrorKind::UnexpectedEof => End::Fin,
                    ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => End::Lost,
                    _ => End::Reset,
                };
                self.ended(from, end);
                &[][..]
            }
            Poll::Ready(Ok(n)) => {
                let taken = self.receive(from, &read[..n]);
                self.legs[from.index()].unread = Bytes::copy_from_slice(&read[taken..n]);
                &read[..n]
            }
        };
        self.perform(cx, read);
        true
    }

    /// Hands the session what a peer has said, as far as it may say so much. Gives back how much of it was taken.
    fn receive(&mut self, from: Peer, input: &[u8]) -> usize {
        match &mut self.allowances {
            None => self.session.receive(from, input, millis(), &mut self.out),
            Some(allowances) => allowances.receive(&mut self.session, from, input, millis(), &mut self.out),
        }
    }

    /// Tells the session of a peer that has not only ended its stream but takes nothing either: else whatever the
    /// other one still sends would be read for nobody, for as long as it likes. Says whether it did.
    fn notice_gone(&mut self, cx: &mut Context<'_>, peer: Peer) -> bool {
        if !self.legs[peer.index()].is_gone() || std::mem::replace(&mut self.gone[peer.index()], true) {
            return false;
        }
        self.ended(peer, End::Reset);
        self.perform(cx, &[]);
        true
    }

    /// A peer's stream has ended.
    fn ended(&mut self, peer: Peer, end: End) {
        self.session.end(peer, end, millis(), &mut self.out);
        Direction::BOTH.into_iter().for_each(|direction| self.hurry(direction));
    }

    /// Does what the session said, and tells it what the judges say to that, until both have nothing more to say.
    pub(super) fn perform(&mut self, cx: &mut Context<'_>, mut read: &[u8]) {
        loop {
            if self.out.is_empty() {
                // What could be decided at once has been.
                self.session.pass_by(&mut self.out);
                if self.out.is_empty() {
                    return;
                }
            }
            self.carry_out(cx, read);
            // What comes of a verdict has nothing of what was read just now.
            read = &[];
            self.tell_verdicts();
        }
    }

    fn carry_out(&mut self, cx: &mut Context<'_>, read: &[u8]) {
        let stamp = Timestamp::now();
        let mut out = std::mem::take(&mut self.out);
        // Before any of it leaves: whoever has heard a message finds it counted.
        self.count(&out);
        for output in out.drain(..) {
            match output {
                Output::Send {
                    to,
                    bytes: session::Bytes::Read(range),
                } => self.legs[to.index()].write(cx, &read[range]),
                Output::Send {
                    to,
                    bytes: session::Bytes::New(bytes),
                } => self.legs[to.index()].write(cx, &bytes),
                Output::Record(entry) => {
                    let decision = self.decision(&entry);
                    self.flow.entry(entry, read, stamp, decision);
                }
                Output::Inspect(inspect) => self.inspect(inspect, stamp),
                Output::NeedsInflater { direction } => self.rejudged.fetch(direction, &self.flow),
                Output::Finish { to } => {
                    self.legs[to.index()].finish();
                    let _ = self.legs[to.index()].poll_out(cx);
                }
                Output::Abort { to } => self.legs[to.index()].abort(cx),
            }
        }
        if self.out.is_empty() && out.capacity() <= OUTPUTS_KEPT {
            // One burst must not stay with an idle connection for good.
            self.out = out;
        }
    }

    /// Lets the session see the time, and is woken for its deadline. Says whether the session had something to do.
    fn keep_time(&mut self, cx: &mut Context<'_>) -> bool {
        let mut ticked = false;
        while let Some(deadline) = self.session.deadline() {
            let at = Instant::now();
            let now = millis_at(at);
            if now >= deadline {
                (self.sleep, ticked) = (None, true);
                self.session.tick(now, &mut self.out);
                self.perform(cx, &[]);
                continue;
            }
            let at = tokio::time::Instant::from_std(at) + Duration::from_millis(deadline - now);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.deadline() > at {
                // The deadline has come nearer: a Close has begun the end.
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                break;
            }
            // It has gone off, but bytes have moved the deadline since.
            self.sleep = None;
        }
        ticked
    }

    fn end(mut self) {
        self.count(&[]);
        let counts = telemetry::counts();
        counts
            .conversations_ended
            .one(EndedBy::of(self.session.ending().as_ref().map(|ending| &ending.cause)));
        if let Some(limit) = self.gone_beyond() {
            counts.limits_exceeded.one(limit);
        }
        let mut ending = ending(&self.session);
        if ending.state == State::Complete && self.legs.iter().any(|leg| !leg.is_shut()) {
            ending
                .error
                .get_or_insert_with(|| "a peer did not take all that was for it".to_owned());
        }
        self.flow.end(ending);
    }

    /// The limit that ended it.
    fn gone_beyond(&self) -> Option<Limit> {
        match self.session.ending()?.cause {
            Cause::Proxy(Reason::Violation(violation)) => Limit::of(violation.rule),
            Cause::Proxy(Reason::Lifetime) => Some(Limit::Lifetime),
            _ => None,
        }
    }
}
