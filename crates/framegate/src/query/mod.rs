//! The filter language: which flows and messages are meant. One grammar, one parser and one evaluation, for the record
//! and for messages that are under way.
//!
//! Its syntax is a part of the Common Expression Language: comparisons, `in`, `&&`, `||`, `!`, brackets, the four
//! questions to a text, `has`, `timestamp`, and paths into JSON. `docs/filters.md` describes it.

mod facts;
mod field;
mod parse;
mod path;
mod pattern;
mod plan;
mod token;

pub use facts::{Facts, FlowFacts, MessageFacts};
pub(crate) use path::{Step, parse_json_path};
pub(crate) use pattern::regex;

use plan::Test;

use std::fmt;
use std::sync::Arc;

/// What a filter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To find what is on record.
    Record,
    /// To decide about a message: what is known only afterwards cannot be asked.
    Rule,
}

/// Which flows and messages are meant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Filter(Arc<Test>);

impl Default for Filter {
    /// All of them.
    fn default() -> Self {
        Self(Arc::new(Test::Always(true)))
    }
}

impl Filter {
    /// Reads a filter; a blank one means everything.
    ///
    /// # Errors
    /// Says what is wrong, and at which column.
    pub fn parse(text: &str, used: Use) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        parse::parse(text, used).map(|test| Self(Arc::new(test)))
    }

    /// Whether it means everything, whatever that is.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(*self.0, Test::Always(true))
    }

    /// Whether it means this message of a flow.
    #[must_use]
    pub fn means(&self, message: &Facts<'_>) -> bool {
        self.0.ask(message) == Some(true)
    }

    /// Whether it means this flow with all of its messages, `Some(true)`, or with none of them, `Some(false)`. `None`:
    /// that depends on the message.
    #[must_use]
    pub fn means_flow(&self, flow: &FlowFacts<'_>) -> Option<bool> {
        self.0.ask(&Facts::without_message(flow))
    }
}

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// In characters, from 1 on.
    pub column: usize,
    /// In a few words.
    pub what: String,
}

impl FilterError {
    /// `at` is a byte of `text`.
    fn new(text: &str, at: usize, what: impl Into<String>) -> Self {
        Self {
            column: 1 + text[..at].chars().count(),
            what: what.into(),
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filter, column {}: {}", self.column, self.what)
    }
}

impl std::error::Error for FilterError {}

#[cfg(test)]
mod tests;
