//! What the redactor looks for, and where it is in a text.

use std::ops::Range;

use regex::bytes::Regex;

use super::super::patterns::{Patterns, properties};
use super::super::presets::{CREDENTIALS, redacted_by};
use super::super::rule::{Ids, OutputRuleSpec, RuleError};
use super::super::unescape::{between_quotes, each_level, undo};
use super::personal::{CARD, EMAIL, MY_NUMBER, PHONE, cards, is_phone, my_numbers};
use super::ranges::{Hit, Level, merge};

/// The presets, in the order in which they are documented.
pub(in super::super) const PRESETS: [&str; 7] = [
    "credit-card",
    "email",
    "phone",
    "japan-my-number",
    "api-key",
    "jwt",
    "private-key",
];

macro_rules! pem {
    ($end:literal) => {
        concat!(
            r"(?s-u)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
            $end,
            ")"
        )
    };
}

/// All that is looked for. The number of a detector is that of its pattern.
#[derive(Debug)]
pub(super) struct Detectors {
    all: Vec<Detector>,
    patterns: Patterns,
}

#[derive(Debug)]
struct Detector {
    name: String,
    replacement: String,
    find: Find,
}

/// How it is found where the pattern is found.
#[derive(Debug)]
enum Find {
    /// What the pattern matches.
    Match,
    /// What the first group of the pattern matches that takes part, if it has any.
    Group,
    /// What the pattern matches and this confirms.
    Checked(fn(&[u8], &Range<usize>) -> bool),
    /// What this finds.
    Scan(fn(&[u8]) -> Vec<Range<usize>>),
    /// From a beginning to an end.
    Block {
        closed: Regex,
        /// Without an end it goes to that of the text.
        open: Regex,
    },
}

impl Detectors {
    pub(super) fn new(presets: &[String], rules: &[OutputRuleSpec]) -> Result<Self, RuleError> {
        let mut ids = Ids::default();
        let mut all = Vec::new();
        let mut patterns = Vec::new();
        for preset in presets {
            ids.give(preset)?;
            for (pattern, find) in of_preset(preset).ok_or_else(|| RuleError::preset(preset, &PRESETS))? {
                patterns.push(pattern);
                all.push(Detector {
                    name: preset.clone(),
                    replacement: format!("[redacted:{preset}]"),
                    find,
                });
            }
        }
        for rule in rules {
            ids.give(&rule.id)?;
            check(rule).map_err(|what| RuleError::new(&rule.id, what))?;
            patterns.push(rule.pattern.clone());
            all.push(Detector {
                name: rule.id.clone(),
                replacement: rule.replacement.clone(),
                find: Find::Match,
            });
        }
        let patterns = Patterns::new(&patterns)
            .map_err(|(number, what)| RuleError::new(&all[number].name, format!("its pattern: {what}")))?;
        Ok(Self { all, patterns })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn name(&self, rule: usize) -> &str {
        &self.all[rule].name
    }

    pub(super) fn replacement(&self, rule: usize) -> &str {
        &self.all[rule].replacement
    }

    /// Whether there may be anything. Takes no memory for a text without escapes.
    pub(super) fn may_match(&self, text: &[u8]) -> bool {
        let mut may = false;
        each_level(text, |level, depth| {
            may = may || self.patterns.any(level) || self.may_match_between_quotes(level, depth);
        });
        may
    }

    fn may_match_between_quotes(&self, text: &[u8], depth: usize) -> bool {
        let mut undone = Vec::new();
        self.patterns.has_anchored()
            && between_quotes(text, depth).any(|string| {
                let part = &text[string];
                let is_undone = undo(part, &mut undone, |_| {});
                self.patterns.any_anchored(if is_undone { &undone } else { part })
            })
    }

    /// Everything that is to be taken out of the text as it is and with its escapes undone, by its place in the text as
    /// it is. No escape is halved. In JSON a block without an end goes to the end of its string.
    pub(super) fn hits(&self, text: &[u8], is_json: &dyn Fn() -> bool) -> Vec<Hit> {
        let levels = Level::all_below(text);
        let mut hits: Vec<Hit> = Vec::new();
        // The deepest first: what is found there needs no more of the escapes above than it takes.
        for depth in (0..=levels.len()).rev() {
            let (above, below) = levels.split_at(depth);
            let view = above.last().map_or(text, |level| &level.text);
            let to_text = |range| above.iter().rev().fold(range, |range, level| level.above(range));
            let deeper = merge(hits.clone());
            for (rule, range) in self.found(view, depth, is_json) {
                let range = match below.first() {
                    Some(next) => {
                        let is_known = is_covered(&deeper, &to_text(range.clone()));
                        next.whole_escapes(range, !is_known)
                    }
                    None => range,
                };
                hits.push(Hit {
                    range: to_text(range),
                    rule,
                    quoted: false,
                });
            }
        }
        hits
    }

    fn found(&self, view: &[u8], depth: usize, is_json: &dyn Fn() -> bool) -> Vec<(usize, Range<usize>)> {
        let mut found = Vec::new();
        let numbers = self.patterns.found(view);
        let is_block = |number: &usize| matches!(self.all[*number].find, Find::Block { .. });
        let mut blocks: Vec<usize> = numbers.iter().copied().filter(is_block).collect();
        blocks.retain(|_| is_json());
        for number in numbers {
            let ranges = self.ranges(number, view, !blocks.contains(&number));
            found.extend(ranges.into_iter().map(|range| (number, range)));
        }
        if !self.patterns.has_anchored() && blocks.is_empty() {
            return found;
        }
        for string in between_quotes(view, depth).filter(|string| string.len() < view.len()) {
            let part = &view[string.clone()];
            let mut add = |number: usize, range: Range<usize>| {
                found.push((number, string.start + range.start..string.start + range.end));
            };
            for number in &blocks {
                for range in self.ranges(*number, part, true) {
                    add(*number, range);
                }
            }
            if self.patterns.has_anchored() {
                self.found_anchored(part, add);
            }
        }
        found
    }

    /// What stands between two quotes, its escapes undone, held against the patterns that ask where a text ends.
    fn found_anchored(&self, string: &[u8], mut add: impl FnMut(usize, Range<usize>)) {
        let level = Level::below(string);
        let inside = level.as_ref().map_or(string, |level| &level.text);
        for number in self.patterns.found_anchored(inside) {
            for range in self.ranges(number, inside, true) {
                add(number, level.as_ref().map_or(range.clone(), |level| level.above(range)));
            }
        }
    }

    fn ranges(&self, number: usize, text: &[u8], to_the_end: bool) -> Vec<Range<usize>> {
        let regex = self.patterns.regex(number);
        match &self.all[number].find {
            Find::Match => regex.find_iter(text).map(|found| found.range()).collect(),
            Find::Group => regex
                .captures_iter(text)
                .filter_map(|found| {
                    let mut groups = found.iter().flatten();
                    let whole = groups.next()?;
                    Some(groups.next().unwrap_or(whole).range())
                })
                .collect(),
            Find::Checked(check) => checked(regex, text, *check),
            Find::Scan(scan) => scan(text),
            Find::Block { closed, open } => {
                let regex = if to_the_end { open } else { closed };
                regex.find_iter(text).map(|found| found.range()).collect()
            }
        }
    }
}

/// What the pattern matches and `check` confirms. Behind what it refuses, the search goes on at the next character.
fn checked(regex: &Regex, text: &[u8], check: fn(&[u8], &Range<usize>) -> bool) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(found) = regex.find_at(text, at) {
        let range = found.range();
        if check(text, &range) {
            at = range.end;
            ranges.push(range);
        } else {
            at = range.start + 1;
        }
    }
    ranges
}

