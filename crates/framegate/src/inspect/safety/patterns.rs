//! Regular expressions that are asked all at once.

use std::fmt;

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Properties;

use crate::query::regex;

/// So much may all patterns take together when they are compiled.
const SET_BYTES_MAX: usize = 64 << 20;
/// So much may what is remembered of earlier texts take, for each thread.
const CACHE_BYTES_MAX: usize = 8 << 20;

/// Patterns, each with its number.
#[derive(Debug)]
pub(super) struct Patterns {
    each: Vec<Regex>,
    /// All but those with a word boundary of Unicode. They would make every other one as slow as themselves where a
    /// text has more than ASCII.
    most: Group,
    wordy: Group,
    /// Of all of these, those that ask where a text begins or ends.
    anchored: Group,
}

/// Some of the patterns.
struct Group {
    set: RegexSet,
    numbers: Vec<usize>,
}

/// The pattern that is wrong, by its number, and why.
pub(super) type PatternError = (usize, String);

impl Patterns {
    /// # Errors
    /// When a pattern is none, or takes too much memory.
    pub(super) fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let mut each = Vec::with_capacity(patterns.len());
        let (mut most, mut wordy, mut anchored) = (Vec::new(), Vec::new(), Vec::new());
        for (number, pattern) in patterns.iter().enumerate() {
            let properties = properties(pattern).map_err(|what| (number, what))?;
            each.push(regex(pattern).map_err(|what| (number, what))?);
            let looks = properties.look_set();
            let group = if looks.contains_word_unicode() {
                &mut wordy
            } else {
                &mut most
            };
            group.push(number);
            if looks.contains_anchor() {
                anchored.push(number);
            }
        }
        Ok(Self {
            each,
            most: Group::new(patterns, most)?,
            wordy: Group::new(patterns, wordy)?,
            anchored: Group::new(patterns, anchored)?,
        })
    }

    /// The pattern of that number.
    pub(super) fn regex(&self, number: usize) -> &Regex {
        &self.each[number]
    }

    /// Whether any of them is found. Takes no memory.
    pub(super) fn any(&self, text: &[u8]) -> bool {
        self.most.any(text) || self.wordy.any(text)
    }

    /// The numbers of those that are found, ascending within each group. Each is asked on its own: to find all of them
    /// in one pass takes a hundred times as long where a text has a little of many.
    pub(super) fn found(&self, text: &[u8]) -> Vec<usize> {
        self.found_of(&[&self.most, &self.wordy], text)
    }

    fn found_of(&self, groups: &[&Group], text: &[u8]) -> Vec<usize> {
        let likely = groups.iter().filter(|group| group.any(text));
        let numbers = likely.flat_map(|group| group.numbers.iter().copied());
        numbers.filter(|number| self.each[*number].is_match(text)).collect()
    }

    /// Whether some of them ask where a text begins or ends.
    pub(super) fn has_anchored(&self) -> bool {
        !self.anchored.numbers.is_empty()
    }

    /// Whether any of those is found.
    pub(super) fn any_anchored(&self, text: &[u8]) -> bool {
        self.anchored.any(text)
    }

    /// The same as [`found`](Self::found), of those that ask where a text begins or ends.
    pub(super) fn found_anchored(&self, text: &[u8]) -> Vec<usize> {
        self.found_of(&[&self.anchored], text)
    }
}

impl Group {
    fn new(patterns: &[String], numbers: Vec<usize>) -> Result<Self, PatternError> {
        let set = RegexSetBuilder::new(numbers.iter().map(|number| &patterns[*number]))
            .size_limit(SET_BYTES_MAX)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .build();
        match set {
            Ok(set) => Ok(Self { set, numbers }),
            // Each was fine alone, so together they are too large: say so of the last one.
            Err(_) => Err((
                numbers.last().copied().unwrap_or_default(),
                format!("all patterns together take more than {SET_BYTES_MAX} bytes"),
            )),
        }
    }

    fn any(&self, text: &[u8]) -> bool {
        !self.numbers.is_empty() && self.set.is_match(text)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} patterns", self.numbers.len())
    }
}

/// What a pattern can match.
///
/// # Errors
/// When it is none.
pub(super) fn properties(pattern: &str) -> Result<Properties, String> {
    ParserBuilder::new()
        .utf8(false)
        .build()
        .parse(pattern)
        .map(|hir| hir.properties().clone())
        .map_err(|error| in_a_line(&error.to_string()))
}

/// The last line says what is wrong; those before draw the pattern.
fn in_a_line(error: &str) -> String {
    let last = error.trim().lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn patterns(patterns: &[&str]) -> Result<Patterns, PatternError> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Patterns::new(&patterns)
    }

    #[test]
    fn patterns_are_found_by_their_numbers() {
        let patterns = patterns(&[r"\bzoë\b", "b", "^c", r"(?-u:\ba\b)"]).unwrap();
        let found = |text: &str| {
            let mut found = patterns.found(text.as_bytes());
            found.sort_unstable();
            found
        };
        assert_eq!(found("c zoë b a"), [0, 1, 2, 3]);
        assert_eq!(found("xc"), [0; 0]);
        assert_eq!(patterns.found_anchored("c zoë b a".as_bytes()), [2]);
        assert!(patterns.any("a zoë".as_bytes()) && !patterns.any("zoës".as_bytes()));
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let (number, what) = patterns(&["a", "b("]).unwrap_err();
        assert_eq!((number, what.as_str()), (1, "unclosed group"));
        let (number, what) = patterns(&[r"\w{1000}{1000}"]).unwrap_err();
        assert!(number == 0 && what.contains("size"), "{what}");
    }

    #[test]
    fn none_at_all_are_never_found() {
        let none = patterns(&[]).unwrap();
        assert!(!none.any(b"") && none.found(b"x").is_empty() && !none.has_anchored());
    }
}
