//! The judge: one direction of one connection, its questions that are under way, and those that wait.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::task::JoinHandle;
use wire::frame::Opcode;
use wire::session::Ticket;

use super::answer::{Failure, Outcome};
use super::ask::Asker;
use super::body::{About, Body, word};
use super::cache::{self, Kept, Key};
use super::request::{Message, SigningKey};
use super::{AnswerLimits, Hooked};
use crate::config::{self, HookFail, OnBinary, OnOversize};
use crate::flow::{Decision, Direction, FlowId};
use crate::inspect::judge::{Answer, Decided, Judge, JudgedFlow, Opinion, Subject};
use crate::telemetry::{self, HookClosed, HookSkipped, JudgeKind};

/// Who decided, as the record says it.
const BY: &str = "hook";

/// What both peers are told of a message that the hook does not let go: never the hook's own words.
const BLOCKED: &str = "blocked by policy";
/// And of one that it could not judge.
const UNJUDGED: &str = "could not be inspected";

/// A direction's hook.
pub(in crate::inspect) struct Webhook {
    asker: Rc<Asker>,
    settings: Arc<config::Hook>,
    flow: FlowId,
    binary: OnBinary,
    fail: HookFail,
    /// What verdicts are kept for; `None`: none is kept.
    identity: Option<Vec<u8>>,
    under_way: Vec<UnderWay>,
    /// Messages that wait until fewer questions are under way. Their bodies are not made yet: they may be much longer.
    waiting: VecDeque<Subject>,
    /// What was decided about some of those without a question.
    settled: VecDeque<(Ticket, Decided, Decision)>,
    inbox: Rc<RefCell<Inbox>>,
    /// A message ends the conversation: whatever comes behind it comes too late.
    over: bool,
    /// What is to be said on record about the answer that was polled last.
    noted: Option<(Decision, Option<Outcome>)>,
}

/// A question that is under way.
struct UnderWay {
    ticket: Ticket,
    asked: JoinHandle<()>,
    /// What is to be said on record of how it was put.
    facts: Decision,
}

/// A question.
struct Job {
    ticket: Ticket,
    opcode: Opcode,
    message: Message,
    key: Option<Key>,
}

/// What has come of questions, and who is to be told.
#[derive(Default)]
struct Inbox {
    came: VecDeque<(Ticket, Opcode, Outcome)>,
    waker: Option<Waker>,
    /// Questions of `shadow` that are under way: nobody waits for them.
    unawaited: usize,
}

impl Inbox {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Webhook {
    /// The judge of that direction, if it has a hook.
    pub(in crate::inspect) fn new(
        hooked: &Hooked,
        direction: Direction,
        settings: &Arc<config::Hook>,
        signing: Option<Arc<SigningKey>>,
        limits: AnswerLimits,
    ) -> Option<Self> {
        let terms = &hooked.terms;
        let hook = terms.hook(direction)?;
        let asker = Asker::new(hooked, direction, settings, signing, limits)?;
        let keeps = settings.cache_entries > 0;
        let identity = asker.template.as_ref().ok().filter(|_| keeps).map(|template| {
            // A hook is told the direction, and reads another message in another body.
            let kind = format!("{} {:?} {}\n", word(direction), settings.body, hook.url);
            [kind.as_bytes(), &template.identity()].concat()
        });
        Some(Self {
            asker: Rc::new(asker),
            settings: Arc::clone(settings),
            flow: FlowId(0),
            binary: terms.binary,
            fail: settings.fail_of(direction),
            identity,
            under_way: Vec::new(),
            waiting: VecDeque::new(),
            settled: VecDeque::new(),
            inbox: Rc::default(),
            over: false,
            noted: None,
        })
    }

    /// A message goes on, or is about to, without a verdict on the whole of it.
    fn skipped(&self, reason: HookSkipped) {
        let counts = telemetry::counts();
        counts.inspections_skipped.one((self.asker.direction, reason));
    }

    /// A message ends the conversation without its hook having been asked.
    fn refused(&self, reason: HookClosed) {
        telemetry::counts().hook_closed.one((self.asker.direction, reason));
    }

