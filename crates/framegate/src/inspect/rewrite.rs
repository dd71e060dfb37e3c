//! Match and replace: what a rule means in a message gives way to what the rule says.

use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memmem::Finder;
use regex::bytes::Regex;
use serde_json::value::RawValue;

use super::judge::{Answer, Decided, Judge, JudgedFlow, Opinion, Subject};
use crate::config::RewriteRule;
use crate::flow::{Decision, Direction};
use crate::query::{Facts, Filter, FlowFacts, Step, Use, parse_json_path, regex};
use crate::telemetry::JudgeKind;

/// One rule, as it is applied.
#[derive(Debug)]
pub(crate) struct Rewrite {
    /// Who decided, for the record.
    by: String,
    directions: [bool; 2],
    when: Filter,
    what: What,
    with: Vec<u8>,
}

/// What gives way.
#[derive(Debug)]
enum What {
    /// Each place that matches; the replacement may name its groups.
    Regex(Regex),
    /// Each place where these bytes stand.
    Literal(Box<Finder<'static>>),
    /// The value at a place in a JSON text; the replacement is JSON.
    Json(Vec<Step>),
}

impl Rewrite {
    /// # Errors
    /// What is wrong with its filter, its regex or its path.
    pub(crate) fn new(rule: &RewriteRule) -> Result<Self, String> {
        let when = rule.when.as_deref().unwrap_or_default();
        let mut with = rule.replacement.clone().into_bytes();
        let what = match (&rule.pattern, &rule.literal, &rule.json) {
            (Some(pattern), None, None) => What::Regex(regex(pattern)?),
            (None, Some(literal), None) if !literal.is_empty() => {
                What::Literal(Box::new(Finder::new(literal.as_bytes()).into_owned()))
            }
            (None, None, Some(path)) => {
                if serde_json::from_slice::<&RawValue>(&with).is_err() {
                    with = serde_json::Value::from(rule.replacement.as_str())
                        .to_string()
                        .into_bytes();
                }
                What::Json(parse_json_path(path).map_err(|error| error.to_string())?)
            }
            _ => return Err("needs one of pattern, literal and json".to_owned()),
        };
        Ok(Self {
            by: format!("rewrite:{}", rule.id),
            directions: rule.direction.each(),
            when: Filter::parse(when, Use::Rule).map_err(|error| error.to_string())?,
            what,
            with,
        })
    }

    /// Whether it may concern messages of this direction of this flow.
    pub(crate) fn concerns(&self, flow: &FlowFacts<'_>, direction: Direction) -> bool {
        self.directions[direction.index()] && self.when.means_flow(flow) != Some(false)
    }

    /// The payload as the rule wants it; `None`: it finds nothing to replace. What grows beyond `bytes_max` is given up
    /// there, and is still longer than that.
    fn rewritten(&self, payload: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
        let literally = |(): &(), new: &mut Vec<u8>| new.extend_from_slice(&self.with);
        match &self.what {
            What::Regex(regex) if self.with.contains(&b'$') => {
                let found = regex.captures_iter(payload);
                let found = found.filter_map(|groups| Some((groups.get(0)?.range(), groups)));
                replaced(payload, bytes_max, found, |groups, new| groups.expand(&self.with, new))
            }
            What::Regex(regex) => {
                let found = regex.find_iter(payload).map(|found| (found.range(), ()));
                replaced(payload, bytes_max, found, literally)
            }
            What::Literal(literal) => {
                let length = literal.needle().len();
                let found = literal.find_iter(payload).map(|at| (at..at + length, ()));
                replaced(payload, bytes_max, found, literally)
            }
            What::Json(steps) => {
                let at = place(payload, steps)?;
                Some([&payload[..at.start], &self.with, &payload[at.end..]].concat())
            }
        }
    }
}

/// The payload with something else where `found` says. A peer may send a message in which there is nothing but what gives
/// way, and a short thing may give way to a long one: so it ends beyond `bytes_max`.
fn replaced<T>(
    payload: &[u8],
    bytes_max: usize,
    found: impl Iterator<Item = (Range<usize>, T)>,
    put: impl Fn(&T, &mut Vec<u8>),
) -> Option<Vec<u8>> {
    let mut found = found.peekable();
    found.peek()?;
    let (mut new, mut from) = (Vec::with_capacity(payload.len()), 0);
    for (range, with) in found {
        new.extend_from_slice(&payload[from..range.start]);
        put(&with, &mut new);
        from = range.end;
        if new.len() > bytes_max {
            return Some(new);
        }
    }
    new.extend_from_slice(&payload[from..]);
    Some(new)
}

/// Where in a JSON text the value at a path stands. Of a key that an object has twice, the last one counts, as in
/// filters.
fn place(payload: &[u8], steps: &[Step]) -> Option<Range<usize>> {
    let text = std::str::from_utf8(payload).ok()?;
    let mut at = serde_json::from_str::<&RawValue>(text).ok()?;
    for step in steps {
        at = match step {
            Step::Key(key) => serde_json::from_str::<BTreeMap<String, &RawValue>>(at.get())
                .ok()?
                .remove(key)?,
            Step::Index(index) => *serde_json::from_str::<Vec<&RawValue>>(at.get()).ok()?.get(*index)?,
        };
    }
    // What was borrowed from the text stands in it.
    let start = at.get().as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    Some(start..start + at.get().len())
}

/// All rules of one connection, in the order in which they are written.
pub(crate) struct Rewriter(pub(crate) Vec<std::sync::Arc<Rewrite>>);

impl Judge for Rewriter {
    fn kind(&self) -> JudgeKind {
        JudgeKind::Rewrite
    }

