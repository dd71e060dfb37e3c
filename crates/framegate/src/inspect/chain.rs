//! One connection's judges, and the messages that are on their way past them.
//!
//! Each direction has its judges in a row, and a message sees them in that order. None passes another: one that waits
//! for a judge that takes its time holds up those behind it at that judge, where they may wait beside it. What is
//! decided the session releases, strictly in order.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use wire::frame::Opcode;
use wire::message::NewMessage;
use wire::session::{Inspect, Ticket, Verdict};

use super::judge::{Answer, Decided, Judge, JudgedFlow, Opinion, Subject};
use super::plugin::PluginState;
use super::safety::{Action, Guard};
use crate::flow::{Decision, Direction, Kind, Timestamp};
use crate::query::MessageFacts;
use crate::telemetry::{self, JudgeKind, Outcome};

/// A judge in a direction's row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Which of the connection's judges.
    pub(super) judge: usize,
    /// It looks only at what others have changed.
    pub(super) if_changed: bool,
}

/// What each plugin keeps for one flow, by its id.
pub(super) type States = HashMap<String, Rc<RefCell<PluginState>>>;

/// One connection's judges.
#[derive(Debug)]
pub(crate) struct Chain {
    panel: Panel,
    /// Looks at what is injected, too.
    guard: Option<Guard>,
    /// What plugins keep for the flow.
    states: States,
    /// Messages of each direction that wait for a judge, or behind one that does.
    waiting: [VecDeque<Waiting>; 2],
    /// One of those is to end the conversation, when its turn comes.
    closing: [bool; 2],
    /// What was decided about messages that the session has not recorded yet.
    decisions: VecDeque<Noted>,
}

/// What was decided about a message that is not on record yet.
#[derive(Debug)]
struct Noted {
    ticket: Ticket,
    /// It was not to leave.
    ended: bool,
    decision: Box<Decision>,
}

/// Who looks at what, in which order.
struct Panel {
    flow: JudgedFlow,
    judges: Vec<Box<dyn Judge>>,
    rows: [Vec<Place>; 2],
}

/// A message on its way.
#[derive(Debug)]
struct Waiting {
    subject: Subject,
    decision: Decision,
    at: Stage,
    /// A judge has ended its way.
    ended: Option<Verdict>,
}

/// How far a message has come: the place in its row, and whether the judge there has been asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Stage {
    place: usize,
    asked: bool,
}

impl Chain {
    /// Without a guard, and without anything kept by plugins.
    pub(super) fn new(flow: JudgedFlow, judges: Vec<Box<dyn Judge>>, rows: [Vec<Place>; 2]) -> Self {
        Self {
            panel: Panel { flow, judges, rows },
            guard: None,
            states: States::default(),
            waiting: Default::default(),
            closing: [false; 2],
            decisions: VecDeque::new(),
        }
    }

    /// Who looks at what is injected, and what plugins keep.
    pub(super) fn with(mut self, guard: Option<Guard>, states: States) -> Self {
        (self.guard, self.states) = (guard, states);
        self
    }

    /// What the plugin of that id keeps for the flow.
    pub(super) fn kept_by(&self, plugin: &str) -> Option<Rc<RefCell<PluginState>>> {
        self.states.get(plugin).cloned()
    }

    /// The rule that stops a message which somebody at the proxy wants to send this way, if one does.
    pub(crate) fn stops(&self, direction: Direction, message: &NewMessage) -> Option<String> {
        let kind = match message.opcode {
            Opcode::Text => Kind::Text,
            Opcode::Binary => Kind::Binary,
            _ => return None,
        };
        let size = message.payload.len() as u64;
        let facts = MessageFacts {
            direction,
            kind,
            opcode: Some(message.opcode.bits()),
            body: &message.payload,
            size,
            ..MessageFacts::unsent()
        };
        let found = self.guard.as_ref()?.find(&self.panel.flow.facts, facts)?;
        (found.action == Action::Block).then(|| found.rule_id.to_string())
    }

    /// Whether anybody looks at the messages of this direction.
    pub(crate) fn judges(&self, direction: Direction) -> bool {
        !self.panel.rows[direction.index()].is_empty()
    }

    /// A message is whole: shows it to its judges, and gives back what is decided at once.
    pub(crate) fn inspect(&mut self, inspect: Inspect, at: Timestamp) -> Option<(Ticket, Verdict)> {
        let Inspect { ticket, facts, payload } = inspect;
        let mut message = Waiting {
            subject: Subject {
                ticket,
                facts,
                at,
                opcode: facts.opcode,
                payload,
                changed: false,
            },
            decision: Decision::default(),
            at: Stage::default(),
            ended: None,
        };
        let index = facts.direction.index();
        let mut verdict = None;
        // Nobody behind the one that ends the conversation is shown to a judge any more.
        if !self.closing[index] {
            let ahead = self.waiting[index].back().map(|ahead| ahead.at);
            verdict = self.panel.advance(&mut message, ahead);
        }
        if message.closes() && self.is_held_by_a_person(facts.direction, ticket) {
            verdict = message.ended.take();
        }
        if let Some(verdict) = verdict {
            self.note(ticket, &verdict, message.decision);
            return Some((ticket, verdict));
        }
        self.closing[index] |= message.closes();
        self.waiting[index].push_back(message);
        None
    }

