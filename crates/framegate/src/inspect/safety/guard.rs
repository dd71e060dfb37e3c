//! The safety filter and redaction, as judges: what a rule finds becomes a verdict.

use std::sync::Arc;

use wire::frame::Opcode;

use super::super::judge::{Answer, Decided, Judge, JudgedFlow, Opinion, Subject};
use super::{Action, Found, InputRules, Redactor};
use crate::config::TOO_LONG;
use crate::flow::{Decision, Direction, Kind};
use crate::query::{FlowFacts, MessageFacts};
use crate::telemetry::JudgeKind;

/// Close code of a conversation that a rule ends: policy violation (RFC 6455 §7.4.1).
const POLICY: u16 = 1008;

/// What is said of a message that passes though a rule matches it.
const LOGGED: &str = "safety_logged";

/// Stops what must not pass.
#[derive(Clone, Debug)]
pub(in crate::inspect) struct Guard {
    pub(in crate::inspect) rules: InputRules,
    /// Binary messages as well.
    pub(in crate::inspect) binary: bool,
    /// Messages from server to client as well.
    pub(in crate::inspect) receive: bool,
    /// A blocked message ends its conversation.
    pub(in crate::inspect) close: bool,
    /// A longer message is not read.
    pub(in crate::inspect) bytes_max: usize,
    /// What becomes of one that is not read.
    pub(in crate::inspect) action: Action,
    /// What matched does not go on record where the record is redacted.
    pub(in crate::inspect) discreet: bool,
}

impl Guard {
    /// Whether it looks at messages of this direction.
    pub(in crate::inspect) fn concerns(&self, direction: Direction) -> bool {
        direction == Direction::Send || self.receive
    }

    /// What of this message a rule means, if one does. Whatever is not binary is looked at as text: a frame with an
    /// opcode that means nothing here may mean text to somebody.
    pub(in crate::inspect) fn find(&self, flow: &FlowFacts<'_>, message: MessageFacts<'_>) -> Option<Found> {
        let looked_at = message.kind != Kind::Binary || self.binary;
        if !looked_at || !self.concerns(message.direction) {
            return None;
        }
        let (len, most) = (message.body.len(), self.bytes_max);
        if len > most {
            return Some(Found {
                rule_id: TOO_LONG.into(),
                matched_on: format!("{len} bytes, of which {most} are read at the most"),
                action: self.action,
            });
        }
        self.rules.check(flow, message)
    }
}

impl Judge for Guard {
    fn kind(&self) -> JudgeKind {
        JudgeKind::Safety
    }

    fn judge(&mut self, flow: &JudgedFlow, subject: &Subject, decision: &mut Decision) -> Answer {
        let Some(found) = self.find(&flow.facts, subject.message()) else {
            return Answer::Pass;
        };
        let blocks = found.action == Action::Block;
        // One that was changed is looked at again, and is the same message.
        if blocks || !decision.more.iter().any(|(name, _)| name == LOGGED) {
            self.rules.count(&found.rule_id);
        }
        let discreet = self.discreet && subject.facts.direction == Direction::Receive;
        let facts = [
            (if blocks { "safety_blocked" } else { LOGGED }, "true"),
            ("safety_rule_id", &found.rule_id),
            (
                "safety_matched_on",
                if discreet { "[redacted]" } else { &found.matched_on },
            ),
        ];
        for (name, value) in facts {
            if blocks {
                decision.more.retain(|(known, _)| known != name);
            }
            decision.fact(name, value);
        }
        if !blocks {
            return Answer::Pass;
        }
        decision.blocked = true;
        let opinion = match self.close {
            true => Opinion::Close {
                code: POLICY,
                reason: "blocked by a safety rule".to_owned(),
            },
            false => Opinion::Drop,
        };
        Answer::Decided(Decided {
            opinion,
            by: format!("safety:{}", found.rule_id),
        })
    }
}

/// Takes out of the server's texts what clients must not see.
#[derive(Debug)]
pub(in crate::inspect) struct Redact {
    pub(in crate::inspect) redactor: Arc<Redactor>,
    /// A longer text is not read, and so must not be seen.
    pub(in crate::inspect) bytes_max: usize,
}

impl Judge for Redact {
    fn kind(&self) -> JudgeKind {
        JudgeKind::Safety
    }

    fn judge(&mut self, _: &JudgedFlow, subject: &Subject, decision: &mut Decision) -> Answer {
        if subject.opcode == Opcode::Binary {
            return Answer::Pass;
        }
        if subject.payload.len() > self.bytes_max {
            decision.blocked = true;
            decision.fact("safety_blocked", "true");
            decision.fact("safety_rule_id", TOO_LONG);
            return Answer::Decided(Decided {
                opinion: Opinion::Drop,
                by: format!("safety:{TOO_LONG}"),
            });
        }
        match self.redactor.redact(&subject.payload) {
            None => Answer::Pass,
            Some(redacted) => Answer::Decided(Decided {
                by: format!("safety:{}", redacted.rules.join("+")),
                opinion: Opinion::Replace {
                    opcode: Opcode::Text,
                    payload: redacted.text,
                },
            }),
        }
    }
}
