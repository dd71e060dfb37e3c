//! Which messages are held.

use regex::bytes::Regex;
use wire::frame::Opcode;

use super::super::judge::Subject;
use crate::config::{InterceptRule, RuleOpcode};
use crate::flow::Direction;
use crate::query::{Facts, Filter, FlowFacts, Use, regex};

/// A rule as it is asked: what it says all holds.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(super) id: String,
    when: Filter,
    directions: [bool; 2],
    url: Option<Regex>,
    opcode: RuleOpcode,
    payload: Option<Regex>,
}

impl Rule {
    /// # Errors
    /// What is wrong with its filter or one of its regexes.
    pub(crate) fn new(rule: &InterceptRule) -> Result<Self, String> {
        let maybe = |text: &Option<String>| text.as_deref().map(regex).transpose();
        let when = rule.when.as_deref().unwrap_or_default();
        Ok(Self {
            id: rule.id.clone(),
            when: Filter::parse(when, Use::Rule).map_err(|error| error.to_string())?,
            directions: rule.direction.each(),
            url: maybe(&rule.url)?,
            opcode: rule.opcode,
            payload: maybe(&rule.payload)?,
        })
    }

    /// Whether it may mean a message of this direction of this flow.
    pub(crate) fn concerns(&self, flow: &FlowFacts<'_>, direction: Direction) -> bool {
        let url = self.url.as_ref();
        self.directions[direction.index()]
            && url.is_none_or(|url| url.is_match(flow.opening.url.as_bytes()))
            && self.when.means_flow(flow) != Some(false)
    }

    /// Whether it means this message of a flow that it concerns.
    pub(super) fn means(&self, subject: &Subject, facts: &Facts<'_>) -> bool {
        let opcode = match self.opcode {
            RuleOpcode::Any => true,
            RuleOpcode::Text => subject.opcode == Opcode::Text,
            RuleOpcode::Binary => subject.opcode == Opcode::Binary,
        };
        let payload = self.payload.as_ref();
        opcode
            && self.directions[subject.facts.direction.index()]
            && payload.is_none_or(|payload| payload.is_match(&subject.payload))
            && self.when.means(facts)
    }
}
