//! What others than the two peers have to say about a conversation: its judges, and the control doors.

use std::task::{Context, Poll};

use wire::frame::Opcode;
use wire::session::{Entry, Fate, Inspect, Refused, Ticket, Verdict};

use super::live::{Given, Order, Wanted};
use super::websocket::Conversation;
use crate::flow::{Decision, Direction, Timestamp, millis};
use crate::inspect::Chain;

/// Who sent what was injected, as the record says it.
const INJECT: &str = "inject";

impl Conversation {
    /// Shows a whole message to the judges.
    pub(super) fn inspect(&mut self, inspect: Inspect, at: Timestamp) {
        let direction = inspect.facts.direction;
        let decided = match &mut self.judges {
            Some(judges) => judges.inspect(inspect, at),
            // No gate asks where nobody judges.
            None => Some((inspect.ticket, Verdict::Pass)),
        };
        if let Some((ticket, verdict)) = decided {
            let decided = self.in_turn((direction, ticket, verdict));
            self.verdicts.extend(decided);
        }
    }

    /// A verdict, unless it ends the conversation while chains before the one that gave it hold messages that may still
    /// leave.
    fn in_turn(&mut self, decided: (Direction, Ticket, Verdict)) -> Option<(Ticket, Verdict)> {
        let (direction, ticket, verdict) = decided;
        if matches!(verdict, Verdict::Close { .. }) && self.is_delayed(direction, ticket) {
            self.withheld.push((direction, ticket, verdict));
            return None;
        }
        Some((ticket, verdict))
    }

    /// Whether messages that came before that one are with chains before, and none of them with a person.
    fn is_delayed(&self, direction: Direction, ticket: Ticket) -> bool {
        let any = |is: fn(&Chain, Direction, Ticket) -> bool| {
            let mut before = self.retired.iter();
            before.any(|chain| is(chain, direction, ticket))
        };
        any(Chain::holds_before) && !any(Chain::is_held_by_a_person)
    }

    /// Tells the session what the judges have said.
    pub(super) fn tell_verdicts(&mut self) {
        if self.verdicts.is_empty() {
            return;
        }
        let now = millis();
        for (ticket, verdict) in self.verdicts.drain(..) {
            let said = self.session.verdict(ticket, verdict, now, &mut self.out);
            if said.is_err() {
                // The judges are held to what can be sent. Were it otherwise, nothing may pass that they have not let.
                let _ = self.session.verdict(ticket, Verdict::Drop, now, &mut self.out);
            }
        }
    }

    /// Hears judges that took their time. Says whether there was anything.
    pub(super) fn hear_judges(&mut self, cx: &mut Context<'_>) -> bool {
        let mut heard = false;
        while let Some(verdict) = self.late_verdict(cx) {
            heard = true;
            self.verdicts.push(verdict);
            self.tell_verdicts();
            self.perform(cx, &[]);
        }
        heard
    }

    fn late_verdict(&mut self, cx: &mut Context<'_>) -> Option<(Ticket, Verdict)> {
        loop {
            let free = |(direction, ticket, _): &(Direction, Ticket, _)| !self.is_delayed(*direction, *ticket);
            if let Some(at) = self.withheld.iter().position(free) {
                let (_, ticket, verdict) = self.withheld.remove(at);
                return Some((ticket, verdict));
            }
            let all = self.retired.iter_mut().chain(self.judges.as_deref_mut());
            let mut late = all.map(|judges| judges.poll(cx));
            let decided = late.find_map(|late| match late {
                Poll::Ready(decided) => Some(decided),
                Poll::Pending => None,
            })?;
            if let Some(verdict) = self.in_turn(decided) {
                return Some(verdict);
            }
        }
    }

    /// There is nobody any more to hold this direction's messages for.
    pub(super) fn hurry(&mut self, direction: Direction) {
        self.hurried[direction.index()] = true;
        for judges in self.retired.iter_mut().chain(self.judges.as_deref_mut()) {
            judges.hurry(direction);
        }
    }

    /// What was decided about an entry that goes on record now.
    pub(super) fn decision(&mut self, entry: &Entry) -> Option<Box<Decision>> {
        let Entry::Message(recorded) = entry else { return None };
        if recorded.facts.opcode == Opcode::Close && recorded.fate != Fate::Injected {
            // Whoever has said Close wants nothing more: nobody waits to send it something.
            self.hurry(recorded.facts.direction.to().sends());
        }
        let ticket = recorded.ticket?;
        if let Some(at) = self.injected.iter().position(|injected| *injected == ticket) {
            self.injected.swap_remove(at);
            let mut decision = Decision::default();
            decision.add(INJECT);
            return Some(Box::new(decision));
        }
        let mut all = self.retired.iter_mut().chain(self.judges.as_deref_mut());
        let left = recorded.fate != Fate::Dropped;
        let decision = all.find_map(|judges| judges.recorded(ticket, left));
        self.retired.retain(|judges| judges.is_owing());
        decision
    }

    /// Carries out what the control doors want.
    pub(super) fn obey(&mut self, cx: &mut Context<'_>) {
        while let Some(orders) = &mut self.orders
            && let Poll::Ready(wanted) = orders.poll(cx)
        {
            match wanted {
                Wanted::Order(Given { order, done }) => {
                    let result = self.carry_out_order(order);
                    self.perform(cx, &[]);
                    // Whoever asked may have gone.
                    let _ = done.send(result);
                }
                Wanted::Judges => {
                    self.rejudge();
                    self.perform(cx, &[]);
                }
            }
        }
    }

    fn carry_out_order(&mut self, order: Order) -> Result<(), String> {
        let ticket = match order {
            Order::Inject { to, message } => {
                let direction = to.other().sends();
                let stopped = self
                    .judges
                    .as_ref()
                    .and_then(|judges| judges.stops(direction, &message));
                if let Some(rule) = stopped {
                    return Err(format!("the safety rule {rule} blocks this message"));
                }
                self.session.inject(to, message, &mut self.out)
            }
            Order::Close { to, code, reason } => self.session.close_peer(to, code, &reason, millis(), &mut self.out),
        };
        self.injected.push(ticket.map_err(|refused| words(refused).to_owned())?);
        Ok(())
    }
}

fn words(refused: Refused) -> &'static str {
    match refused {
        Refused::Closed => "a Close has gone to that peer already, or its stream has ended",
        Refused::NotAMessage => "a ping or pong has at most 125 bytes",
        Refused::TooBig => "the payload is beyond limits.message_bytes_max",
        Refused::TooMany => {
            "limits.held_messages_max or held_bytes_max: others wait for the end of a fragmented message"
        }
        Refused::NotUtf8 => "a text message must be UTF-8",
        Refused::CloseCode => "a Close cannot have that code",
    }
}
