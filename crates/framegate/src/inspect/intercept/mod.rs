//! Interception: a message that a rule means is held until a person, or a program at the control door, has said what
//! becomes of it.
//!
//! A connection's [`Intercept`] holds its messages; [`Desk`] is where all of them lie, and where they are answered.
//! Whoever takes a message off the desk has it: the person who answers, or the connection when its time is over. So
//! there is one answer to each, however many look at the desk.

mod desk;
mod rule;

pub use desk::{AnswerError, Desk, HeldMessage, Reply};
pub(crate) use rule::Rule;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use wire::session::Ticket;

use super::judge::{Answer, Decided, Judge, JudgedFlow, Opinion, Subject};
use crate::config::{self, OnHold};
use crate::flow::{Decision, Direction, Timestamp};
use crate::query::Facts;
use crate::telemetry::JudgeKind;
use desk::{Answered, HoldId};

/// How messages of one connection are held.
pub(crate) struct Intercept {
    desk: Arc<Desk>,
    rules: Vec<Arc<Rule>>,
    settings: config::Intercept,
    /// What lies on the desk, the one that was put there first in front.
    held: VecDeque<Held>,
    /// Where the answers come from, and the end that the desk gets with each message; made with the first.
    answers: Option<(mpsc::UnboundedReceiver<Answered>, mpsc::UnboundedSender<Answered>)>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Directions in which nothing is held any more, because a peer is gone.
    hurried: [bool; 2],
}

#[derive(Debug)]
struct Held {
    id: HoldId,
    ticket: Ticket,
    direction: Direction,
    until: Instant,
}

impl Intercept {
    pub(crate) fn new(desk: Arc<Desk>, rules: Vec<Arc<Rule>>, settings: config::Intercept) -> Self {
        Self {
            desk,
            rules,
            settings,
            held: VecDeque::new(),
            answers: None,
            sleep: None,
            hurried: [false; 2],
        }
    }

    /// The next answer to one that is still held here. Whoever has answered one that is not is told so.
    fn answered(&mut self, cx: &mut Context<'_>) -> Option<(Ticket, Decided)> {
        let (answers, _) = self.answers.as_mut()?;
        while let Poll::Ready(Some(Answered { ticket, opinion, taken })) = answers.poll_recv(cx) {
            if let Some(at) = self.held.iter().position(|held| held.ticket == ticket) {
                self.held.remove(at);
                // Whoever asked may have gone.
                let _ = taken.send(());
                let by = "intercept".to_owned();
                return Some((ticket, Decided { opinion, by }));
            }
        }
        None
    }

    /// The next one whose time is over, taken off the desk. One that somebody has taken off it before has its answer.
    fn over(&mut self, cx: &mut Context<'_>) -> Option<(Ticket, Decided)> {
        let hurried = self.held.iter().position(|held| self.hurried[held.direction.index()]);
        let (at, why, words) = match hurried {
            Some(at) => (at, "intercept:disconnect", "a peer disconnected"),
            None if self.front_is_over(cx) => (0, "intercept:timeout", "nobody answered within intercept.hold_ms"),
            None => return None,
        };
        if !self.desk.take(self.held.get(at)?.id, words) {
            return self.answered(cx);
        }
        let held = self.held.remove(at)?;
        Some((held.ticket, by_policy(self.settings.on_timeout, why)))
    }

    /// Whether the time of the one that has been held longest is over.
    fn front_is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(front) = self.held.front() else {
            self.sleep = None;
            return false;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(front.until)));
        if sleep.deadline() != front.until {
            sleep.as_mut().reset(front.until);
        }
        sleep.as_mut().poll(cx).is_ready()
    }
}

fn by_policy(policy: OnHold, by: &str) -> Decided {
    let opinion = match policy {
        OnHold::Release => Opinion::Pass,
        OnHold::Drop => Opinion::Drop,
    };
    Decided {
        opinion,
        by: by.to_owned(),
    }
}

impl Judge for Intercept {
    fn kind(&self) -> JudgeKind {
        JudgeKind::Intercept
    }

    fn judge(&mut self, flow: &JudgedFlow, subject: &Subject, _: &mut Decision) -> Answer {
        let facts = Facts::new(&flow.facts, subject.message());
        let matched = self.rules.iter().filter(|rule| rule.means(subject, &facts));
        let matched: Vec<String> = matched.map(|rule| rule.id.clone()).collect();
        if matched.is_empty() {
            return Answer::Pass;
        }
        let direction = subject.facts.direction;
        if self.hurried[direction.index()] {
            return Answer::Decided(by_policy(self.settings.on_timeout, "intercept:disconnect"));
        }
        let message = HeldMessage {
            id: 0,
            flow: flow.id,
            url: flow.facts.opening.url.clone(),
            direction,
            sequence: subject.facts.sequence,
            opcode: subject.opcode,
            payload: Arc::clone(&subject.payload),
            held_since: Timestamp::now(),
            rules: matched,
            bytes_max: flow.message_bytes_max,
        };
        let limits = (self.settings.held_max, self.settings.held_bytes_max);
        let (_, answer) = self.answers.get_or_insert_with(|| {
            let (answer, answers) = mpsc::unbounded_channel();
            (answers, answer)
        });
        match self.desk.put(message, subject.ticket, answer, limits) {
            Some(id) => {
                let until = Instant::now() + Duration::from_millis(self.settings.hold_ms);
                let ticket = subject.ticket;
                self.held.push_back(Held {
                    id,
                    ticket,
                    direction,
                    until,
                });
                Answer::Later
            }
            None => Answer::Decided(by_policy(self.settings.on_full, "intercept:full")),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Ticket, Decided)> {
        let next = self.answered(cx).or_else(|| self.over(cx));
        next.map_or(Poll::Pending, Poll::Ready)
    }

    fn forget(&mut self, ticket: Ticket) {
        if let Some(at) = self.held.iter().position(|held| held.ticket == ticket)
            && let Some(held) = self.held.remove(at)
        {
            self.desk.take(held.id, "its connection ended");
        }
    }

    fn hurry(&mut self, direction: Direction) {
        self.hurried[direction.index()] = true;
    }
}

impl Drop for Intercept {
    fn drop(&mut self) {
        for held in self.held.drain(..) {
            self.desk.take(held.id, "its connection ended");
        }
    }
}

#[cfg(test)]
mod tests;
