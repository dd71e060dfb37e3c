//! The redactor: secrets and personal data taken out of a text.

mod detect;
mod personal;
mod ranges;
mod json;

use std::cell::LazyCell;
use std::ops::Range;

use super::rule::{OutputRuleSpec, RuleError};
use detect::{Detectors, is_covered};
use ranges::Hit;

#[cfg(test)]
pub(super) use detect::PRESETS;

/// A secret that is no longer than this is seen whole, wherever a text is cut.
const MARGIN_BYTES: usize = 16 << 10;
/// What was taken out may bring together what was apart, so it is looked at again, so often at the most.
const PASSES_MAX: usize = 4;

/// Takes out what its rules match.
#[derive(Debug)]
pub(crate) struct Redactor {
    detectors: Detectors,
}

/// A text without what was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redacted<'a> {
    /// What is left, with the replacements.
    pub(crate) text: Vec<u8>,
    /// The names of the presets and rules that matched, each once, in the order of the text.
    pub(crate) rules: Vec<&'a str>,
}

impl Redactor {
    /// # Errors
    /// Names the rule or preset that cannot be used, and what is wrong with it.
    pub(crate) fn new(presets: &[String], rules: &[OutputRuleSpec]) -> Result<Self, RuleError> {
        Ok(Self {
            detectors: Detectors::new(presets, rules)?,
        })
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.detectors.is_empty()
    }

    /// How many bytes behind a cut [`redact_cut`](Self::redact_cut) wants to see.
    pub(crate) fn margin_bytes() -> usize {
        MARGIN_BYTES
    }

    /// The text without secrets; `None`: there is nothing to take out. Valid JSON stays valid.
    pub(crate) fn redact(&self, text: &[u8]) -> Option<Redacted<'_>> {
        self.redact_cut(text, text.len())
    }

    /// The same of a text that is kept up to `keep`, with as much as there is behind that, up to
    /// [`margin_bytes`](Self::margin_bytes). A secret that begins before the cut is replaced as a whole, so what is
    /// left may be a little longer than `keep`. `None`: nothing of what is kept is to be taken out.
    pub(crate) fn redact_cut(&self, text: &[u8], keep: usize) -> Option<Redacted<'_>> {
        let mut keep = keep.min(text.len());
        let mut rules = Vec::new();
        let mut this: Option<Vec<u8>> = None;
        for _ in 0..PASSES_MAX {
            let text = this.as_deref().unwrap_or(text);
            if !self.detectors.may_match(text) {
                break;
            }
            let (hits, matched) = self.hits(text, keep);
            if hits.is_empty() {
                break;
            }
            for name in matched {
                if !rules.contains(&name) {
                    rules.push(name);
                }
            }
            let (next, kept) = ranges::replace(text, &hits, keep, |rule| self.detectors.replacement(rule));
            (this, keep) = (Some(next), kept);
        }
        let mut text = this?;
        text.truncate(keep);
        Some(Redacted { text, rules })
    }

    /// What begins before `keep` and is to be replaced, in order and apart from each other; and whose it is.
    fn hits(&self, text: &[u8], keep: usize) -> (Vec<Hit>, Vec<&str>) {
        let tokens = LazyCell::new(|| json::tokens(text));
        let mut found = self.detectors.hits(text, &|| tokens.is_some());
        found.retain(|hit| !self.is_replacement(text, hit));
        if found.is_empty() {
            return Default::default();
        }
        if simdutf8::basic::from_utf8(text).is_ok() {
            found.iter_mut().for_each(|hit| whole_characters(text, &mut hit.range));
        }
        found.sort_by_key(|hit| (hit.range.start, hit.rule));
        let hits = ranges::merge(found.clone());
        let mut hits = match &*tokens {
            Some(tokens) => json::clip(hits, tokens),
            None => json::quote_numbers(text, hits),
        };
        hits.retain(|hit| hit.range.start < keep && !self.is_replacement(text, hit));
        let is_taken_out = |hit: &&Hit| hit.range.start < keep && is_covered(&hits, &hit.range);
        let rules = found
            .iter()
            .filter(is_taken_out)
            .map(|hit| self.detectors.name(hit.rule))
            .collect();
        (hits, rules)
    }

    /// Whether this stands there because it was put there.
    fn is_replacement(&self, text: &[u8], hit: &Hit) -> bool {
        text[hit.range.clone()] == *self.detectors.replacement(hit.rule).as_bytes()
    }
}

/// Half a character is no text.
fn whole_characters(text: &[u8], range: &mut Range<usize>) {
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    while is_inside(range.start) {
        range.start -= 1;
    }
    while is_inside(range.end) {
        range.end += 1;
    }
}