    /// Whether a message is on its way, or a decision not on record yet.
    pub(crate) fn is_owing(&self) -> bool {
        self.is_waiting() || !self.decisions.is_empty()
    }

    fn is_waiting(&self) -> bool {
        !self.waiting.iter().all(VecDeque::is_empty)
    }

    /// Whether a message of that direction is on its way that came before that one.
    pub(crate) fn holds_before(&self, direction: Direction, ticket: Ticket) -> bool {
        self.before(direction, ticket).next().is_some()
    }

    /// Whether one of those waits for a person: nobody knows for how long.
    pub(crate) fn is_held_by_a_person(&self, direction: Direction, ticket: Ticket) -> bool {
        self.before(direction, ticket)
            .any(|message| self.panel.is_with_a_person(message))
    }

    fn before(&self, direction: Direction, ticket: Ticket) -> impl Iterator<Item = &Waiting> {
        let waiting = self.waiting[direction.index()].iter();
        waiting.take_while(move |message| message.subject.ticket < ticket)
    }

    /// The next verdict that took its time.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Direction, Ticket, Verdict)> {
        loop {
            if let Some((message, verdict)) = self.go_on() {
                let Subject { ticket, facts, .. } = message.subject;
                self.note(ticket, &verdict, message.decision);
                return Poll::Ready((facts.direction, ticket, verdict));
            }
            if !self.is_waiting() {
                return Poll::Pending;
            }
            let Poll::Ready((kind, (ticket, decided))) = self.panel.poll(cx) else {
                return Poll::Pending;
            };
            let mut all = self.waiting.iter_mut().flatten();
            if let Some(message) = all.find(|message| message.subject.ticket == ticket) {
                message.at = message.at.behind();
                let judges = &mut self.panel.judges;
                judges.iter_mut().for_each(|judge| judge.note(&mut message.decision));
                message.take(kind, decided, &self.panel.flow);
                self.closing[message.subject.facts.direction.index()] |= message.closes();
            }
        }
    }

    /// The session has put a message on record, and it has left or not: what was decided about it. One that waits here has
    /// come to its end with its conversation, and so has one that was to leave and has not: nobody has decided that.
    pub(crate) fn recorded(&mut self, ticket: Ticket, left: bool) -> Option<Box<Decision>> {
        let undecided = |mut decision: Decision| {
            decision.by.clear();
            boxed(decision)
        };
        for waiting in &mut self.waiting {
            if let Some(at) = waiting.iter().position(|message| message.subject.ticket == ticket) {
                self.panel.judges.iter_mut().for_each(|judge| judge.forget(ticket));
                let message = waiting.remove(at)?;
                // That it was to end the conversation was decided, though others have ended it before its turn came.
                return match message.ended {
                    Some(_) => boxed(message.decision),
                    None => undecided(message.decision),
                };
            }
        }
        let at = self.decisions.iter().position(|noted| noted.ticket == ticket)?;
        let noted = self.decisions.remove(at)?;
        if left || noted.ended {
            Some(noted.decision)
        } else {
            undecided(*noted.decision)
        }
    }

    /// Whether a rule has stopped this message, which is not on record yet.
    pub(crate) fn blocks(&self, ticket: Ticket) -> bool {
        let mut noted = self.decisions.iter();
        let mut waiting = self.waiting.iter().flatten();
        noted.any(|noted| noted.ticket == ticket && noted.ended && noted.decision.blocked)
            || waiting
                .any(|message| message.subject.ticket == ticket && message.ended.is_some() && message.decision.blocked)
    }

    /// Keeps what is to be said about a message until it goes on record.
    fn note(&mut self, ticket: Ticket, verdict: &Verdict, decision: Decision) {
        let ended = matches!(verdict, Verdict::Drop | Verdict::Close { .. });
        self.decisions.extend(boxed(decision).map(|decision| Noted {
            ticket,
            ended,
            decision,
        }));
    }

    /// There is nobody any more to wait for in this direction: what waits is decided soon.
    pub(crate) fn hurry(&mut self, direction: Direction) {
        self.panel.judges.iter_mut().for_each(|judge| judge.hurry(direction));
    }

    /// Lets those go on that are not held up any more, up to the first that is decided. One that ends the conversation lets
    /// those before it leave first, unless a person holds one of them.
    fn go_on(&mut self) -> Option<(Waiting, Verdict)> {
        for (waiting, closing) in self.waiting.iter_mut().zip(&mut self.closing) {
            let (mut ahead, mut held) = (None, false);
            for at in 0..waiting.len() {
                let message = &mut waiting[at];
                let mut verdict = self.panel.advance(message, ahead);
                if message.closes() {
                    if !held {
                        *closing = true;
                        break;
                    }
                    verdict = message.ended.take();
                }
                if let Some(verdict) = verdict {
                    let message = waiting.remove(at)?;
                    *closing = *closing && waiting.iter().any(Waiting::closes);
                    return Some((message, verdict));
                }
                ahead = Some(message.at);
                held |= self.panel.is_with_a_person(message);
            }
        }
        None
    }
}

