//! What whoever writes rules says, what comes of it, and what may be wrong with it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What becomes of a message that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It does not leave.
    Block,
    /// It leaves, and the record says that the rule matched.
    LogOnly,
}

/// What the safety filter looks for.
#[derive(Clone, Debug)]
pub(crate) struct InputSpec {
    /// Names of presets, in the order in which they are asked.
    pub(crate) presets: Vec<String>,
    /// What becomes of matches, where a rule does not say otherwise.
    pub(crate) action: Action,
    /// Further rules, asked after the presets.
    pub(crate) rules: Vec<InputRuleSpec>,
}

/// A rule of the safety filter. With both a pattern and a condition, both must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputRuleSpec {
    /// Its name on record.
    pub(crate) id: String,
    /// A regular expression.
    pub(crate) pattern: Option<String>,
    /// A filter, see [`query`](crate::query).
    pub(crate) when: Option<String>,
    /// `None`: that of all.
    pub(crate) action: Option<Action>,
}

/// A rule of the redactor.
#[derive(Clone, Debug)]
pub(crate) struct OutputRuleSpec {
    /// Its name on record.
    pub(crate) id: String,
    /// A regular expression: what it matches is taken out.
    pub(crate) pattern: String,
    /// What stands there instead, literally.
    pub(crate) replacement: String,
}

/// A rule that matched a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// `preset/rule`, or the rule's own id.
    pub(crate) rule_id: Arc<str>,
    /// What it matched: at most 100 characters, control characters escaped. Of a secret only the beginning; of a rule
    /// without a pattern its condition.
    pub(crate) matched_on: String,
    /// What becomes of the message.
    pub(crate) action: Action,
}

/// A rule or a preset that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleError {
    /// Its id or name, as it was written.
    pub(crate) rule: String,
    /// What is wrong with it, in a few words.
    pub(crate) what: String,
}

impl RuleError {
    pub(super) fn new(rule: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            what: what.into(),
        }
    }

    /// For a preset that does not exist, or is named twice.
    pub(super) fn preset(name: &str, there_are: &[&str]) -> Self {
        Self::new(name, format!("is no preset; there are {}", there_are.join(", ")))
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rule {:?}: {}", self.rule, self.what)
    }
}

impl std::error::Error for RuleError {}

/// Ids that are given so far: each is there once, and can be read on one line.
#[derive(Debug, Default)]
pub(super) struct Ids(BTreeSet<String>);

impl Ids {
    pub(super) fn give(&mut self, id: &str) -> Result<(), RuleError> {
        if id.trim().is_empty() {
            return Err(RuleError::new(id, "has no id"));
        }
        if id.chars().any(char::is_control) {
            return Err(RuleError::new(id, "its id has a control character"));
        }
        if !self.0.insert(id.to_owned()) {
            return Err(RuleError::new(id, "is there twice"));
        }
        Ok(())
    }
}