    /// Whether a binary message goes to the hook; the answer, if it does not.
    fn admit(&self, subject: &Subject, decision: &mut Decision) -> Result<(), Answer> {
        if subject.opcode != Opcode::Binary {
            return Ok(());
        }
        match self.binary {
            OnBinary::Hook => Ok(()),
            OnBinary::Pass => {
                self.skipped(HookSkipped::Binary);
                decision.fact("hook_skipped", "binary");
                Err(Answer::Pass)
            }
            OnBinary::Close => {
                self.refused(HookClosed::Binary);
                decision.blocked = true;
                decision.fact("hook_skipped", "binary");
                Err(closed(1003, "binary messages are not taken here"))
            }
        }
    }

    /// The body about the message, or the answer without one.
    fn body(&self, about: &About<'_>, decision: &mut Decision) -> Result<Body, Answer> {
        let (shape, max) = (self.settings.body, self.settings.body_bytes_max);
        if let Some(body) = Body::within(shape, about, max) {
            return Ok(body);
        }
        match self.settings.on_oversize {
            OnOversize::Truncate => {
                self.skipped(HookSkipped::Truncated);
                decision.fact("hook_truncated", "true");
                Ok(Body::truncated(shape, about, max))
            }
            OnOversize::Block if self.fail != HookFail::Shadow => {
                self.refused(HookClosed::Oversize);
                decision.blocked = true;
                decision.fact("hook_skipped", "oversize");
                Err(closed(1009, "too long to be inspected"))
            }
            // In shadow nothing that the hook is about ends a conversation.
            OnOversize::Pass | OnOversize::Block => {
                self.skipped(HookSkipped::Oversize);
                decision.fact("hook_skipped", "oversize");
                Err(Answer::Pass)
            }
        }
    }

    /// What a verdict on the message is kept for.
    fn key(&self, subject: &Subject) -> Option<Key> {
        let identity = self.identity.as_ref()?;
        let opcode = [subject.opcode.bits()];
        Some(cache::key([&identity[..], &opcode, &subject.payload]))
    }

    /// Puts the next questions, as many as may be under way.
    fn start(&mut self) {
        while !self.over
            && self.under_way.len() < self.settings.in_flight
            && let Some(subject) = self.waiting.pop_front()
        {
            let mut facts = Decision::default();
            let decided = match self.consider(&subject, &mut facts) {
                Answer::Later => {
                    if let Some(last) = self.under_way.last_mut() {
                        last.facts = facts;
                    }
                    continue;
                }
                Answer::Decided(decided) => decided,
                Answer::Pass => Decided {
                    opinion: Opinion::Pass,
                    by: String::new(),
                },
            };
            self.settled.push_back((subject.ticket, decided, facts));
        }
    }

    fn put(&self, job: Job, hear: impl FnOnce(&mut Inbox, (Ticket, Opcode, Outcome)) + 'static) -> JoinHandle<()> {
        let Job {
            ticket,
            opcode,
            message,
            key,
        } = job;
        let (asker, inbox) = (Rc::clone(&self.asker), Rc::clone(&self.inbox));
        let entries = self.settings.cache_entries;
        let asking = Rc::clone(&self.asker).ask(message, move |outcome| {
            outcome.count(asker.direction);
            if let (Some(key), Some(kept)) = (key, kept(&outcome)) {
                cache::put(key, kept, entries);
            }
            let mut inbox = inbox.borrow_mut();
            hear(&mut inbox, (ticket, opcode, outcome));
            inbox.wake();
        });
        // It is large, and a task's future is moved several times before it runs.
        tokio::task::spawn_local(Box::pin(asking))
    }

    /// The answer at once, or a question that is under way.
    fn consider(&mut self, subject: &Subject, decision: &mut Decision) -> Answer {
        let answer = self.weigh(subject, decision);
        let ends = |decided: &Decided| matches!(decided.opinion, Opinion::Close { .. });
        self.over |= matches!(&answer, Answer::Decided(decided) if ends(decided));
        answer
    }