    fn judge(&mut self, flow: &JudgedFlow, subject: &Subject, _: &mut Decision) -> Answer {
        let direction = subject.facts.direction.index();
        let bytes_max = usize::try_from(flow.message_bytes_max).unwrap_or(usize::MAX);
        let (mut by, mut now) = (String::new(), None::<Subject>);
        let as_it_came = Facts::new(&flow.facts, subject.message());
        for rule in self.0.iter().filter(|rule| rule.directions[direction]) {
            let means = match &now {
                None => rule.when.means(&as_it_came),
                Some(now) => rule.when.means(&Facts::new(&flow.facts, now.message())),
            };
            if !means {
                continue;
            }
            let seen = now.as_ref().unwrap_or(subject);
            let rewritten = rule.rewritten(&seen.payload, bytes_max);
            // What takes the place of its like has changed nothing.
            let Some(payload) = rewritten.filter(|payload| *payload != *seen.payload) else {
                continue;
            };
            if !by.is_empty() {
                by.push_str(", ");
            }
            by.push_str(&rule.by);
            let is_too_long = payload.len() > bytes_max;
            now = Some(Subject {
                payload: payload.into(),
                ..seen.clone()
            });
            if is_too_long {
                // It cannot be sent, so it will not take the message's place.
                break;
            }
        }
        match now {
            None => Answer::Pass,
            Some(now) => Answer::Decided(Decided {
                opinion: Opinion::Replace {
                    opcode: subject.opcode,
                    payload: std::sync::Arc::unwrap_or_clone(now.payload),
                },
                by,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RuleDirection;

    fn rule(pattern: Option<&str>, literal: Option<&str>, json: Option<&str>, replacement: &str) -> Rewrite {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let rule = RewriteRule {
            id: "x".to_owned(),
            direction: RuleDirection::Both,
            when: None,
            pattern: owned(pattern),
            literal: owned(literal),
            json: owned(json),
            replacement: replacement.to_owned(),
        };
        Rewrite::new(&rule).unwrap_or_else(|error| panic!("{error}"))
    }

    fn rewritten(rule: &Rewrite, payload: &str) -> Option<String> {
        rule.rewritten(payload.as_bytes(), usize::MAX)
            .map(|new| String::from_utf8_lossy(&new).into_owned())
    }

    #[test]
    fn a_regex_replaces_each_match_with_its_groups() {
        let rule = rule(Some(r"(\w+)@(\w+)"), None, None, "$2 at ${1}$$");
        assert_eq!(rewritten(&rule, "a@b, c@d").as_deref(), Some("b at a$, d at c$"));
        assert_eq!(rewritten(&rule, "nothing"), None);
    }

    #[test]
    fn a_literal_is_replaced_wherever_it_stands_and_means_itself() {
        let rule = rule(None, Some("a.b"), None, "$1");
        assert_eq!(rewritten(&rule, "a.b axb a.ba.b").as_deref(), Some("$1 axb $1$1"));
        assert_eq!(rewritten(&rule, "axb"), None);
    }

    #[test]
    fn what_grows_too_long_is_given_up_there() {
        let payload = "a".repeat(1 << 16);
        for rule in [
            rule(None, Some("a"), None, "0123456789"),
            rule(Some("a"), None, None, "0123456789"),
            rule(Some("(a)"), None, None, "${1}123456789"),
            rule(Some("b*"), None, None, "0123456789"),
        ] {
            let given_up = rule.rewritten(payload.as_bytes(), 1 << 16).map(|new| new.len());
            assert!(
                given_up.is_some_and(|len| len > 1 << 16 && len < (1 << 16) + 20),
                "{given_up:?}"
            );
        }
    }

    #[test]
    fn a_json_value_is_replaced_and_nothing_else_is_touched() {
        let text = r#"{ "user" : {"roles":[ "guest" , 1e999],"id":123456789012345678901234567890}, "user" : {"roles":["last"]} }"#;
        let rule = rule(None, None, Some("user.roles[0]"), "admin");
        assert_eq!(
            rewritten(&rule, text).as_deref(),
            Some(
                r#"{ "user" : {"roles":[ "guest" , 1e999],"id":123456789012345678901234567890}, "user" : {"roles":["admin"]} }"#
            )
        );
        let rule = self::rule(None, None, Some(r#"["odd key"]"#), r#"{"a":[true]}"#);
        assert_eq!(
            rewritten(&rule, r#"{"odd\u0020key":null}"#).as_deref(),
            Some(r#"{"odd\u0020key":{"a":[true]}}"#)
        );
        for text in ["", "{", "[1]", r#"{"user":1}"#, r#"{"other key":1}"#] {
            assert_eq!(rewritten(&rule, text), None, "{text}");
        }
    }
}