impl Panel {
    /// Shows the message to its next judges, as far as it may go behind the one ahead of it; the verdict, if it is
    /// decided.
    fn advance(&mut self, message: &mut Waiting, ahead: Option<Stage>) -> Option<Verdict> {
        let row = &self.rows[message.subject.facts.direction.index()];
        loop {
            if ahead.is_some() && message.closes() {
                return None;
            }
            if let Some(verdict) = message.verdict(row.len()) {
                return Some(verdict);
            }
            let place = row[message.at.place];
            let asked = Stage {
                asked: true,
                ..message.at
            };
            if message.at.asked || ahead.is_some_and(|ahead| ahead < asked) {
                return None;
            }
            if place.if_changed && !message.subject.changed {
                message.at = message.at.behind();
                continue;
            }
            let judge = &mut self.judges[place.judge];
            match judge.judge(&self.flow, &message.subject, &mut message.decision) {
                Answer::Pass => message.at = message.at.behind(),
                Answer::Decided(decided) => {
                    message.at = message.at.behind();
                    message.take(judge.kind(), decided, &self.flow);
                }
                Answer::Later => message.at = asked,
            }
        }
    }

    fn is_with_a_person(&self, message: &Waiting) -> bool {
        let row = &self.rows[message.subject.facts.direction.index()];
        let judge = row.get(message.at.place).map(|place| &self.judges[place.judge]);
        message.at.asked && judge.is_some_and(|judge| judge.kind() == JudgeKind::Intercept)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(JudgeKind, (Ticket, Decided))> {
        let mut all = self.judges.iter_mut();
        let late = all.find_map(|judge| match judge.poll(cx) {
            Poll::Ready(late) => Some(Poll::Ready((judge.kind(), late))),
            Poll::Pending => None,
        });
        late.unwrap_or(Poll::Pending)
    }
}

impl Waiting {
    /// Whether it is to end the conversation.
    fn closes(&self) -> bool {
        matches!(self.ended, Some(Verdict::Close { .. }))
    }

    /// Takes over what a judge has decided.
    fn take(&mut self, kind: JudgeKind, decided: Decided, flow: &JudgedFlow) {
        let Decided { opinion, by } = decided;
        let count = |outcome| telemetry::counts().judge_decisions.one((kind, outcome));
        match opinion {
            // It had nothing to say, when its turn had come.
            Opinion::Pass if by.is_empty() => return,
            Opinion::Pass => count(Outcome::Passed),
            Opinion::Replace { opcode, payload } => {
                if let Err(why) = self.replace(opcode, payload, flow) {
                    self.decision.fact("replacement_discarded", format!("{by}: {why}"));
                    count(Outcome::Discarded);
                    return;
                }
                count(Outcome::Replaced);
            }
            Opinion::Drop => {
                self.ended = Some(Verdict::Drop);
                count(Outcome::Dropped);
            }
            Opinion::Close { code, reason } => {
                self.ended = Some(Verdict::Close { code, reason });
                count(Outcome::Closed);
            }
        }
        self.decision.add(&by);
    }

    /// What cannot be sent does not take the message's place: it goes on as it was.
    fn replace(&mut self, opcode: Opcode, payload: Vec<u8>, flow: &JudgedFlow) -> Result<(), String> {
        let most = flow.message_bytes_max;
        if payload.len() as u64 > most {
            return Err(format!(
                "{} bytes are more than limits.message_bytes_max, {most}",
                payload.len()
            ));
        }
        if opcode == Opcode::Text && simdutf8::basic::from_utf8(&payload).is_err() {
            return Err("a text must be UTF-8".to_owned());
        }
        if opcode != self.subject.opcode || payload != *self.subject.payload {
            self.subject.opcode = opcode;
            self.subject.payload = Arc::new(payload);
            self.subject.changed = true;
        }
        Ok(())
    }

    /// What becomes of it, if that is decided: a judge has ended it, or all of them have let it pass.
    fn verdict(&mut self, judges: usize) -> Option<Verdict> {
        if self.ended.is_some() || self.at.place < judges {
            return self.ended.take();
        }
        if !self.subject.changed {
            return Some(Verdict::Pass);
        }
        Some(Verdict::Replace(NewMessage {
            opcode: self.subject.opcode,
            payload: Arc::unwrap_or_clone(std::mem::take(&mut self.subject.payload)),
        }))
    }
}

impl Stage {
    /// The judge there has let it pass.
    fn behind(self) -> Self {
        Self {
            place: self.place + 1,
            asked: false,
        }
    }
}

impl std::fmt::Debug for Panel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Panel")
            .field("flow", &self.flow)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

fn boxed(decision: Decision) -> Option<Box<Decision>> {
    (!decision.is_empty()).then(|| Box::new(decision))
}

#[cfg(test)]
mod tests;