    fn weigh(&mut self, subject: &Subject, decision: &mut Decision) -> Answer {
        if let Err(answer) = self.admit(subject, decision) {
            return answer;
        }
        let key = self.key(subject);
        if let Some(kept) = key.and_then(|key| cache::get(&key, self.settings.cache_ms))
            && self.fail != HookFail::Shadow
        {
            telemetry::counts().hook_cache_hits.one(self.asker.direction);
            let outcome = Outcome::from(kept);
            self.facts(&outcome, decision);
            let opinion = self.opinion(subject.opcode, &outcome);
            return Answer::Decided(Decided {
                opinion,
                by: BY.to_owned(),
            });
        }
        let about = About {
            flow: u64::from(self.flow.0),
            sequence: subject.facts.sequence,
            direction: subject.facts.direction,
            opcode: subject.opcode,
            payload: &subject.payload,
        };
        let body = match self.body(&about, decision) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        if body.opaque {
            self.skipped(HookSkipped::Opaque);
        }
        // What it was asked about only in part it has not judged.
        let whole = !decision.more.iter().any(|(name, _)| name == "hook_truncated");
        let job = Job {
            ticket: subject.ticket,
            opcode: subject.opcode,
            message: Message::new(&about, subject.at, body),
            key: key.filter(|_| whole),
        };
        if self.fail == HookFail::Shadow {
            return self.shadow(subject.facts.sequence, job, decision);
        }
        let ticket = job.ticket;
        let asked = self.put(job, |inbox, came| inbox.came.push_back(came));
        self.under_way.push(UnderWay {
            ticket,
            asked,
            facts: Decision::default(),
        });
        Answer::Later
    }

    /// Lets the message go and asks all the same.
    fn shadow(&mut self, sequence: u32, job: Job, decision: &mut Decision) -> Answer {
        if self.inbox.borrow().unawaited >= self.settings.in_flight {
            self.skipped(HookSkipped::Full);
            decision.fact("hook_skipped", "shadow");
            return Answer::Pass;
        }
        self.skipped(HookSkipped::Shadow);
        decision.fact("hook_shadow", "asked");
        self.inbox.borrow_mut().unawaited += 1;
        let flow = self.flow;
        let name = self.asker.name.clone();
        // It goes on by itself.
        drop(self.put(job, move |inbox, (_, _, outcome)| {
            inbox.unawaited -= 1;
            match outcome {
                Outcome::Pass(_) => {}
                Outcome::Failed(failure) => tracing::debug!(%flow, sequence, "shadow: {name}: {failure}"),
                other => {
                    let word = other.word();
                    tracing::info!(%flow, sequence, "shadow: {name} would not have let a message go: {word}");
                }
            }
        }));
        Answer::Pass
    }

    /// What becomes of the message.
    fn opinion(&self, was: Opcode, outcome: &Outcome) -> Opinion {
        let close = |reason: &str| Opinion::Close {
            code: 1008,
            reason: reason.to_owned(),
        };
        match outcome {
            Outcome::Pass(_) => Opinion::Pass,
            Outcome::Block(_) => close(BLOCKED),
            Outcome::Uninspected(_) => close(UNJUDGED),
            Outcome::Drop(_) => Opinion::Drop,
            Outcome::Replace { opcode, payload, .. } => Opinion::Replace {
                opcode: opcode.unwrap_or(was),
                payload: payload.to_vec(),
            },
            Outcome::Failed(_) if self.fail == HookFail::Closed => close(UNJUDGED),
            Outcome::Failed(_) => {
                self.skipped(HookSkipped::Open);
                Opinion::Pass
            }
        }
    }

