//! The safety filter: whether a message has what no message should have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::excerpt::{excerpt, secret_excerpt};
use super::patterns::Patterns;
use super::presets::{self, Confirm, PRESETS};
use super::rule::{Action, Found, Ids, InputRuleSpec, InputSpec, RuleError};
use super::unescape::{between_quotes, each_level, undo};
use crate::config::TOO_LONG;
use crate::query::{Facts, Filter, FlowFacts, MessageFacts, Use};

/// The rules of the safety filter. Cheap to clone; the clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct InputRules(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    /// In the order in which they are asked: presets, then rules.
    all: Vec<Rule>,
    patterns: Patterns,
    /// For each pattern the place of its rule.
    rule_of: Vec<usize>,
    /// Messages that each rule was found in, and behind them those that were not read for their length.
    counts: Vec<Count>,
}

#[derive(Debug)]
struct Count {
    rule_id: Arc<str>,
    action: Action,
    messages: AtomicU64,
}

#[derive(Debug)]
struct Rule {
    id: Arc<str>,
    action: Action,
    has_pattern: bool,
    only_if: Option<Confirm>,
    when: Option<(Filter, String)>,
    is_secret: bool,
}

impl InputRules {
    /// # Errors
    /// Names the rule or preset that cannot be used, and what is wrong with it.
    pub(crate) fn new(spec: &InputSpec) -> Result<Self, RuleError> {
        let mut ids = Ids::default();
        let mut all = Vec::new();
        let mut patterns = Vec::new();
        let mut rule_of = Vec::new();
        for name in &spec.presets {
            let preset =
                presets::find(name).ok_or_else(|| RuleError::preset(name, &PRESETS.map(|preset| preset.name)))?;
            for rule in preset.rules {
                let id = format!("{}/{}", preset.name, rule.name);
                ids.give(&id)?;
                rule_of.push(all.len());
                patterns.push(preset.pattern(rule));
                all.push(Rule {
                    id: id.into(),
                    action: spec.action,
                    has_pattern: true,
                    only_if: rule.only_if,
                    when: None,
                    is_secret: preset.secret,
                });
            }
        }
        for rule in &spec.rules {
            ids.give(&rule.id)?;
            if let Some(pattern) = &rule.pattern {
                rule_of.push(all.len());
                patterns.push(pattern.clone());
            }
            all.push(own_rule(rule, spec.action)?);
        }
        let patterns = Patterns::new(&patterns)
            .map_err(|(number, what)| RuleError::new(&*all[rule_of[number]].id, format!("its pattern: {what}")))?;
        let mut counted: Vec<_> = all.iter().map(|rule| (rule.id.clone(), rule.action)).collect();
        counted.push((TOO_LONG.into(), spec.action));
        let count = |(rule_id, action)| Count {
            rule_id,
            action,
            messages: AtomicU64::new(0),
        };
        Ok(Self(Arc::new(Rules {
            counts: counted.into_iter().map(count).collect(),
            all,
            patterns,
            rule_of,
        })))
    }

    /// Whether there is nothing to ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    /// Counts a message that this rule was found in.
    pub(crate) fn count(&self, rule_id: &str) {
        let mut counts = self.0.counts.iter();
        if let Some(count) = counts.find(|count| &*count.rule_id == rule_id) {
            count.messages.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each rule, what becomes of messages that it is found in, and how many that were.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, Action, u64)> {
        let counts = self.0.counts.iter();
        counts.map(|count| (&*count.rule_id, count.action, count.messages.load(Ordering::Relaxed)))
    }

    /// The first rule that blocks, or else the first that logs, in the order of presets and then rules.
    pub(crate) fn check(&self, flow: &FlowFacts<'_>, message: MessageFacts<'_>) -> Option<Found> {
        let facts = Facts::new(flow, message);
        let mut search = Search {
            rules: &self.0,
            facts,
            best: None,
        };
        search.ask_conditions();
        each_level(message.body, |text, depth| search.ask_patterns(text, depth));
        search.best.map(|(_, found)| found)
    }
}

fn own_rule(spec: &InputRuleSpec, action: Action) -> Result<Rule, RuleError> {
    let wrong = |what: String| RuleError::new(&spec.id, what);
    if spec.pattern.is_none() && spec.when.is_none() {
        return Err(wrong("has neither a pattern nor a condition".to_owned()));
    }
    let when = match &spec.when {
        Some(text) => {
            let filter = Filter::parse(text, Use::Rule).map_err(|error| wrong(error.to_string()))?;
            Some((filter, text.clone()))
        }
        None => None,
    };
    Ok(Rule {
        id: spec.id.as_str().into(),
        action: spec.action.unwrap_or(action),
        has_pattern: spec.pattern.is_some(),
        only_if: None,
        when,
        is_secret: false,
    })
}

/// What comes first: blocking before logging, then the place among the rules.
type Rank = (bool, usize);

struct Search<'a> {
    rules: &'a Rules,
    facts: Facts<'a>,
    best: Option<(Rank, Found)>,
}

impl Search<'_> {
    /// The rules without a pattern.
    fn ask_conditions(&mut self) {
        for (place, rule) in self.rules.all.iter().enumerate().filter(|(_, rule)| !rule.has_pattern) {
            if let Some((_, condition)) = &rule.when {
                self.consider(place, || Some(excerpt(condition.as_bytes())));
            }
        }
    }

    /// The patterns, of a text and of what stands between quotes in it.
    fn ask_patterns(&mut self, text: &[u8], depth: usize) {
        let patterns = &self.rules.patterns;
        let found = if patterns.any(text) {
            patterns.found(text)
        } else {
            Vec::new()
        };
        for number in &found {
            self.ask(*number, text);
        }
        let confirmed = |number: &usize| self.rules.all[self.rules.rule_of[*number]].only_if.is_some();
        let pending: Vec<usize> = found.into_iter().filter(confirmed).collect();
        if pending.is_empty() && !patterns.has_anchored() {
            return;
        }
        let mut undone = Vec::new();
        for range in between_quotes(text, depth).filter(|range| range.len() < text.len()) {
            let string = if undo(&text[range.clone()], &mut undone, |_| {}) {
                &undone
            } else {
                &text[range]
            };
            for number in patterns.found_anchored(string).iter().chain(&pending) {
                self.ask(*number, string);
            }
        }
    }

    fn ask(&mut self, number: usize, text: &[u8]) {
        let place = self.rules.rule_of[number];
        let rule = &self.rules.all[place];
        let regex = self.rules.patterns.regex(number);
        self.consider(place, || {
            if let Some(confirm) = rule.only_if {
                return confirm(text).map(|matched| excerpt(&matched));
            }
            let matched = regex.find(text)?.as_bytes();
            let shown = if rule.is_secret { secret_excerpt } else { excerpt };
            Some(shown(matched))
        });
    }

    /// Keeps the rule if it comes before what was found so far, and holds.
    fn consider(&mut self, place: usize, holds: impl FnOnce() -> Option<String>) {
        let rule = &self.rules.all[place];
        let rank = (rule.action == Action::LogOnly, place);
        if self.best.as_ref().is_some_and(|(best, _)| *best <= rank) {
            return;
        }
        let Some(matched_on) = holds() else { return };
        if let Some((filter, _)) = &rule.when
            && !filter.means(&self.facts)
        {
            return;
        }
        let found = Found {
            rule_id: rule.id.clone(),
            matched_on,
            action: rule.action,
        };
        self.best = Some((rank, found));
    }
}