/// Whether one of the hits, which are in order and apart, has something of the range.
pub(super) fn is_covered(hits: &[Hit], range: &Range<usize>) -> bool {
    let next = hits.partition_point(|hit| hit.range.end <= range.start);
    hits.get(next).is_some_and(|hit| hit.range.start < range.end)
}

/// The patterns of a preset and how each is used; `None`: there is no such preset.
fn of_preset(name: &str) -> Option<Vec<(String, Find)>> {
    let one = |pattern: &str, find| Some(vec![(pattern.to_owned(), find)]);
    match name {
        "credit-card" => one(CARD, Find::Scan(cards)),
        "email" => one(EMAIL, Find::Match),
        "phone" => one(PHONE, Find::Checked(is_phone)),
        "japan-my-number" => one(MY_NUMBER, Find::Scan(my_numbers)),
        "api-key" | "jwt" | "private-key" => Some(
            CREDENTIALS
                .rules
                .iter()
                .filter(|rule| redacted_by(rule) == name)
                .map(|rule| (CREDENTIALS.pattern(rule), credential(name)))
                .collect(),
        ),
        _ => None,
    }
}

fn credential(preset: &str) -> Find {
    let compile = |pattern| Regex::new(pattern).expect("patterns of presets are tested");
    match preset {
        "private-key" => Find::Block {
            closed: compile(pem!("")),
            open: compile(pem!(r"|\z")),
        },
        _ => Find::Group,
    }
}

/// What is wrong with a rule besides its pattern being none.
fn check(rule: &OutputRuleSpec) -> Result<(), String> {
    let properties = properties(&rule.pattern).map_err(|what| format!("its pattern: {what}"))?;
    if properties.minimum_len() == Some(0) {
        return Err("its pattern matches nothing at all, so there is nothing to take out".to_owned());
    }
    let is_plain = |char: char| !char.is_control() && !matches!(char, '"' | '\\');
    if !rule.replacement.chars().all(is_plain) {
        return Err(
            "its replacement has a quote, a backslash or a control character, which would break JSON".to_owned(),
        );
    }
    Ok(())
}