    /// What is to be said on record about an outcome.
    fn facts(&self, outcome: &Outcome, decision: &mut Decision) {
        let (status, failure) = match outcome {
            Outcome::Pass(status) | Outcome::Drop(status) | Outcome::Replace { status, .. } => (*status, None),
            Outcome::Block(status) | Outcome::Uninspected(status) => {
                decision.blocked = true;
                (*status, None)
            }
            Outcome::Failed(failure) => {
                decision.blocked |= self.fail == HookFail::Closed;
                let status = if let Failure::Status(status) = failure {
                    *status
                } else {
                    0
                };
                (status, Some(failure))
            }
        };
        if status != 0 {
            decision.fact("hook_status", status.to_string());
        }
        if let Outcome::Uninspected(_) = outcome {
            decision.fact("hook_failure", "uninspected");
        }
        if let Some(failure) = failure {
            decision.fact("hook_failure", failure.word());
            if self.fail != HookFail::Closed {
                decision.fact("hook_skipped", "open");
            }
        }
    }
}

fn closed(code: u16, reason: &str) -> Answer {
    Answer::Decided(Decided {
        opinion: Opinion::Close {
            code,
            reason: reason.to_owned(),
        },
        by: BY.to_owned(),
    })
}

/// What of an outcome can be kept: a verdict on the message alone.
fn kept(outcome: &Outcome) -> Option<Kept> {
    match outcome {
        Outcome::Pass(status) => Some(Kept::Pass(*status)),
        Outcome::Block(status) => Some(Kept::Block(*status)),
        Outcome::Drop(status) => Some(Kept::Drop(*status)),
        Outcome::Uninspected(_) | Outcome::Replace { .. } | Outcome::Failed(_) => None,
    }
}

impl From<Kept> for Outcome {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Pass(status) => Self::Pass(status),
            Kept::Block(status) => Self::Block(status),
            Kept::Drop(status) => Self::Drop(status),
        }
    }
}

impl Judge for Webhook {
    fn kind(&self) -> JudgeKind {
        JudgeKind::Hook
    }

    fn judge(&mut self, flow: &JudgedFlow, subject: &Subject, decision: &mut Decision) -> Answer {
        self.flow = flow.id;
        let is_full = self.under_way.len() >= self.settings.in_flight || !self.waiting.is_empty();
        if self.over || is_full && self.fail != HookFail::Shadow {
            self.waiting.push_back(subject.clone());
            return Answer::Later;
        }
        self.consider(subject, decision)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Ticket, Decided)> {
        self.start();
        if let Some((ticket, decided, facts)) = self.settled.pop_front() {
            self.noted = Some((facts, None));
            return Poll::Ready((ticket, decided));
        }
        let next = {
            let mut inbox = self.inbox.borrow_mut();
            let next = inbox.came.pop_front();
            if next.is_none() && !inbox.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                inbox.waker = Some(cx.waker().clone());
            }
            next
        };
        let Some((ticket, opcode, outcome)) = next else {
            return Poll::Pending;
        };
        let at = self.under_way.iter().position(|asked| asked.ticket == ticket);
        let facts = at.map(|at| self.under_way.remove(at).facts);
        let opinion = self.opinion(opcode, &outcome);
        self.over |= matches!(opinion, Opinion::Close { .. });
        self.noted = Some((facts.unwrap_or_default(), Some(outcome)));
        let by = BY.to_owned();
        Poll::Ready((ticket, Decided { opinion, by }))
    }

    fn note(&mut self, decision: &mut Decision) {
        let Some((facts, outcome)) = self.noted.take() else {
            return;
        };
        decision.absorb(facts);
        if let Some(outcome) = outcome {
            self.facts(&outcome, decision);
        }
    }

    fn forget(&mut self, ticket: Ticket) {
        self.waiting.retain(|subject| subject.ticket != ticket);
        self.settled.retain(|(known, ..)| *known != ticket);
        if let Some(at) = self.under_way.iter().position(|asked| asked.ticket == ticket) {
            self.under_way.remove(at).asked.abort();
            let mut inbox = self.inbox.borrow_mut();
            inbox.came.retain(|(known, ..)| *known != ticket);
            // The next question is put when this is polled: at the end of a conversation nobody does that any more.
            inbox.wake();
        }
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.under_way.iter().for_each(|under_way| under_way.asked.abort());
    }
}
