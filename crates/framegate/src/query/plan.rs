//! A filter as it is asked: every name found, every pattern compiled.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;
use memchr::memmem::Finder;
use regex::bytes::Regex;
use serde_json::Value as Json;

use super::facts::{Facts, Value};
use super::field::{Field, Known};
use super::path::Step;
use crate::flow::Timestamp;

/// A question with the answer yes or no.
#[derive(Debug)]
pub(super) enum Test {
    Always(bool),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    /// The operand is true.
    Is(Operand),
    /// The operand is there, be it null.
    Has(Operand),
    Compare(Operand, Comparison, Operand),
    In(Operand, Vec<Operand>),
    Matches(Operand, Pattern),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a text is held against.
#[derive(Debug)]
pub(super) enum Pattern {
    Contains(Box<Finder<'static>>),
    Starts(Vec<u8>),
    Ends(Vec<u8>),
    Regex(Regex),
    Net(IpNet),
}

/// A value.
#[derive(Debug)]
pub(super) enum Operand {
    Field(&'static Field),
    /// Inside the body, read as JSON.
    Json(Vec<Step>),
    Literal(Literal),
}

#[derive(Clone, Debug)]
pub(super) enum Literal {
    Null,
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Time(Timestamp),
}

impl Test {
    /// The answer; `None` if it depends on the message and there is none.
    pub(super) fn ask(&self, facts: &Facts<'_>) -> Option<bool> {
        Some(match self {
            Self::Always(answer) => *answer,
            Self::Not(test) => !test.ask(facts)?,
            Self::All(tests) => !first(tests, false, facts)?,
            Self::Any(tests) => first(tests, true, facts)?,
            Self::Is(operand) => matches!(operand.value(facts)?, Value::Bool(true) | Value::Json(Json::Bool(true))),
            Self::Has(operand) => !matches!(operand.value(facts)?, Value::Missing),
            Self::Compare(one, comparison, other) => comparison.holds(one.value(facts)?, other.value(facts)?),
            Self::In(one, list) => {
                let one = one.value(facts)?;
                list.iter()
                    .any(|other| other.value(facts).is_some_and(|other| equal(one, other)))
            }
            Self::Matches(operand, pattern) => text_of(operand.value(facts)?).is_some_and(|text| pattern.is_in(text)),
        })
    }
}

/// Whether one of the tests gives this answer; `None` if that depends on the message.
fn first(tests: &[Test], answer: bool, facts: &Facts<'_>) -> Option<bool> {
    let mut depends = false;
    for test in tests {
        match test.ask(facts) {
            Some(given) if given == answer => return Some(true),
            Some(_) => {}
            None => depends = true,
        }
    }
    (!depends).then_some(false)
}

impl Operand {
    /// `None` without the message that it is of.
    fn value<'f>(&'f self, facts: &'f Facts<'_>) -> Option<Value<'f>> {
        Some(match self {
            Self::Field(field) if !facts.has_message() && !field.is_of_flow() => return None,
            Self::Field(field) => (field.get)(facts),
            Self::Json(_) if !facts.has_message() => return None,
            Self::Json(steps) => {
                let start = facts.json();
                let found = start.and_then(|start| {
                    steps.iter().try_fold(start, |value, step| match step {
                        Step::Key(key) => value.get(key),
                        Step::Index(index) => value.get(index),
                    })
                });
                found.map_or(Value::Missing, Value::Json)
            }
            Self::Literal(literal) => match literal {
                Literal::Null => Value::Json(&Json::Null),
                Literal::Text(text) => text.as_str().into(),
                Literal::Int(number) => Value::Int(*number),
                Literal::Float(number) => Value::Float(*number),
                Literal::Bool(is) => Value::Bool(*is),
                Literal::Time(at) => Value::Time(*at),
            },
        })
    }
}

impl Field {
    fn is_of_flow(&self) -> bool {
        matches!(self.known, Known::Flow | Known::FlowLater)
    }
}

impl Comparison {
    fn holds(self, one: Value<'_>, other: Value<'_>) -> bool {
        match self {
            Self::Equal => equal(one, other),
            Self::Unequal => !equal(one, other),
            Self::Less => order(one, other) == Some(Ordering::Less),
            Self::LessOrEqual => order(one, other).is_some_and(Ordering::is_le),
            Self::Greater => order(one, other) == Some(Ordering::Greater),
            Self::GreaterOrEqual => order(one, other).is_some_and(Ordering::is_ge),
        }
    }
}

/// What JSON stands for, where it is no object or array.
fn plain(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Json(Json::Bool(is)) => Value::Bool(*is),
        Value::Json(Json::String(text)) => text.as_str().into(),
        Value::Json(Json::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(float)) => Value::Float(float),
            (None, None) => value,
        },
        Value::Json(Json::Null) => Value::Missing,
        value => value,
    }
}

/// What is not there equals null, and nothing else.
fn equal(one: Value<'_>, other: Value<'_>) -> bool {
    match (plain(one), plain(other)) {
        (Value::Missing, Value::Missing) => true,
        (Value::Text(one), Value::Text(other)) => one == other,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Json(one), Value::Json(other)) => one == other,
        (one, other) => order(one, other) == Some(Ordering::Equal),
    }
}

/// Numbers and times have an order; texts have none, and what is not there has none.
fn order(one: Value<'_>, other: Value<'_>) -> Option<Ordering> {
    #[allow(clippy::cast_precision_loss)] // beside a fraction a whole number is compared as one
    match (plain(one), plain(other)) {
        (Value::Int(one), Value::Int(other)) => Some(one.cmp(&other)),
        (Value::Float(one), Value::Float(other)) => one.partial_cmp(&other),
        (Value::Int(one), Value::Float(other)) => (one as f64).partial_cmp(&other),
        (Value::Float(one), Value::Int(other)) => one.partial_cmp(&(other as f64)),
        (Value::Time(one), Value::Time(other)) => Some(one.cmp(&other)),
        _ => None,
    }
}

fn text_of(value: Value<'_>) -> Option<&[u8]> {
    match plain(value) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

impl Pattern {
    fn is_in(&self, text: &[u8]) -> bool {
        match self {
            Self::Contains(part) => part.find(text).is_some(),
            Self::Starts(start) => text.starts_with(start),
            Self::Ends(end) => text.ends_with(end),
            Self::Regex(regex) => regex.is_match(text),
            Self::Net(net) => {
                let ip = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                ip.is_some_and(|ip: IpAddr| net.contains(&ip.to_canonical()))
            }
        }
    }
}
